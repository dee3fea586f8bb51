"""Several workers: processes that serve one port, each as a service of its own; one that dies is replaced.

They are forked from a process that has imported everything and done nothing, so that they share the memory of what was
imported. On Linux each has a socket of its own for the port, among which the system shares connections out. The sockets
belong to the process that forks: a connection that waits while its worker is replaced is answered by the new one.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from types import FrameType
from typing import Any

from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, OutsideError, TippingpointError, UnexpectedError
from tippingpoint.reports.web_server import address
from tippingpoint.serving.log import say
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.place import Place
from tippingpoint.serving.server import GRACE, listen
from tippingpoint.serving.service import ENDS, serve_at
from tippingpoint.serving.settings import ServeSettings

LASTS = GRACE + 30.0
"""Seconds that workers have to end in once they are told to."""
PAUSE, LONGEST = 0.5, 30.0
"""Seconds before a worker that died is replaced, doubled each time it dies before it serves, and at most."""
LOOKS = 0.5
"""Seconds between two looks at whether this process was told to stop."""


@dataclass
class Worker:
    """One worker's place, and the process that is in it.

    Parameters
    ----------
    told
        What the process says: `("serves", version)`, or `("failed", error)`.
    serves
        The version it said it serves; '' before that.
    deaths
        How often a process died in this place before it served.
    due
        When, by the monotonic clock, the next process is to be started; None while there is one.
    """

    place: Place
    listening: socket.socket
    process: ForkProcess | None = None
    told: Connection | None = None
    serves: str = ""
    deaths: int = 0
    due: float | None = field(default=0.0)


def run_workers(settings: ServeSettings, key: str) -> tuple[str, int]:
    """Serve with several workers until stopped.

    Returns
    -------
    str, int
        The version that was served last, and how many requests all workers answered.

    Raises
    ------
    InputError, OutsideError
        What a worker refuses, or cannot use, when it starts for the first time.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        raise InputError("workers", "this system cannot fork processes", "Type workers=1.")
    with contextlib.ExitStack() as open_:
        sockets = [open_.enter_context(one) for one in listening_sockets(settings)]
        return _Workers(settings, key, sockets).run()


def listening_sockets(settings: ServeSettings) -> list[socket.socket]:
    """A socket for each worker, all of one port; one for all where the system shares out nothing among several."""
    first = listen(settings.host, settings.port)  # refuses a port that is taken, which the others would share
    if sys.platform != "linux":
        return [first] * settings.workers
    at = first.getsockname()[:2]
    first.close()
    return [
        socket.create_server(at, family=first.family, backlog=2048, reuse_port=True) for _ in range(settings.workers)
    ]


def _tell(telling: Connection, version: str) -> None:
    telling.send(("serves", version))


class _Workers:
    """Starts workers, replaces those that die, and ends them all."""

    def __init__(self, settings: ServeSettings, key: str, sockets: list[socket.socket]) -> None:
        self.settings, self.key, self.metrics = settings, key, Metrics()
        self.context = multiprocessing.get_context("fork")
        self.waiting: Any = self.context.RawArray("q", settings.workers)
        """Decisions of each worker that wait to be written."""
        self.workers = [
            Worker(Place(k + 1, settings.workers, self.waiting), listening) for k, listening in enumerate(sockets)
        ]
        self.ends, self.alive = os.pipe()
        """Workers read from the one until nobody holds the other, which is this process: then it is gone."""
        self.stopped, self.last, self.announced = False, "", False

    def run(self) -> tuple[str, int]:
        with self._told_to_stop():
            try:
                while not self.stopped:
                    self._start_due()
                    self._look()
            finally:
                self._end_all()
        return self.last, self.metrics.answered()

    @contextlib.contextmanager
    def _told_to_stop(self) -> Iterator[None]:
        def stop(number: int, _: FrameType | None) -> None:
            stopping.note(number)
            self.stopped = True

        self.before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in self.before.items():
                signal.signal(number, handler)

    def _start_due(self) -> None:
        # What cannot be served is refused by the first, before there are others.
        able = self.workers if self.announced or self.workers[0].serves else self.workers[:1]
        for worker in able:
            if worker.due is not None and time.monotonic() >= worker.due:
                worker.told, telling = self.context.Pipe(duplex=False)
                worker.process = self.context.Process(target=self._work, args=(worker, telling))
                worker.process.start()
                telling.close()
                worker.serves, worker.due = "", None

    def _work(self, worker: Worker, telling: Connection) -> None:
        """What a worker does; it ends with the process."""
        os.close(self.alive)
        threading.Thread(target=self._ends_with_us, daemon=True).start()
        for number, handler in self.before.items():
            signal.signal(number, handler)
        try:
            told = partial(_tell, telling)
            serve_at(self.settings, self.key, worker.place, worker.listening, told)
        except Exception as error:
            telling.send(("failed", error if isinstance(error, TippingpointError) else UnexpectedError.of(error)))
            raise SystemExit(1) from None

    def _ends_with_us(self) -> None:
        os.read(self.ends, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _look(self) -> None:
        """Wait for what workers say, or for one that ends."""
        running = [worker for worker in self.workers if worker.process is not None]
        said = {worker.told: worker for worker in running if worker.told is not None}
        ended_ = {worker.process.sentinel: worker for worker in running if worker.process is not None}
        found = wait([*said, *ended_], LOOKS)
        for each in found:
            if each in said:
                self._hear(said[each])
        for each in found:
            if each in ended_ and not self.stopped:
                self._replace(ended_[each])

    def _hear(self, worker: Worker) -> None:
        assert worker.told is not None
        try:
            what, told = worker.told.recv()
        except EOFError:
            worker.told.close()
            worker.told = None
            return
        if what == "failed":
            if not self.announced:  # as of a service of one worker: it is refused, and nothing serves
                raise told
            say("worker failed", worker=worker.place.number, why=str(told))
            return
        worker.serves, worker.deaths, self.last = told, 0, told
        say("worker serves", worker=worker.place.number, serving=told)
        if not self.announced and all(each.serves for each in self.workers):
            self.announced = True
            at = address(*worker.listening.getsockname()[:2])
            say("serving", address=at, serving=told, workers=len(self.workers))

    def _replace(self, worker: Worker) -> None:
        """Say that a worker has died and what was lost with it, and have another started."""
        assert worker.process is not None
        worker.process.join()
        if worker.told is not None and worker.told.poll():
            self._hear(worker)
        code, number = worker.process.exitcode or 0, worker.place.number
        if not self.announced and worker.deaths:
            raise OutsideError(f"worker {number}", f"ended with code {code} before it served", "Is memory short?")
        say("worker ended", worker=number, code=code)
        self._count_lost(worker)
        self.metrics.forget(worker.process.pid)
        pause = min(LONGEST, PAUSE * 2**worker.deaths)
        worker.deaths += not worker.serves
        worker.process, worker.due = None, time.monotonic() + pause

    def _count_lost(self, worker: Worker) -> None:
        k = worker.place.number - 1
        if number := self.waiting[k]:
            self.metrics.lost.labels("killed").inc(number)
            self.waiting[k] = 0
            say("decisions lost", decisions=number, why=f"worker {k + 1} ended before they were written")

    def _end_all(self) -> None:
        running = [worker for worker in self.workers if worker.process is not None]
        for worker in running:
            if worker.process is not None and worker.process.is_alive():
                worker.process.terminate()
        until = time.monotonic() + LASTS + ENDS
        for worker in running:
            assert worker.process is not None
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            self._count_lost(worker)
        os.close(self.ends)
        os.close(self.alive)
