"""Processes that promote at the same time, and one that never stops promoting until it is killed."""

import json
import multiprocessing.connection
import sys
import time
from pathlib import Path

import numpy as np

from tippingpoint.tracking.backend import connect
from tippingpoint.tracking.entries import OvertakenError, append
from tippingpoint.tracking.journal import Journal, read
from tippingpoint.tracking.promotion import carry_out


def described(journal: Journal) -> str:
    return f"champion {journal.champion}, entry {journal.at}"


def meet(folder: Path, name: str, worker: str, workers: int) -> None:
    """Wait until all workers are here."""
    (folder / f"{name}-{worker}").touch()
    while len(list(folder.glob(f"{name}-*"))) < workers:
        time.sleep(0.002)


def race(worker: str, workers: int, rounds: int, folder: Path) -> None:
    """In each round all see the same champion, and all want their own version to be the next."""
    client = connect()
    for number in range(rounds):
        meet(folder, f"begin{number}", worker, workers)
        journal = read(client, "conversion")
        meet(folder, f"judged{number}", worker, workers)
        try:
            entry = append(client, "conversion", "promote", worker, journal.champion, journal.at, who=f"w{worker}")
            after, _ = carry_out(client, "conversion", entry, described)
            said = {"won": entry.number}
        except OvertakenError as error:
            after = read(client, "conversion")
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


def race_all(workers: int, rounds: int, folder: Path) -> None:
    """That many processes, which race until all are done or one is not."""
    forked = multiprocessing.get_context("fork")
    racers = [forked.Process(target=race, args=(str(k + 1), workers, rounds, folder)) for k in range(workers)]
    for racer in racers:
        racer.start()
    waiting = {racer.sentinel: racer for racer in racers}
    while waiting:
        for done in multiprocessing.connection.wait(list(waiting)):
            if waiting.pop(done).exitcode:  # the others would wait for it
                for racer in racers:
                    racer.kill()
