"""The log of decisions: what was answered to whom, with the chances it had, as `measure` reads it."""

import os
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tippingpoint.core.errors import InputError, TippingpointError, unwritable
from tippingpoint.data import database
from tippingpoint.data.appending import append
from tippingpoint.data.column_rules import CHANCE
from tippingpoint.data.writing import SUFFIXES
from tippingpoint.decisions.randomization import Randomization
from tippingpoint.serving.log import say
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.version import Served

Json = dict[str, Any]
Write = Callable[[pl.DataFrame, tuple[str, ...]], None]
"""Puts rows where they stay, all or none; and the columns that tell rows apart."""
AT_ONCE = 10_000
"""Decisions that are written before their time is over, so that few wait."""
LASTS = 20.0
"""Seconds that the last decisions have to be written in when the service ends."""
NEVER = Randomization(0.0, (0,), "")
"""By which every user gets the policy's action."""


@dataclass(frozen=True)
class Answered:
    """The decisions of one answer.

    Parameters
    ----------
    at
        Microseconds since 1970 of the first decision, each following one a microsecond later: `measure` refuses a user
        who was decided for twice at one time.
    request_id, traceparent
        Of the request; None where it had no trace.
    """

    served: Served
    decisions: list[Json]
    at: int
    request_id: str
    traceparent: str | None


class DecisionLog:
    """Takes decisions without ever waiting, and writes them from a thread of its own.

    A batch that cannot be written is tried again with the next one. What does not fit meanwhile is lost, and counted.

    Parameters
    ----------
    rows
        Decisions that may wait.
    seconds
        Between two batches.
    """

    def __init__(self, write: Write, metrics: Metrics, rows: int = 100_000, seconds: float = 10.0) -> None:
        self.write, self.metrics, self.rows, self.seconds = write, metrics, rows, seconds
        self.entries: list[Answered] = []
        self.waiting, self.last = 0, 0
        self.failing = ""
        """Why the last batch was not written; empty if it was."""
        self._lock, self._wake, self._ended = threading.Lock(), threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="decision log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def add(self, served: Served, decisions: list[Json], request_id: str, traceparent: str | None) -> None:
        """Take the decisions of one answer; where there is no room for all, they are lost."""
        with self._lock:
            if self.waiting + len(decisions) > self.rows:
                self.metrics.lost.labels("full").inc(len(decisions))
                return
            at = max(int(datetime.now(UTC).timestamp() * 1e6), self.last + 1)
            self.last = at + len(decisions) - 1
            self.waiting += len(decisions)
            self.entries.append(Answered(served, decisions, at, request_id, traceparent))
        self.metrics.waiting.set(self.waiting)
        if self.waiting >= min(AT_ONCE, self.rows // 2) and not self.failing:
            self._wake.set()

    def close(self) -> None:
        """Write what waits, and end; what cannot be written by then is lost, and said."""
        self._ended = True
        self._wake.set()
        self._thread.join(LASTS)
        if self.waiting:
            self.metrics.lost.labels("unwritten").inc(self.waiting)
            say("decisions lost", decisions=self.waiting, why=self.failing or f"not written within {LASTS:.0f} s")

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(self.seconds)
            self._wake.clear()
            self.flush()
        self.flush()  # what came while the last batch was written

    def flush(self) -> None:
        """Write what waits; if that fails, it goes on waiting."""
        with self._lock:
            taken, self.entries = self.entries, []
        by_version: dict[str, list[Answered]] = {}
        for entry in taken:
            by_version.setdefault(entry.served.reference, []).append(entry)
        why = ""
        for version, batch in list(by_version.items()):
            served = batch[0].served
            try:
                self.write(as_table(batch, served), key_of(served))
            except Exception as error:  # whatever a disk or a database makes libraries raise, the service goes on
                why = str(error) if isinstance(error, TippingpointError) else type(error).__name__
                continue
            number = sum(len(entry.decisions) for entry in by_version.pop(version))
            self.metrics.logged.inc(number)
            with self._lock:
                self.waiting -= number
        with self._lock:
            self.entries = [entry for batch in by_version.values() for entry in batch] + self.entries
        self.metrics.waiting.set(self.waiting)
        if why != self.failing:
            say("decisions are not written" if why else "decisions are written again", why=why, waiting=self.waiting)
        self.failing = why


def key_of(served: Served) -> tuple[str, str, str]:
    """The columns that tell decisions apart: user, version and time."""
    return str(served.decider.deployment.terms.id), "model", "scored_at"


def columns_of(served: Served) -> tuple[str, ...]:
    """The columns of the decisions of a version, in their order; those of `score`, without effects."""
    user, model, at = key_of(served)
    chances = [f"{CHANCE}{action}" for action in served.decider.deployment.actions]
    decided = (user, "propensity_score", "segment", "action", "expected_value", model, "policy_digest", at)
    return *decided, "explored", "policy_action", "logging_probability", *chances, "request_id", "traceparent"


def as_table(answered: Sequence[Answered], served: Served) -> pl.DataFrame:
    """One row a decision of answers of one version; of none, no rows."""
    user, actions = key_of(served)[0], served.decider.deployment.actions
    rows = [
        (
            *(str(of[user]).strip(), of["propensity_score"], of["segment"], of["action"], of["expected_value"]),
            *(entry.at + i, of.get("explored", False), of.get("policy_action", of["action"])),
            *(entry.request_id, entry.traceparent),
        )
        for entry in answered
        for i, of in enumerate(entry.decisions)
    ]
    schema: dict[str, Any] = {
        **{user: pl.String, "propensity_score": pl.Float64, "segment": pl.String, "action": pl.String},
        **{"expected_value": pl.Float64, "scored_at": pl.Int64, "explored": pl.Boolean, "policy_action": pl.String},
        **{"request_id": pl.String, "traceparent": pl.String},
    }
    table = pl.DataFrame(rows, schema=schema, orient="row")
    code = {action: k for k, action in enumerate(actions)}
    chosen, taken = (np.array([code[a] for a in table[c]], dtype=np.int64) for c in ("policy_action", "action"))
    chances = (served.exploration or NEVER).chances(chosen, len(actions))
    return table.with_columns(
        pl.col("scored_at").cast(pl.Datetime("us", "UTC")),
        pl.lit(served.reference).alias("model"),
        pl.lit(served.policy_digest).alias("policy_digest"),
        pl.Series("logging_probability", chances[np.arange(len(taken)), taken]),
        *(pl.Series(f"{CHANCE}{action}", chances[:, k]) for action, k in code.items()),
    ).select(columns_of(served))


def place(log: str) -> Write:
    """What writes to the place that `log=` names.

    Raises
    ------
    InputError
        When it is no folder, and no table of a database.
    """
    if "://" not in log:
        if log.lower().endswith(SUFFIXES) or Path(log).is_file():
            raise InputError("log", f"{log} is a file, and each batch is one", "Type log=decisions, a folder.")
        return lambda table, _: _into_folder(Path(log), table)
    try:
        database.kind(log)
    except InputError as error:
        raise InputError("log", error.what, "Type log='duckdb:///app.duckdb?table=decisions'.") from error
    url, name = database.table_of(log)
    if name is None:
        raise InputError("log", f"{database.shown(url)} names no table", "Add it: ?table=decisions.")
    return lambda table, key: append(url, name, table, key)


def _into_folder(folder: Path, table: pl.DataFrame) -> None:
    """A file of its own for each batch, which stands there when it is whole.

    It is written after SIGTERM too, which ends other jobs before they replace anything.
    """
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}.parquet"
    part = folder / f".{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            table.write_parquet(file)
            file.flush()
            os.fsync(file.fileno())
        if len(table):
            part.replace(folder / name)
        else:  # its place was tried
            part.unlink()
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise unwritable(f"log={folder}", error) from error
