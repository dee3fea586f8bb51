"""Who was given what, with which chance, and what that does to the arms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.generators.worlds import KINDS, built, each_world, many, node, world
from tippingpoint.core.errors import InputError
from tippingpoint.data.generators.world import Logging


@each_world
def test_policies_differ_in_what_was_done_and_not_in_who_the_users_are(name):
    users = [many(name, kind) for kind in KINDS]
    for other in users[1:]:
        assert users[0].features.equals(other.features)
        assert np.array_equal(users[0].truth, other.truth)
        assert not np.array_equal(users[0].action, other.action)


@each_world
def test_randomised_takes_each_action_with_its_chance(name):
    users, chances = many(name), list(built(name).logging.chances.values())
    assert np.all(users.logging_probability == chances)
    assert np.bincount(users.action) / len(users) == pytest.approx(chances, abs=0.008)


@each_world
def test_by_score_knows_chances_that_vary_and_that_actions_follow(name):
    users = many(name, "by_score")
    e, base = users.logging_probability, built(name, users=1).logging
    assert np.all(e > 0)
    assert e.sum(axis=1) == pytest.approx(1)
    assert e.min() >= min(base.chances.values()) * np.exp(-2 * base.slope)
    assert e[:, 0].std() > 0.1
    for tenth in np.array_split(np.argsort(e[:, 1]), 10):
        got = np.bincount(users.action[tenth], minlength=len(users.actions)) / len(tenth)
        assert got == pytest.approx(e[tenth].mean(axis=0), abs=0.025)


@each_world
def test_known_chances_undo_what_by_score_did_to_the_arms(name):
    users = many(name, "by_score")
    for action in range(len(users.actions)):
        took, truth = users.action == action, users.truth[:, action].mean()
        weighted = took * users.outcome / users.logging_probability[:, action]
        assert abs(weighted.mean() - truth) < 4 * weighted.std() / np.sqrt(len(users))
        assert abs(users.outcome[took].mean() - truth) > min(
            0.05, 0.25 * truth * (1 - took.mean())
        )  # less of a rare outcome, or of nearly all users


@each_world
def test_by_score_prompts_those_the_score_likes(name):
    of, users = world(name, "by_score"), many(name, "by_score")
    score = of.index(users.features)
    order = np.argsort(score)
    acted = 1 - users.logging_probability[:, 0]
    assert np.all(np.diff(acted[order]) >= -1e-12)


@each_world
def test_confounded_records_the_action_but_no_chance(name):
    users = many(name, "confounded")
    assert users.action is not None
    assert users.logging_probability is None


@each_world
def test_confounded_arms_mislead_and_randomised_ones_do_not(name):
    for kind, misled in (("randomised", False), ("confounded", True)):
        users = many(name, kind)
        for action in range(1, len(users.actions)):
            arms = [users.outcome[users.action == a] for a in (0, action)]
            naive = arms[1].mean() - arms[0].mean()
            truth = (users.truth[:, action] - users.truth[:, 0]).mean()
            error = np.sqrt(sum(arm.var() / len(arm) for arm in arms))
            assert (abs(naive - truth) > 4 * error) == misled


@each_world
def test_no_column_gives_the_confounder_away(name):
    users = many(name, "confounded")
    acted = users.action > 0
    for column in users.contract.names("number"):
        assert abs(np.corrcoef(users.features[column], acted)[0, 1]) < 5 / np.sqrt(len(users))


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(KINDS), st.floats(0, 5), st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_chances_are_always_above_zero_and_sum_to_one(kind, slope, index):
    policy = Logging(kind=kind, chances={"none": 0.8, "a": 0.15, "b": 0.05}, slope=slope)
    e = policy.probabilities(np.array(index), -np.array(index))
    assert np.all(e > 0)
    assert e.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("logging", "said"),
    [
        ({"chances": {"discount_10": 0.5, "none": 0.5}}, "first logged action must be none"),
        ({"chances": {"none": 0.5, "discount_10": 0.6}}, "sum to 1"),
        ({"kind": "by_luck"}, "randomised"),
        ({"slop": 1.0}, "Nearest: 'slope'"),
    ],
)
def test_what_cannot_be_logged_is_refused_by_name(logging, said):
    with pytest.raises(InputError, match=said):
        built("case_study", logging=node("data/case_study")["logging"] | logging)


def test_an_action_without_strength_is_refused():
    with pytest.raises(InputError, match="discount_10, checkout_prompt"):
        built("case_study", strength={"discount_10": 1.0})
