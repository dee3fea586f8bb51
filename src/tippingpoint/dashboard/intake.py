"""Uploaded users decided as `score` decides them, or uploaded decisions, beside the users' own columns."""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.dashboard.compact import Compact
from tippingpoint.dashboard.segments import free
from tippingpoint.dashboard.subject import Subject
from tippingpoint.dashboard.uploads import Upload, opened
from tippingpoint.data.contract import ColumnSpec
from tippingpoint.data.decisions import as_written, times, written_ids
from tippingpoint.data.identity import names_id
from tippingpoint.data.inference import inferred
from tippingpoint.data.validation import as_text
from tippingpoint.decisions.batch_statistics import Tally
from tippingpoint.scoring.batch import GAIN, Batch
from tippingpoint.scoring.readers import Input
from tippingpoint.scoring.stream import Stream

CHUNK = 100_000
"""Rows worked on at once, as `score` does."""
DECISIONS = ("propensity_score", "segment", "action", "expected_value", GAIN)
"""Columns of a decision; the last only where gains are told by user."""
NUMBERS = ("propensity_score", "expected_value", GAIN)


class Held:
    """Users in memory, read as a file would be."""

    untyped = False

    def __init__(self, origin: str, table: pl.DataFrame) -> None:
        self.origin, self.table = origin, table

    @property
    def rows(self) -> int:
        return len(self.table)

    def columns(self) -> list[str]:
        return self.table.columns

    def chunks(self, columns: list[str], specs: Mapping[str, ColumnSpec], size: int) -> Iterator[pl.DataFrame]:
        yield from self.table.select(columns).iter_slices(size)

    def digest(self) -> str:
        return hashlib.sha256(self.table.hash_rows().to_numpy().tobytes()).hexdigest()[:16]


class Beside:
    """An input under the contract's names; of each chunk it lays aside what decisions do not read.

    Parameters
    ----------
    names
        Columns that go by another name in the contract, and that name.
    read
        Columns that are known from the decisions themselves.
    """

    def __init__(self, source: Input, names: Mapping[str, str], read: Collection[str]) -> None:
        self.source, self.names, self.read = source, names, read
        self.origin, self.untyped = source.origin, source.untyped
        self.aside: deque[pl.DataFrame] = deque()

    @property
    def rows(self) -> int | None:
        return self.source.rows

    def columns(self) -> list[str]:
        return [self.names.get(c, c) for c in self.source.columns()]

    def chunks(self, columns: list[str], specs: Mapping[str, ColumnSpec], size: int) -> Iterator[pl.DataFrame]:
        self.aside.clear()
        there = self.source.columns()
        known = {c: specs[self.names.get(c, c)] for c in there if self.names.get(c, c) in specs}
        for chunk in self.source.chunks(there, known, size):
            table = chunk.rename(dict(self.names))
            self.aside.append(table.drop(c for c in table.columns if c in self.read))
            yield table.select(columns)

    def digest(self) -> str:
        return self.source.digest()


@dataclass(frozen=True)
class Listed:
    """Users, and what is decided for each.

    Parameters
    ----------
    names
        The upload's columns that go by another name in the contract, and that name.
    table
        The valid users: id, score, segment, action and expected value, then their own columns.
    broken
        The quarantined rows, `row` and `reason` first.
    at
        What decisions are dated with, UTC.
    beside
        The users' own columns that are called otherwise here, as a decision's column has their name, and how.
    numbered
        Whether ids came as numbers, which no spreadsheet runs.
    readable
        Whether the columns that the model reads are there.
    by
        Which version decided, where it was not the pages' own just now.
    """

    origin: str
    names: dict[str, str]
    table: pl.DataFrame
    broken: pl.DataFrame
    tally: Tally
    at: datetime
    beside: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False
    readable: bool = True
    by: str | None = None


def listed(
    upload: Upload, subject: Subject, names: Mapping[str, str], progress: Callable[[int], None] = lambda rows: None
) -> Listed:
    """Read, check and decide what was brought; decisions that are there already stay as they are.

    Parameters
    ----------
    names
        Its columns that go by another name in the contract, and that name.
    progress
        Told the rows done after each chunk.

    Raises
    ------
    InputError
        When it lacks columns, or cannot be read.
    """
    there = [names.get(c, c) for c in upload.columns]
    if twice := {c for c in there if there.count(c) > 1}:
        raise InputError("columns", f"two columns would be called {sorted(twice)[0]!r}", "Match each column once.")
    with opened(upload) as source:
        if upload.decided:
            return as_they_are(source, subject, progress)
        return decided(subject, source, batch_of(subject, _now()), dict(names), progress)


def own_users(subject: Subject) -> Listed:
    """The users the champion was judged on, decided.

    Raises
    ------
    InputError
        When they cannot be read any more.
    """
    if subject.users is None:
        raise InputError(
            "users", f"those the champion was judged on cannot be read ({subject.why_not})", "Upload some."
        )
    batch = batch_of(subject, _now())
    read = replace(batch.decider, deployment=batch.decider.deployment.after_reading())
    return decided(subject, Held(subject.origin, subject.users), replace(batch, decider=read), {})


def decided(
    subject: Subject,
    source: Input,
    batch: Batch,
    names: dict[str, str],
    progress: Callable[[int], None] = lambda rows: None,
) -> Listed:
    """Decide for users chunk by chunk, and lay the decisions beside their columns."""
    known = {batch.user_id, *subject.decider.columns}
    beside = Beside(source, names, known)
    gathered, broken, tally, numbered, first, named = Compact(), [], Tally(), False, 0, {}
    made = [name for name in DECISIONS if name in batch.columns()]
    for decisions in Stream(batch, beside, CHUNK, progress=progress):
        own, users = beside.aside.popleft(), decisions.users
        kept = np.setdiff1d(np.arange(len(own)), users.broken.to_series(0).to_numpy() - 1 - first)
        read = pl.from_pandas(users.features)
        mine = pl.concat([read, own[kept]], how="horizontal") if own.width else read
        named = names_beside(mine.columns, batch.columns())
        mine = mine.rename(named)
        gathered.add(pl.concat([decisions.table.select(batch.user_id, *made), mine], how="horizontal"))
        broken.append(decisions.broken)
        tally += decisions.tally
        numbered, first = users.written is None, first + len(own)
    table = gathered.table()
    if source.untyped:
        read_by_model = {named.get(c, c) for c in subject.decider.columns}
        table = typed(table, {batch.user_id, *made, *read_by_model})
    return Listed(source.origin, names, table, pl.concat(broken), tally, batch.scored_at, named, numbered)


def as_they_are(source: Input, subject: Subject, progress: Callable[[int], None] = lambda rows: None) -> Listed:
    """Read decisions that `score` wrote: of each user the last; what lacks a part of a decision is quarantined.

    Raises
    ------
    InputError
        When another policy made them, whose segments are not those of the pages, or none is complete.
    """
    segments, columns, terms = subject.policy.segments, source.columns(), subject.decider.deployment.terms
    key = "user_id" if "user_id" in columns else columns[0]
    user_id = "user_id"  # no header of an upload's own becomes one of a file
    table, broken, tally = _complete(source, key, progress)
    if not len(table):
        raise InputError("input", f"in {source.origin} no decision is whole: {broken['reason'][0]}", "Fix the table.")
    if other := sorted(set(table["segment"].cast(pl.String).unique().drop_nulls()) - set(segments)):
        what = f"{source.origin} has the segment {other[0]!r}, which {subject.policy.name} has not"
        raise InputError("segment", what, "Open the pages on the version that decided: model=models:/…")
    last = table.sort("scored_at", maintain_order=True).unique(user_id, keep="last", maintain_order=True)
    money = ["expected_value", *([GAIN] if subject.decider.deployment.tells_gains else [])]
    last = last.with_columns(
        pl.col("segment").cast(pl.String).cast(pl.Enum(segments)),
        *((pl.col(c) if c in columns else pl.lit(None)).cast(pl.Float64, strict=False).alias(c) for c in money),
    )
    made = [*DECISIONS[:3], *money]
    rest = [c for c in columns if c not in (key, *DECISIONS)]
    last = last.select(user_id, *made, *rest)
    if source.untyped:
        last = typed(last, {user_id, *made, "scored_at"})
    by = ", ".join(last["model"].cast(pl.String).unique().sort()) if "model" in columns else "another job"
    users = np.array([(last["segment"] == s).sum() for s in segments])
    return Listed(
        origin=source.origin,
        names={},
        table=last,
        broken=broken,
        tally=replace(tally, decided=len(last), kept=len(last), users=users),
        at=last["scored_at"].max(),  # type: ignore[arg-type]  # times
        readable=set(terms.columns) - {terms.id} <= set(columns),
        by=by,
    )


def _complete(source: Input, key: str, progress: Callable[[int], None]) -> tuple[pl.DataFrame, pl.DataFrame, Tally]:
    """The complete decisions, with ids as `user_id`, those that are not, and how many of both."""
    columns, number = source.columns(), ColumnSpec(type="number", missing=True)
    gathered, aside, reasons, done = Compact(), [], Counter[str](), 0
    for chunk in source.chunks(columns, dict.fromkeys(NUMBERS, number), CHUNK):
        broken, why = incomplete(chunk, key, done)
        aside.append(broken)
        reasons.update(why)
        whole = chunk[np.setdiff1d(np.arange(len(chunk)), broken["row"].to_numpy() - 1 - done)]
        gathered.add(
            whole.rename({key: "user_id"}).with_columns(
                written_ids(whole[key]).alias("user_id"),
                times(whole["scored_at"], "scored_at").alias("scored_at"),
                pl.col("propensity_score").cast(pl.Float64),
                *(as_written(whole[c]).str.strip_chars().alias(c) for c in ("segment", "action")),
            )
        )
        progress(done := done + len(chunk))
    if not done:
        raise InputError(
            "input", f"{source.origin} has no rows", "The table is empty; give one with at least one decision."
        )
    broken = pl.concat(aside)
    return gathered.table(), broken, Tally(rows=done, quarantined=len(broken), reasons=dict(reasons))


def typed(table: pl.DataFrame, known: Collection[str]) -> pl.DataFrame:
    """Return a table with the types of columns that came as text; those of known types stay."""
    columns = {}
    for column in table.iter_columns():
        text = column.dtype == pl.String or isinstance(column.dtype, pl.Enum)
        told = text and column.name not in known and not names_id(column.name)
        found = inferred(column.cast(pl.String)) if told else column
        found = column if found.dtype == pl.String else found
        columns[column.name] = found.shrink_dtype() if found.dtype.is_integer() else found
    return pl.DataFrame(columns)


def incomplete(chunk: pl.DataFrame, user_id: str, before: int) -> tuple[pl.DataFrame, dict[str, int]]:
    """Decisions without an id, a score, a segment, an action or a time: `row` (from 1), `reason`, all as text.

    And of each thing that is wrong how often it is.
    """
    text = chunk.select(as_text(column).alias(column.name) for column in chunk.iter_columns())
    text = text.with_columns(pl.when(pl.col(pl.String).str.strip_chars() != "").then(pl.col(pl.String)).name.keep())
    score, number = pl.col("propensity_score"), "is not a number from 0 to 1"
    wrong = {f"{c} is missing": pl.col(c).is_null() for c in (user_id, "segment", "action", "scored_at")}
    wrong[f"propensity_score {number}"] = ~score.cast(pl.Float64, strict=False).is_between(0, 1).fill_null(False)
    said = [pl.when(those).then(pl.lit(words)) for words, those in wrong.items()]
    said[-1] = pl.when(wrong[f"propensity_score {number}"]).then(
        pl.concat_str(pl.lit("propensity_score"), score, pl.lit(number), separator=" ", ignore_nulls=True)
    )
    reasons = text.select(
        (pl.int_range(pl.len()) + before + 1).alias("row"),
        pl.concat_str(said, separator="; ", ignore_nulls=True).alias("reason"),
    )
    named = {c: free(c, text.columns) for c in text.columns if c in reasons.columns}
    broken = pl.concat([reasons, text.rename(named)], how="horizontal").filter(pl.col("reason") != "")
    counts = text.select(those.sum().alias(words) for words, those in wrong.items()).row(0, named=True)
    return broken, {words: n for words, n in counts.items() if n}


def names_beside(own: Sequence[str], decisions: Collection[str]) -> dict[str, str]:
    """What users' own columns are called beside decisions, where a decision's column is called so already."""
    names: dict[str, str] = {}
    for column in own:
        if column in decisions:
            names[column] = free(column, {*own, *decisions, *names.values()})
    return names


def features(of: Listed, subject: Subject, rows: np.ndarray) -> pd.DataFrame:
    """What the model reads of users, by their positions in `of.table`."""
    before = subject.decider.deployment.as_of
    read = [*subject.decider.columns, *([before] if before in of.table.columns else [])]
    table = of.table[rows].select(pl.col(of.beside.get(c, c)).alias(c) for c in read)
    return batch_of(subject, of.at).features(table.with_columns(pl.col(pl.Enum).cast(pl.String)))


def batch_of(subject: Subject, at: datetime) -> Batch:
    """How `tippingpoint score` decides, at that moment."""
    return Batch(decider=subject.decider, policy_digest=subject.policy_digest, scored_at=at)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
