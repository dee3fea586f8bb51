"""Times as features: the days from each to a day, or to the time in another column of its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np

from tippingpoint.core.on_demand import polars as pl
from tippingpoint.core.overrides import override
from tippingpoint.data.column_rules import MISSING
from tippingpoint.data.contract import TableSchema
from tippingpoint.data.times import TimeReading, recognised_times
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
    readings
        Of columns that were text and have no contract: what of them is missing.
    """

    before: str
    columns: dict[str, pl.Series]
    remarks: dict[str, str]
    readings: dict[str, TimeReading] = field(default_factory=dict)


def days_of(
    table: pl.DataFrame, before: str, moments: pl.Series, contract: TableSchema | None, dropped: Sequence[str] = ()
) -> Days:
    """Return each column of times as days before (n,) moments; `dropped` are those that the config drops already."""
    texts = [] if contract is not None else [c for c in table if c.dtype == pl.String]
    readings = {c.name: reading for c in texts if (reading := recognised_times(c, MISSING)) is not None}
    others = {c.name: times_of(c, contract) for c in table if contract is not None or c.dtype != pl.String}
    typed = {name: times for name, times in others.items() if times is not None}
    read = {c: readings[c].times if c in readings else typed[c] for c in table.columns if c in readings or c in typed}
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
    return Days(before, columns, remarks, readings)


def times_of(values: pl.Series, contract: TableSchema | None) -> pl.Series | None:
    """Return a column's times in UTC, without a zone; None where its contract, or else its values, are no times."""
    if contract is not None:
        terms = contract.columns.get(values.name)
        return parse(values, "time", spec=terms)[0] if terms is not None and terms.type == "time" else None
    if values.dtype == pl.Date or values.dtype == pl.Datetime:
        return parse(values, "time")[0]
    reading = recognised_times(values, MISSING) if values.dtype == pl.String else None
    return reading.times if reading else None


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
