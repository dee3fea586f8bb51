"""Columns that say what came of users, as numbers, without reading what need not be read: expressions of polars."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.data.column_roles import Roles
from tippingpoint.data.column_rules import MISSING
from tippingpoint.data.decisions import times
from tippingpoint.data.number_format import recognised
from tippingpoint.data.outcome import NO, YES, Positive, ones, told
from tippingpoint.data.times import recognised_times
from tippingpoint.data.validation import as_text

Kind = Literal["yes_no", "number", "time"]
HEAD = 100_000
"""Rows by which the usual size of a column is told."""
LEVELS = 20
"""Values a column may have to make segments, or to adjust as categories."""
MISSING_LEVEL = "(missing)"


@dataclass(frozen=True)
class OutcomeColumn:
    """One outcome as a number.

    Parameters
    ----------
    kind
        `yes_no` and `time` are 0 or 1; of a column of numbers the sums tell whether it is yes or no.
    value
        Float64, null where missing.
    positive
        What counted as 1.
    """

    name: str
    kind: Kind
    value: pl.Expr
    positive: Positive = "1"


@dataclass(frozen=True)
class Columns:
    """The table's columns, looked at as far as needed.

    Parameters
    ----------
    frame
        The rows, not read yet where they stand in Parquet.
    source
        The roles.
    """

    frame: pl.LazyFrame
    source: Roles

    @property
    def types(self) -> pl.Schema:
        """Name and type of each column."""
        return self.frame.collect_schema()

    @cached_property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.frame.select(pl.len()).collect(engine="streaming").item())

    def values(self, name: str) -> pl.Series:
        """The different values of a column, without missing ones."""
        found = self.frame.select(pl.col(name).drop_nulls().unique()).collect(engine="streaming")
        return found[name].sort()

    def outcome(self, name: str, where: str, positive: str | list[str] | None = None) -> OutcomeColumn:
        """An outcome of any kind.

        Raises
        ------
        InputError
            When it is neither yes or no, nor a number, nor a time.
        """
        kind = self.types[name]
        if kind == pl.Date or isinstance(kind, pl.Datetime):
            return OutcomeColumn(name, "time", pl.col(name))
        if positive is not None:
            values = self.values(name)
            counted = told(as_text(values).str.strip_chars(), positive)
            return OutcomeColumn(
                name, "yes_no", _mapped(values, ones(as_text(values).str.strip_chars(), counted)), counted
            )
        if kind == pl.Boolean:
            return OutcomeColumn(name, "yes_no", pl.col(name).cast(pl.Float64), "true")
        if kind.is_numeric():
            return OutcomeColumn(name, "number", pl.col(name).cast(pl.Float64))
        values = self.values(name)
        text = values.str.strip_chars()
        text = text.set(text.is_in(MISSING), None)
        present = text.drop_nulls().str.to_lowercase()
        if len(present) and present.is_in(YES | NO).all():
            return OutcomeColumn(name, "yes_no", _mapped(values, text.str.to_lowercase().is_in(YES)), "yes")
        if reading := recognised(text, MISSING, self.source.marks):
            return OutcomeColumn(name, "number", _mapped(values, reading.numbers))
        if found := recognised_times(text, MISSING):
            return OutcomeColumn(name, "time", _mapped(values, found.times))
        if where != "data.target":
            shown = ", ".join(map(repr, present.head(3)))
            what = f"{name!r} holds {shown}: neither yes or no, nor numbers, nor times"
            raise InputError(where, what, "Name another column, or make a 0/1 column of it.")
        counted = told(as_text(text.drop_nulls()), None)
        return OutcomeColumn(name, "yes_no", _mapped(values, ones(text, counted)), counted)

    def time(self, name: str, where: str) -> pl.Expr:
        """A column of times, in UTC without a zone.

        Raises
        ------
        InputError
            When it holds anything else.
        """
        kind = self.types[name]
        if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
            return pl.col(name).dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))
        if kind == pl.Date or isinstance(kind, pl.Datetime):
            return pl.col(name).cast(pl.Datetime("us"))
        values = self.values(name)
        return _mapped(values, times(values, where))

    def before(self, name: str) -> list[tuple[str, pl.Expr]]:
        """A column known before, as one of numbers, or a column of 0 and 1 for each of its values but the commonest.

        Raises
        ------
        InputError
            When it has too many values for that.
        """
        kind = self.types[name]
        if kind.is_numeric() or kind == pl.Boolean:
            value = pl.col(name).cast(pl.Float64).fill_nan(None)
            usual = self.frame.head(HEAD).select(value.mean()).collect(engine="streaming").item()
            return [(name, value.fill_null(0.0 if usual is None else usual))]
        levels = self.levels(name, "pre")
        return [(f"{name}={level}", (of == level).cast(pl.Float64)) for of, level in _each(levels)]

    def levels(self, name: str, where: str) -> tuple[pl.Expr, list[str]]:
        """A column's values as text, times as the week they lie in; and the different ones, the commonest first.

        Raises
        ------
        InputError
            When it has more than `LEVELS`.
        """
        kind = self.types[name]
        value = pl.col(name)
        if kind == pl.Date or isinstance(kind, pl.Datetime):
            value = self.time(name, where).dt.truncate("1w").dt.date()
        text = value.cast(pl.String).fill_null(MISSING_LEVEL)
        counts = self.frame.group_by(text.alias("level")).len().collect(engine="streaming")
        if len(counts) > LEVELS:
            what = f"{name!r} has {len(counts):,} values; at most {LEVELS} can be told apart"
            remedy = "Group them into fewer." if where == "segments" else "Name a column of numbers, or group them."
            raise InputError(where, what, remedy)
        by_size = counts.sort("len", "level", descending=[True, False])
        return text, (counts.sort("level") if kind.is_temporal() else by_size)["level"].to_list()


def came(name: str, at: pl.Expr, assigned: pl.Expr, within: float) -> pl.Expr:
    """1 where a time came within so many days of the assignment, else 0; a missing time did not come."""
    inside = (at >= assigned) & (at <= assigned + timedelta(days=within))
    return inside.fill_null(False).cast(pl.Float64).alias(name)


def over(assigned: pl.Expr, within: float, until: datetime) -> pl.Expr:
    """Whether a user's days were over."""
    return assigned + timedelta(days=within) <= until


def _each(levels: tuple[pl.Expr, list[str]]) -> list[tuple[pl.Expr, str]]:
    of, ordered = levels
    return [(of, level) for level in ordered[1:]]


def _mapped(values: pl.Series, as_: pl.Series) -> pl.Expr:
    """A column whose values are replaced one by one."""
    dtype = pl.Float64 if as_.dtype.is_numeric() or as_.dtype == pl.Boolean else pl.Datetime("us")
    return pl.col(values.name).replace_strict(values, as_.cast(dtype), default=None, return_dtype=dtype)
