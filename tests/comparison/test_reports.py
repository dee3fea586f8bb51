"""How much a run writes, what a sweep writes by itself, and that the code on a card runs."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from tippingpoint.comparison.job import compare
from tippingpoint.comparison.run import run
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.tuning.settings import TuneSettings

SMALL = ["model=logistic", "data.users=2000", "explain_rows=20"]


def files(run_id: str) -> dict[str, int]:
    client = MlflowClient()

    def below(path: str | None) -> dict[str, int]:
        found: dict[str, int] = {}
        for file in client.list_artifacts(run_id, path):
            found |= below(file.path) if file.is_dir else {file.path: file.file_size}
        return found

    return {path: size for path, size in below(None).items() if path != "uncommitted.diff"}


def test_the_report_is_full_by_default_and_light_under_a_sweep_and_in_a_search() -> None:
    assert Settings.from_config(compose("run")).reported == "full"
    assert CompareSettings.from_config(compose("compare", ["tracking.sweep_id=x"])).reported == "light"
    assert Settings.from_config(compose("run", ["tracking.sweep_id=x", "report=full"])).reported == "full"
    assert TuneSettings.from_config(compose("tune")).reported == "light"
    assert TuneSettings.from_config(compose("tune", ["report=none"])).reported == "none"


def test_each_report_holds_what_it_promises_and_less_than_a_megabyte(stored: Path) -> None:
    found = {}
    for report in ("full", "light", "none"):
        filed = run(Settings.from_config(compose("run", [*SMALL, f"report={report}"]))).filed
        found[report] = files(filed.run_id)
        logged = MlflowClient().get_run(filed.run_id)
        assert logged.data.params["report"] == report
        assert {"test/roc_auc", "slices/worse", "baseline/roc_auc", "baseline/roc_auc_gain_low"} <= set(
            logged.data.metrics
        )
        assert sum(found[report].values()) < 1_000_000
    assert set(found["none"]) == {
        "config.yaml",
        "policy.json",
        "card.md",
        "packages.txt",
        "findings.json",
        "out_of_fold.npy",
    }
    light = {path for path in found["light"] if path.startswith("figures/")}
    assert light == {"figures/roc.png", "figures/calibration.png", "figures/shap.png"}
    shown = ("lift", "slices", "learning_curve", "explore", "dependence", "partial_dependence", "typical_users")
    told = ("learning_curve", "typical_users", "interactions", "importance_stability")
    more = {*(f"figures/{name}.png" for name in shown), *(f"tables/{name}.csv" for name in told)}
    assert set(found["full"]) - set(found["light"]) == more


def test_a_comparison_links_to_its_page_where_it_has_one(at_compared: tuple) -> None:
    light = compare(CompareSettings.from_config(compose("compare", [*SMALL, "report=light"]))).filed
    for filed, held in ((at_compared[0].filed, True), (light, False)):
        assert ("report.html" in files(filed.run_id)) == held
        assert ("Report" in filed.views) == held
        assert ("report.html" in MlflowClient().get_run(filed.run_id).data.tags["mlflow.note.content"]) == held


def test_curves_are_metric_steps_that_overlay(compared: tuple) -> None:
    result, folder = compared
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    parent = client.get_run(result.filed.run_id)
    below = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    for child in client.search_runs([parent.info.experiment_id], below):
        roc = client.get_metric_history(child.info.run_id, "curve/roc/tpr")
        assert sorted(point.step for point in roc) == list(range(101))
        for name in ("pr/precision", "gains/captured", "lift/decile", "calibration/rate", "learning/roc_auc"):
            assert 2 < len(client.get_metric_history(child.info.run_id, f"curve/{name}")) <= 101
        gains = [client.get_metric_history(child.info.run_id, f"curve/truth/checkout_prompt/uplift_per_user{end}")
                 for end in ("_low", "", "_high")]  # fmt: skip
        low, value, high = ({point.step: point.value for point in of} for of in gains)
        assert (min(value), max(value)) == (0, 100)
        assert value[0] == 0
        assert all(low[step] <= value[step] <= high[step] for step in value)


def test_a_comparison_shows_baselines_and_what_there_is_to_read(compared: tuple) -> None:
    result, folder = compared
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    board = result.comparison.leaderboard()
    names = [b.name for b in result.comparison.baselines]
    assert board["model"].tolist()[-len(names) :] == names
    path = client.download_artifacts(result.filed.run_id, "tables/interpretability.csv")
    table = pd.read_csv(path).set_index("model")
    assert table.loc["logistic", "size"] < table.loc["boosting", "size"]
    assert table["of"].to_dict() == {"logistic": "terms", "random_forest": "nodes", "boosting": "nodes"}
    assert (table["columns_90"] <= table["columns_used"]).all()
    note = client.get_run(result.filed.run_id).data.tags["mlflow.note.content"]
    assert "column " in note
    assert "for 90 % of mean" in note


@pytest.mark.programs
def test_the_code_on_a_card_gives_the_scores(compared: tuple, tmp_path: Path) -> None:
    result, folder = compared
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (code,) = re.findall(r"```python\n(.*?)```", client.get_model_version("conversion", "1").description, re.S)
    test = result.comparison.question.parts.test
    test.features.to_csv(tmp_path / "users.csv", index=False)
    (tmp_path / "card.py").write_text(code + '\nimport numpy\nnumpy.save("score.npy", score)\n')
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "card.py"], cwd=tmp_path, env=store, check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "score.npy"), result.comparison.winner.score, atol=1e-9)


def test_a_finished_run_counts_unless_more_is_wanted_than_it_wrote(
    stored: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    line = ["run", "-m", *SMALL, "seed=choice(0)", "output=json"]
    assert call(*line, "report=none") == 0
    assert call(*line) == 0, "light under a sweep"
    assert "skipped, run" not in capsys.readouterr().err
    for less in ("report=light", "report=none"):
        assert call(*line, less) == 0
        assert capsys.readouterr().err.count("skipped, run") == 1
