"""Two runs side by side: paired on the same users, the users whose action changes, and links from both."""

import json
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from tippingpoint.comparison.settings import CompareRunsSettings
from tippingpoint.comparison.two_runs import TwoRunsResult, compare_runs
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.evaluation import auc_contributions


def beside(*words: str) -> TwoRunsResult:
    return compare_runs(CompareRunsSettings.from_config(compose("compare_runs", list(words))))


@pytest.fixture(scope="module")
def found(at_compared: tuple) -> TwoRunsResult:
    client, filed = MlflowClient(), at_compared[0].filed
    experiment = client.get_run(filed.run_id).info.experiment_id
    below = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{filed.run_id}'")
    runs = {run.data.params["model"]: run.info.run_id for run in below}
    return beside(f"runs=[{runs['logistic']},{runs['boosting']}]", "to=page.html")


def test_metrics_are_paired_and_money_is_of_the_users_whose_action_changes(
    found: TwoRunsResult, at_compared: tuple
) -> None:
    comparison = at_compared[0].comparison
    by = {c.family: c for c in comparison.candidates}
    outcome = comparison.question.parts.test.outcome
    areas = [auc_contributions(outcome, by[name].score).mean() for name in ("logistic", "boosting")]
    assert found.metrics["roc_auc"].value == pytest.approx(areas[1] - areas[0])
    expected = by["boosting"].value.over(by["logistic"].value)
    assert found.value is not None
    assert (found.value.value, found.value.low) == pytest.approx((expected.value, expected.low))
    assert found.movement["gain"].sum() / found.users == pytest.approx(expected.value)
    valued = comparison.question.valued
    decided = [valued.decide(by[name].policy, by[name].score) for name in ("logistic", "boosting")]
    assert found.changed == int(np.count_nonzero(decided[0] != decided[1]))


def test_what_differs_is_named_and_no_more(found: TwoRunsResult) -> None:
    assert found.differing.to_dict("records") == [{"key": "family", "first": "logistic", "second": "boosting"}]


def test_the_page_is_filed_and_linked_from_both(found: TwoRunsResult) -> None:
    client = MlflowClient()
    link = "#" + found.page.partition("#")[2]
    for side in (found.first, found.second):
        assert link in client.get_run(side.run.info.run_id).data.tags["mlflow.note.content"]
    run_id = found.page.split("/runs/")[1].split("/")[0]
    page = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="two_runs.html")).read_text()
    assert page == Path("page.html").read_text()


def test_uplift_stands_on_one_axis_and_shap_side_by_side(
    found: TwoRunsResult, look: Callable[..., dict], tmp_path: Path
) -> None:
    for width in (1400, 400):
        seen = look(Path("page.html").resolve(), width, tmp_path / f"{width}.png")
        assert (seen["drawn"], seen["asked"], seen["empty"], seen["said"]) == (3, 3, [], [])
        assert seen["overflow"] <= 0


def test_versions_are_named_too_and_nothing_is_filed_where_it_is_not_wanted(
    client: MlflowClient, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    before = len(client.search_runs(["1"]))
    words = ["runs=[models:/conversion/1,models:/conversion/2]", "tracking.log=false", "output=json"]
    assert call("compare", *words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["page"] is None
    assert told["users_with_another_action"] == sum(row["users"] for row in told["movement"])
    assert len(client.search_runs(["1"])) == before


@pytest.mark.parametrize(
    ("runs", "why"),
    [("[models:/conversion/1]", "two are compared"), ("[models:/conversion/1,models:/conversion/1]", "the same run")],
)
def test_two_are_needed(at_compared: tuple, runs: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        beside(f"runs={runs}", "tracking.log=false")
