"""The outcome to expect under each action, of a score and of who the user is."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.decisions.expected_outcomes import Ratio, Response, responses
from tippingpoint.economics import Economics
from tippingpoint.experiment.user_effects import effect_tables

ACTIONS = ("none", "prompt")


def learnt(kind: str, users: Users, score: np.ndarray) -> dict[str, Response | None]:
    """Responses of a score, with effects learnt from half of the users and calibrated on the others."""
    half = np.arange(len(users)) % 2 == 0
    train, validation = users.take(np.flatnonzero(half)), users.take(np.flatnonzero(~half))
    effects = effect_tables(kind, train, validation, ACTIONS, Economics(price=10), seed=0)
    return responses(kind, validation, score[~half], ACTIONS, np.ones(2), effects)


def experiment(n: int, seed: int) -> tuple[Users, np.ndarray, np.ndarray]:
    """Users of a randomised prompt whose log-odds it lifts by 1, more often given to those of high score."""
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 5, n)
    chance = np.stack([1 - (0.2 + 0.6 * score), 0.2 + 0.6 * score], axis=1)
    action = (rng.random(n) < chance[:, 1]).astype(np.int64)
    truth = np.stack([score, expit(logit(score) + 1)], axis=1)
    outcome = (rng.random(n) < truth[np.arange(n), action]).astype(np.int64)
    users = Users(
        features=pd.DataFrame({"x": score, "days": rng.exponential(30, n)}),
        outcome=outcome,
        user_id=np.arange(n).astype(str).astype(object),
        contract=FeatureSchema((Column("x", "number"), Column("days", "number")), "paid"),
        actions=ACTIONS,
        action=action,
        logging_probability=chance,
        truth=truth,
    )
    return users, score, truth


@pytest.mark.parametrize(("kind", "within"), [("truth", 0.01), ("experiment", 0.02), ("logged", 0.02)])
def test_what_each_action_does_is_learnt_from_those_who_got_it(kind, within):
    users, score, truth = experiment(60_000, seed=1)
    found = learnt(kind, users, score)
    for k, action in enumerate(ACTIONS):
        assert np.abs(found[action](score, users.features) - truth[:, k]).mean() < within


def test_few_outcomes_move_the_level_only():
    users, score, _ = experiment(120, seed=2)
    few = users.take(np.flatnonzero((users.outcome == 0) | (np.arange(120) < 40)))
    found = responses("experiment", few, few.features["x"].to_numpy(), ACTIONS, np.ones(2))
    assert found["none"].slope == 1
    assert np.isfinite(found["none"](score, users.features)).all()


@pytest.mark.parametrize("kind", ["experiment", "logged"])
def test_of_an_action_nobody_got_nothing_is_said(kind):
    users, score, _ = experiment(2000, seed=3)
    alone = np.flatnonzero(users.action == 0)
    found = learnt(kind, users.take(alone), score[alone])
    assert found["prompt"] is None
    assert found["none"] is not None


def test_what_an_action_adds_follows_the_user_and_not_the_score():
    users, score, _ = experiment(40_000, seed=4)
    away = users.features["days"].to_numpy() > 30
    truth = np.stack([score, score + np.where(away, 0.1, -0.1)], axis=1).clip(0, 1)
    users = replace(users, truth=truth)
    found = learnt("truth", users, score)
    gain = found["prompt"](score, users.features) - found["none"](score, users.features)
    assert gain[away].mean() == pytest.approx((truth[:, 1] - truth[:, 0])[away].mean(), abs=0.02)
    assert (gain[away] > 0).mean() > 0.9
    assert (gain[~away] < 0).mean() > 0.9


@pytest.mark.parametrize(("good", "expected"), [(True, [0.2, 1.0]), (False, [0.0, 0.6])])
def test_a_stated_response_multiplies_the_chance_of_paying_and_never_passes_one(good, expected):
    assert Ratio(ratio=2.0, good=good)(np.array([0.1, 0.8]), {}) == pytest.approx(expected)
