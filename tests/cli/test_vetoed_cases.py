"""An offer given by a rule, and a lottery that followed a feature: vetoed in every verb, in the same words."""

import contextlib
import html
import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from tests.conftest import working_in
from tippingpoint.cli.main import main
from tippingpoint.dashboard.scenario import board
from tippingpoint.dashboard.subject import registered

OFFER = ["policy=offer", "policy.cuts=[0.15]", "policy.version=2", "economics.price=10", "economics.months=1"]
PRICES = ["economics.ad_revenue=0", "+economics.actions.offer.contact_cost=0.1"]
WHY = "the draw was checked by hand"


def answer(*words: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a line."""
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown):
        patch.setattr(sys, "argv", ["tippingpoint", *words, "output=json"])
        with pytest.raises(SystemExit) as done:
            main()
    return int(done.value.code or 0), json.loads(shown.getvalue() or "{}")


def table(assigned: Callable[[np.ndarray, np.ndarray], np.ndarray], n: int = 3000) -> pd.DataFrame:
    """Users whose x1 tells who buys, and an offer that does nothing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    bought = rng.random(n) < 1 / (1 + np.exp(1.9 - 0.9 * x))
    offered = assigned(x, rng.random(n))
    return pd.DataFrame(
        {
            "user_id": [f"u{k}" for k in range(n)],
            "x1": x,
            "x2": rng.lognormal(size=n),
            "action": np.where(offered, "offer", "none"),
            "bought": bought.astype(int),
        }
    )


@pytest.fixture(scope="module", autouse=True)
def folder(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with working_in(folder := tmp_path_factory.mktemp("cases")):
        shutil.copy(empty_store, folder)
        table(lambda x, _: x > 0.6).to_csv("no_overlap.csv", index=False)
        table(lambda x, lot: (x > 1.2) | (lot < np.where(x > 0, 0.5, 0.1)), 9000).to_csv(
            "some_overlap.csv", index=False
        )
        table(lambda x, lot: lot < 1 / (1 + np.exp(-1.5 * x))).to_csv("broken_lot.csv", index=False)
        yield folder


def table_of(case: str) -> list[str]:
    return ["data=csv", f"data.path={case}.csv", "data.target=bought", "data.action=action", *OFFER, *PRICES]


def compare(case: str, *words: str) -> dict[str, Any]:
    code, found = answer("compare", *table_of(case), "model=logistic", "explain_rows=20", *words)
    assert code == 0
    return found


@pytest.fixture(scope="module")
def broken(folder: Path) -> dict[str, Any]:
    return compare("broken_lot", "data.logging_probability=uniform")


def codes(found: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in found["findings"]]


def intervals(found: dict[str, Any]) -> list[Any]:
    """The ends of what a comparison says of the policy."""
    model, *_ = found["leaderboard"]
    return [model["metrics"][name]["low"] for name in model["metrics"] if name.startswith("policy/")]


def test_a_lottery_that_followed_a_feature_is_no_experiment(broken: dict[str, Any]) -> None:
    assert broken["evidence"] == "experiment, vetoed"
    assert codes(broken)[:2] == ["TP303", "TP307"]
    assert broken["findings"][1]["figures"] == {"columns": ["x1"]}
    assert intervals(broken) == [None, None, None]
    assert {verdict["measure"] for verdict in broken["verdicts"]} <= {"roc_auc"}
    run = mlflow.get_run(broken["run_id"]).data
    assert run.tags["evidence"] == "experiment, vetoed"
    assert run.tags["diagnostics"].startswith("TP303,TP307")
    assert "policy/experiment/uplift_per_user" in run.metrics
    assert "policy/experiment/uplift_per_user_low" not in run.metrics


def test_the_same_words_stand_everywhere(broken: dict[str, Any], capsys: pytest.CaptureFixture) -> None:
    words = [finding["words"] for finding in broken["findings"]]
    client = mlflow.MlflowClient()
    run = mlflow.get_run(broken["run_id"])
    parts = mlflow.artifacts.download_artifacts(run_id=broken["run_id"], artifact_path="report.html")
    page = html.unescape(Path(parts).read_text())
    (child,) = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{broken['run_id']}'")
    card = mlflow.artifacts.load_text(f"{child.info.artifact_uri}/card.md")
    version = client.get_model_version("bought", broken["registered"].rpartition("/")[2])
    for said in words:
        for place in (page, card, run.data.tags["mlflow.note.content"]):
            assert said in place
    assert run.data.tags["veto.TP303"] == version.tags["veto.TP303"] == broken["findings"][0]["said"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tippingpoint", "simulate", f"models=[{broken['run_id']}]", "tracking.log=false"])
        patch.setenv("COLUMNS", "1000")
        with pytest.raises(SystemExit):
            main()
    shown = capsys.readouterr().out
    assert words[0] in shown
    assert words[1] in shown


def test_nothing_is_led_chosen_or_promoted_on_vetoed_evidence(broken: dict[str, Any]) -> None:
    code, found = answer("simulate", f"models=[{broken['run_id']}]", "budget.contacts=100")
    assert code == 0
    assert found["vetoed"] == ["TP303"]
    assert codes(found)[:2] == ["TP303", "TP307"]
    assert not {"leader", "contest", "choice", "frontier"} & set(found)
    assert not [key for row in found["values"] for key in row if key.endswith(("_low", "_high"))]
    code, again = answer("simulate", f"models=[{found['run_id']}]", "economics.price=20")
    assert (code, again["vetoed"], codes(again)) == (0, ["TP303"], codes(found))
    code, _ = answer("simulate", f"models=[{found['run_id']}]", "diagnostics.accept={TP303: why}")
    assert code == 2
    code, promoted = answer("promote", f"model={broken['registered']}", "gate.explanation=null", "gate.reload=null")
    assert code == 1
    checks = {check["name"]: (check["word"], check["said"]) for check in promoted["judgement"]["checks"]}
    assert checks["diagnostics"] == ("fails", "vetoed by TP303 (balance)")
    assert checks["value"] == ("inconclusive", "the evidence (experiment) is vetoed by TP303")
    code, _ = answer("score", "input=broken_lot.csv", "to=d.csv", f"model={broken['registered']}")
    assert code == 0


def test_money_on_vetoed_evidence_is_no_objective(folder: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["data.logging_probability=uniform", "model=logistic", "tune.objectives=[value]", "tracking.log=false"]
    code, _ = answer("tune", *table_of("broken_lot"), *words)
    assert code == 2
    assert "evidence that TP303 vetoed" in capsys.readouterr().err


def test_the_dashboard_chooses_nothing_on_vetoed_evidence(broken: dict[str, Any]) -> None:
    subject = registered(broken["registered"])
    assert subject.simulation is not None
    told = [str(finding) for finding in subject.simulation.findings]
    assert broken["findings"][0]["words"] in told
    of = board(subject)
    assert of is not None
    assert of.cut_offs.choice is None
    assert of.within(100) is None
    assert of.scenario(of.policy.cuts).of.uplift.low is None
    assert subject.decider.deployment.vetoed == ("TP303",)


def test_an_accepted_veto_gives_the_interval_back_and_files_the_reason(folder: Path) -> None:
    words = [
        "data.logging_probability=uniform",
        f"diagnostics.accept={{TP303: '{WHY}'}}",
        "diagnostics.silence=[TP307]",
    ]
    found = compare("broken_lot", *words, "report=none")
    assert found["evidence"] == "experiment"
    assert "TP307" not in codes(found)
    assert found["findings"][0]["accepted"] == WHY
    assert None not in intervals(found)
    run = mlflow.get_run(found["run_id"]).data
    assert run.tags["accepted.TP303"] == WHY
    assert "veto.TP303" not in run.tags
    code, simulated = answer("simulate", f"models=[{found['run_id']}]", "tracking.log=false")
    assert (code, simulated["vetoed"], simulated["findings"][0]["accepted"]) == (0, [], WHY)
    assert "leader" in simulated
    code, promoted = answer("promote", f"model={found['registered']}", "gate.explanation=null", "gate.reload=null")
    checks = {check["name"]: check["said"] for check in promoted["judgement"]["checks"]}
    assert checks["diagnostics"].startswith(f"accepted, TP303: {WHY}")


def test_columns_declared_as_consequences_are_dropped_from_model_and_balance(folder: Path) -> None:
    after = pd.read_csv("broken_lot.csv")
    lot = np.random.default_rng(9).random(len(after)) < 0.5
    after["action"] = np.where(lot, "offer", "none")
    after.assign(opened=lot * 1.0 + np.random.default_rng(1).normal(scale=0.3, size=len(lot))).to_csv(
        "after.csv", index=False
    )
    found = compare("after", "data.logging_probability=uniform", "report=none", "tracking.log=false")
    assert codes(found)[:2] == ["TP303", "TP307"]
    assert found["findings"][1]["remedy"] == "Only if measured after the action: data.after='[opened]'."
    kept = compare("after", "data.logging_probability=uniform", "data.after=[opened]", "report=none")
    assert kept["evidence"] == "experiment"
    assert not {"TP302", "TP303", "TP307"} & set(codes(kept))
    assert kept["data"]["dropped"] == {"opened": "measured after the action"}
    assert mlflow.get_run(kept["run_id"]).data.params["data"] == "after.csv"


def test_an_offer_given_by_a_rule_has_no_interval_and_leads_nothing(folder: Path) -> None:
    found = compare("no_overlap", "report=none")
    assert found["evidence"] == "logged"
    assert "TP301" in codes(found)
    assert intervals(found) == [None, None, None]
    code, simulated = answer("simulate", f"models=[{found['run_id']}]")
    assert code == 0
    assert "TP301" in codes(simulated)
    assert not {"leader", "choice"} & set(simulated)
    assert {row["verdict"] for row in simulated["contest"]} == {"inconclusive"}
    for of in (found["leaderboard"][0]["common_support"], *simulated["common_support"]):
        assert of["users"] < 50
        assert not [key for key, value in of.items() if key.startswith("uplift") and value is not None]
    code, promoted = answer("promote", f"model={found['registered']}", "gate.explanation=null", "gate.reload=null")
    checks = {check["name"]: check["said"] for check in promoted["judgement"]["checks"]}
    assert code == 1
    assert "TP301 (overlap)" in checks["diagnostics"]
    accepted = f"diagnostics.accept={{TP301: '{WHY}', TP304: '{WHY}'}}"
    again = compare("no_overlap", "report=none", "tracking.log=false", accepted)
    assert {finding["accepted"] for finding in again["findings"] if finding["code"] == "TP301"} == {WHY}
    assert None not in intervals(again)


def test_something_can_be_said_of_those_who_could_have_got_either(folder: Path) -> None:
    found = compare("some_overlap", "report=none")
    assert "TP301" in codes(found)
    assert intervals(found)[1:] == [None, None]  # of the uplift
    said = found["leaderboard"][0]["common_support"]
    assert 50 < said["users"] < said["acted"]
    assert said["uplift"]["low"] < -0.1 < said["uplift"]["high"]  # the offer does nothing and costs 0.1
    assert said["words"].startswith(f"among the {said['users']:,} of {said['acted']:,} users acted on who could have")
    run = mlflow.get_run(found["run_id"])
    assert said["words"] in run.data.tags["mlflow.note.content"]
    code, simulated = answer("simulate", f"models=[{found['run_id']}]")
    assert code == 0
    of = next(row for row in simulated["common_support"] if row["contestant"] == "logistic · offer")
    assert (of["users"], of["acted_on"]) == (said["users"], said["acted"])
    assert of["uplift_per_user_of_theirs_logged_low"] == pytest.approx(said["uplift"]["low"])
    assert {row["verdict"] for row in simulated["contest"]} == {"inconclusive"}
    assert not {"leader", "choice"} & set(simulated)


def test_a_logged_uplift_says_which_hidden_driver_could_explain_it(folder: Path) -> None:
    table(lambda x, lot: lot < np.where(x > 0, 0.5, 0.3), 9000).to_csv("leaning.csv", index=False)
    found = compare("leaning", "report=none")
    assert found["evidence"] == "logged"
    hidden = found["leaderboard"][0]["hidden_driver"]
    assert hidden["bounds"][0]["odds_times"] == 1
    uplift = found["leaderboard"][0]["metrics"]["policy/logged/uplift_per_user"]
    assert [hidden["bounds"][0][f"uplift_logged_{end}"] for end in ("low", "high")] == pytest.approx(
        [uplift["low"], uplift["high"]]
    )
    code, simulated = answer("simulate", f"models=[{found['run_id']}]")
    assert code == 0
    row = next(row for row in simulated["values"] if row["contestant"] == "logistic · offer")
    assert row["sign_open_from_odds_times_logged"] == pytest.approx(hidden["sign_open_from_odds_times"])
    rows = [row for row in simulated["hidden_driver"] if row["contestant"] == "logistic · offer"]
    assert [row["uplift_per_user_logged_low"] for row in rows] == pytest.approx(
        [row["uplift_logged_low"] for row in hidden["bounds"]]
    )
    client = mlflow.MlflowClient()
    (child,) = client.search_runs(
        [mlflow.get_run(found["run_id"]).info.experiment_id], f"tags.mlflow.parentRunId = '{simulated['run_id']}'"
    )
    steps = client.get_metric_history(child.info.run_id, "policy/logged/with_hidden_driver_low")
    assert [step.step for step in steps][:2] == [100, 105]
    assert "policy/logged/sign_open_from_odds_times" in child.data.metrics
    listed = [of.path for of in client.list_artifacts(simulated["run_id"], "figures")]
    assert "figures/hidden_driver.png" in listed
    page = mlflow.artifacts.load_text(f"{mlflow.get_run(simulated['run_id']).info.artifact_uri}/simulation.html")
    assert "If something hidden drove the action" in page
    code, again = answer("simulate", f"models=[{simulated['run_id']}]", "economics.price=20", "tracking.log=false")
    assert code == 0
    assert "hidden_driver" in again
