"""`policy lint` and `policy diff` from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.simulation.policy_tools import policy_diff, policy_lint
from tippingpoint.simulation.settings import DiffSettings, LintSettings


@pytest.fixture(scope="module", autouse=True)
def compared(at_compared: tuple) -> tuple:
    """The shared comparison; this module works in its folder."""
    return at_compared


def test_lint_tells_sizes_and_checks_the_rules_by_k_means(
    workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    words = ["policy=retention", "data=retention", "economics=retention", "data.users=3000", "output=json"]
    assert call("policy", "lint", *words, "clusters=[monthly_watch_hours,days_since_last_login]") == 0
    found = json.loads(capsys.readouterr().out)
    assert [r["kind"] for r in found["remarks"]] == ["overlap"]
    assert sum(row["users"] for row in found["segments"]) == 3000
    clusters = found["clusters"]
    assert max(clusters["silhouettes"], key=clusters["silhouettes"].get) == str(len(clusters["users"]))
    assert 0 < clusters["agreement_ari"] < 1
    assert (workspace / "clusters.png").stat().st_size > 10_000
    assert not (workspace / "mlflow.db").exists()


def test_lint_of_bands_needs_a_score_and_finds_bands_no_one_reaches(compared: tuple) -> None:
    small = ["data.users=3000"]
    without = policy_lint(LintSettings.from_config(compose("policy_lint", small)))
    assert [r.kind for r in without.found.remarks] == ["not looked at"]
    assert not without.refused
    scored = ["model=models:/conversion/1", "policy.cuts=[0.4,1.0]"]
    result = policy_lint(LintSettings.from_config(compose("policy_lint", [*small, *scored])))
    remarks = [(r.kind, r.what.split(";")[0]) for r in result.found.remarks]
    assert remarks == [("unreachable", "no user is high")]
    assert result.refused


def test_lint_with_a_gap_exits_with_1(workspace: Path, call: Callable[..., int]) -> None:
    words = ["policy=retention", "data=retention", "economics=retention", "data.users=3000", "output=json"]
    rules = "policy.rules=[{segment: loyal, when: 'days_since_last_login <= 60'}]"
    gone = [f"~policy.actions.{segment}" for segment in ("dormant", "risky_medium", "risky")]
    assert call("policy", "lint", *words, rules, *gone) == 1


def test_diff_names_policies_on_the_line_and_counts_users(
    compared: tuple, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    small = ["data.users=3000", "model=models:/conversion/1", "output=json"]
    assert call("policy", "diff", "models:/conversion/1", "intent_bands", *small) == 0
    alike = json.loads(capsys.readouterr().out)
    assert (alike["written"], alike["users_with_another_action"]) == ([], 0)
    assert call("policy", "diff", "intent_bands", "top_fraction", *small) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(row["users"] for row in found["movement"]) == 3000
    assert found["users_with_another_action"] > 0


def test_diff_without_a_score_says_what_to_type() -> None:
    with pytest.raises(InputError, match="model: one of the policies reads the score"):
        policy_diff(DiffSettings.from_config(compose("policy_diff", ["policies=[intent_bands,top_fraction]"])))


def test_policy_alone_names_its_words(refused: Callable[..., str]) -> None:
    assert "There are: lint, diff, bind." in refused("policy")


def test_diff_takes_data_that_bring_a_policy_along_and_names_what_is_gone_and_new(workspace: Path) -> None:
    (workspace / "mine.yaml").write_text(
        "_target_: tippingpoint.policies.rules.Rules\nname: mine\nversion: 2\nlevels: {}\notherwise: rest\n"
        "rules: [{segment: away, when: days_since_last_login > 60}]\nactions: {away: discount_10, rest: none}\n"
    )
    words = ["policies=[mine.yaml,retention]", "data=retention", "data.users=2000", "economics=retention"]
    found = policy_diff(DiffSettings.from_config(compose("policy_diff", words))).found
    assert found.written[:2] == ["name: mine → retention", "version: 2 → 1"]
    assert any(line.startswith("gone: actions.away discount_10; actions.rest none") for line in found.written)
    assert any(line.startswith("new: actions.loyal none; ") for line in found.written)
    assert found.movement["users"].sum() == 2000


def test_a_lone_policy_is_not_compared_and_what_to_type_is_told() -> None:
    with pytest.raises(InputError, match=r"policies: two are compared; got .*Type tippingpoint policy diff"):
        DiffSettings.from_config(compose("policy_diff", ["policies=[offer]"]))
