"""The program as a process of its own, forked from one that has imported it: a start takes a moment, not five seconds.

How an interpreter finds and imports the program is the point of other tests (tests/cli/test_cli.py).
"""

import atexit
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

IMPORTED = ("tuning", "promotion", "scoring", "serving", "comparison")
FORKS = multiprocessing.get_context("forkserver")


class Forked:
    """A process that works in a folder, used as `subprocess.Popen` is; it leads a group of its own.

    It writes to the two files, where they are given, else to the pipes stdout and stderr.
    """

    def __init__(
        self,
        work: Callable[..., Any],
        *given: Any,
        folder: Path,
        environment: dict[str, str] | None = None,
        files: tuple[Path, Path] | None = None,
    ) -> None:
        FORKS.set_forkserver_preload([f"tippingpoint.{verb}.job" for verb in IMPORTED])
        if files is None:
            (out, to_out), (err, to_err) = os.pipe(), os.pipe()
            self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)
        else:
            to_out, to_err = (os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for path in files)
        pipes = [Connection(end, readable=False) for end in (to_out, to_err)]
        everything = os.environ | (environment or {})
        self._process = FORKS.Process(target=_begin, args=(work, given, str(folder), everything, pipes))
        self._process.start()
        for pipe in pipes:
            pipe.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    poll = returncode.fget

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it still writes to stdout and to stderr until it ends."""
        with ThreadPoolExecutor(2) as readers:
            out, err = readers.map(lambda pipe: pipe.read(), (self.stdout, self.stderr))
        assert self.wait(timeout) is not None, "it has not ended"
        return out, err

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def typed(*words: str, folder: Path, **more: Any) -> Forked:
    """A process of the command line with these words."""
    return Forked(type_words, *words, folder=folder, **more)


def type_words(*words: str) -> None:
    """The command line in this process, which is the program's."""
    from tippingpoint.cli.main import main

    sys.argv = ["tippingpoint", *words]
    main()


def _begin(
    work: Callable[..., Any], given: tuple, folder: str, environment: dict[str, str], pipes: list[Connection]
) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, pipe in zip((1, 2), pipes, strict=True):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    work(*given)


@atexit.register
def _none_is_left() -> None:
    for process in FORKS.active_children():
        process.kill()
