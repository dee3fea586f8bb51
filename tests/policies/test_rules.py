from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.policies.best_action import BestAction
from tippingpoint.policies.budget import Budget
from tippingpoint.policies.lint import diff, lint
from tippingpoint.policies.policy import FitContext, Policy
from tippingpoint.policies.rules import Rules
from tippingpoint.policies.top_fraction import TopFraction

ROOT = Path(__file__).parents[2]
HOURS = np.linspace(0, 30, 301)
WRITTEN = [
    {"segment": "loyal", "when": "engagement = 'high' AND days_since_last_login <= 60"},
    {
        "segment": "dormant",
        "when": "engagement IN ('medium', 'high') AND days_since_last_login BETWEEN 60 AND 120",
    },
    {"segment": "risky", "when": "engagement = 'low' OR days_since_last_login > 120"},
]


def users(hours: list[float], days: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"monthly_watch_hours": hours, "days_since_last_login": days}, dtype=np.float64)


def known(score: np.ndarray | None = None) -> FitContext:
    train = users(HOURS.tolist(), [1.0] * len(HOURS))
    return FitContext(train, train, np.zeros(len(HOURS)) if score is None else score)


def retention(**changed: object) -> Rules:
    node = yaml.safe_load((ROOT / "conf/policy/retention.yaml").read_text()) | changed
    return Component.model_validate(node).build(Policy, "policy")


def as_written() -> Rules:
    actions = {"loyal": "none", "dormant": "discount_10", "risky": "none", "nobody": "none"}
    return retention(rules=WRITTEN, otherwise="nobody", actions=actions).bind(known())


def names(policy: Policy, frame: pd.DataFrame, score: np.ndarray | None = None) -> list[str]:
    score = np.zeros(len(frame)) if score is None else score
    return [policy.segments[code] for code in policy.segment(score, frame)]


def test_retention_answers_every_edge() -> None:
    policy = retention().bind(known())
    frame = users([29, 29, 29, 29, 15, 15, 15, 1, 1, np.nan], [60, 61, 120, 121, 60, 120, 121, 1, 300, 5])
    assert names(policy, frame) == [
        "loyal", "dormant", "dormant", "risky", "regular", "dormant", "risky_medium", "risky", "risky", "regular",
    ]  # fmt: skip


def test_levels_are_learnt_on_train_and_travel_with_the_bound_policy() -> None:
    policy = retention()
    with pytest.raises(InputError, match="not learnt yet"):
        policy.segment(np.zeros(1), users([1], [1]))
    bound = policy.bind(known())
    assert bound.edges is not None
    assert bound.edges["engagement"] == pytest.approx((10, 20))
    assert bound.digest == policy.digest
    assert bound.bound_digest != policy.bound_digest
    again = Component.model_validate(bound.bound()).build(Policy, "policy")
    assert again == bound
    assert names(again, users([15], [1])) == ["regular"]


def test_lint_finds_what_the_written_rules_leave_open_and_where_they_overlap() -> None:
    rng = np.random.default_rng(0)
    frame = users((rng.random(2000) * 30).tolist(), np.floor(rng.random(2000) * 200).tolist())
    found = lint(as_written(), frame, None, {"none", "discount_10"}, None)
    by_kind = {remark.kind: remark for remark in found.remarks}
    assert set(by_kind) == {"gap", "overlap"}
    assert "users with engagement medium and days_since_last_login 0 to below 60" in by_kind["gap"].what
    assert by_kind["gap"].users == int((found.segments.set_index("segment").users)["nobody"])
    assert (
        "loyal and dormant both fit users with engagement high and days_since_last_login 60:" in by_kind["overlap"].what
    )


def test_lint_of_the_shipped_answer_finds_no_gap() -> None:
    rng = np.random.default_rng(0)
    frame = users((rng.random(2000) * 30).tolist(), np.floor(rng.random(2000) * 200).tolist())
    found = lint(retention().bind(known()), frame, None, {"none", "discount_10"}, {"none": 500, "discount_10": 500})
    assert [r.kind for r in found.remarks] == ["overlap"]  # of risky_medium and risky, on purpose
    assert found.segments["users"].sum() == 2000


def test_lint_names_unpriced_and_never_given_actions_and_rules_that_never_decide() -> None:
    rules = [{"segment": "a", "when": "visits >= 0"}, {"segment": "b", "when": "visits > 5"}]
    actions = {"a": "none", "b": "email", "rest": "none"}
    policy = Rules(name="p", version=1, levels={}, rules=rules, otherwise="rest", actions=actions)
    frame = pd.DataFrame({"visits": np.arange(10.0)})
    kinds = [r.kind for r in lint(policy, frame, None, {"none"}, {"none": 1000}).remarks]
    assert {"unpriced", "never given", "unreachable"} <= set(kinds)


@pytest.mark.parametrize("when", ["visits >", "visits > 1; DROP TABLE users"])
def test_a_condition_that_is_none_is_refused(when: str) -> None:
    with pytest.raises(InputError, match="cannot read"):
        Rules(
            name="p", version=1, levels={}, rules=[{"segment": "a", "when": when}], otherwise="b",
            actions={"a": "none", "b": "none"},
        )  # fmt: skip


def test_a_rule_on_a_column_that_is_not_there_says_which_is_near() -> None:
    with pytest.raises(InputError, match="reads 'days_since_last_login', which is not there"):
        retention().bind(known()).segment(np.zeros(1), pd.DataFrame({"monthly_watch_hours": [1.0]}))


@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=1, max_size=60), st.floats(0.01, 1))
def test_no_more_than_the_share_and_equal_scores_alike(scores: list[float], share: float) -> None:
    score = np.array(scores)
    policy = TopFraction(name="t", version=1, share=share, actions={"rest": "none", "top": "email"}).bind(known(score))
    top = policy.segment(score, pd.DataFrame(index=range(len(score)))) == 1
    assert top.mean() <= share + 1e-9
    assert top.mean() + policy.tied_share > share - 1e-9 or top.all()
    assert all(len(set(top[score == value])) == 1 for value in set(scores))


def test_a_budget_per_1000_is_the_same_cut_off_as_its_share() -> None:
    score = np.random.default_rng(0).random(5000)
    actions = {"rest": "none", "top": "email"}
    one = Budget(name="b", version=1, per_1000=100, actions=actions).bind(known(score))
    two = TopFraction(name="t", version=1, share=0.1, actions=actions).bind(known(score))
    assert one.cut == two.cut
    assert one.share_at_cut == pytest.approx(0.1)


def test_best_action_takes_the_largest_worth_and_needs_a_log() -> None:
    policy = BestAction(name="best", version=1, actions={"leave": "none", "write": "email"})
    with pytest.raises(InputError, match="needs logged actions"):
        policy.bind(known())
    context = FitContext(pd.DataFrame(), pd.DataFrame(), np.zeros(1), lambda f, a: np.array([[1.0, 2.0], [3.0, 2.0]]))
    assert names(policy.bind(context), pd.DataFrame(index=range(2))) == ["write", "leave"]


def test_diff_says_what_changed_and_for_how_many() -> None:
    frame = users([15, 15, 29], [130, 10, 130])
    changed = retention(version=2, actions={**retention().actions, "risky_medium": "none"})
    found = diff(retention().bind(known()), changed.bind(known()), frame, (np.zeros(3), np.zeros(3)))
    assert found.written == ["version: 1 → 2", "actions.risky_medium: discount_10 → none"]
    assert found.users == 1
