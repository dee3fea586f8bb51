"""Saved views: written once, found again, changed only with their definition. What they show: tests/browser."""

import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path

from mlflow import MlflowClient

from tippingpoint.tracking import backend, views


def opened(tag: str) -> dict:
    """The state of a view's tag, as the UI reads it."""
    state = json.loads(tag)["state"]
    assert state.startswith("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(state.removeprefix("deflate;"))))


def test_views_are_written_once_and_again_only_when_they_change(workspace: Path) -> None:
    client = backend.connect()
    experiment = backend.experiment_id(client, "conversion")
    first, second = views.leaderboard("roc_auc"), views.calibration()
    assert list(views.seed(client, experiment, [first, second])) == ["Leaderboard, roc_auc", "Calibration"]
    before = client.get_experiment(experiment).tags
    views.seed(client, experiment, [first, second])
    assert client.get_experiment(experiment).tags == before
    client.set_experiment_tag(experiment, f"{views.TAG}{second.key}", "no view")
    views.seed(client, experiment, [replace(first, columns=("params.model",)), second])
    after = client.get_experiment(experiment).tags
    assert opened(after[views.TAG + first.key])["selectedColumns"] == ["params.`model`"]
    assert opened(after[views.TAG + second.key]) == opened(before[views.TAG + second.key])


def test_a_metric_that_someone_made_primary_stays(workspace: Path) -> None:
    client = backend.connect()
    experiment = backend.experiment_id(client, "conversion")
    client.set_experiment_tag(experiment, views.PRIMARY, "test/brier")
    views.seed(client, experiment, [views.calibration()])
    assert client.get_experiment(experiment).tags[views.PRIMARY] == "test/brier"


def test_what_is_assumed_has_no_column_for_an_interval() -> None:
    assert not any(name.endswith(("_low", "_high")) for name in views.uplift("assumed").columns)
    assert "metrics.policy/truth/uplift_per_user_low" in views.uplift("truth").columns


def test_the_lowest_comes_first_where_lower_is_better() -> None:
    assert [views.leaderboard(metric).rising for metric in ("roc_auc", "pr_auc", "log_loss", "brier")] == [
        False, False, True, True,
    ]  # fmt: skip


def test_each_view_names_what_runs_of_a_comparison_have(at_compared: tuple) -> None:
    comparison, client = at_compared[0].comparison, MlflowClient()
    experiment = client.get_run(at_compared[0].filed.run_id).info.experiment_id
    for view in (views.leaderboard("roc_auc"), views.uplift("truth"), views.calibration()):
        found = client.search_runs([experiment], view.runs, order_by=[f"metrics.`{view.order}` DESC"])
        assert not any(run.data.tags["mlflow.runName"].startswith("compare") for run in found)
        runs = [run for run in found if run.data.tags.get("mlflow.parentRunId") == at_compared[0].filed.run_id]
        assert {run.data.tags["mlflow.runName"] for run in runs} == {
            f"{c.family} · seed 0 · case_study" for c in comparison.candidates
        }
        has = {
            f"{of}.{key}" for run in runs[:1] for of in ("metrics", "params", "tags") for key in getattr(run.data, of)
        }
        assert set(view.columns) - has <= {"metrics.policy/truth/honest_uplift_per_user"}  # a simulation's


def test_links_of_a_description_hold_wherever_the_pages_are_served() -> None:
    assert views.described({"Leaderboard": "http://127.0.0.1:5000/#/experiments/1/runs?a=b"}) == (
        "[Leaderboard](#/experiments/1/runs?a=b)\n\n"
    )


def test_winners_of_searches_stand_beside_others_with_what_they_were_chosen_on(at_compared: tuple) -> None:
    client = MlflowClient()
    experiment = client.get_run(at_compared[0].filed.run_id).info.experiment_id
    winner = client.create_run(experiment, tags={"tippingpoint.job": "tune"}).info.run_id
    client.log_param(winner, "calibration", "none")
    view = views.leaderboard("roc_auc")
    shown = {run.info.run_id: run for run in client.search_runs([experiment], view.runs)}
    client.delete_run(winner)
    below = f"tags.`mlflow.parentRunId` = '{at_compared[0].filed.run_id}'"
    held_out = {run.info.run_id for run in client.search_runs([experiment], below)}
    assert held_out | {winner} <= set(shown)
    assert {shown[run].data.tags["chosen_on"] for run in held_out} == {"validation"}
    assert (view.order, view.columns[:2]) == ("validation/roc_auc", ("metrics.validation/roc_auc", "tags.chosen_on"))


def test_searches_of_other_spaces_have_views_of_their_own() -> None:
    one, two = (views.tuning("roc_auc", True, {"logistic": space}) for space in (["C"], ["C", "l1_ratio"]))
    assert one.key != two.key
    assert {"tags.study", "tags.data_digest"} <= set(one.columns)
