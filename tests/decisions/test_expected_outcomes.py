"""The outcome a score lets expect under each action."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.decisions.expected_outcomes import Ratio, responses

ACTIONS = ("none", "prompt")


def experiment(n: int, seed: int) -> tuple[Users, np.ndarray, np.ndarray]:
    """Users of a randomised prompt whose log-odds it lifts by 1, more often given to those of high score."""
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 5, n)
    chance = np.stack([1 - (0.2 + 0.6 * score), 0.2 + 0.6 * score], axis=1)
    action = (rng.random(n) < chance[:, 1]).astype(np.int64)
    truth = np.stack([score, expit(logit(score) + 1)], axis=1)
    outcome = (rng.random(n) < truth[np.arange(n), action]).astype(np.int64)
    users = Users(
        features=pd.DataFrame({"x": score}),
        outcome=outcome,
        user_id=np.arange(n).astype(str).astype(object),
        contract=FeatureSchema((Column("x", "number"),), "paid"),
        actions=ACTIONS,
        action=action,
        logging_probability=chance,
        truth=truth,
    )
    return users, score, truth


@pytest.mark.parametrize(("kind", "within"), [("truth", 1e-3), ("experiment", 0.02), ("logged", 0.02)])
def test_what_each_action_does_is_learnt_from_those_who_got_it(kind, within):
    users, score, truth = experiment(60_000, seed=1)
    found = responses(kind, users, score, ACTIONS, np.ones(2))
    for k, action in enumerate(ACTIONS):
        assert np.abs(found[action](score) - truth[:, k]).mean() < within


def test_few_outcomes_move_the_level_only():
    users, score, _ = experiment(120, seed=2)
    few = users.take(np.flatnonzero((users.outcome == 0) | (np.arange(120) < 40)))
    found = responses("experiment", few, few.features["x"].to_numpy(), ACTIONS, np.ones(2))
    assert [response.slope for response in found.values()] == [1, 1]
    assert all(np.isfinite(response(score)).all() for response in found.values())


@pytest.mark.parametrize("kind", ["experiment", "logged"])
def test_of_an_action_nobody_got_nothing_is_said(kind):
    users, score, _ = experiment(2000, seed=3)
    alone = np.flatnonzero(users.action == 0)
    found = responses(kind, users.take(alone), score[alone], ACTIONS, np.ones(2))
    assert found["prompt"] is None
    assert found["none"] is not None


@pytest.mark.parametrize(("good", "expected"), [(True, [0.2, 1.0]), (False, [0.0, 0.6])])
def test_a_stated_response_multiplies_the_chance_of_paying_and_never_passes_one(good, expected):
    assert Ratio(ratio=2.0, good=good)(np.array([0.1, 0.8])) == pytest.approx(expected)
