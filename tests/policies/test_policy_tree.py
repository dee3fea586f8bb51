"""A tree as a policy: what it asks, how it reads, what it refuses, and that it decides as the search did."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tests.conftest import ROUNDS
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.offpolicy.evidence import doubly_robust
from tippingpoint.offpolicy.statistics import mean
from tippingpoint.policies.lint import lint
from tippingpoint.policies.policy import FitContext, Policy
from tippingpoint.policies.policy_tree import PolicyTree

ACTIONS = {"none": "none", "off": "discount", "call": "call"}
N = 4000


def users(seed: int = 0, n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    found = pd.DataFrame({"days active": rng.gamma(2.0, 10.0, n), "plan": rng.choice(["basic", "it's pro"], n)})
    found.loc[rng.random(n) < 0.1, "days active"] = np.nan
    found.loc[rng.random(n) < 0.1, "plan"] = None
    return found


def gains(of: pd.DataFrame) -> np.ndarray:
    """(n, 3) expected money: a discount pays for active users of the basic plan, a call where days are missing."""
    discount = (of["days active"] > 12) & (of["plan"] == "basic")
    return np.stack(
        [np.zeros(len(of)), np.where(discount, 1.0, -1.0), np.where(of["days active"].isna(), 1.0, -1.0)], axis=1
    )


def context(of: pd.DataFrame, money: np.ndarray, score: np.ndarray | None = None) -> FitContext:
    names = ("none", "discount", "call")

    def measured(asked: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        at = [names.index(name) for name in asked]
        return money[:, at], np.tile([0.0, 2.0, 1.0], (len(of), 1))[:, at]

    return FitContext(of, of, np.zeros(len(of)) if score is None else score, measured=measured)


def tree(**fields: object) -> PolicyTree:
    return PolicyTree.model_validate({"actions": ACTIONS, **fields})


def test_it_finds_the_rules_that_were_true_and_says_them():
    found = tree().bind(context(users(), gains(users())))
    assert re.fullmatch(r"Rules: if .*plan is basic.*: off; .*otherwise: \w+\.", found.learnt_in_words)
    new = users(1)
    decided = found.decide(np.zeros(N), new, ("none", "discount", "call"))
    assert gains(new)[np.arange(N), decided].mean() > 0.93 * gains(new).max(axis=1).mean()
    assert set(decided) == {0, 1, 2}


def test_a_missing_value_answers_no_and_one_user_is_decided_alone():
    found = tree().bind(context(users(), gains(users())))
    together = found.segment(np.zeros(N), users())
    alone = [found.segment(np.zeros(1), users().iloc[i : i + 1])[0] for i in range(0, N, 400)]
    assert alone == together[::400].tolist()
    nothing = pd.DataFrame({"days active": [np.nan], "plan": pd.Series([None], dtype="str")})
    assert found.segments[found.segment(np.array([0.5]), nothing)[0]] == "call"


def test_its_json_decides_the_same_and_has_the_same_digest():
    unbound = tree()
    assert unbound.columns == ()  # what was worked out before it was bound does not stick to it
    found = unbound.bind(context(users(), gains(users())))
    assert found.columns
    again = Component.of(json.loads(json.dumps(found.bound())), "policy").build(Policy, "policy")
    assert again.bound_digest == found.bound_digest != found.digest == tree().digest
    assert (again.segment(np.zeros(N), users()) == found.segment(np.zeros(N), users())).all()


def test_the_score_is_asked_too_unless_features_are_named():
    of, score = users(), np.random.default_rng(2).random(N)
    money = np.stack([np.zeros(N), score - 0.7, np.full(N, -1.0)], axis=1)
    found = tree(depth=1).bind(context(of, money, score))
    assert found.columns == ("score",)
    assert float(found.rules[0].when.split(" > ")[1]) == pytest.approx(0.7, abs=0.02)
    assert found.bound_by_scores
    assert not tree(features=["plan"]).bound_by_scores
    assert tree(depth=1, features=["plan"]).bind(context(of, money, score)).columns in ((), ("plan",))


@pytest.mark.parametrize("limit", [{"contacts_per_1000": 100}, {"spend_per_1000": 150}])
def test_a_budget_is_kept_where_it_was_bound(limit: dict[str, float]):
    of = users()
    found = tree(**limit).bind(context(of, gains(of)))
    decided = found.decide(np.zeros(N), of, ("none", "discount", "call"))
    cost = np.array([0.0, 1.0, 1.0] if "contacts_per_1000" in limit else [0.0, 2.0, 1.0])[decided]
    assert 0 < 1000 * cost.mean() <= next(iter(limit.values()))


def test_lint_looks_it_over_like_rules_without_remarks_on_its_order():
    of = users()
    found = tree().bind(context(of, gains(of)))
    looked = lint(found, of, np.zeros(N), {"none", "discount"}, {"none": 500, "discount": 500, "call": 0})
    assert {remark.kind for remark in looked.remarks} == {"unpriced", "never given"}
    assert looked.segments["users"].sum() == N


def test_what_it_cannot_learn_from_is_refused():
    of = users()
    with pytest.raises(InputError, match="needs logged actions"):
        tree().bind(FitContext(of, of, np.zeros(N)))
    with pytest.raises(InputError, match="has learnt no rules"):
        tree().segment(np.zeros(N), of)
    with pytest.raises(InputError, match="no column 'paln'"):
        tree(features=["paln"]).bind(context(of, gains(of)))
    with pytest.raises(ValidationError, match="give one of them"):
        tree(contacts_per_1000=1, spend_per_1000=1)
    with pytest.raises(InputError, match="must name none too"):
        PolicyTree(actions={"a": "a"})


@pytest.mark.worlds
@pytest.mark.parametrize("base", [0.30, 0.04])
def test_the_value_on_test_is_honest(base: float):
    """Bound on some users, valued on others: the interval holds the tree's true value; on the first it is too good."""
    worlds = 60 * ROUNDS
    held = bias = 0.0
    for world in range(worlds):
        rng = np.random.default_rng(world)
        sides = [_logged(rng, base) for _ in range(2)]
        (of, scores, _), (test, on_test, p) = sides
        found = tree(actions={"none": "none", "off": "discount"}, thresholds=16).bind(context(of, scores * 10))
        mine, new = (found.decide(np.zeros(len(x)), x, ("none", "discount")) for x in (of, test))
        rows = np.arange(len(test))
        true = float((p[rows, new] - p[:, 0]).mean())
        seen = mean(on_test[rows, new] - on_test[:, 0])
        held += seen.value - 2.1 * seen.se <= true <= seen.value + 2.1 * seen.se
        bias += float((scores[rows, mine] - scores[:, 0]).mean()) - true
    assert held / worlds >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / worlds)
    assert bias > 0


def test_where_nothing_is_to_be_gained_it_acts_on_nobody_and_where_something_is_it_finds_it():
    """By 2,000 users, six worlds each; trees of two questions whatever they bring lose 6 where nothing is to be had."""
    lost, found = [], []
    for world in range(6):
        for effect, into in ((0.0, lost), (0.5, found)):
            rng = np.random.default_rng([world, 7])
            (of, scores, rarer, _), (new, _, _, p) = (_moved(rng, n, effect) for n in (2000, 10_000))
            about = FitContext(of, of, np.zeros(len(of)), measured=lambda _, s=scores: (s, 0 * s), rarer=rarer)
            bound = tree(actions={"none": "none", "off": "discount"}, features=list(of), thresholds=16).bind(about)
            decision = bound.decide(np.zeros(len(new)), new, ("none", "discount"))
            into.append(1000 * float((p[np.arange(len(new)), decision] - p[:, 0]).mean()))
    assert np.mean(lost) > -2  # acting on everyone loses 15
    assert np.mean(found) > 40  # of 53


def test_a_leaf_holds_enough_of_the_rarer_outcome():
    of, scores, rarer, _ = _moved(np.random.default_rng(3), 3000, 1.0)
    rarer &= of["b"].to_numpy() <= 0.6  # those who gain are users without any
    about = FitContext(of, of, np.zeros(len(of)), measured=lambda _: (scores, 0 * scores), rarer=rarer)
    asked = {"actions": {"none": "none", "off": "discount"}, "features": ["b"], "thresholds": 16}
    assert tree(**asked, least_outcomes=0).bind(about).rules
    for bound in (tree(**asked).bind(about), tree(**asked, depth=1).bind(about)):
        segment = bound.segment(np.zeros(len(of)), of)
        assert min(np.bincount(segment, rarer)[np.unique(segment)]) >= 20


def _moved(rng: np.random.Generator, n: int, effect: float) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Features, doubly robust scores, outcomes and chances: a discount moves by `b` alone, and costs a little."""
    of = pd.DataFrame(rng.random((n, 5)), columns=list("abcde"))
    none = 0.3 * (0.5 + of["a"].to_numpy())
    p = np.stack([none, none + 0.3 * effect * np.where(of["b"] > 0.6, 1.0, -0.6) - 0.015], axis=1).clip(0, 1)
    action = rng.integers(0, 2, n)
    outcome = rng.random(n) < p[np.arange(n), action]
    chance = np.full((n, 2), 0.5)
    return of, doubly_robust(outcome * 1.0, action, chance, np.tile(none[:, None], (1, 2))), outcome, p


def _logged(rng: np.random.Generator, base: float) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Features, doubly robust scores and chances of users half of whom got a discount that does little."""
    n = 3000
    of = pd.DataFrame({"a": rng.random(n), "b": rng.random(n), "c": rng.choice(["x", "y", "z"], n)})
    none = base * (0.5 + of["a"].to_numpy())
    p = np.stack([none, none * (1 + 0.2 * (of["b"].to_numpy() - 0.5)), none], axis=1)
    action = rng.integers(0, 2, n)
    outcome = (rng.random(n) < p[np.arange(n), action]).astype(np.float64)
    chance = np.tile([0.5, 0.5], (n, 1))
    scores = doubly_robust(outcome, action, chance, np.tile(none[:, None], (1, 2)))
    return of, np.column_stack([scores, scores[:, 0]]), p
