"""Users to decide, chunk by chunk: CSV and Parquet files, folders of them, tables and queries of databases."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from tippingpoint.core.errors import InputError, TippingpointError, nearest
from tippingpoint.data import database
from tippingpoint.data.bounds import refuse_columns
from tippingpoint.data.contract import ColumnSpec
from tippingpoint.data.csv_layout import (
    UNREADABLE,
    UNTOLD,
    Told,
    in_utf8,
    layout,
    refuse_repeated,
    scan_text,
    unreadable,
)
from tippingpoint.data.events.source import EventSource
from tippingpoint.data.files import files_of, partition_of, refuse_doubled
from tippingpoint.data.inference import by_contract

READ_AHEAD = 1024 * 1024
"""Bytes of a CSV that polars reads at once. It holds some dozens of these: of its own 16 MB, 280 MB more, no faster."""
WHERE = {"data.query": "input_query", "data.parameters": "input_parameters", "data.url": "input"}
"""How the database's settings are called here."""


class Input(Protocol):
    """Where users come from, row by row in one order."""

    origin: str
    """Short name, for messages and files."""
    untyped: bool
    """Whether columns that the contract does not name come as text, as from a CSV."""

    @property
    def rows(self) -> int | None:
        """How many there are, where that is known beforehand."""

    def columns(self) -> list[str]:
        """Names of all columns."""

    def chunks(self, columns: list[str], specs: Mapping[str, ColumnSpec], size: int) -> Iterator[pl.DataFrame]:
        """The columns in tables of `size` rows, the last one shorter.

        Parameters
        ----------
        specs
            What the contract says of columns: a CSV is read by it, and what it does not name is text.

        Raises
        ------
        InputError
            When what is there is no table.
        """

    def digest(self) -> str:
        """Of the content; two inputs of one digest give the same chunks."""


def open_input(given: str, query: str | None, parameters: Mapping[str, Any], told: Told = UNTOLD) -> Input:
    """What `input`, `input_query` and `input_parameters` name.

    Parameters
    ----------
    told
        What is said of a CSV.

    Raises
    ------
    InputError
        When there is no such file, or a URL without table and query.
    """
    if "://" not in given:
        if query:
            raise InputError("input_query", f"{given} is no database", "Type input=duckdb:// to query files.")
        return Files(Path(given), told)
    with as_input():
        database.kind(given)
    url, table = database.table_of(given)
    if (table is None) == (query is None):
        what = "names a table, and input_query is given too" if query else "names no table"
        raise InputError(
            f"input={database.shown(given)}", what, "Type input='duckdb:///users.duckdb?table=users', or input_query=…"
        )
    return Query(url, query, table, parameters)


class Files:
    """A file, or a folder of them with its subfolders, read in the order of their names.

    A CSV is read as text, then by contract.
    """

    def __init__(self, path: Path, told: Told = UNTOLD) -> None:
        self.where = f"input={path}"
        self.paths = files_of(path, self.where)
        self._given = [partition_of(file, path) if path.is_dir() else {} for file in self.paths]
        self.origin = path.name or path.resolve().name
        self._layouts = [layout(file, f"input={file}", told) for file in self.paths]
        pairs = zip(self.paths, self._layouts, strict=True)
        self._texts = [in_utf8(file, found, f"input={file}") for file, found in pairs]
        self.untyped = not all(found.parquet for found in self._layouts)

    @property
    def rows(self) -> int | None:
        return None if self.untyped else sum(self.lengths)

    @cached_property
    def lengths(self) -> list[int]:
        """Rows of each file; of Parquet."""
        return [int(pl.scan_parquet(path).select(pl.len()).collect().item()) for path in self.paths]

    def absolute(self) -> "Files":
        """The same for readers who work in another folder."""
        other = copy(self)
        other.paths = [path.resolve() for path in self.paths]
        return other

    def part(self, columns: list[str], first: int, size: int) -> pl.DataFrame:
        """The rows from `first` on, `size` at most; of Parquet files, which must have one type a column."""
        found, at = [], 0
        for path, given, rows in zip(self.paths, self._given, self.lengths, strict=True):
            start, end = max(first - at, 0), min(first + size - at, rows)
            if start < end:
                own = [pl.lit(value, pl.String).alias(key) for key, value in given.items()]
                found.append(
                    pl.scan_parquet(path).slice(start, end - start).with_columns(own).select(columns).collect()
                )
            at += rows
        return pl.concat(found)

    def columns(self) -> list[str]:
        first, *others = [self._names(k) for k in range(len(self.paths))]
        for path, names in zip(self.paths[1:], others, strict=True):
            for column in sorted(set(first) ^ set(names)):
                has, lacks = (self.paths[0], path) if column not in names else (path, self.paths[0])
                what = f"column {column!r} is in {has.name} but not in {lacks.name}"
                raise InputError(self.where, what, "One folder, one table.")
        return first

    def chunks(self, columns: list[str], specs: Mapping[str, ColumnSpec], size: int) -> Iterator[pl.DataFrame]:
        named = [c for c in columns if self.untyped and c in specs]

        def read(frame: pl.DataFrame) -> pl.DataFrame:
            return frame.with_columns(by_contract(frame[c], specs[c]) for c in named if frame[c].dtype == pl.String)

        for chunk in rechunked(map(read, self._frames(columns, specs, size)), size):
            yield read(chunk)

    def digest(self) -> str:
        total = hashlib.sha256()
        for path in self.paths:
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
        return total.hexdigest()[:16]

    def _frames(self, columns: list[str], specs: Mapping[str, ColumnSpec], size: int) -> Iterator[pl.DataFrame]:
        os.environ.setdefault("POLARS_CSV_CHUNK_SIZE", str(READ_AHEAD))
        numbers = [c for c in columns if c in specs and specs[c].numeric and specs[c].written is None]
        for k, (path, found, given) in enumerate(zip(self.paths, self._layouts, self._given, strict=True)):
            own = [pl.lit(value, pl.String).alias(key) for key, value in given.items()]
            read, text = [c for c in numbers if c not in given], self._text(k)
            try:
                if found.parquet:
                    yield from _batches(pl.scan_parquet(path).with_columns(own).select(columns), columns, size)
                    continue
                done = 0
                try:
                    for frame in _batches(scan_text(text, found, read).with_columns(own), columns, size):
                        yield frame
                        done += len(frame)
                except pl.exceptions.ComputeError:  # a number that is none: from there on it is read as text
                    yield from _batches(scan_text(text, found).with_columns(own).slice(done), columns, size)
            except UNREADABLE as error:
                raise unreadable(error, path, f"input={path}", found) from error

    def _text(self, k: int) -> Path:
        """A file, or its text in UTF-8."""
        text = self._texts[k]
        return Path(text.name) if text else self.paths[k]

    def _names(self, k: int) -> list[str]:
        path, found, given = self.paths[k], self._layouts[k], self._given[k]
        try:
            scan = pl.scan_parquet(path) if found.parquet else scan_text(self._text(k), found)
            names = scan.collect_schema().names()
            refuse_columns(len(names), f"input={path}")
            refuse_repeated(names, self._text(k), f"input={path}", found)
        except UNREADABLE as error:
            raise unreadable(error, path, f"input={path}", found) from error
        refuse_doubled(names, given, f"input={path}")
        return [*names, *given]


def _batches(scan: pl.LazyFrame, columns: list[str], size: int) -> Iterator[pl.DataFrame]:
    """The columns, after all are read: where polars reads some of a CSV, it cuts off what a line has too much."""
    for frame in scan.collect_batches(chunk_size=size, maintain_order=True):
        yield frame.select(columns)


class OfEvents:
    """Users made of raw events as of a day, once they are asked for."""

    untyped = False

    def __init__(self, source: EventSource, as_of: date, days: int) -> None:
        self.source, self.as_of, self.days = source, as_of, days
        self.origin = f"{source.origin} as of {as_of}"

    @property
    def rows(self) -> int | None:
        return None

    @cached_property
    def users(self) -> pl.DataFrame:
        """All of them."""
        return self.source.as_of(self.as_of, self.days)

    def columns(self) -> list[str]:
        return self.users.columns

    def chunks(self, columns: list[str], specs: Mapping[str, ColumnSpec], size: int) -> Iterator[pl.DataFrame]:
        return rechunked([self.users.select(columns)], size)

    def digest(self) -> str:
        return hashlib.sha256(self.users.write_csv().encode()).hexdigest()[:16]


class Query:
    """A table of a database, or what a query of it gives; only read."""

    untyped = False

    def __init__(self, url: str, query: str | None, table: str | None, parameters: Mapping[str, Any]) -> None:
        self.url, self.query, self.table, self.parameters = url, query, table, parameters
        self.origin = table or f"a query on {database.shown(url)}"

    @property
    def rows(self) -> int | None:
        return None

    def columns(self) -> list[str]:
        with self._frames(None, 1) as frames:
            return next(frames).columns

    def chunks(self, columns: list[str], specs: Mapping[str, ColumnSpec], size: int) -> Iterator[pl.DataFrame]:
        with self._frames(columns, size) as frames:
            yield from rechunked((frame.select(columns) for frame in frames), size)

    def digest(self) -> str:
        raise InputError("parts", "a database gives its rows in no fixed order", "Write them to a file first.")

    @contextmanager
    def _frames(self, columns: list[str] | None, size: int) -> Iterator[Iterator[pl.DataFrame]]:
        names = "*" if columns is None else ", ".join(map(database.quoted, columns))
        sql = self.query or f"select {names} from {database.quoted_table(str(self.table))}"
        with as_input(), database.connect(self.url) as connection:
            yield connection.frames(sql, self.parameters, size)


@contextmanager
def as_input() -> Iterator[None]:
    """Say what a database answers under the names of this verb's settings."""
    try:
        yield
    except TippingpointError as error:
        where, what, remedy = error.where, error.what, error.remedy
        for theirs, ours in WHERE.items():
            where, remedy = where.replace(theirs, ours), remedy.replace(theirs, ours)
        raise type(error)(where, what, remedy) from error


def require(there: list[str], wanted: Iterable[str], origin: str) -> None:
    """Refuse a table that lacks columns.

    Raises
    ------
    InputError
        Naming all of them, and the nearest to the first.
    """
    if lacking := [name for name in wanted if name not in there]:
        raise InputError(
            "input",
            f"{origin} lacks {len(lacking)} column{'s'[: len(lacking) > 1]} that the model was fitted with:"
            f" {', '.join(map(repr, lacking))}",
            nearest(lacking[0], there),
        )


def rechunked(frames: Iterable[pl.DataFrame], size: int) -> Iterator[pl.DataFrame]:
    """The same rows in tables of `size` rows, the last one shorter."""
    held: list[pl.DataFrame] = []
    rows = 0
    for frame in filter(len, frames):
        held.append(frame)
        rows += len(frame)
        while rows >= size:
            whole = held[0] if len(held) == 1 else pl.concat(held, how="vertical_relaxed")
            yield whole.head(size)
            held, rows = [whole.slice(size)], rows - size
    if rows:
        yield pl.concat(held, how="vertical_relaxed")
