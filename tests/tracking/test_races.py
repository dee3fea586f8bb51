"""Promoters at the same time and kills at any moment, on a database and behind a server: one winner, nothing half."""

import json
import os
import signal
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
from mlflow import MlflowClient

from tests.conftest import ROUNDS
from tests.processes import Forked
from tests.tracking.racing import described, forever, race_all
from tippingpoint.tracking.backend import connect
from tippingpoint.tracking.journal import CHAMPION, PREVIOUS, Journal, read
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


def registered(store: str, versions: int) -> MlflowClient:
    client = connect()
    client.create_registered_model("conversion")
    for _ in range(versions):
        client.create_model_version("conversion", "s3://bucket/model")
    return client


def wanted(journal: Journal) -> dict[str, str]:
    """The aliases that follow from a journal."""
    return {CHAMPION: journal.champion} | ({PREVIOUS: journal.previous} if journal.previous else {})


def raced(store: str, folder: Path, promoters: int, rounds: int) -> None:
    client = registered(store, promoters)
    folder.mkdir()
    racers = Forked(race_all, promoters, rounds, folder, folder=folder)
    try:
        out, _ = racers.communicate()
    except BaseException:
        os.killpg(racers.pid, signal.SIGKILL)
        raise
    said = [json.loads(line) for line in out.splitlines()]
    assert len(said) == promoters * rounds
    journal = read(client, "conversion")
    for number in range(rounds):
        of_round = [one for one in said if one["round"] == number]
        winners = [one for one in of_round if "won" in one]
        assert len(winners) == 1, of_round
        assert len({one["based_on"] for one in of_round}) == 1
        for one in of_round:
            if "lost" in one:
                who = winners[0]["worker"]
                assert f"w{who} promoted version {who} while this was judged (entry {winners[0]['won']})" in one["lost"]
            assert one["champion"] == winners[0]["worker"]
    assert [entry.number for entry in journal.counting] == sorted(one["won"] for one in said if "won" in one)
    assert journal.missing == []
    assert aliases(client, "conversion") == wanted(journal)
    assert registry_status(client, journal, described).behind == ()


def test_of_four_promoters_one_wins_each_of_three_rounds_and_the_others_are_told(store: str, tmp_path: Path) -> None:
    raced(store, tmp_path / "race", 4, 3)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_of_sixteen_promoters_one_wins_each_round(store: str, tmp_path: Path) -> None:
    raced(store, tmp_path / "race", 16, ROUNDS)


def killed(stored: Path, moments: np.ndarray) -> None:
    client = registered("", 4)
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
