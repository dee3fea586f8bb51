"""Rows of a table that are no user: blank ones, a header again, a total, and those without an outcome."""

from __future__ import annotations

import numpy as np

from tippingpoint.core.on_demand import polars as pl
from tippingpoint.data.column_rules import stand_ins
from tippingpoint.data.contract import TableSchema
from tippingpoint.data.validation import as_text

BLANK = "every cell is missing, or is its column's name"
TOTAL_ROW = "is a total of the others"
TOTAL = (
    r"(?i)^((grand |sub)?totals?|total g[eé]n[eé]ral|sums?|summe|gesamt(summe|ergebnis)?|insgesamt|somme|suma)\s*:?$"
)
"""What stands in the first column of a table's last row where that is no user."""


def is_blank(table: pl.DataFrame) -> np.ndarray:
    """(n,) whether each cell of a row is missing, or repeats its column's name."""
    blank = np.ones(len(table), dtype=bool)
    for values in table:
        rows = np.flatnonzero(blank)  # of the next column only rows that are blank so far are looked at
        if not len(rows):
            break
        some = values.gather(rows)
        nothing = some.is_null()
        if some.dtype == pl.String:
            text = some.str.strip_chars()
            nothing |= ((text == "") | (text == values.name)).fill_null(False)
        elif some.dtype.is_float():
            nothing |= some.is_nan().fill_null(False)
        blank[rows] = nothing.to_numpy()
    return blank


def is_total(table: pl.DataFrame, blank: np.ndarray) -> np.ndarray:
    """(n,) whether a row is the last one and says that it sums up the others."""
    total, last = np.zeros(len(table), dtype=bool), np.flatnonzero(~blank)[-1:]
    if len(last) and table.to_series(0).dtype == pl.String:
        total[last] = bool(table.to_series(0)[last].str.strip_chars().str.contains(TOTAL).fill_null(False).item())
    return total


def outcome_missing(outcome: pl.Series, contract: TableSchema | None) -> np.ndarray:
    """(n,) whether an outcome is missing; a word for that is a value where else there were not two: `None`, `gold`."""
    text = as_text(outcome).str.strip_chars()
    spec = contract.columns.get(outcome.name) if contract else None
    stands_in = text.is_in(stand_ins(spec.values if spec else None))
    if text.filter(~stands_in).n_unique() < 2:
        stands_in = text == ""
    return (text.is_null() | stands_in.fill_null(False)).to_numpy()
