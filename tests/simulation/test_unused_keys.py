"""What is asked of a simulation and has no effect is refused, or said."""

from types import SimpleNamespace

import pytest

from tests.simulation.simulations import drawn
from tippingpoint.config.compose import compose, option
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.rules import Rules
from tippingpoint.simulation.job import simulate
from tippingpoint.simulation.unused_keys import refuse_idle_budget, unused

MEASURED = {"kind": "experiment", "per_user_prices": False}


def policies(*names: str) -> dict[str, Policy]:
    return {name: Component.of(option("policy", name), "policy").build(Policy, "policy") for name in names}


def settings(*words: str) -> SimulateSettings:
    return SimulateSettings.from_config(compose("simulate", list(words)))


@pytest.mark.parametrize(
    ("names", "words"),
    [(["retention"], "retention reads no score"), (["top_fraction", "retention"], "top_fraction, retention have no")],
)
@pytest.mark.parametrize("key", ["budget.contacts", "budget.money"])
def test_a_budget_is_refused_where_no_policy_can_keep_it(names: list[str], words: str, key: str) -> None:
    with pytest.raises(InputError) as refused:
        refuse_idle_budget(settings(f"{key}=300"), policies(*names))
    assert refused.value.where == key
    assert words in refused.value.what
    refuse_idle_budget(settings(f"{key}=300"), policies(*names, "intent_bands"))
    refuse_idle_budget(settings(), policies(*names))


@pytest.mark.parametrize(
    ("words", "names", "otherwise", "about"),
    [
        ("budget.contacts=300", ["intent_bands", "retention"], ["intent_bands"], MEASURED),
        ("cuts=50", ["retention"], ["retention", "intent_bands"], MEASURED),
        ("least=20", ["top_fraction"], ["intent_shares"], MEASURED),
        ("smallest_uplift=0.1", ["intent_bands"], None, MEASURED | {"kind": "assumed"}),
        ("smallest_uplift=0.1", ["intent_bands"], None, MEASURED | {"vetoed": ["TP303"]}),
        ("sensitivity=0.1", ["intent_bands"], None, MEASURED | {"per_user_prices": True}),
    ],
)
def test_what_is_not_used_is_said(words: str, names: list[str], otherwise: list[str] | None, about: dict) -> None:
    asked = settings(words)
    (said,) = unused(asked, policies(*names), SimpleNamespace(about=about))
    assert words.partition("=")[0] in said
    assert unused(asked, policies(*(otherwise or names)), SimpleNamespace(about=MEASURED)) == ()
    assert unused(settings(), policies(*names), SimpleNamespace(about=about)) == ()


def test_a_response_that_is_stated_and_measured_is_said() -> None:
    asked = settings("+economics.actions.discount_10.assumed_response=1.3")
    (said,) = unused(asked, policies("intent_bands"), SimpleNamespace(about=MEASURED))
    assert said.startswith("economics.actions.discount_10.assumed_response: not used")
    assumed = SimpleNamespace(about=MEASURED | {"kind": "assumed"})
    assert unused(asked, policies("intent_bands"), assumed) == ()


@pytest.mark.usefixtures("simulated")
def test_a_policy_that_reads_no_score_is_one_row_of_the_contest_and_one_sentence(compared: tuple) -> None:
    rules = Rules(
        name="often",
        rules=[{"segment": "often", "when": "sessions_7d > 5"}],
        otherwise="seldom",
        actions={"often": "checkout_prompt", "seldom": "none"},
    )
    words = ["cuts=40", f"models=[{compared[0].filed.run_id}]", "tracking.log=false"]
    result = simulate(SimulateSettings.from_config(compose("simulate", words)), [rules])
    contested = {name for v in result.simulation.verdicts for name in (v.first, v.second)}
    assert len([name for name in contested if name.endswith("· often")]) == 1
    assert len([name for name in contested if name.endswith("· intent_bands")]) == 3
    shown = drawn(result)
    assert shown.count("often, any model") == 1
    assert shown.count("often reads no score") == 1
    for model in result.simulation.gathered.scored:  # whichever of them is asked of
        assert result.simulation.without_model(f"{model} · often")["difference"].notna().all()
