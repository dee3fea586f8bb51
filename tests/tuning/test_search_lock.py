"""The run of a search: one process at a time holds it, whatever clocks say and whoever dies."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from tests.tuning.searched import tried
from tippingpoint.core import leases
from tippingpoint.tracking import backend
from tippingpoint.tuning.search_lock import CLOSED, SearchLock


@pytest.fixture
def machine(stored: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], SearchLock]]:
    """The lock of a search as a machine has it, with a folder of leases of its own; the last one named is at work."""
    client = backend.connect()
    experiment = backend.experiment_id(client, "e")
    tags = {"tippingpoint.job": "tune", "mlflow.runName": "tune f", "data_digest": "d"}
    locks = {}

    def at(name: str) -> SearchLock:
        monkeypatch.setattr(leases, "FOLDER", stored / name)
        if name not in locks:
            locks[name] = left.enter_context(SearchLock(client, experiment, tags, {"s": "#0072B2"}, 2, "a"))
        return locks[name]

    with ExitStack() as left:
        yield at


def filed(lock: SearchLock) -> list[tuple[str, str]]:
    found = lock.client.search_runs([lock.experiment], "tags.trial != ''")
    return sorted((one.data.tags["trial"], one.data.tags["mlflow.parentRunId"]) for one in found)


def test_of_two_machines_the_earliest_by_the_clocks_keeps_the_lock(
    machine: Callable[[str], SearchLock], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = machine("a").take()
    assert first is not None
    machine("a").log.write([tried(0, 0.7, 1000)])
    late = machine("b")
    looked = iter([lambda: None])
    look, create = late._find, late.client.create_run
    monkeypatch.setattr(late.client, "create_run", lambda *a, **k: create(*a, **k, start_time=1))  # a clock behind
    monkeypatch.setattr(late, "_find", lambda: next(looked, look)())  # before the other made its run
    second = late.take()
    monkeypatch.undo()
    assert second is not None
    late = machine("b")
    late.log.write([tried(0, 0.7, 1000), tried(1, 0.8, 2000)])
    assert machine("a").take() is None, "it sees that it is second"
    assert machine("a").take() is None
    assert machine("b").take() is second
    late.log.done = None
    late.log.write([tried(0, 0.7, 1000), tried(1, 0.8, 2000)])
    assert filed(late) == [("0", second.run_id), ("1", second.run_id)]
    (run,) = late.client.search_runs([late.experiment], "tags.`tippingpoint.job` = 'tune'")
    assert (run.info.run_id, run.info.status) == (second.run_id, "RUNNING")


def test_who_was_taken_over_sees_that_before_it_writes_and_leaves_the_run_open(
    machine: Callable[[str], SearchLock],
) -> None:
    parent = machine("a").take()
    assert machine("b").take() is None, "another machine is at work"
    taken = machine("b").take(whoever_has_it=True)
    assert taken is not None
    assert taken.run_id == parent.run_id
    assert machine("a").take() is None
    assert machine("b").client.get_run(parent.run_id).info.status == "RUNNING"
    taken.tags({CLOSED: "models:/m/1"})
    assert machine("b").take() is None
    assert machine("a").closed() == (parent.run_id, "models:/m/1")


def test_who_files_the_winner_is_heard_and_files_to_the_same_rows_again(
    machine: Callable[[str], SearchLock], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tippingpoint.tuning.search_lock.BEAT_SECONDS", 0.02)
    lock = machine("a")
    parent = lock.take()
    for seconds in (1.0, 2.0):  # a fit takes another time when it is done again
        with lock.closing():
            parent.metrics({"cv/gain": 0.1, "cost/fit_seconds": seconds})
            parent.curves({"roc/tpr": (np.arange(3), np.linspace(0, 1, 3))})
            before = lock.heard()
            deadline = time.monotonic() + 240
            while lock.heard() == before and time.monotonic() < deadline:
                time.sleep(0.02)
            assert lock.heard() != before
    for name, times in {"cv/gain": 1, "cost/fit_seconds": 1, "roc/tpr": 3}.items():
        assert len(lock.client.get_metric_history(parent.run_id, name)) == times
