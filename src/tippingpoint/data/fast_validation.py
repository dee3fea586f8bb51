"""A quick look at the door: a table all of whose rows hold the contract is let in column by column."""

from datetime import datetime

import numpy as np
import polars as pl

from tippingpoint.data.contract import ColumnSpec, TableSchema
from tippingpoint.data.validation import CLOCKS, Checked, check, free, parse, shifted_unit

WHOLE = 2**53
"""From here on a float does not tell neighbours apart."""


def admit(table: pl.DataFrame, contract: TableSchema, now: datetime, ids: pl.Series | None = None) -> Checked:
    """What `door.check` answers, some ten times as fast where no row breaks the contract.

    Parameters
    ----------
    ids
        The ids as the door reads them, where all are there and known to differ.
    """
    if (held := _held(table, contract, now, ids)) is None:
        return check(table, contract, now)
    own = {free("row", table.columns): pl.Int64, free("reason", table.columns): pl.String}
    broken = pl.DataFrame(schema=own | dict.fromkeys(table.columns, pl.String))
    return Checked(held, np.arange(len(table)), broken, {})


def _held(table: pl.DataFrame, contract: TableSchema, now: datetime, ids: pl.Series | None) -> pl.DataFrame | None:
    """The table let in; None where a row breaks the contract, or columns are missing."""
    columns: dict[str, pl.Series] = {}
    for name, terms in contract.columns.items():
        if name not in table.columns or name in (contract.outcome, contract.action):
            return None
        if name == contract.id and ids is not None and terms.type == "text":
            columns[name] = ids
            continue
        typed = _looked_at(table[name], terms, now)
        if typed is None or (name == contract.id and typed.n_unique() < len(typed)):
            return None
        columns[name] = typed.cast(pl.Int64) if terms.type == "whole" else typed
    return pl.DataFrame(columns | {name: table[name] for name in table.columns if name not in contract.columns})


def _looked_at(values: pl.Series, terms: ColumnSpec, now: datetime) -> pl.Series | None:
    if terms.type in ("number", "whole") and (values.dtype.is_float() or values.dtype.is_integer()):
        return _numbers(values, terms)
    return _few(values, terms, now) if terms.type == "category" else _all(values, terms, now)


def _numbers(values: pl.Series, terms: ColumnSpec) -> pl.Series | None:
    """A column of numbers, typed; None where a value breaks its terms. Its ends stand for all of it."""
    typed = values.cast(pl.Float64)
    if values.dtype.is_float() and typed.is_nan().any():
        typed = typed.fill_nan(None)
    if typed.null_count() and not terms.missing:
        return None
    least, most = typed.min(), typed.max()
    if least is None or most is None:
        return typed
    inside = (terms.min is None or least >= terms.min) and (terms.max is None or most <= terms.max)  # type: ignore[operator]  # numbers all
    if not (inside and -np.inf < least and most < np.inf):  # type: ignore[operator]  # of a number's terms these are numbers
        return None
    if terms.type == "whole" and not (max(-least, most) < WHOLE and (typed == typed.floor()).all()):  # type: ignore[operator]  # of a number's terms these are numbers
        return None
    # Where all lie within the bounds only a typical value tells a shifted unit.
    return None if terms.typical is not None and shifted_unit(typed, terms) else typed


def _all(values: pl.Series, terms: ColumnSpec, now: datetime) -> pl.Series | None:
    """A column, typed; None where a value breaks its terms."""
    typed, readable = parse(values, terms.type, terms.values)
    if not readable.all() or (typed.null_count() and not terms.missing):
        return None
    if terms.type in ("number", "whole"):
        if not typed.is_finite().all() or shifted_unit(typed, terms):
            return None
    elif terms.type == "time" and not (typed <= now + CLOCKS).all():
        return None
    low, high = terms.min, terms.max
    inside = (low is None or (typed >= low).all()) and (high is None or (typed <= high).all())
    return typed if inside and (terms.values is None or typed.is_in(terms.values).all()) else None


def _few(values: pl.Series, terms: ColumnSpec, now: datetime) -> pl.Series | None:
    """A column of categories: few values stand for all of them."""
    if values.dtype != pl.String:
        return _all(values, terms, now)
    distinct = values.unique()
    typed = _all(distinct, terms, now)
    if typed is None:
        return None
    return values if typed.equals(distinct, null_equal=True) else parse(values, terms.type, terms.values)[0]
