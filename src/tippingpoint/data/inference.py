"""What each column of a table is: its type, from a CSV's text, and what it is to a model, by its name and values."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from tippingpoint.core.errors import InputError
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.core.overrides import override
from tippingpoint.data.column_rules import CHANCE, INFINITE, MISSING, stand_ins
from tippingpoint.data.contract import KINDS, NOUN, ColumnSpec, TableSchema
from tippingpoint.data.days import Days
from tippingpoint.data.identity import INDEX, LIKE_ID, index, like_id, nameless, names_id, whole
from tippingpoint.data.number_format import Marks, NumberFormat, Reading, recognised
from tippingpoint.data.times import DATE, TimeReading, read_times, recognised_times
from tippingpoint.data.users import Column

ALMOST = 0.9
"""Share of different values from which on a column named like an id is meant as one."""
A_TIME = "a time; data.as_of=… makes days of it"
A_CHANCE = "a logging probability"
NO_VALUE = "no value"
"""Why no model sees a column without any."""
MANY, FEWEST = 50, 20
"""Different categories from which on it matters whether they are rare; rows a category needs not to be rare."""

NOT_FINITE = r"^[+-]?inf$|^NaN$|[0-9]"
"""How a number that is not finite is written."""


class Feature(NamedTuple):
    """What a column is to a model.

    Parameters
    ----------
    kind, why
        Its kind, or None and the reason why no model sees it (empty: it has no value).
    values
        Its values; of a number, numbers.
    reading
        Of numbers and times that are text: how they are written, and what of it is missing.
    """

    kind: Literal["number", "category"] | None
    why: str
    values: pl.Series
    reading: Reading | TimeReading | None = None

    @property
    def written(self) -> NumberFormat | None:
        """How its numbers are written; None: as 1568.43."""
        return self.reading.written if isinstance(self.reading, Reading) else None

    @property
    def odd(self) -> dict[str, int]:
        """Words that stand for missing numbers or times, infinite ones too, and how often."""
        infinite = int(self.values.is_infinite().sum()) if self.values.dtype.is_float() else 0
        return (self.reading.odd if self.reading else {}) | ({INFINITE: infinite} if infinite else {})


def inferred(text: pl.Series, decimal: str | None = None) -> pl.Series:
    """Return a CSV's column as Int64, Float64, Boolean, Date, Datetime or Time if all its values are; else as it is.

    Times are tried only where the first value looks like one. Where the decimal sign is a comma, text with points stays
    text.
    """
    first = text.drop_nulls().head(1)
    if first.is_empty():
        return text
    if first.cast(pl.Float64, strict=False)[0] is not None:
        parted = decimal == "," and text.str.contains(".", literal=True).any()
        return text if parted else _as_number_written(text)
    if first[0] in MISSING:
        return _beside_missing(text, decimal)
    if first[0].lower() in ("true", "false"):
        lower = text.str.to_lowercase()
        return lower == "true" if lower.is_in(["true", "false"]).all() else _beside_missing(text, decimal)
    if re.match(r"\d{1,4}[-/.:]\d", first[0]):
        typed = _as_time_written(text)
        return typed if typed.null_count() == text.null_count() else _beside_missing(text, decimal)
    return text


def _beside_missing(text: pl.Series, decimal: str | None) -> pl.Series:
    """As `inferred` where words stand for missing values; text as it is where nothing else is found behind them."""
    present = text.set(text.is_in(MISSING), None)
    if present.null_count() == text.null_count():
        return text
    typed = inferred(present, decimal)
    return text if typed.dtype == pl.String else typed


def _as_time_written(text: pl.Series) -> pl.Series:
    """Date, Datetime or Time, null where it is none."""
    if not re.match(DATE, text.drop_nulls()[0]):
        try:
            return text.str.to_time(strict=False)
        except pl.exceptions.ComputeError:  # of no format that polars knows
            return text.clear(len(text))
    times = read_times(text)
    return times.dt.date() if times.null_count() == text.null_count() and _are_days(text) else times


def _are_days(text: pl.Series) -> bool:
    return bool((text.str.len_chars() <= len("31.12.2026")).all())


def typed(
    table: pl.DataFrame, ids: Collection[str] = (), decimal: Callable[[str], str | None] = lambda column: None
) -> pl.DataFrame:
    """Return a CSV's cells with the types of their columns; `ids`, and what is called like one, stay text.

    Parameters
    ----------
    decimal
        Gives the decimal sign of a column, None where it is not known.
    """
    text = {name for name in table.columns if name in ids or names_id(name)}
    return pl.DataFrame(
        {c.name: c if c.name in text else inferred(c, decimal(c.name)) for c in table}
    )  # a dict keeps the name ''


def by_contract(text: pl.Series, spec: ColumnSpec) -> pl.Series:
    """Return a CSV's column as its contract has it; what does not fit stays text, for validation to name.

    Text, as ids are, stays as written, and so do times, which validation reads.
    """
    if spec.numeric:
        number = text.cast(pl.Float64, strict=False) if spec.written is None else spec.written.parse(text)
        if spec.written is not None and number.null_count() > text.null_count():
            return text
        return number if number.null_count() == text.null_count() else inferred(text)
    if spec.type == "category":
        return text if spec.values is None or text.is_in(spec.values).all() else inferred(text)
    return text


def _as_number_written(text: pl.Series) -> pl.Series:
    """Int64 or Float64; text where it is digits that are no number: `007`, or more digits than 64 bits hold."""
    missing = text.null_count()
    whole = text.cast(pl.Int64, strict=False)
    if whole.null_count() == missing:
        return text if text.str.contains(r"^-?0[0-9]|^\+").any() else whole
    number = text.cast(pl.Float64, strict=False)
    if number.null_count() > missing or text.filter(whole.is_null()).str.contains(r"^-?[0-9]+$").any():
        return text
    return number if text.filter(~number.is_finite()).str.contains(NOT_FINITE).all() else text


def id_column(table: pl.DataFrame, dropped: Sequence[str] = ()) -> str | None:
    """The first column that is called like an id and differs in every row; else in each that has a value.

    Raises
    ------
    InputError
        When there is none, and one that is called so, and is not dropped, nearly differs in every row.
    """
    there = {column: table[column].drop_nulls() for column in table.columns if names_id(column)}
    named = {
        column: len(values) - values.n_unique()
        for column, values in sorted(there.items(), key=lambda item: len(item[1]) < len(table))
        if len(values) >= ALMOST * len(table) and not _fractions(values)
    }
    if (found := next((column for column, again in named.items() if not again), None)) is not None:
        return found
    for column, again in named.items():
        if again < (1 - ALMOST) * len(table) and column not in dropped:
            drop = override("data.drop", [*dropped, column])
            raise InputError(
                "data.id",
                f"{column!r} looks like the id, but {again:,} of {len(table):,} rows repeat one",
                f"Keep one row a user; or type {drop} if it is none: rows are numbered then.",
            )
    return None


def _fractions(values: pl.Series) -> bool:
    """Whether a column holds numbers that are not all whole."""
    number = values.cast(pl.Float64, strict=False) if values.dtype == pl.String else values
    return number.dtype.is_float() and not number.null_count() and bool((number % 1 != 0).any())


def features(
    table: pl.DataFrame, contract: TableSchema | None, marks: Marks = (None, None), days: Days | None = None
) -> tuple[tuple[Column, ...], pd.DataFrame, dict[str, str], dict[str, dict[str, int]]]:
    """What a model may see of a table: columns, their values, why it does not see the others, and odd words.

    Odd words stand for missing numbers and times: of each column that has some, how often.

    Parameters
    ----------
    days
        What times are as features; None: they are none.
    """
    columns, frame, dropped, odd = [], {}, {}, {}
    for series in table:
        own = days.columns.get(series.name) if days else None
        found = feature(series, contract, series.name == table.columns[0], marks, own)
        values = found.values
        if found.kind is None:
            dropped[series.name] = found.why
        elif found.kind == "number":
            number = values.cast(pl.Float64).to_numpy()
            reading = days.readings.get(series.name) if days and own is not None else found.reading
            words = reading.odd if days and own is not None and reading else found.odd
            if words:
                odd[series.name] = words
            also = [*(reading.also_missing if reading else []), *([INFINITE] if INFINITE in found.odd else [])]
            before = days.before if days and own is not None else None
            months = isinstance(reading, TimeReading) and reading.month_first
            columns.append(Column(series.name, "number", found.written, tuple(also), before, months))
            frame[series.name] = pd.Series(np.where(np.isinf(number), np.nan, number))
        else:
            columns.append(Column(series.name, "category"))
            frame[series.name] = pd.Series(values.cast(pl.String).to_list(), dtype="str")
    return tuple(columns), pd.DataFrame(frame), dropped, odd


def odd_words(raw: pl.DataFrame, read: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Words that stood for missing numbers and times in what was read by a contract, and how often, by column."""
    odd = {}
    for numbers in (column for column in read if column.dtype.is_numeric() or column.dtype.is_temporal()):
        cells = raw[numbers.name]
        if cells.dtype == pl.String:
            lost = cells.filter(numbers.is_null()).alias("value").str.strip_chars().drop_nulls()
            counts = (
                lost.filter(~lost.is_in(MISSING)).value_counts(name="n").sort("n", "value", descending=[True, False])
            )
            words = dict(counts.iter_rows())
        else:
            infinite = int(cells.is_infinite().sum()) if cells.dtype.is_float() else 0
            words = {INFINITE: infinite} if infinite else {}
        if words:
            odd[numbers.name] = words
    return odd


def remarks(
    table: pl.DataFrame, roles: Mapping[str, str], written: Mapping[str, NumberFormat | None]
) -> dict[str, str]:
    """What is odd about features: those that may be an id, have no name, or may mean thousands.

    Parameters
    ----------
    roles
        Says which are `number`.
    written
        How numbers that were text are written.
    """
    found = {}
    commas = any(form is not None and form.decimal == "," for form in written.values())
    for name, role in roles.items():
        if role == "number" and like_id(table[name]):
            is_id, is_none = override("data.id", name), override("data.drop", [name])
            remedy = f"type {is_id} if it is the id, or {is_none} if it is another"
            found[name] = f"is a whole number that differs in every row, and a feature now: {remedy}"
        elif role in ("number", "category") and nameless(name):
            is_none = override("data.drop", [name])
            found[name] = f"has no name, and is a feature now: give it one in the file, or type {is_none}"
        elif role == "number" and commas and _like_thousands(table[name]):
            thousands = override("data.decimal", "comma")
            found[name] = f"has a decimal point, where others have a comma: type {thousands} if its 1.234 is 1234"
    return found


def _like_thousands(values: pl.Series) -> bool:
    """Whether numbers with a point may be whole ones with thousands parted: three decimals, and none below 1."""
    if not values.dtype.is_float():
        return False
    number = values.drop_nulls().abs()
    thousands = number * 1000
    whole_ones = ((thousands - thousands.round()).abs() < 1e-6).all()
    third = (thousands.round() % 10 != 0).sum()
    return bool(whole_ones and third > len(number) / 2 and number.is_between(1, 1000).all())


def feature(
    series: pl.Series,
    contract: TableSchema | None,
    first: bool = False,
    marks: Marks = (None, None),
    days: pl.Series | None = None,
) -> Feature:
    """What a column is to a model, as the contract says or else its name and values.

    Parameters
    ----------
    first
        Whether it is the table's first one.
    marks
        Decimal and thousands signs, where they are given.
    days
        Of a time that is a feature: its days.
    """
    if series.name.startswith(CHANCE):
        return Feature(None, A_CHANCE, series)
    if contract is not None and series.name not in contract.columns:
        return Feature(None, "not in the contract", series)
    series = series if days is None else days
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
        return Feature(None, "neither number nor text", series)
    if series.dtype == pl.String:
        listed = contract.columns[series.name].values if contract is not None else None
        series = series.str.strip_chars()  # as scoring reads them
        series = series.set(series.is_in(stand_ins(listed)), None)
    if series.null_count() == len(series):
        return Feature(None, NO_VALUE, series)
    distinct = series.n_unique()
    if distinct == 1:
        return Feature(None, "constant", series)
    if days is not None:
        return Feature("number", "", series)
    if contract is not None:
        kind = contract.columns[series.name].type
        return Feature(KINDS.get(kind), "" if kind in KINDS else A_TIME if kind == "time" else NOUN[kind], series)
    if series.dtype.is_temporal():
        return Feature(None, A_TIME if series.dtype in (pl.Date, pl.Datetime) else "a time", series)
    if index(series, first):
        return Feature(None, INDEX, series)
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return _number(series, None, distinct)
    return _text(series, distinct, marks)


def _text(series: pl.Series, distinct: int, marks: Marks) -> Feature:
    is_text = series.dtype == pl.String
    if is_text and (times := recognised_times(series, MISSING)):
        return Feature(None, A_TIME, series, times)
    if is_text and (reading := recognised(series, MISSING, marks)):
        return _number(series, reading, distinct)
    why = _no_category(series, distinct)
    return Feature(None if why else "category", why, series)


def _number(series: pl.Series, reading: Reading | None, distinct: int) -> Feature:
    number = reading.numbers if reading else series
    if number.dtype.is_float() and not number.is_finite().any():
        return Feature(None, NO_VALUE, series)
    if names_id(series.name) and whole(series.drop_nulls()) is not None:
        if distinct == len(series):
            return Feature(None, LIKE_ID, number)
        if _nearly_all_rare(series, distinct):
            return Feature(None, f"like an id: {distinct:,} different values", number)
    return Feature("number", "", number, reading)


def _no_category(series: pl.Series, distinct: int) -> str:
    """Why text is no category; empty if it is one."""
    if distinct > max(20, len(series) / 2):
        return f"text: {distinct:,} different values"
    return f"nearly all of its {distinct:,} values are rare" if _nearly_all_rare(series, distinct) else ""


def _nearly_all_rare(values: pl.Series, distinct: int) -> bool:
    if distinct <= MANY:
        return False
    counts = values.drop_nulls().alias("value").value_counts(name="n")["n"]
    return int(counts.filter(counts < FEWEST).sum()) > ALMOST * int(counts.sum())
