"""Times as people write them: ISO 8601, or a day with its whole year; and words that stand for missing ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tippingpoint.core.on_demand import polars as pl
from tippingpoint.data.number_format import ENOUGH, HEAD, MISSING_NUMBERS, are_few

TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
DATE = r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})"
"""A day with its whole year: 1.2.3 is a version."""
MONTH_FIRST = ("%m/%d/%Y", *(f"%m/%d/%Y {clock}" for clock in ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")))
SLASHED = r"^\d{1,2}/\d{1,2}/\d{4}"
MISSING_TIMES = [*MISSING_NUMBERS, "never", "0000-00-00", "0000-00-00 00:00:00"]
"""What stands for a missing time, in lower case, beside what stands for any missing value."""


@dataclass(frozen=True)
class TimeReading:
    """A column of text that holds times.

    Parameters
    ----------
    times
        Datetime in UTC, without a zone; null where missing.
    odd
        Words that stand for missing times, and how often they do; those of any missing value aside.
    month_first
        Whether 01/31/2026 is in January.
    """

    times: pl.Series
    odd: dict[str, int]
    month_first: bool = False

    @property
    def also_missing(self) -> list[str]:
        """The odd words that only this column has."""
        return [word for word in self.odd if word.lower() not in MISSING_TIMES]


def recognised_times(text: pl.Series, missing: Sequence[str]) -> TimeReading | None:
    """Read a column of text as times, if nearly all its values are some: as many as of numbers must be.

    Parameters
    ----------
    missing
        Words that stand for a missing value of any kind.

    Returns
    -------
    TimeReading or None
        None where the column holds no times.
    """
    head = _cleaned(text.drop_nulls().head(HEAD), missing).drop_nulls()
    dated = head.str.contains(rf"^{DATE}(?:[T ]|$)")
    if not dated.any() or (dated | head.str.to_lowercase().is_in(MISSING_TIMES)).sum() < ENOUGH * len(head):
        return None
    cells = _cleaned(text, missing)
    times, month_first = read_times(cells), False
    if head.str.contains(SLASHED).any() and (other := read_times(cells, month_first=True)).count() > times.count():
        times, month_first = other, True
    odd = cells.filter(times.is_null()).drop_nulls().value_counts(name="n").sort("n", "value", descending=[True, False])
    if not times.count() or not are_few(odd, cells.count(), MISSING_TIMES):
        return None
    return TimeReading(times.alias(text.name), dict(odd.iter_rows()), month_first)


def read_times(text: pl.Series, month_first: bool = False) -> pl.Series:
    """Return texts as Datetime in UTC, without a zone, null where one is no time.

    Each as ISO 8601 has it, in any of its forms; where none is so, as the first of them is written.

    Parameters
    ----------
    month_first
        Whether 01/02/2026 is in January, and not in February.
    """
    found = pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))
    for form in TIMES:
        if found.null_count() == text.null_count():
            return found
        found = found.zip_with(found.is_not_null(), text.str.to_datetime(form, time_unit="us", strict=False))
    if found.null_count() > text.null_count():
        zoned = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        found = found.zip_with(found.is_not_null(), zoned.dt.replace_time_zone(None))
    for ending in () if found.count() else ("$", "[T ]"):
        left = text.set(found.is_not_null() | ~text.str.contains(f"^{DATE}{ending}").fill_null(False), None)
        if left.count():
            found = found.zip_with(found.is_not_null(), _months_first(left) if month_first else _as_first(left))
    return found


def _months_first(text: pl.Series) -> pl.Series:
    forms = [text.str.to_datetime(form, time_unit="us", strict=False).alias(form) for form in MONTH_FIRST]
    return pl.DataFrame(forms).select(pl.coalesce(MONTH_FIRST)).to_series()


def _as_first(text: pl.Series) -> pl.Series:
    """Times as the first value is written, null where one is not; polars' own guess."""
    first = text.drop_nulls()[0]
    try:
        if len(first) <= len("31.12.2026"):
            return text.str.to_date(strict=False).cast(pl.Datetime("us"))
        return text.str.to_datetime(time_unit="us", strict=False).dt.replace_time_zone(None)
    except pl.exceptions.ComputeError:  # of no format that polars knows
        return pl.Series(text.name, [None] * len(text), dtype=pl.Datetime("us"))


def _cleaned(text: pl.Series, missing: Sequence[str]) -> pl.Series:
    cells = text.alias("value").str.strip_chars()
    return cells.set(cells.is_in(missing), None)
