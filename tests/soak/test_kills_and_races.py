"""Kills at random moments and cold starts of many processes; ROUNDS says how often."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.conftest import ROUNDS
from tests.processes import typed

SMALL = ["data.users=3000", "explain_rows=50"]

pytestmark = pytest.mark.soak


def statuses(folder: Path) -> list[str]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiments = [e.experiment_id for e in client.search_experiments()]
    return [r.info.status for r in client.search_runs(experiments)]


@pytest.mark.parametrize("moment", np.random.default_rng(0).uniform(0, 6, ROUNDS).round(2))
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_and_run_again_it_works_and_nothing_is_left_running(
    sign: int, moment: float, workspace: Path
) -> None:
    MlflowClient().search_experiments()  # a store that is there, so that the kill falls into the work
    job = typed("compare", *SMALL, "data.users=20000", folder=workspace)
    for line in job.stderr:
        if line.startswith("logistic: fitting"):
            break
    time.sleep(moment)
    job.send_signal(sign)
    job.communicate()
    at_work = job.returncode != 0
    if sign == signal.SIGTERM:
        assert "RUNNING" not in statuses(workspace)
    again = typed("compare", *SMALL, "report=none", folder=workspace)
    out, error = again.communicate()
    assert again.returncode == 0, error
    assert "Registered: models:/conversion/" in out
    assert "RUNNING" not in statuses(workspace)
    assert ("KILLED" in statuses(workspace)) >= at_work


@pytest.mark.parametrize("time_round", range(ROUNDS))
def test_six_processes_may_start_on_a_store_that_is_not_there_yet(time_round: int, workspace: Path) -> None:
    words = ["run", "model=logistic", "data.users=1000", "explain_rows=5", "report=none"]
    jobs = [typed(*words, f"seed={seed}", folder=workspace) for seed in range(6)]
    errors = [job.communicate()[1] for job in jobs]
    assert [job.returncode for job in jobs] == [0] * 6, errors
    versions = MlflowClient().search_model_versions("name = 'conversion'")
    assert sorted(int(v.version) for v in versions) == [1, 2, 3, 4, 5, 6]
    assert statuses(workspace) == ["FINISHED"] * 6
