"""The log of decisions: what was answered to whom, with the chances it had, as `measure` reads it."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tippingpoint.core.errors import InputError, TippingpointError, unwritable
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.data import database
from tippingpoint.data.appending import append
from tippingpoint.data.column_rules import CHANCE
from tippingpoint.data.writing import SUFFIXES
from tippingpoint.decisions.randomization import Randomization
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.log import say
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.place import ALONE, Place
from tippingpoint.serving.request import RefusedUsersError
from tippingpoint.serving.split import Part
from tippingpoint.serving.version import Served

Json = dict[str, Any]
Write = Callable[["pl.DataFrame", tuple[str, ...]], None]
"""Puts rows where they stay, all or none; and the columns that tell rows apart."""
AT_ONCE = 10_000
"""Decisions that are written before their time is over, so that few wait."""
LASTS = 20.0
"""Seconds that the last decisions have to be written in when the service ends."""
AGAIN = 0.2
"""Seconds between two tries to write them then."""
SHADOW = "_shadow"
"""The folder within the log's, which its readers pass over as it begins with _; of a table, what its name ends in."""
NEVER = Randomization(0.0, (0,), "")
"""By which every user gets the policy's action."""


@dataclass(frozen=True)
class Answered:
    """The decisions of one answer by one version.

    Parameters
    ----------
    users
        As they came, for the shadow; None where there is none.
    chance
        Of each user to be answered by this version.
    at
        Microseconds since 1970 of the first decision, each following one `step` later: `measure` refuses a user who was
        decided for twice at one time.
    request_id, traceparent
        Of the request; None where it had no trace.
    """

    served: Served
    decisions: list[Json]
    users: list[Json] | None
    chance: float
    at: int
    request_id: str
    traceparent: str | None
    step: int = 1


class Shadow:
    """A version that decides for the users who were answered by others, and is never answered.

    Its decisions stand apart: they were not acted on, so what came of users says nothing of them. What cannot be
    decided or written is not tried again, but counted.
    """

    def __init__(self, follower: Follower, write: Write, metrics: Metrics) -> None:
        self.follower, self.write, self.metrics = follower, write, metrics

    def decide(self, answered: Sequence[Answered]) -> None:
        """Decide for the users of answers, and write it down beside what was answered."""
        served, kept, decided = self.follower.current, [], []
        for entry in answered:
            try:
                decided.append(served.decide(entry.users or [])["decisions"])
                kept.append(entry)
            except RefusedUsersError:  # its contract is another one than theirs
                self.metrics.lost.labels("shadow_refused").inc(len(entry.decisions))
        rows = sum(map(len, decided))
        try:
            self.write(as_shadow_table(served, kept, decided), key_of(served))
        except Exception as error:  # as of the log itself
            self.metrics.lost.labels("shadow_unwritten").inc(rows)
            say("decisions of the shadow are not written", why=_why(error), decisions=rows)
            return
        pairs = [
            (a, b) for entry, of in zip(kept, decided, strict=True) for a, b in zip(entry.decisions, of, strict=True)
        ]
        same = sum(a.get("policy_action", a["action"]) == b["action"] for a, b in pairs)
        self.metrics.shadow.labels("true").inc(same)
        self.metrics.shadow.labels("false").inc(rows - same)


class DecisionLog:
    """Takes decisions without ever waiting, and writes them from a thread of its own.

    A batch that cannot be written is tried again with the next one. What does not fit meanwhile is lost, and counted.

    Parameters
    ----------
    rows
        Decisions that may wait.
    seconds
        Between two batches.
    shadow
        Decides for the same users, from the same thread; None: nothing does.
    worker
        Which of several workers' it is: no two give a decision the same time.
    """

    def __init__(
        self,
        write: Write,
        metrics: Metrics,
        rows: int = 100_000,
        seconds: float = 10.0,
        shadow: Shadow | None = None,
        worker: Place = ALONE,
    ) -> None:
        self.write, self.metrics, self.rows, self.seconds, self.shadow = write, metrics, rows, seconds, shadow
        self.worker = worker
        self.entries: list[Answered] = []
        self.waiting, self.last = 0, 0
        self.failing = ""
        """Why the last batch was not written; empty if it was."""
        self._lock, self._wake, self._ended = threading.Lock(), threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="decision log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def add(self, part: Part, request_id: str, traceparent: str | None) -> None:
        """Take the decisions of one answer by one version; where there is no room for all, they are lost."""
        decisions, users = part.found["decisions"], None if self.shadow is None else part.users
        with self._lock:
            if self.waiting + len(decisions) > self.rows:
                self.metrics.lost.labels("full").inc(len(decisions))
                return
            step = self.worker.of
            at = max(int(datetime.now(UTC).timestamp() * 1e6) // step, self.last + 1)
            self.last = at + len(decisions) - 1
            self.waiting += len(decisions)
            began = at * step + self.worker.number - 1
            of = part.served, decisions, users, part.chance, began, request_id, traceparent, step
            self.entries.append(Answered(*of))
            self.worker.tell_waiting(self.waiting)
        self.metrics.waiting.set(self.waiting)
        if self.waiting >= min(AT_ONCE, self.rows // 2) and not self.failing:
            self._wake.set()

    def close(self) -> None:
        """Write what waits, and end; what cannot be written by then is lost, and said."""
        self._ended = True
        self._wake.set()
        self._thread.join(LASTS)
        self.worker.tell_waiting(0)  # what is lost from here on is counted here
        if self.waiting:
            self.metrics.lost.labels("unwritten").inc(self.waiting)
            say("decisions lost", decisions=self.waiting, why=self.failing or f"not written within {LASTS:.0f} s")

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(self.seconds)
            self._wake.clear()
            self.flush()
        until = time.monotonic() + LASTS - 1
        self.flush()  # what came while the last batch was written
        while self.waiting and time.monotonic() < until:  # another worker may be writing to the same file
            time.sleep(AGAIN)
            self.flush()

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
                why = _why(error)
                continue
            number = sum(len(entry.decisions) for entry in by_version.pop(version))
            self.metrics.logged.inc(number)
            if self.shadow is not None:
                self.shadow.decide(batch)
            with self._lock:
                self.waiting -= number
                self.worker.tell_waiting(self.waiting)
        with self._lock:
            self.entries = [entry for batch in by_version.values() for entry in batch] + self.entries
        self.metrics.waiting.set(self.waiting)
        if why != self.failing:
            say("decisions are not written" if why else "decisions are written again", why=why, waiting=self.waiting)
        self.failing = why


def _why(error: Exception) -> str:
    """What may be said: the messages of libraries may hold what users sent."""
    return str(error) if isinstance(error, TippingpointError) else type(error).__name__


def key_of(served: Served) -> tuple[str, str, str]:
    """The columns that tell decisions apart: user, version and time."""
    return str(served.decider.deployment.terms.id), "model", "scored_at"


def columns_of(served: Served) -> tuple[str, ...]:
    """The columns of the decisions of a version, in their order; those of `score`, without effects."""
    user, model, at = key_of(served)
    chances = [f"{CHANCE}{action}" for action in served.decider.deployment.actions]
    decided = (user, "propensity_score", "segment", "action", "expected_value", model, "policy_digest", at)
    return (
        *decided,
        "explored",
        "policy_action",
        "logging_probability",
        *chances,
        "version_probability",
        "request_id",
        "traceparent",
    )


def as_table(answered: Sequence[Answered], served: Served) -> pl.DataFrame:
    """One row a decision of answers of one version; of none, no rows."""
    user, actions = key_of(served)[0], served.decider.deployment.actions
    rows = [
        (
            *(str(of[user]).strip(), of["propensity_score"], of["segment"], of["action"], of["expected_value"]),
            *(entry.at + i * entry.step, of.get("explored", False), of.get("policy_action", of["action"])),
            *(entry.chance, entry.request_id, entry.traceparent),
        )
        for entry in answered
        for i, of in enumerate(entry.decisions)
    ]
    schema: dict[str, Any] = {
        **{user: pl.String, "propensity_score": pl.Float64, "segment": pl.String, "action": pl.String},
        **{"expected_value": pl.Float64, "scored_at": pl.Int64, "explored": pl.Boolean, "policy_action": pl.String},
        **{"version_probability": pl.Float64, "request_id": pl.String, "traceparent": pl.String},
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


def as_shadow_table(served: Served, answered: Sequence[Answered], decided: Sequence[Sequence[Json]]) -> pl.DataFrame:
    """One row a user whom the shadow decided for, beside what another version answered at that time."""
    user, model, at = key_of(served)
    pairs = [(entry, i, of) for entry, own in zip(answered, decided, strict=True) for i, of in enumerate(own)]
    named: dict[str, list[Any]] = {
        user: [str(of[user]).strip() for _, _, of in pairs],
        **{c: [of[c] for _, _, of in pairs] for c in ("propensity_score", "segment", "action", "expected_value")},
        **{f"answered_{c}": [e.decisions[i][c] for e, i, _ in pairs] for c in ("propensity_score", "action")},
        "answered_model": [entry.served.reference for entry, _, _ in pairs],
        at: [entry.at + i * entry.step for entry, i, _ in pairs],
        "request_id": [entry.request_id for entry, _, _ in pairs],
        "traceparent": [entry.traceparent for entry, _, _ in pairs],
    }
    floats = {"propensity_score", "expected_value", "answered_propensity_score"}
    schema = {c: pl.Float64 if c in floats else pl.Int64 if c == at else pl.String for c in named}
    return pl.DataFrame(named, schema=schema).with_columns(
        pl.col(at).cast(pl.Datetime("us", "UTC")),
        pl.lit(served.reference).alias(model),
        pl.lit(served.policy_digest).alias("policy_digest"),
    )


def place(log: str, shadow: bool = False) -> Write:
    """What writes to the place that `log=` names, or to that of its shadow, which `measure` does not read with it.

    Raises
    ------
    InputError
        When it is no folder, and no table of a database.
    """
    if "://" not in log:
        if log.lower().endswith(SUFFIXES) or Path(log).is_file():
            raise InputError("log", f"{log} is a file, and each batch is one", "Type log=decisions, a folder.")
        folder = Path(log, SHADOW) if shadow else Path(log)
        return lambda table, _: _into_folder(folder, table)
    try:
        database.kind(log)
    except InputError as error:
        raise InputError("log", error.what, "Type log='duckdb:///app.duckdb?table=decisions'.") from error
    url, name = database.table_of(log)
    if name is None:
        raise InputError("log", f"{database.shown(url)} names no table", "Add it: ?table=decisions.")
    named = f"{name}{SHADOW}" if shadow else name
    return lambda table, key: append(url, named, table, key)


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
