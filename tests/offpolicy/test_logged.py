"""Chances of actions that nobody wrote down: estimated on other users, calibrated, good enough to find the truth."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.data.generators.world import World
from tippingpoint.data.users import Users
from tippingpoint.evaluation import calibration_line
from tippingpoint.experiment.evidence import fit_logging, gather_evidence, log_of
from tippingpoint.offpolicy.evidence import Evidence
from tippingpoint.offpolicy.value import policy_value

pytestmark = pytest.mark.worlds

WORLDS = ("case_study", "streamzone", "retention")
NO_RESPONSE = np.ones(3)


@cache
def world(name: str) -> tuple[World, Users, Users]:
    """A world that acts by score, its chances forgotten: users to fit on, and others."""
    overrides = [f"data={name}", "data.logging.kind=by_score", "data.logging.slope=1.5", "data.users=16000"]
    made = Settings.from_config(compose("run", overrides)).data.build(World, "data")
    users = made.load()
    return made, users.take(np.arange(10_000)), users.take(np.arange(10_000, 16_000))


@pytest.mark.parametrize("name", WORLDS)
def test_where_features_say_what_drove_the_action_the_truth_is_found(name: str):
    made, train, users = world(name)
    score = made.score(users)
    decision = np.digitize(score, np.quantile(score, [0.5, 0.75]))
    found, true = (
        policy_value(of, np.zeros(3), np.ones(3), decision).uplift
        for of in (gather_evidence("logged", train, users, NO_RESPONSE, 0), Evidence("truth", users.truth))
    )
    assert abs(found.value - true.value) < 3 * found.se


@pytest.mark.parametrize("name", WORLDS)
def test_estimated_chances_are_calibrated_and_near_the_true_ones(name: str):
    _, train, users = world(name)
    chances = fit_logging(train, 0)(users.features)
    assert chances.sum(axis=1) == pytest.approx(1)
    for action in range(3):
        slope, intercept = calibration_line((users.action == action).astype(int), chances[:, action])
        assert slope.value == pytest.approx(1, abs=0.2)
        assert intercept.value == pytest.approx(0, abs=0.15)
    assert np.abs(chances - users.logging_probability).mean() < 0.05


def test_what_happened_to_a_user_is_not_in_what_is_predicted_of_them():
    _, train, users = world("case_study")
    other = replace(users, outcome=1 - users.outcome, action=(users.action + 1) % 3)
    before, after = (log_of("logged", train, of, 0) for of in (users, other))
    np.testing.assert_array_equal(before.logging_probability, after.logging_probability)
    np.testing.assert_array_equal(before.predicted, after.predicted)


def test_an_action_hardly_ever_taken_has_its_share_as_its_chance():
    _, train, users = world("case_study")
    rare = train.take(np.r_[np.flatnonzero(train.action != 2), np.flatnonzero(train.action == 2)[:90]])
    chances = fit_logging(rare, 0)(users.features)
    assert chances[:, 2] == pytest.approx(np.full(len(users), max(90 / len(rare), 0.01)))
    alone = train.take(np.flatnonzero(train.action == 0))
    assert fit_logging(alone, 0)(users.features)[:, 0] == pytest.approx(np.full(len(users), 0.98))
