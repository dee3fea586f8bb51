"""A policy bound to the model of a registered version: a version of its own, judged on value and lint alone."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient

from tests.promotion.promoting import kinds, promoting, rolling_back, words_of
from tests.scoring.scoring import CHALLENGER
from tests.simulation.simulations import ask
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.data.generators.world import World
from tippingpoint.offpolicy.sufficient_statistics import SufficientStatistics
from tippingpoint.promotion import policy_ground
from tippingpoint.promotion.bind import BindResult, policy_bind
from tippingpoint.promotion.settings import BindSettings
from tippingpoint.scoring.job import score
from tippingpoint.scoring.settings import ScoreSettings
from tippingpoint.simulation.decision import made_anew, of_simulation
from tippingpoint.tracking.deciders import load_decider
from tippingpoint.tracking.journal import CHAMPION, read
from tippingpoint.tracking.promotion import aliases
from tippingpoint.tracking.registry import CHALLENGER as ALIAS
from tippingpoint.tracking.stored import fetch

CUTS = ("policy.cuts=[0.2,0.5]", "policy.version=2")


def binding(*words: str) -> BindResult:
    typed = words if any(word.startswith("model=") for word in words) else ("model=models:/conversion/1", *words)
    return policy_bind(BindSettings.from_config(compose("policy_bind", list(typed))))


def words_in(result: BindResult) -> dict[str, str]:
    return {check["name"]: check["word"] for check in result.judgement["checks"]}


@pytest.fixture
def filed(simulation: tuple, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[float, ...]:
    """A store with a simulation of the models, whose users are gone; gives filed cut-offs."""
    shutil.copy(simulation[1] / "mlflow.db", workspace)

    def gone(self: World) -> None:
        raise InputError("data.path", "no such file", "Bring it back.")

    monkeypatch.setattr(World, "load", gone)
    gathered = SufficientStatistics.load(fetch(MlflowClient(), simulation[0].filed.run_id, "statistics.npz"))
    name = next(name for name, of in gathered.about["models"].items() if of.get("registered"))
    return tuple(float(cut) for cut in gathered.scored[name].test.cuts)


def test_bound_promoted_scored_with_and_rolled_back(client: MlflowClient, compared: tuple, workspace: Path) -> None:
    promoting("model=1")
    bound = binding(*CUTS)
    assert (bound.version, bound.refused, bound.challenger) == ("models:/conversion/4", False, True)
    assert words_in(bound) == {"lint": "passes", "value": "passes", "looks": "passes", "diagnostics": "passes"}
    test = compared[0].comparison.question.parts.test
    test.features.assign(user_id=test.user_id).to_csv("users.csv", index=False)
    words = ["input=users.csv", "to=decided.csv", "tracking.log=false"]
    score(ScoreSettings.from_config(compose("score", [CHALLENGER, *words])))
    decided = pl.read_csv("decided.csv")
    np.testing.assert_allclose(decided["propensity_score"], compared[0].comparison.winner.score, atol=1e-6)
    assert decided["segment"].to_list() == [
        "low" if s < 0.2 else "medium" if s <= 0.5 else "high" for s in compared[0].comparison.winner.score
    ]
    promoted = promoting("model=models:/conversion/4", "gate=strict")
    assert promoted.promoted
    assert set(words_of(promoted)) == {"lint", "value", "looks", "diagnostics"}  # nothing is asked of its scores again
    assert aliases(client, "conversion")[CHAMPION] == "4"
    assert kinds(client) == ["look", "promote", "bind", "look", "promote"]
    rolling_back()
    assert aliases(client, "conversion") == {CHAMPION: "1"}


def test_the_file_that_scores_is_the_same_and_the_policy_another(client: MlflowClient) -> None:
    first, second = (load_decider(client, v) for v in ("models:/conversion/1", binding(*CUTS).version))
    assert first.model.content == second.model.content
    assert first.policy_digest != second.policy_digest
    before, after = first.decider.deployment, second.decider.deployment
    assert before.checks, "of the segments that act"
    assert after == before.model_copy(update={"checks": {}}), "segments of another policy were not looked at"


def test_a_policy_that_was_simulated_is_bound_as_the_box_says(client: MlflowClient) -> None:
    simulation = ask("models=[models:/conversion/1]", "policy.cuts=[0.2,0.5]").simulation
    line = made_anew(simulation, "models:/conversion/1")
    assert line.startswith("tippingpoint policy bind models:/conversion/1 policy.")
    assert made_anew(ask("models=[models:/conversion/1]").simulation, "models:/conversion/1") == ""
    bound = load_decider(client, binding(*shlex.split(line)[4:]).version).decider.policy
    assert (bound.cuts, bound.version) == ((0.2, 0.5), 2)


def test_other_prices_that_were_simulated_take_a_fit_as_the_box_says(client: MlflowClient) -> None:
    simulation = ask("models=[models:/conversion/1]", "economics.price=8", "policy=top_fraction").simulation
    line = made_anew(simulation, "models:/conversion/1")
    assert line == "tippingpoint compare policy=top_fraction economics=freemium economics.price=8.0 …"
    following = of_simulation(simulation).following
    assert following.startswith(("tippingpoint compare ", "tippingpoint simulate "))


def test_typed_again_it_is_the_same_version(client: MlflowClient) -> None:
    first, second = binding(*CUTS), binding(*CUTS)
    assert (first.version, first.again, second.version, second.again) == (first.version, False, first.version, True)
    assert kinds(client) == ["bind"]
    promoting(f"model={first.version}", "gate.value=null", "gate.better=null", "gate.calibration=null")
    assert binding(*CUTS).again


def test_filed_statistics_answer_where_the_users_are_gone(filed: tuple[float, ...], workspace: Path) -> None:
    cuts = [filed[len(filed) // 2], filed[-4]]
    bound = binding(f"policy.cuts={cuts}", "policy.version=2", "policy.cut_belongs=[above,above]")
    assert "no user was read" in bound.judgement["read_off"]
    gains = {gain["over"]: gain for gain in bound.judgement["gains"]}
    assert set(gains) == {"models:/conversion/1", "everyone none", "everyone discount_10", "everyone checkout_prompt"}
    assert gains["everyone none"]["low"] < gains["everyone none"]["value"] < gains["everyone none"]["high"]
    assert words_in(bound)["lint"] == "passes"


def test_what_statistics_say_is_what_users_say(simulation: tuple, workspace: Path) -> None:
    shutil.copy(simulation[1] / "mlflow.db", workspace)
    gathered = SufficientStatistics.load(fetch(MlflowClient(), simulation[0].filed.run_id, "statistics.npz"))
    name = next(name for name, of in gathered.about["models"].items() if of.get("registered"))
    cuts = gathered.scored[name].test.cuts
    words = [f"policy.cuts=[{cuts[18]},{cuts[-4]}]", "policy.cut_belongs=[above,above]"]
    filed = binding(*words, "policy.version=2").judgement
    read = binding(*words, "policy.version=3", "data=case_study", "data.users=3000").judgement
    assert "no user was read" in filed["read_off"]
    assert "were read" in read["read_off"]
    for one, other in zip(filed["gains"], read["gains"], strict=True):
        assert one == pytest.approx(other)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["policies=[best_action]"], "cannot decide"),
        (["policies=[retention]"], "reads .monthly_watch_hours., which is not there"),
        (
            ["policy.actions.high=discount_20", "policy.version=2"],
            r"made for none.* alone.*compare policy=… economics=…",
        ),
        (["policy=retention"], "reads .monthly_watch_hours., which is not there"),
        (["policy=top_fraction", "policies=[retention]"], "named twice"),
        (["economics.price=8"], r"keeps its prices\. Others take a fit: type tippingpoint compare"),
        (["policy.cuts=[0.4,0.7]"], "own policy"),
        (["policy.cuts=[0.3,0.7]"], "Type policy.version=2"),
        (["model=models:/conversion/9", *CUTS], "there is no models:/conversion/9"),
    ],
)
def test_what_cannot_be_bound_is_refused_before_anything_is_written(
    client: MlflowClient, words: list[str], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        binding(*words)
    assert read(client, "conversion").entries == ()
    assert len(client.search_model_versions("name = 'conversion'")) == 3


def test_a_policy_that_needs_users_says_what_to_bring(filed: tuple[float, ...], workspace: Path) -> None:
    (workspace / "mine.yaml").write_text(
        "_target_: tippingpoint.policies.rules.Rules\nname: mine\nversion: 1\nlevels: {}\notherwise: rest\n"
        "rules: [{segment: often, when: paywall_views_7d > 2}]\nactions: {often: discount_10, rest: none}\n"
    )
    with pytest.raises(InputError, match=r"data: its users are needed, as mine may read columns.*Type data=…"):
        binding("policies=[mine.yaml]")


def test_a_policy_of_shares_is_bound_on_the_filed_scores_of_validation(
    filed: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="of the users lie between its cut-offs and the filed ones"):
        binding("policies=[top_fraction]", "policy.share=0.25")
    monkeypatch.setattr(policy_ground, "MOST_BETWEEN", 0.05)
    bound = binding("policies=[top_fraction]", "policy.share=0.25")
    held = load_decider(MlflowClient(), bound.version).decider.policy
    assert held.share_at_cut == pytest.approx(0.25, abs=0.01)  # type: ignore[attr-defined]  # a top fraction has it


def test_a_worse_policy_is_refused_recorded_and_no_challenger(client: MlflowClient, call: Callable[..., int]) -> None:
    promoting("model=1")
    words = ("policy.cuts=[0.9,0.95]", "policy.version=2")
    assert call("policy", "bind", "models:/conversion/1", *words) == 1
    assert ALIAS not in aliases(client, "conversion")
    assert kinds(client)[-1] == "refused"
    assert client.get_model_version("conversion", "4").tags["validation_status"] == "refused"


def test_a_version_of_another_model_than_the_champions_has_the_whole_gate(client: MlflowClient) -> None:
    promoting("model=2", "gate.calibration=null")
    bound = binding(*CUTS)
    assert "has another model" in bound.judgement["read_off"]
    assert {"better", "quality"} <= set(words_of(promoting(f"model={bound.version}", "dry_run=true")))


def test_a_store_that_was_changed_by_hand_is_not_bound_to(client: MlflowClient) -> None:
    client.set_model_version_tag("conversion", "1", "policy_bound_digest", "another")
    with pytest.raises((InputError, RefusedError), match="digest"):
        binding(*CUTS)
