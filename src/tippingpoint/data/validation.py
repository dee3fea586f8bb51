"""Tables held against a contract: each row is valid, or quarantined with every reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf

import numpy as np

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.data.column_rules import (
    INFINITE,
    IS_MISSING,
    MISSING,
    is_not,
    is_whole,
    rules,
    shifted_unit,
    stand_ins,
)
from tippingpoint.data.contract import ColumnSpec, TableSchema, Type
from tippingpoint.data.identity import without_point
from tippingpoint.data.number_format import MISSING_NUMBERS
from tippingpoint.data.times import MISSING_TIMES, read_times

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
"""A word that is a number, as -999 for a missing one."""


@dataclass(frozen=True)
class Checked:
    """A table held against a contract.

    Parameters
    ----------
    table
        The valid rows: the contract's columns in its order and types, then the others as they came.
    rows
        (n,) their positions in the table.
    broken
        The quarantined rows as they came, every value as text, after `row` (from 1) and `reason`.
    reasons
        What was broken, and in how many rows; the most frequent first.
    """

    table: pl.DataFrame
    rows: np.ndarray
    broken: pl.DataFrame
    reasons: dict[str, int]


@dataclass(frozen=True)
class _Breach:
    """Rows that break one rule: their mask, the column, and the message."""

    column: str
    said: str
    rows: pl.Series


def check(table: pl.DataFrame, contract: TableSchema, now: datetime, ids: pl.Series | None = None) -> Checked:
    """Hold a table against its contract.

    Parameters
    ----------
    now
        The time in UTC, without a zone; what lies after it is in the future.
    ids
        The ids as stripped text, where it is known that none is missing and all differ.

    Raises
    ------
    InputError
        When the table lacks columns.
    """
    _refuse_lacking(table, contract)
    columns: dict[str, pl.Series] = {}
    breaches: list[_Breach] = []
    for name, spec in contract.columns.items():
        if name == contract.id and ids is not None and spec.type == "text":
            columns[name] = ids
            continue
        words = MISSING if name in (contract.outcome, contract.action) else None  # no model sees these
        columns[name], found = _column(table[name], spec, spec.values or words, now)
        breaches += found
        if name == contract.id:
            breaches += _repeated(table, name, columns[name])
    columns |= {name: table[name] for name in table.columns if name not in columns}
    good, broken, reasons = pl.DataFrame(columns), _nothing_broken(table), dict[str, int]()
    rows = np.arange(len(table))
    if breaches:
        bad = np.logical_or.reduce([breach.rows.to_numpy() for breach in breaches])
        good, rows = good.filter(~bad), np.flatnonzero(~bad)
        broken, reasons = _broken(table, np.flatnonzero(bad), breaches)
    whole = [name for name, spec in contract.columns.items() if spec.type == "whole"]
    return Checked(good.with_columns(good[name].cast(pl.Int64) for name in whole), rows, broken, reasons)


def set_aside(table: pl.DataFrame, reasons: dict[str, np.ndarray]) -> Checked:
    """Take rows out of a table for reasons that are no breach of a contract.

    Parameters
    ----------
    reasons
        (n,) whether each row is taken out, by the reason.
    """
    out = np.logical_or.reduce([np.zeros(len(table), dtype=bool), *reasons.values()])
    if not out.any():
        return Checked(table, np.arange(len(table)), _nothing_broken(table), {})
    text = {name: as_text(table[name])[np.flatnonzero(out)] for name in table.columns}
    said = np.select([mask[out] for mask in reasons.values()], list(reasons), "")
    own = {free("row", table.columns): np.flatnonzero(out) + 1, free("reason", table.columns): said.astype(object)}
    counts = {reason: int(mask.sum()) for reason, mask in reasons.items() if mask.any()}
    return Checked(table.filter(~out), np.flatnonzero(~out), pl.DataFrame({**own, **text}), counts)


def parse(
    values: pl.Series, kind: Type, listed: Sequence[str] | None = None, spec: ColumnSpec | None = None
) -> tuple[pl.Series, pl.Series]:
    """Read a column as a contract's type: Float64 for numbers, whole or not, String, or Datetime in UTC.

    Parameters
    ----------
    listed
        The categories a contract names.
    spec
        Of numbers and times, how the contract has them written, and what stands for a missing one; None: as 1568.43.

    Returns
    -------
    polars.Series, polars.Series
        The values, null where missing or not readable; and whether each is readable, which missing ones are.
    """
    if kind in ("number", "whole"):
        missing, typed = _numbers(values, spec)
        if kind == "whole" and not is_whole(typed).all():
            typed = typed.set(~is_whole(typed) & typed.is_finite(), None)
    elif kind == "time":
        missing, typed = _times(values, spec)
    else:
        typed = (as_ids if kind == "text" else as_text)(values).str.strip_chars()
        absent = typed.is_in(stand_ins(listed)) if kind == "category" else typed == ""
        typed = typed.set(absent, None) if absent.any() else typed
        missing = typed.is_null()
    return typed, missing | typed.is_not_null()


def as_text(values: pl.Series) -> pl.Series:
    """Return each value as it would be written; whole numbers without a point, so that 1.0 is the category 1."""
    if values.dtype.is_float():
        present = values.drop_nulls().drop_nans()
        values = values.fill_nan(None)
        if is_whole(present).all():
            values = values.cast(pl.Int64)
    if values.dtype.is_numeric() or values.dtype in (
        pl.Boolean, pl.String, pl.Date, pl.Datetime, pl.Categorical, pl.Enum, pl.Null,
    ):  # fmt: skip
        return values.cast(pl.String)
    return pl.Series(values.name, [None if v is None else str(v) for v in values.to_list()], dtype=pl.String)


def as_ids(values: pl.Series) -> pl.Series:
    """Return ids as text: as written without blanks around them, and every digit of a number, without a point."""
    text = as_text(values).str.strip_chars()
    return without_point(text.set(text == "", None))


def free(name: str, taken: list[str]) -> str:
    """Return the name, with as many _ behind it as make it differ from those taken."""
    return name if name not in taken else free(f"{name}_", taken)


def _refuse_lacking(table: pl.DataFrame, contract: TableSchema) -> None:
    if lacking := [name for name in contract.columns if name not in table.columns]:
        others = [name for name in table.columns if name not in contract.columns]
        raise InputError(
            "data.contract",
            f"the table lacks {len(lacking)} of the contract's {len(contract.columns)} columns:"
            f" {', '.join(map(repr, lacking))}",
            " ".join([*([nearest(lacking[0], others)] if others else []), "Else take it out of the contract."]),
        )


def _column(
    values: pl.Series, spec: ColumnSpec, listed: Sequence[str] | None, now: datetime
) -> tuple[pl.Series, list[_Breach]]:
    """The column, typed, and what it breaks; a broken value may be null."""
    if spec.type == "category" and values.dtype == pl.String:
        distinct = values.unique()
        if len(distinct) < len(values) / 2:  # few texts stand for all
            typed, found = _column(distinct, spec, listed, now)
            typed = values if typed.equals(distinct, null_equal=True) else parse(values, spec.type, listed)[0]
            broken = [(b, distinct.filter(b.rows).implode()) for b in found]
            return typed, [_Breach(b.column, b.said, values.is_in(those, nulls_equal=True)) for b, those in broken]
    typed, readable = parse(values, spec.type, listed, spec)
    masks = []
    if not readable.all():
        present = len(values) - int((typed.is_null() & readable).sum())
        changed = " (type changed)" if int((~readable).sum()) > present / 2 else ""
        masks.append((is_not(spec) + changed, ~readable))
    if typed.null_count() and not spec.missing:
        masks.append((IS_MISSING, typed.is_null() & readable))
    ends = pl.Series([typed.min(), typed.max()], dtype=typed.dtype)
    for rule in rules(spec, now, shifted_unit(typed, spec)):
        if not rule.of_ends or rule.broken(ends).any():  # what no end breaks, none between them does
            masks.append((rule.said, rule.broken(typed).fill_null(False)))
    return typed, [_Breach(values.name, said, mask) for said, mask in masks if mask.any()]


def _numbers(values: pl.Series, spec: ColumnSpec | None) -> tuple[pl.Series, pl.Series]:
    """Whether each value is missing, and the numbers."""
    words = spec.also_missing if spec else []
    written = spec.written if spec else None
    if values.dtype.is_temporal():
        return values.is_null(), pl.Series(values.name, [None] * len(values), pl.Float64)
    if values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null):
        number = values.cast(pl.Float64, strict=False).fill_nan(None)
        missing = number.is_null()
    else:
        text = as_text(values)
        number = text.cast(pl.Float64, strict=False)
        if written or number.null_count() > text.null_count() or number.is_nan().any():
            text = text.str.strip_chars()
            text = text.set(text.is_in([*MISSING, *words]) | text.str.to_lowercase().is_in(MISSING_NUMBERS), None)
            number = written.parse(text) if written else text.cast(pl.Float64, strict=False).fill_nan(None)
        missing = text.is_null()
    codes = [float(word) for word in words if NUMBER.fullmatch(word)] + [inf, -inf] * (INFINITE in words)
    if codes and (coded := number.is_in(codes).fill_null(False)).any():
        return missing | coded, number.set(coded, None)
    return missing, number


def _times(values: pl.Series, spec: ColumnSpec | None) -> tuple[pl.Series, pl.Series]:
    """Whether each value is missing, and the times in UTC, without a zone."""
    if values.dtype == pl.Date:
        values = values.cast(pl.Datetime("us"))
    if isinstance(values.dtype, pl.Datetime):
        zoned = values.dtype.time_zone is not None
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zoned else values
        return values.is_null(), values.cast(pl.Datetime("us"))
    text = as_text(values).str.strip_chars()
    words = spec.also_missing if spec else []
    text = text.set(text.is_in([*MISSING, *words]) | text.str.to_lowercase().is_in(MISSING_TIMES), None)
    return text.is_null(), read_times(text, bool(spec and spec.month_first))


def _repeated(table: pl.DataFrame, name: str, ids: pl.Series) -> list[_Breach]:
    """Rows that are copies of an earlier one, and rows whose id stands in another row that differs."""
    if ids.n_unique() == len(ids):
        return []
    again, repeated = np.zeros(len(table), dtype=bool), np.zeros(len(table), dtype=bool)
    rows = (ids.is_duplicated() & ids.is_not_null()).arg_true().to_numpy()
    if len(rows):
        text = pl.DataFrame({f"t{k}": as_text(table[name])[rows] for k, name in enumerate(table.columns)})
        again[rows] = ~text.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
        left = rows[~again[rows]]
        repeated[left] = ids[left].is_duplicated().to_numpy()
    said = {"stands there again in the same row": again, "is a repeated id": repeated}
    return [_Breach(name, words, pl.Series(mask)) for words, mask in said.items() if mask.any()]


def _nothing_broken(table: pl.DataFrame) -> pl.DataFrame:
    own = {free("row", table.columns): pl.Int64, free("reason", table.columns): pl.String}
    return pl.DataFrame(schema=own | dict.fromkeys(table.columns, pl.String))


def _broken(table: pl.DataFrame, rows: np.ndarray, breaches: list[_Breach]) -> tuple[pl.DataFrame, dict[str, int]]:
    """The quarantined rows with all they break, and what was broken how often."""
    text = {name: as_text(table[name])[rows] for name in table.columns}
    reasons: dict[str, int] = {}
    parts: list[pl.Series] = []
    for k, breach in enumerate(breaches):
        value, broke = text[breach.column], breach.rows[rows]
        shown = pl.when(value.is_null()).then(pl.lit("")).otherwise(pl.format(" {}", value.str.slice(0, 40)))
        said = pl.format("{}{} {}", pl.lit(breach.column), shown, pl.lit(breach.said))
        parts.append(pl.select(pl.when(pl.lit(broke)).then(said)).to_series().alias(str(k)))
        reasons[_general(breach, value.filter(broke))] = int(broke.sum())
    reason = pl.DataFrame(parts).select(pl.concat_str(pl.all(), separator="; ", ignore_nulls=True)).to_series()
    own = {"row": pl.Series(rows + 1), "reason": reason}
    named = {free(name, table.columns): column for name, column in own.items()}
    return pl.DataFrame({**named, **text}), dict(sorted(reasons.items(), key=lambda item: -item[1]))


def _general(breach: _Breach, values: pl.Series) -> str:
    examples = values.drop_nulls().unique(maintain_order=True)
    shown = ", ".join(repr(value[:40]) for value in examples.head(3)) + (", …" if len(examples) > 3 else "")
    return f"{breach.column} {breach.said}" + (f" ({shown})" if shown else "")
