"""Uplift that rests on an assumption has no interval, chooses nothing and orders nothing."""

import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.simulation.simulations import artifact, ask, drawn
from tippingpoint.config.compose import compose
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.simulation.job import SimulateResult
from tippingpoint.simulation.report import budget_left_aside
from tippingpoint.tracking import backend

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("at_compared")


@pytest.fixture(scope="module")
def unlogged(at_compared: tuple) -> SimulateResult:
    from tippingpoint.comparison.run import run
    from tippingpoint.config.settings import Settings

    csv = f"data.path={ROOT}/data/synthetic_user_conversion_data.csv"
    words = [
        "data=csv",
        csv,
        "data.target=converted",
        "data.drop=[action]",
        "model=logistic",
        "explain_rows=5",
        "report=none",
    ]
    fitted = run(Settings.from_config(compose("run", [*words, "tracking.experiment=unlogged"])))
    return ask(f"models=[{fitted.filed.run_id}]")


def test_what_is_assumed_has_no_interval_no_choice_and_no_contest_anywhere(unlogged: SimulateResult) -> None:
    found = unlogged.simulation
    assert found.kind == "assumed"
    assert not found.verdicts
    assert all(e.low is None for row in found.values.values() for e in row.values())
    assert all(s.choice is None and np.isnan(v.surface.uplift.se).all() for s in found.all_cut_offs for v in s.views)
    for name, table in found.tables().items():
        assert not [c for c in table if str(c).endswith(("_low", "_high", "_se"))], name
    assert "contest" not in found.tables()
    assert found.segments["break_even_response"].notna().any()
    assert any("assumed_response" in price for price in found.tornado["price"])
    client = backend.connect()
    parent = client.get_run(unlogged.filed.run_id)
    assert parent.data.metrics
    assert all(m.startswith("policy/assumed/break_even_response/logistic/") for m in parent.data.metrics)
    below = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    for name in {m for run in below for m in run.data.metrics}:
        assert name.startswith(("policy/assumed/", "curve/assumed/"))
        assert not name.endswith(("_low", "_high"))


def test_nothing_assumed_chooses_or_orders(compared: tuple, unlogged: SimulateResult) -> None:
    (model,) = unlogged.simulation.gathered.about["models"]
    origin = unlogged.simulation.gathered.about["models"][model]["run_id"]
    wide = ["policies=[top_fraction]", "policy.cuts=[0.9,0.95]"]  # the second one asked for acts on more users
    asked, reversed_ = (
        ask(f"models=[{origin}]", *wide, f"+economics.actions.discount_10.assumed_response={response}")
        for response in (0.5, 2.0)
    )
    tags = backend.connect().get_run(asked.filed.run_id).data.tags
    assert "leader" not in tags
    card = tags["mlflow.note.content"]
    assert "Leader" not in card
    assert "From which response on an action pays" in card
    assert "leader" not in asked.to_dict()
    assert asked.simulation.leader is None
    assert asked.simulation.ordered == reversed_.simulation.ordered  # whatever is assumed
    shown = [drawn(result).splitlines() for result in (asked, reversed_)]
    listed = [[line.split()[0] for line in lines if PAIR in line and "most" not in line] for lines in shown]
    assert listed[0] == listed[1]
    assert any("pays from a response of" in line for line in shown[0])
    html = artifact(asked.filed.run_id, "simulation.html").read_text().split("<script>")[0]
    assert "leader on" not in html
    assert "against the leader" not in html
    assert 'class="leader"' not in html
    assert html.index("From which response on an action pays") < html.index("Cut-offs</h2>")


@pytest.mark.parametrize(("budget", "word"), [("budget.contacts=1", "over"), ("budget.money=1e6", "within")])
def test_a_budget_chooses_nothing_where_uplift_is_assumed_and_that_is_said(
    unlogged: SimulateResult, budget: str, word: str
) -> None:
    anew = ask(f"models=[{unlogged.filed.run_id}]", budget)
    shown = " ".join(drawn(anew).split())
    assert "No cut-offs are chosen for the budget of" in shown
    assert f"{anew.simulation.first} is {word} it, with" in shown
    assert "No cut-offs are chosen for" in artifact(anew.filed.run_id, "simulation.html").read_text()


def test_a_budget_of_contacts_is_kept_by_rank_as_told(unlogged: SimulateResult) -> None:
    (model,) = unlogged.simulation.gathered.about["models"]
    origin = f"models=[{unlogged.simulation.gathered.about['models'][model]['run_id']}]"
    users = unlogged.simulation.gathered.about["users"]["all"]
    (told,) = budget_left_aside(ask(f"models=[{unlogged.filed.run_id}]", f"budget.contacts={users // 20}").simulation)
    words = shlex.split(told.partition("in place of budget.contacts type ")[2].removesuffix("."))
    kept = ask(origin, *words).simulation
    assert kept.first.endswith("budget")
    assert 0 < kept.values[kept.first]["contacts_per_1000"].value < 75  # 50 on validation, where its cut-off was fixed


def test_another_assumed_response_is_priced_without_users(unlogged: SimulateResult) -> None:
    response = "+economics.actions.discount_10.assumed_response=1.5"
    anew = ask(f"models=[{unlogged.filed.run_id}]", response)
    (model,) = unlogged.simulation.gathered.about["models"]
    origin = unlogged.simulation.gathered.about["models"][model]["run_id"]
    fresh = ask(f"models=[{origin}]", response)
    for name, row in fresh.simulation.values.items():
        for column in ("uplift_per_user", "uplift_per_1000"):
            assert row[column].value == pytest.approx(anew.simulation.values[name][column].value, abs=1e-9)
