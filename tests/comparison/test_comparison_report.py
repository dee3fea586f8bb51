"""The page of a comparison, and what its runs hold for the UI; how both look: tests/browser."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from tippingpoint.comparison import figures, page
from tippingpoint.comparison.job import compare
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.palette import colour


def folder_of(run_id: str, to: Path) -> Path:
    return Path(MlflowClient().download_artifacts(run_id, "", str(to)))


def test_a_comparison_s_run_holds_one_report_within_its_room(at_compared: tuple, tmp_path: Path) -> None:
    folder = folder_of(at_compared[0].filed.run_id, tmp_path)
    text = (folder / "report.html").read_text()
    assert text.count("plotly.js v") == 1
    assert "default-src 'none'" in text
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 8_000_000
    assert at_compared[0].comparison.question.users.digest in text


def test_tables_are_where_the_table_view_reads_them(at_compared: tuple, tmp_path: Path) -> None:
    found = at_compared[0]
    logged = json.loads(MlflowClient().get_run(found.filed.run_id).data.tags["mlflow.loggedArtifacts"])
    assert [table["path"] for table in logged] == ["tables/leaderboard.json", "tables/verdicts.json"]
    folder = folder_of(found.filed.run_id, tmp_path)
    board = pd.DataFrame(**json.loads((folder / "tables/leaderboard.json").read_text()))
    assert board["model"].tolist()[:3] == [c.family for c in found.comparison.candidates]
    area = found.comparison.winner.metrics["roc_auc"]
    assert board["ROC AUC"][0] == f"{area.value:.3f} [{area.low:.3f}, {area.high:.3f}]"


def test_params_are_short_and_models_stand_in_their_experiment(at_compared: tuple) -> None:
    client, filed = MlflowClient(), at_compared[0].filed
    experiment = client.get_run(filed.run_id).info.experiment_id
    runs = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{filed.run_id}'")
    assert max(len(value) for run in runs for value in run.data.params.values()) <= 40
    assert {run.data.tags["mlflow.runColor"] for run in runs} == {colour(run.data.params["model"]) for run in runs}
    models = {model.name: model for model in client.search_logged_models([experiment])}
    assert set(models) >= {run.data.params["model"] for run in runs}
    tested = [m for m in models["logistic"].metrics if m.key == "test/roc_auc"]
    assert [m.dataset_name for m in tested] == ["case_study · test"]


def test_shares_of_a_family_sum_to_one_and_agreement_is_told(at_compared: tuple) -> None:
    shares = page.importance(at_compared[0].comparison)
    np.testing.assert_allclose(shares.sum(), 1)
    same = pd.DataFrame({"a": [0.6, 0.3, 0.1, 0.0], "b": [0.5, 0.3, 0.2, 0.0]}, index=list("wxyz"))
    told = page.agreement(same)
    assert "mean Kendall tau of 1.00" in told[0]
    assert told[1].endswith("w, x, y.")
    assert "tau of -1.00" in page.agreement(same.assign(b=same["a"].to_numpy()[::-1]))[0]
    assert page.agreement(same[["a"]]) == []


def test_a_pair_that_is_told_apart_is_drawn_apart() -> None:
    told = Contrast("a", "b", Estimate(0.02, 0.005, 0.01, 0.03), "better", 1000, 900, 2.3)
    alike = Contrast("a", "c", Estimate(0.0, 0.0, None, None), "inconclusive", 1000, 0, 2.3)
    first, second = figures.pairs([told, alike], "money")["data"]
    assert (first["x"], first["error_x"]["array"], first["error_x"]["arrayminus"]) == ([0.02], [0.01], [0.01])
    assert first["marker"]["color"] != second["marker"]["color"]
    assert second["error_x"]["array"] == [0.0]


@pytest.mark.parametrize("policy", ["top_fraction", "best_action"])
def test_a_policy_without_cut_offs_has_a_report_too(policy: str, stored: Path, tmp_path: Path) -> None:
    words = [f"policy={policy}", "model=[logistic]", "data.users=1500", "explain_rows=10"]
    filed = compare(CompareSettings.from_config(compose("compare", words))).filed
    text = (folder_of(filed.run_id, tmp_path) / "report.html").read_text()
    assert "could be drawn" in text
    assert "stands alone" in text
