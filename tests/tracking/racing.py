"""Processes that promote at the same time, and one that never stops promoting until it is killed."""

import json
import multiprocessing.connection
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from mlflow import MlflowClient

from tests.processes import Forked
from tippingpoint.tracking.backend import connect
from tippingpoint.tracking.entries import OvertakenError, append
from tippingpoint.tracking.journal import CHAMPION, PREVIOUS, Journal, read
from tippingpoint.tracking.promotion import aliases, carry_out, registry_status, versions


def described(journal: Journal) -> str:
    return f"champion {journal.champion}, entry {journal.at}"


def meet(folder: Path, name: str, worker: str, workers: int) -> None:
    """Wait until all workers are here."""
    (folder / f"{name}-{worker}").touch()
    while len(list(folder.glob(f"{name}-*"))) < workers:
        time.sleep(0.002)


def race(worker: str, workers: int, rounds: int, folder: Path, name: str) -> None:
    """In each round all see the same champion, and all want their own version to be the next."""
    client = connect()
    for number in range(rounds):
        meet(folder, f"begin{number}", worker, workers)
        journal = read(client, name)
        meet(folder, f"judged{number}", worker, workers)
        try:
            entry = append(client, name, "promote", worker, journal.champion, journal.at, who=f"w{worker}")
            after, _ = carry_out(client, name, entry, described)
            said = {"won": entry.number}
        except OvertakenError as error:
            after = read(client, name)
            said = {"lost": str(error)}
        said |= {"round": number, "based_on": journal.at, "champion": after.champion, "worker": worker}
        sys.stdout.write(json.dumps(said) + "\n")  # in one piece: they all write here
        sys.stdout.flush()
        meet(folder, f"end{number}", worker, workers)


def forever(seed: int) -> None:
    """Promote and roll back without end."""
    client, rng = connect(), np.random.default_rng(seed)
    print("ready", flush=True)
    while True:
        journal = read(client, "conversion")
        if journal.previous and rng.random() < 0.3:
            kind, version = "rollback", journal.previous
        else:
            kind, version = "promote", str(rng.integers(1, 5))
        entry = append(client, "conversion", kind, version, journal.champion, journal.at, who="forever")
        carry_out(client, "conversion", entry, described)


def race_all(workers: int, rounds: int, folder: Path, name: str) -> None:
    """That many processes, which race until all are done or one is not."""
    forked = multiprocessing.get_context("fork")
    racers = [forked.Process(target=race, args=(str(k + 1), workers, rounds, folder, name)) for k in range(workers)]
    for racer in racers:
        racer.start()
    waiting = {racer.sentinel: racer for racer in racers}
    while waiting:
        for done in multiprocessing.connection.wait(list(waiting)):
            if waiting.pop(done).exitcode:  # the others would wait for it
                for racer in racers:
                    racer.kill()


def registered(name: str, versions: int) -> MlflowClient:
    """A registered model with that many versions."""
    client = connect()
    client.create_registered_model(name)
    for _ in range(versions):
        client.create_model_version(name, "s3://bucket/model")
    return client


def wanted(journal: Journal) -> dict[str, str]:
    """The aliases that follow from a journal."""
    return {CHAMPION: journal.champion} | ({PREVIOUS: journal.previous} if journal.previous else {})


def raced(folder: Path, promoters: int, rounds: int, name: str = "conversion") -> None:
    """Race, and see that of each round one won, alone moved the champion, and the others were told."""
    client = registered(name, promoters)
    folder.mkdir()
    racers = Forked(race_all, promoters, rounds, folder, name, folder=folder)
    try:
        out, _ = racers.communicate()
    except BaseException:
        os.killpg(racers.pid, signal.SIGKILL)
        raise
    said = [json.loads(line) for line in out.splitlines()]
    assert len(said) == promoters * rounds
    journal = read(client, name)
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
    assert journal.left is None
    assert aliases(client, name) == wanted(journal)
    approved = [v.version for v in versions(client, name) if v.tags.get("validation_status") == "approved"]
    assert [str(version) for version in approved] == [journal.champion]
    assert registry_status(client, journal, described).behind == ()
