"""An upload: its columns matched to a contract, read as `score` reads a file, held against the contract, decided."""

import difflib
import hashlib
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.dashboard.segments import free
from tippingpoint.dashboard.subject import Subject
from tippingpoint.data.contract import TableContract
from tippingpoint.data.glance import admit
from tippingpoint.deciding.tally import Tally
from tippingpoint.errors import InputError
from tippingpoint.serving.batch import Batch, best_first
from tippingpoint.serving.inputs import Files, Input, Retyped
from tippingpoint.serving.outputs import File, neutralised
from tippingpoint.serving.stream import Stream

CHUNK = 100_000
"""Rows worked on at once, as `score` does."""
PREVIEW = 50


@dataclass(frozen=True)
class Upload:
    """A file as it came, in memory.

    Parameters
    ----------
    preview
        Its first rows.
    """

    name: str
    content: bytes
    columns: tuple[str, ...]
    preview: pl.DataFrame


class Held:
    """Users in memory, read as a file would be."""

    def __init__(self, origin: str, table: pl.DataFrame) -> None:
        self.origin, self.table = origin, table

    @property
    def rows(self) -> int:
        return len(self.table)

    def columns(self) -> list[str]:
        return self.table.columns

    def chunks(self, columns: list[str], numbers: frozenset[str], size: int) -> Iterator[pl.DataFrame]:
        yield from self.table.select(columns).iter_slices(size)

    def settle(self) -> None:
        """Types are what they are."""

    def digest(self) -> str:
        return hashlib.sha256(self.table.hash_rows().to_numpy().tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class Listed:
    """Users, and what is decided for each.

    Parameters
    ----------
    source
        The columns `score` reads, under the contract's names: target lists are made of these.
    names
        The upload's columns that go by another name in the contract, and that name.
    table
        The users let in: the decisions' columns, then their own; those of the same name end in `(table)`.
    rows
        (n,) positions in `source` of the rows of `table`.
    broken
        The rows set aside, `row` and `reason` first.
    at
        What decisions are dated with, UTC.
    """

    origin: str
    source: Held
    names: dict[str, str]
    table: pl.DataFrame
    rows: np.ndarray
    broken: pl.DataFrame
    tally: Tally
    at: datetime


def look(name: str, content: bytes) -> Upload:
    """Look at the beginning of an upload.

    Raises
    ------
    InputError
        When it is no table.
    """
    with _files(name, content) as files:
        columns = files.columns()
        preview = _first(files, columns)
    return Upload(name, content, tuple(columns), preview.head(PREVIEW))


def lacking(columns: tuple[str, ...], terms: TableContract) -> dict[str, list[str]]:
    """Columns of the contract that a table lacks, each with those it has to spare, the nearest name first."""
    spare = [c for c in columns if c not in terms.columns]

    def near(wanted: str, there: str) -> float:
        one, other = ("".join(filter(str.isalnum, text.casefold())) for text in (wanted, there))
        return difflib.SequenceMatcher(None, one, other).ratio()

    return {name: sorted(spare, key=lambda c: (-near(name, c), c)) for name in terms.columns if name not in columns}


def listed(upload: Upload, subject: Subject, names: Mapping[str, str]) -> Listed:
    """Read, check and decide an upload.

    Parameters
    ----------
    names
        Its columns that go by another name in the contract, and that name.

    Raises
    ------
    InputError
        When it lacks columns, or cannot be read.
    """
    batch = batch_of(subject, _now())
    back = {new: old for old, new in names.items()}
    there = [names.get(c, c) for c in upload.columns]
    if twice := {c for c in there if there.count(c) > 1}:
        raise InputError("columns", f"two columns would be called {sorted(twice)[0]!r}", "Match each column once.")
    wanted = batch.wanted(there)
    with _files(upload.name, upload.content) as files:
        numbers = frozenset(back.get(c, c) for c in batch.numbers)
        read = pl.concat(_again(files, [back.get(c, c) for c in wanted], numbers, CHUNK))
        rest = [c for c in upload.columns if names.get(c, c) not in wanted]
        own = pl.concat(_again(files, rest, frozenset(), CHUNK)) if rest else pl.DataFrame()
    source = Held(upload.name, read.rename({o: n for o, n in names.items() if o in read.columns}))
    return decided(subject, source, own, batch, dict(names))


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
    wanted = batch.wanted(subject.users.columns)
    return decided(subject, Held(subject.origin, subject.users.select(wanted)), subject.users.drop(wanted), batch, {})


def decided(subject: Subject, source: Held, own: pl.DataFrame, batch: Batch, names: dict[str, str]) -> Listed:
    """Decide for users, and lay the decisions beside their columns."""
    parts, broken, tally = [], [], Tally()
    for decisions in Stream(batch, source, CHUNK):
        parts.append(decisions.table)
        broken.append(decisions.broken)
        tally += decisions.tally
    aside = pl.concat(broken)
    kept = np.setdiff1d(np.arange(source.rows), aside.to_series(0).to_numpy() - 1)
    table = pl.concat(parts)
    features = source.table.drop(batch.user_id, strict=False)
    beside = pl.concat([features, own], how="horizontal") if own.width else features
    beside = beside[kept].rename(names_beside(beside.columns, table.columns))
    whole = pl.concat([table, beside], how="horizontal")
    return Listed(source.origin, source, names, whole, kept, aside, tally, batch.scored_at)


def names_beside(own: Sequence[str], decisions: Collection[str]) -> dict[str, str]:
    """What users' own columns are called beside decisions, where a decision's column is called so already."""
    names: dict[str, str] = {}
    for column in own:
        if column in decisions:
            names[column] = free(column, {*own, *decisions, *names.values()})
    return names


def features(of: Listed, subject: Subject, rows: np.ndarray) -> pd.DataFrame:
    """What the model reads of users, by their positions in `of.table`."""
    batch = batch_of(subject, of.at)
    table = of.source.table[of.rows[rows]].drop([c for c in batch.costs if c not in batch.terms.columns], strict=False)
    return batch.features(admit(table, batch.terms, of.at).table)


def batch_of(subject: Subject, at: datetime, only: tuple[str, ...] = (), reasons: bool = False) -> Batch:
    """How `tippingpoint score` decides for a CSV file, at that moment."""
    return Batch(
        decider=subject.decider,
        policy_digest=subject.policy_digest,
        scored_at=at,
        reasons=subject.reasons if reasons else None,
        only=only,
        for_spreadsheets=True,
    )


@dataclass(frozen=True)
class Targets:
    """A target list: the table, the bytes of its CSV, and how many cells a spreadsheet would have run."""

    table: pl.DataFrame
    csv: bytes
    neutralised: int


def targets(of: Listed, subject: Subject, only: tuple[str, ...], reasons: bool) -> Targets:
    """The target list of some segments, best first; byte for byte what `score … only=…` writes at that moment."""
    batch = batch_of(subject, of.at, only, reasons)
    parts, tally = [], Tally()
    for decisions in Stream(batch, of.source, CHUNK):
        parts.append(decisions.table)
        tally += decisions.tally
    table = best_first(parts, batch.user_id)
    return Targets(table, as_csv(table), tally.neutralised)


def as_csv(table: pl.DataFrame) -> bytes:
    """A table as the jobs write it."""
    with tempfile.TemporaryDirectory(prefix="tippingpoint-") as folder:
        path = Path(folder, "table.csv")
        with File(path) as file:
            file.add(table)
        return path.read_bytes()


def broken_csv(broken: pl.DataFrame) -> tuple[bytes, int]:
    """The rows set aside as a CSV, and how many cells of it a spreadsheet would have run."""
    table, cells = neutralised(broken, [c for c in broken.columns if broken[c].dtype == pl.String])
    return as_csv(table), cells


def reasons_by_column(broken: pl.DataFrame) -> pl.DataFrame:
    """What is wrong: one row a reason, with the rows it is in."""
    reason = broken.columns[1]
    row = broken.columns[0]
    return (
        broken.select(row, pl.col(reason).str.split("; "))
        .explode(reason)
        .group_by(reason, maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col(row).head(5).cast(pl.String).str.join(", ").alias("first rows"))
        .sort("rows", descending=True)
    )


@contextmanager
def _files(name: str, content: bytes) -> Iterator[Files]:
    """An upload as a file, for as long as it is read: `score` reads files, and nothing is kept of this one."""
    with tempfile.TemporaryDirectory(prefix="tippingpoint-") as folder:
        path = Path(folder, "brought-by-you")  # its content says what it is
        path.write_bytes(content)
        try:
            yield Files(path)
        except InputError as error:
            raise InputError(name, error.what.replace(path.name, name), error.remedy) from error


def _first(source: Input, columns: list[str]) -> pl.DataFrame:
    """The first rows."""
    while True:
        try:
            return next(source.chunks(columns, frozenset(), PREVIEW), pl.DataFrame())
        except Retyped:
            continue


def _again(source: Input, columns: list[str], numbers: frozenset[str], size: int) -> Iterator[pl.DataFrame]:
    """The chunks; begun again where a type turned out to be another."""
    while True:
        try:
            yield from list(source.chunks(columns, numbers, size))
            return
        except Retyped:
            continue


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
