"""Outcomes come of the truth that a world tells of itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from tests.data.generators.worlds import built, each_kind, each_world, many
from tippingpoint.data.generators.world import Responses


@each_world
@each_kind
def test_outcomes_came_from_the_truth_of_the_action_taken(name, kind):
    users = many(name, kind)
    for action in range(len(users.actions)):
        took = users.action == action
        p = users.truth[took, action]
        error = np.sqrt((p * (1 - p)).sum()) / took.sum()
        assert abs(users.outcome[took].mean() - p.mean()) < 4 * error


@each_world
def test_all_four_ways_of_responding_are_there_in_the_shares_asked_for(name):
    users, shares = many(name), built(name).responses
    uplift = users.truth[:, 1:] - users.truth[:, :1]
    none = np.all(uplift == 0, axis=1)
    error = 5 * np.sqrt(0.25 / len(users)) + 0.01  # the world's weights are fitted on one block
    assert np.all(uplift > 0, axis=1).mean() == pytest.approx(shares.persuadable, abs=error)
    assert np.all(uplift < 0, axis=1).mean() == pytest.approx(shares.sleeping_dog, abs=error)
    assert none.mean() == pytest.approx(shares.sure_thing + shares.lost_cause, abs=error)
    sure = users.truth[none, 0] > np.median(users.truth[none, 0])
    assert users.outcome[none][sure].mean() > users.outcome[none][~sure].mean() + min(0.1, users.outcome.mean() / 2)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.05, 1), min_size=4, max_size=4), st.integers(0, 2**32))
def test_fitted_weights_give_the_shares_whatever_features_speak_for(sizes, seed):
    shares = np.array(sizes) / sum(sizes)
    affinity = np.random.default_rng(seed).normal(scale=1.5, size=(500, 4))
    responses = Responses(**dict(zip(Responses.model_fields, shares.tolist(), strict=True)))
    assert softmax(affinity + responses.fit(affinity), axis=1).mean(axis=0) == pytest.approx(shares, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("case_study", 0.28, 0.32), ("streamzone", 0.27, 0.33), ("retention", 0.6, 0.8), ("criteo_like", 0.04, 0.055)],
)
def test_outcomes_are_as_common_as_the_story_says(name, low, high):
    assert low < many(name).outcome.mean() < high
