"""A search is killed, its store goes away, its machines come and go: it ends with exactly what was asked for."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from tests.conftest import ROUNDS
from tests.processes import Forked, typed
from tests.soak.gone import gone_at
from tippingpoint.tuning.storages import open_storage

KILLS = max(5, 2 * ROUNDS)
"""5 in one round, 20 in ten."""
TARGET = 24
SEARCH = ["tune", "model=logistic", "data.users=1500", "explain_rows=5", "report=none", "output=json"]

pytestmark = pytest.mark.soak


def command(*words: str, folder: Path, store: str = "") -> Forked:
    return typed(*words, folder=folder, environment={"MLFLOW_TRACKING_URI": store} if store else {})


def finished(*words: str, folder: Path, store: str = "") -> dict:
    out, error = (job := command(*words, folder=folder, store=store)).communicate(timeout=600)
    assert job.returncode == 0, error
    return json.loads(out)


def trials(place: str, state: TrialState = TrialState.COMPLETE) -> list[optuna.trial.FrozenTrial]:
    storage = open_storage(place)
    return [
        trial
        for summary in optuna.get_all_study_summaries(storage)
        for trial in optuna.load_study(study_name=summary.study_name, storage=storage).get_trials(states=(state,))
    ]


def filed(store: str) -> list:
    """Runs of trials."""
    client = MlflowClient(store)
    experiments = [e.experiment_id for e in client.search_experiments()]
    return client.search_runs(experiments, "tags.`tippingpoint.job` = 'trial'", max_results=5000)


def in_mlflow(store: str) -> list[tuple[str, int]]:
    """State and number of the trials that are filed."""
    found = filed(store)
    assert {run.info.status for run in found} <= {"FINISHED"}
    return [(run.data.tags["state"], int(run.data.tags["trial"])) for run in found]


def check(place: str, store: str, target: int) -> None:
    done = trials(place)
    assert len(done) == target
    filed = in_mlflow(store)
    assert len(filed) == len(set(filed)), "none is filed twice"
    assert {n for state, n in filed if state == "complete"} == {t.number for t in done}, "all are filed"
    assert {n for state, n in filed if state == "pruned"} == {t.number for t in trials(place, TrialState.PRUNED)}
    assert not trials(place, TrialState.RUNNING)


def journal(folder: Path) -> str:
    """The study of a folder's one search, there or not yet."""
    return str(next(folder.glob(".tippingpoint/studies/*.log"), ""))


def complete(folder: Path) -> int:
    return len(trials(path)) if (path := journal(folder)) else 0


def test_killed_at_random_moments_it_ends_with_exactly_the_target(workspace: Path) -> None:
    rng = np.random.default_rng(0)
    target = 8 * KILLS
    words = [*SEARCH, f"tune.trials={target}", "tune.workers=2"]
    for _ in range(KILLS):
        job = command(*words, folder=workspace)
        had = complete(workspace)
        deadline = time.monotonic() + 120
        while job.poll() is None and time.monotonic() < deadline:  # the kill falls into the search
            if complete(workspace) > had + rng.integers(0, 4):
                break
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 0.3))
        if rng.random() < 0.5:
            job.kill()  # its workers see that, and go
        else:
            os.killpg(job.pid, signal.SIGKILL)
        job.communicate()
    found = finished(*words, folder=workspace)
    assert found["trials"]["complete"] == target
    check(journal(workspace), f"sqlite:///{workspace}/mlflow.db", target)
    client = MlflowClient()
    (parent,) = client.search_runs(["1"], "tags.`tippingpoint.job` = 'tune'")
    assert parent.info.status == "FINISHED"
    steps = Counter(m.step for m in client.get_metric_history(parent.info.run_id, "search/best_roc_auc"))
    assert steps == Counter(range(1, target + 1))


@pytest.mark.parametrize("at", ["register_candidate", "challenge_unless_worse", "pages"])
def test_killed_while_the_winner_is_filed_it_is_filed_once(workspace: Path, at: str) -> None:
    words = [*SEARCH, "tune.trials=3"]
    for _ in range(2):
        _, error = (killed := Forked(gone_at, at, *words, folder=workspace)).communicate()
        assert killed.returncode == 9, error
    found = finished(*words, folder=workspace)
    client = MlflowClient()
    (parent,) = client.search_runs(["1"], "tags.`tippingpoint.job` = 'tune'")
    (version,) = client.search_model_versions("name = 'conversion'")
    (model,) = client.search_logged_models(["1"])
    assert version.run_id == model.source_run_id == parent.info.run_id
    assert found["registered"] == f"models:/conversion/{version.version}"
    for name in parent.data.metrics:
        steps = Counter(m.step for m in client.get_metric_history(parent.info.run_id, name))
        assert set(steps.values()) == {1}, name


def test_three_machines_share_a_database_and_one_is_killed(workspace: Path, postgres: str) -> None:
    words = [*SEARCH, f"tune.trials={TARGET}", f"tune.storage='{postgres}'"]
    jobs = [command(*words, folder=workspace) for _ in range(3)]
    deadline = time.monotonic() + 300
    while len(trials(postgres)) < 4 and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(jobs[0].pid, signal.SIGKILL)
    results = [job.communicate(timeout=600) for job in jobs]
    assert [job.returncode for job in jobs[1:]] == [0, 0], results
    check(postgres, f"sqlite:///{workspace}/mlflow.db", TARGET)
    assert len(MlflowClient().search_model_versions("name = 'conversion'")) == 1


def test_eight_workers_may_start_on_a_storage_that_is_not_there_yet(workspace: Path, postgres: str) -> None:
    for place in ([], [f"tune.storage='{postgres}'"]):
        found = finished(*SEARCH, "seed=7", "tune.trials=16", "tune.workers=8", *place, folder=workspace)
        assert found["trials"]["complete"] == 16


@pytest.fixture
def server(workspace: Path) -> tuple[str, list[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend = f"sqlite:///{workspace}/server.db"
    words = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", backend, "--artifacts-destination", str(workspace / "artifacts")]
    return f"http://127.0.0.1:{port}", [sys.executable, *words]


def serving(address: str, words: list[str]) -> subprocess.Popen:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(words, env=environment, **quiet)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return process
    raise AssertionError("the server did not start")


def test_the_store_goes_away_and_comes_back_and_nothing_is_lost_or_doubled(
    workspace: Path, server: tuple[str, list[str]]
) -> None:
    address, words = server
    process = serving(address, words)
    search = [*SEARCH, "model=boosting", "tune.trials=30", "tune.prune=0"]  # some seconds of work
    job = command(*search, folder=workspace, store=address)
    try:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not filed(address):  # what ends is filed every other second
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
        while time.monotonic() < deadline and complete(workspace) < 30:
            time.sleep(0.1)
        assert complete(workspace) == 30, "the search went on without its store"
        _, error = job.communicate(timeout=300)
        assert job.returncode == 3, error
        assert "the study has its 30 complete trials" in error
        process = serving(address, words)
        found = finished(*search, folder=workspace, store=address)
        assert found["trials"]["complete"] == 30
        assert found["registered"] == "models:/conversion/1"
        check(journal(workspace), address, 30)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
