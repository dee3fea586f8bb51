"""Times as features: the days from each to a day, or to the time in another column of its row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from tippingpoint.core.overrides import override
from tippingpoint.data.contract import TableSchema
from tippingpoint.data.validation import parse

DAY = timedelta(days=1)
TRIFLE = 0.01
"""Share of a column's times that may lie after the day from which they are counted back."""


@dataclass(frozen=True)
class Days:
    """A table's times as days.

    Parameters
    ----------
    before
        The day, or the column, that they are counted to.
    columns
        (n,) days of each column of times; null where missing.
    remarks
        Columns with more than a trifle of times that lie after that day, and what that may mean.
    """

    before: str
    columns: dict[str, pl.Series]
    remarks: dict[str, str]


def days_of(
    table: pl.DataFrame, before: str, moments: pl.Series, contract: TableSchema | None, dropped: Sequence[str] = ()
) -> Days:
    """Return each column of times as days before (n,) moments; `dropped` are those that the config drops already."""
    read = {c.name: times for c in table if (times := times_of(c, contract)) is not None}
    columns = {name: days_before(times, moments) for name, times in read.items()}
    filled = {name: days.drop_nulls().to_numpy() for name, days in columns.items()}
    whole = (moments == moments.dt.truncate("1d")).all()  # of a day, what it brings is not late
    late = {name: np.mean((days <= -1) if whole else (days < 0)) for name, days in filled.items() if len(days)}
    remarks = {
        name: f"lies after {before} in {share:.1%} of rows, so it may be written after the fact: type"
        f" {override('data.drop', [*dropped, name])} if it is"
        for name, share in late.items()
        if share > TRIFLE
    }
    return Days(before, columns, remarks)


def times_of(values: pl.Series, contract: TableSchema | None) -> pl.Series | None:
    """Return a column's times in UTC, without a zone; None where its contract, or else its values, are no times."""
    if contract is not None:
        terms = contract.columns.get(values.name)
        return parse(values, "time")[0] if terms is not None and terms.type == "time" else None
    if values.dtype == pl.Date or values.dtype == pl.Datetime:
        return parse(values, "time")[0]
    if values.dtype != pl.String or parse(values.drop_nulls().head(1), "time")[0].null_count():
        return None
    times, readable = parse(values, "time")
    return times if readable.all() and times.count() else None


def days_before(times: pl.Series, moments: pl.Series | datetime) -> pl.Series:
    """Return (n,) days from times to a moment, or to (n,) of them; later times are below 0."""
    if isinstance(moments, datetime):
        moments = pl.repeat(moments, len(times), dtype=pl.Datetime("us"), eager=True)
    passed = (moments - times).dt.total_microseconds().cast(pl.Float64).to_numpy()
    # NumPy divides as Python does for the service; polars takes the inverse, and may differ in the last digit.
    return pl.Series(times.name, passed / (DAY / timedelta(microseconds=1)), nan_to_null=True)


def day(text: str) -> datetime | None:
    """Return the beginning of a day that is written as 2026-03-01; None if it is none.

    >>> day("2026-03-01"), day("signed_up")
    (datetime.datetime(2026, 3, 1, 0, 0), None)
    """
    try:
        return start(date.fromisoformat(text))
    except ValueError:
        return None


def start(of: date) -> datetime:
    """Return the beginning of a day."""
    return datetime(of.year, of.month, of.day)
