"""Promoters at the same time and kills at any moment, on a database and behind a server: one winner, nothing half."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROUNDS
from tests.processes import Forked
from tests.tracking.racing import described, forever, raced, registered, wanted
from tippingpoint.tracking.journal import read
from tippingpoint.tracking.promotion import aliases, carry_out, registry_status


@pytest.fixture(params=["database", pytest.param("server", marks=pytest.mark.programs)])
def store(request: pytest.FixtureRequest, stored: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store, by itself or behind a server."""
    database = f"sqlite:///{stored}/mlflow.db"
    if request.param == "database":
        yield database
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_BACKEND_STORE_URI": database}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, cwd=stored, start_new_session=True, **quiet) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(2400):
                try:
                    urllib.request.urlopen(f"{url}/health", timeout=1).close()
                    break
                except (urllib.error.URLError, OSError):
                    time.sleep(0.1)
            monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
            yield url
        finally:
            os.killpg(server.pid, 9)


@pytest.mark.usefixtures("store")
def test_of_four_promoters_one_wins_each_of_three_rounds_and_the_others_are_told(tmp_path: Path) -> None:
    raced(tmp_path / "race", 4, 3)


@pytest.mark.usefixtures("store")
@pytest.mark.soak
@pytest.mark.timeout(900)
def test_of_sixteen_promoters_one_wins_each_round(tmp_path: Path) -> None:
    raced(tmp_path / "race", 16, ROUNDS)


def killed(stored: Path, moments: np.ndarray) -> None:
    client = registered("conversion", 4)
    for number, moment in enumerate(moments):
        entries = len(read(client, "conversion").entries)
        promoter = Forked(forever, number, folder=stored)
        assert promoter.stdout.readline() == "ready\n"
        while len(read(client, "conversion").entries) == entries:
            time.sleep(0.01)
        time.sleep(moment)
        promoter.kill()
        promoter.communicate()
        journal = read(client, "conversion")
        assert len(journal.entries) > entries
        if left := journal.left:  # nobody finishes it by himself
            journal, _ = carry_out(client, "conversion", left, described)
        assert journal.missing == []
        assert journal.counting == journal.entries
        assert aliases(client, "conversion") == wanted(journal)
        assert registry_status(client, journal, described).behind == ()


@pytest.mark.programs
def test_killed_at_three_moments_the_next_look_finds_the_store_whole(stored: Path) -> None:
    killed(stored, np.random.default_rng(0).uniform(0, 0.8, 3))


@pytest.mark.soak
def test_killed_at_many_moments_the_next_look_finds_the_store_whole(stored: Path) -> None:
    killed(stored, np.random.default_rng(1).uniform(0, 1.4, 2 * ROUNDS))
