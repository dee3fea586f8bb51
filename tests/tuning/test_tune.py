"""A search ends with what was asked for, in MLflow too, and the same line goes on where it stopped."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn.metrics import roc_auc_score

from tests.processes import typed
from tests.tuning.searches import SMALL, runs, search, shown
from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.source import Source
from tippingpoint.data.splits import split
from tippingpoint.experiment.collect import score_users, score_validation
from tippingpoint.models.calibration import refit
from tippingpoint.reports.palette import colour
from tippingpoint.tracking.models import load
from tippingpoint.tuning.job import TuneResult


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("tune")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{made}/mlflow.db")
        yield made


@pytest.fixture(scope="module")
def tuned(folder: Path) -> TuneResult:
    return search("tune.trials=6", "tune.workers=2", "tune.prune=0")


def test_it_has_as_many_complete_trials_as_were_asked_for(tuned: TuneResult) -> None:
    assert tuned.tuned.count("complete") == 6
    assert tuned.tuned.best.values["roc_auc"] == max(t.values["roc_auc"] for t in tuned.tuned.tried)
    assert len({t.parameters["C"] for t in tuned.tuned.tried}) == 6
    assert 0.3 in {t.parameters["C"] for t in tuned.tuned.tried}, "the family's own parameters are among them"


def test_the_winner_is_refitted_and_registered_as_challenger(tuned: TuneResult) -> None:
    client = MlflowClient()
    parent = client.get_run(tuned.filed.run_id)
    assert float(parent.data.params["model.C"]) == pytest.approx(tuned.tuned.best.parameters["C"])
    assert parent.data.metrics["test/roc_auc"] == pytest.approx(tuned.tuned.candidate.metrics["roc_auc"].value)
    assert parent.data.metrics["cv/roc_auc"] == tuned.tuned.best.values["roc_auc"]
    assert {"cv/gain", "cv/gain_low", "test/roc_auc_gain", "test/roc_auc_gain_low"} <= set(parent.data.metrics)
    seen = tuned.tuned.candidate.development
    card = mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/card.md")
    assert f"then fitted on both together, {len(seen):,} users" in card
    version = client.get_model_version_by_alias("conversion", "challenger")
    assert f"models:/conversion/{version.version}" == tuned.filed.registered == parent.data.tags["registered"]
    files = {f.path for part in ("", "figures", "tables") for f in client.list_artifacts(parent.info.run_id, part)}
    assert {"search.html", "figures/search.png", "tables/trials.csv", "card.md", "config.yaml"} <= files


def test_cut_offs_are_chosen_on_scores_by_models_that_did_not_learn_from_those_users(tuned: TuneResult) -> None:
    client = MlflowClient()
    model = load(client, client.get_run(tuned.filed.run_id))
    users = Component.model_validate(model.config["data"]).build(Source, "data").load()
    parts = split(users, validate(Split, model.config["split"], "split"))
    chosen_on, seen = score_validation("tuned", model, users, parts), score_users("tuned", model, parts.validation)
    _, anew = refit(model.family, tuned.tuned.candidate.development, 0)
    of_validation = np.isin(tuned.tuned.candidate.development.user_id, parts.validation.user_id)
    assert np.array_equal(chosen_on, anew[of_validation])
    assert roc_auc_score(parts.validation.outcome, chosen_on) < roc_auc_score(parts.validation.outcome, seen)
    with pytest.raises(InputError, match="kept scores of"):
        score_validation("tuned", replace(model, out_of_fold=chosen_on[:-1]), users, parts)


def test_each_trial_is_a_run_with_its_parameters_folds_and_duration(tuned: TuneResult) -> None:
    found = runs("trial")
    by_number = {int(run.data.tags["trial"]): run for run in found}
    assert len(found) == len(by_number) == 6
    for trial in tuned.tuned.tried:
        run = by_number[trial.number]
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == tuned.filed.run_id
        assert run.data.tags["mlflow.runColor"] == colour("logistic")
        assert run.data.tags["data_digest"] == tuned.question.users.digest
        assert run.data.params["model"] == "logistic"
        assert float(run.data.params["model.C"]) == trial.parameters["C"]
        assert run.data.metrics["cv/roc_auc"] == trial.values["roc_auc"]
        folds = MlflowClient().get_metric_history(run.info.run_id, "fold/roc_auc")
        assert [m.value for m in sorted(folds, key=lambda m: m.step)] == trial.folds["roc_auc"]
        assert run.data.metrics["cost/trial_seconds"] >= run.data.metrics["cost/fit_seconds"] > 0


def test_the_best_so_far_is_a_curve_on_the_parent(tuned: TuneResult) -> None:
    history = MlflowClient().get_metric_history(tuned.filed.run_id, "search/best_roc_auc")
    values = [m.value for m in sorted(history, key=lambda m: m.step)]
    assert sorted(m.step for m in history) == [1, 2, 3, 4, 5, 6]
    assert values == sorted(values)
    assert values[-1] == tuned.tuned.best.values["roc_auc"]


def test_its_answers_are_one_screen_and_one_json(tuned: TuneResult) -> None:
    text = shown(tuned)
    assert len(text.splitlines()) <= 48
    assert ("Gain of logistic over its defaults, cross-validated" in text) == (tuned.tuned.gain.value > 0)
    assert "looked at once" in text
    assert json.loads(json.dumps(tuned.to_dict(), default=float))["trials"] == {"complete": 6, "pruned": 0, "failed": 0}


def test_its_decision_knows_what_needs_no_model(tuned: TuneResult) -> None:
    """What compare would say of the same model under the same policy: everyone getting one action brings more."""
    decision = tuned.to_dict()["decision"]
    assert decision["word"] == "Do not ship"
    assert "Without a model everyone " in decision["why"]
    assert decision["why"] in " ".join(shown(tuned).replace("│", " ").split())


def test_the_same_line_again_has_nothing_to_do(tuned: TuneResult) -> None:
    again = search("tune.trials=6", "tune.workers=2", "tune.prune=0")
    assert again.filed == tuned.filed
    assert again.tuned.candidate is None
    assert len(runs("trial")) == 6
    assert len(runs("tune")) == 1
    assert len(MlflowClient().search_model_versions("name = 'conversion'")) == 1


def test_another_policy_has_its_own_winner_of_the_same_trials(tuned: TuneResult) -> None:
    other = search("tune.trials=6", "tune.prune=0", "policy.cuts=[0.2,0.5]", "policy.version=2")
    assert [t.parameters for t in other.tuned.tried] == [t.parameters for t in tuned.tuned.tried]
    assert other.tuned.candidate is not None
    assert other.filed.registered not in (None, tuned.filed.registered)
    assert len(runs("trial")) == 6


def test_a_higher_target_goes_on_and_takes_the_trials_along(tuned: TuneResult) -> None:
    more = search("tune.trials=9", "tune.prune=0")
    assert more.tuned.count("complete") == 9
    assert [t.parameters for t in more.tuned.tried[:6]] == [t.parameters for t in tuned.tuned.tried]
    assert more.filed.run_id != tuned.filed.run_id
    assert Counter(run.data.tags["mlflow.parentRunId"] for run in runs("trial")) == {more.filed.run_id: 9}
    assert search("tune.trials=4", "tune.prune=0").filed == more.filed, "of more trials the winner is there"


def test_another_question_is_another_study(tuned: TuneResult) -> None:
    other = search("tune.trials=1", "tune.prune=0", "seed=1")
    assert other.tuned.best.study != tuned.tuned.best.study
    assert other.tuned.count("complete") == 1


def test_families_share_the_trials_and_the_weak_stop_early(folder: Path) -> None:
    words = ["model=[logistic,random_forest]", "model.random_forest.n_estimators=5", "model.random_forest.max_depth=1"]
    found = search(*words, "model.random_forest.search={min_samples_leaf:{low:200,high:300}}", "tune.trials=8")
    by_family = Counter(t.family for t in found.tuned.tried if t.state == "complete")
    assert by_family == {"logistic": 6, "random_forest": 2}
    assert found.tuned.best.family == "logistic"


def test_two_objectives_have_a_front(folder: Path) -> None:
    found = search("model=boosting", "tune=pareto", "tune.trials=4", "model.boosting.search.n_estimators.high=40")
    assert all(set(t.values) == {"roc_auc", "nodes"} for t in found.tuned.tried)
    page = Path(MlflowClient().download_artifacts(found.filed.run_id, "search.html", str(folder))).read_text()
    assert "Pareto-front" in page
    values = {t.place: (t.values["roc_auc"], -t.values["nodes"]) for t in found.tuned.tried}
    beaten = {
        p for p, (a, b) in values.items() if any(x >= a and y >= b and (x, y) != (a, b) for x, y in values.values())
    }
    assert set(found.tuned.front) == set(values) - beaten
    assert "* on the front" in shown(found)


def test_a_winner_worse_than_its_defaults_is_registered_but_no_challenger(folder: Path) -> None:
    before = search("tune.trials=1", "tune.prune=0", "seed=5")
    assert before.tuned.gain.value == pytest.approx(0, abs=1e-9)
    assert "though it cannot be told from its defaults" in shown(before)
    weak = search("tune=grid", "model.logistic.search.C={choices: [0.000001]}", "seed=5")
    assert weak.tuned.gain.value < 0
    assert weak.filed.registered is not None
    assert "not made challenger" in shown(weak)
    version = MlflowClient().get_model_version_by_alias("conversion", "challenger")
    assert f"models:/conversion/{version.version}" != weak.filed.registered


def test_force_begins_a_finished_search_anew_beside_it(folder: Path) -> None:
    words = ["tune.trials=2", "tune.prune=0", "seed=6"]
    first = search(*words)
    anew = search(*words, "force=true")
    assert anew.tuned.best.study != first.tuned.best.study
    assert anew.filed.run_id != first.filed.run_id
    assert (anew.tuned.before, anew.tuned.count("complete")) == (0, 2)
    assert search(*words).filed == anew.filed, "the latest goes on, or has nothing to do"
    assert len(list(folder.glob(f".tippingpoint/studies/{first.tuned.best.study.rpartition('-')[0]}*.log"))) == 2


def test_the_smallest_comes_first_where_less_is_better(folder: Path) -> None:
    words = ["model=random_forest", "model.random_forest.n_estimators=5", "tune.objectives=[nodes]"]
    found = search(*words, "tune.trials=4", "tune.prune=0")
    nodes = sorted(t.values["nodes"] for t in found.tuned.tried)
    assert found.tuned.best.values["nodes"] == nodes[0] < nodes[-1]
    text = shown(found)
    assert text.index(f"{nodes[0]:,.0f}") < text.index(f"{nodes[-1]:,.0f}")


def test_policy_value_is_an_objective_where_it_is_measured(folder: Path) -> None:
    found = search(
        "data.users=6000",
        "tune.objectives=[value,spend]",
        "tune.trials=3",
        "data.logging.kind=randomised",
        "evidence=experiment",
    )
    assert all(t.values["spend"] >= 0 for t in found.tuned.tried)
    assert found.tuned.gain.low <= found.tuned.gain.value <= found.tuned.gain.high


def test_a_search_may_fit_on_those_left_alone_only(folder: Path) -> None:
    words = ["data.users=4000", "data.logging.kind=randomised", "tune.trials=2", "tune.prune=0"]
    mixed, alone = search(*words), search(*words, "data.train_on=none")
    assert alone.tuned.best.study != mixed.tuned.best.study
    assert alone.tuned.candidate.score.mean() < mixed.tuned.candidate.score.mean() - 0.01, "no action lifts the score"
    assert len(alone.tuned.candidate.score) == len(mixed.tuned.candidate.score)


def test_the_gaussian_process_searches_where_torch_is_installed(folder: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed (extra: gp)")
    found = search("tune.sampler=gp", "tune.trials=12", "tune.prune=0")
    assert len({t.parameters["C"] for t in found.tuned.tried}) == 12


@pytest.mark.parametrize("objective", ["brier", "log_loss"])
def test_the_gain_on_test_is_that_of_the_objective_positive_for_better(folder: Path, objective: str) -> None:
    words = [f"tune.objectives=[{objective}]", "seed=8"]
    same = search(*words, "tune.trials=1")
    assert same.tuned.judged == objective
    assert same.tuned.gain_on_test.value == pytest.approx(0, abs=1e-12), "its defaults, calibrated as it is"
    assert f"test/{objective}_gain" in MlflowClient().get_run(same.filed.run_id).data.metrics
    weak = search(*words, "tune=grid", "model.logistic.search.C={choices: [0.000001]}")
    error = weak.tuned.candidate.metrics[objective].value - same.tuned.candidate.metrics[objective].value
    assert weak.tuned.gain_on_test.value == pytest.approx(-error, abs=1e-9)
    assert f"looked at once: {objective} {-error:+.4f}" in shown(weak)


def test_a_worker_knows_no_mlflow() -> None:
    """What it does for a trial cannot wait for a store: a trial is filed by the process that watches."""
    imports = "import tippingpoint.tuning.worker, tippingpoint.models.boosting, tippingpoint.policies.rules, sys"
    code = (
        f"{imports}; print(sorted({{name.partition('.')[0] for name in sys.modules}} & {{'mlflow', 'hydra', 'shap'}}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_sigterm_finishes_the_folds_under_way_and_the_same_line_goes_on(workspace: Path) -> None:
    words = ["tune", *SMALL, "tune.trials=80", "tune.prune=0", "output=json"]
    job = typed(*words, folder=workspace)
    deadline = time.monotonic() + 240
    while len(complete(workspace)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    job.send_signal(signal.SIGTERM)
    _, error = job.communicate(timeout=240)
    assert job.returncode == 128 + signal.SIGTERM
    assert error.startswith("searching: 0/80 trials\n")
    assert "finishing the folds under way" in error
    assert "the same line goes on from there" in error
    before = len(complete(workspace))
    assert 3 <= before < 80
    assert {run.info.status for run in runs("tune")} == {"KILLED"}
    assert len(runs("trial")) >= before
    out, error = (again := typed(*words, folder=workspace)).communicate(timeout=240)
    assert again.returncode == 0, error
    assert json.loads(out)["trials"]["complete"] == 80
    first, *_, last = error.splitlines()
    assert first == f"searching: {before}/80 trials"
    assert last.startswith("80/80 trials, logistic roc_auc 0.")
    assert {run.info.status for run in runs("tune")} == {"FINISHED"}
    assert len(runs("tune")) == 1


def complete(folder: Path) -> list:
    """States of complete trials, as the journal on disk has them."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    for path in folder.glob(".tippingpoint/studies/*.log"):
        with contextlib.suppress(KeyError):  # the file is there a moment before the study in it
            study = optuna.load_study(study_name=path.stem, storage=JournalStorage(JournalFileBackend(str(path))))
            return study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    return []
