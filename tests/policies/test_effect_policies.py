"""Policies that go by the predicted effect of an action."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.refusals import refuses
from tippingpoint.core.strict import Component
from tippingpoint.policies.best_action import BestAction
from tippingpoint.policies.budget import Budget
from tippingpoint.policies.effect_bands import EffectBands
from tippingpoint.policies.effects import Predicted
from tippingpoint.policies.policy import FitContext, Policy
from tippingpoint.policies.top_fraction import TopFraction

ACTIONS = ("none", "mail", "call")
NOBODY = pd.DataFrame(index=range(4))
FOUND = np.array([[0.5, 0.4, 0.0, 0.3], [0.5, 0.4, 0.2, -0.1], [0.1, 0.1, 0.1, 0.1], [0.9, 0.9, -0.2, 0.05]])
"""The chance, that under none, and what a mail and a call add, of four users."""


def lines(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    cost = {"none": 0.0, "mail": 0.5, "call": 2.0}
    return np.array([-cost[name] for name in names]), np.full(len(names), 10.0)


def context(found: np.ndarray = FOUND, good: bool = True) -> FitContext:
    return FitContext(NOBODY, NOBODY, found[:, 0], None, Predicted(ACTIONS, good, found, lines))


def again(policy: Policy) -> Policy:
    """As a version's policy.json gives it back."""
    return Component.of(json.loads(json.dumps(policy.bound())), "policy").build(Policy, "policy")


def test_a_share_goes_to_those_whom_the_action_moves_most() -> None:
    policy = TopFraction(share=0.5, by="effect", actions={"rest": "none", "top": "mail"})
    assert policy.bind(context()).assign(FOUND, NOBODY).tolist() == [0, 1, 1, 0]
    budget = Budget(per_1000=250, by="effect", actions={"rest": "mail", "top": "call"})  # a call over a mail
    assert budget.bind(context()).assign(FOUND, NOBODY).tolist() == [1, 0, 0, 0]


def test_where_the_outcome_is_not_wanted_an_effect_below_zero_is_a_gain() -> None:
    policy = TopFraction(share=0.25, by="effect", actions={"rest": "none", "top": "mail"})
    assert policy.bind(context(good=False)).assign(FOUND, NOBODY).tolist() == [0, 0, 0, 1]


def test_own_goes_by_the_effect_only_where_one_is_predicted() -> None:
    policy = TopFraction(share=0.25, by="own", actions={"rest": "none", "top": "mail"})
    assert policy.bind(context()).assign(FOUND, NOBODY).tolist() == [0, 1, 0, 0]
    by_chance = policy.bind(FitContext(NOBODY, NOBODY, FOUND[:, 0]))
    assert by_chance.assign(FOUND[:, 0], NOBODY).tolist() == [0, 0, 0, 1]


def test_bands_cut_in_outcomes_or_in_money() -> None:
    actions = {"rest": "none", "target": "call"}
    outcomes = EffectBands(cuts=(0.1,), actions=actions).bind(context())
    assert outcomes.assign(FOUND, NOBODY).tolist() == [1, 0, 1, 0]
    money = EffectBands(cuts=(0.5,), gain="money", actions=actions).bind(context())
    assert money.assign(FOUND, NOBODY).tolist() == [1, 0, 0, 0]  # 10 · 0.3 − 2 = 1; the third loses 1
    assert outcomes.score_cuts is None


def test_each_user_gets_the_action_that_gains_most_money() -> None:
    policy = BestAction(actions={name: name for name in ACTIONS}).bind(context())
    assert [policy.segments[k] for k in policy.assign(FOUND, NOBODY)] == ["call", "mail", "mail", "none"]


@pytest.mark.parametrize(
    "policy",
    [
        TopFraction(by="effect", actions={"rest": "none", "top": "mail"}),
        EffectBands(gain="money", actions={"rest": "none", "target": "call"}),
        BestAction(actions={name: name for name in ACTIONS}),
    ],
)
def test_a_bound_policy_is_json_and_decides_the_same_when_read_again(policy: Policy) -> None:
    bound = policy.bind(context())
    read = again(bound)
    assert read.bound_digest == bound.bound_digest
    assert read.digest == policy.digest
    assert read.assign(FOUND, NOBODY).tolist() == bound.assign(FOUND, NOBODY).tolist()


def test_what_came_later_leaves_the_digest_of_older_policies_as_it_was() -> None:
    assert set(TopFraction().specification()) == {"_target_", "name", "version", "actions", "share"}
    bound = TopFraction(share=0.5).bind(FitContext(NOBODY, NOBODY, FOUND[:, 0]))
    assert set(bound.bound()) - set(bound.specification()) == {"cut", "share_at_cut", "tied_share"}


@pytest.mark.parametrize("policy", [TopFraction(by="effect"), EffectBands()])
def test_a_model_of_the_chance_alone_is_refused(policy: Policy) -> None:
    with refuses("policy", "predicts the chance of the outcome alone", "learner=dr"):
        policy.bind(FitContext(NOBODY, NOBODY, FOUND[:, 0]))


def test_an_action_whose_effect_is_not_known_is_refused() -> None:
    with refuses("policy", "gives 'fax', and the model knows the effects of none, mail, call"):
        EffectBands(actions={"rest": "none", "target": "fax"}).bind(context())
