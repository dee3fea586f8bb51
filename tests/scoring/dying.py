"""Jobs of `score` that are killed on the way, as processes of their own begin them."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from tippingpoint.config.compose import compose
from tippingpoint.scoring import job, parts, writers
from tippingpoint.scoring.batch import Batch
from tippingpoint.scoring.settings import ScoreSettings


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def decide(*words: str) -> None:
    job.score(ScoreSettings.from_config(compose("score", list(words))))


def after_chunks(chunks: int, seconds: float, *words: str) -> None:
    """A job that is killed some moments after it began with a chunk."""
    left, decided = chunks, Batch.decided

    def dying(self: Batch, users: Any) -> Any:
        nonlocal left
        left -= 1
        if not left:
            threading.Timer(seconds, die).start()
        return decided(self, users)

    Batch.decided = dying  # type: ignore[method-assign]  # this process ends by it
    decide(*words)


class Uncommitted:
    """A connection that dies before it commits."""

    def __init__(self, own: duckdb.DuckDBPyConnection) -> None:
        self.own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def execute(self, query: str, *given: Any) -> Any:
        if query == "commit":
            die()
        return self.own.execute(query, *given)


def before(point: str, times: int, *words: str) -> None:
    """A job that is killed just before it does something for the n-th time."""
    left, connect = times, duckdb.connect

    def dying(of: Any, name: str, here: Callable[..., bool] = lambda *given: True) -> None:
        was = getattr(of, name)

        def killed(*given: Any, **named: Any) -> Any:
            nonlocal left
            if sys._getframe(1).f_globals["__name__"].startswith("tippingpoint.") and here(*given):
                left -= 1
                if not left:
                    die()
            return was(*given, **named)

        setattr(of, name, killed)

    match point:
        case "fsync":
            dying(os, "fsync")
        case "replace":
            dying(Path, "replace", lambda path, to: Path(to).name.startswith(("d.", "part-")))
        case "manifest":
            dying(Path, "replace", lambda path, to: Path(to).name == "_manifest.json")
        case "counting":
            dying(parts.Parts, "_write")
        case "quarantine":
            dying(writers.Quarantine, "close")
        case "sorting":
            dying(job, "best_first")
        case "commit":
            duckdb.connect = lambda *given, **named: Uncommitted(connect(*given, **named))
    decide(*words)
