"""Large tables in little memory: columns gathered chunk by chunk, each in the least type that holds it exactly."""

import numpy as np
import polars as pl

FEW = 250
"""Distinct texts that are held as codes of one byte."""
WHOLE = 2.0**53


class Compact:
    """A table that grows by chunks of the same columns.

    Whole numbers are held in as many bytes as the largest needs, texts of few values as codes; nothing is rounded.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[pl.Series]] = {}

    def add(self, chunk: pl.DataFrame) -> None:
        """Take in more rows."""
        for column in chunk.iter_columns():
            self._columns.setdefault(column.name, []).append(_least(column))

    def table(self) -> pl.DataFrame:
        """All of it; what was gathered is let go of column by column."""
        whole = []
        for name in list(self._columns):
            whole.append(_joined(self._columns.pop(name)))
        return pl.DataFrame(whole)


def _least(column: pl.Series) -> pl.Series:
    """The column in its least type."""
    if column.dtype == pl.String:
        distinct = column.unique().drop_nulls()
        return column.cast(pl.Enum(distinct.sort())) if len(distinct) <= FEW else _own(column)
    if column.dtype.is_float():
        values = column.drop_nulls().to_numpy()
        # A NaN equals nothing; of a negative zero a whole number would lose the sign.
        exact = (np.abs(values) < WHOLE) & (values == np.floor(values)) & ((values != 0) | ~np.signbit(values))
        if not exact.all():
            return column
        column = column.cast(pl.Int64)
    return column.shrink_dtype() if column.dtype.is_integer() else column


def _own(column: pl.Series) -> pl.Series:
    """Texts without what else was read beside them: a slice would hold on to all of it."""
    return pl.Series(column.name, column.to_arrow().cast("large_string"))


def _joined(parts: list[pl.Series]) -> pl.Series:
    """Chunks of a column as one."""
    name = parts[0].name
    if all(isinstance(part.dtype, pl.Enum) for part in parts):
        texts = list(dict.fromkeys(t for part in parts for t in part.dtype.categories))  # type: ignore[attr-defined]  # all are enums
        kind = pl.Enum(texts) if len(texts) <= FEW else pl.String
        return pl.concat([part.cast(kind) for part in parts], rechunk=True)
    frames = [part.cast(pl.String).to_frame() if isinstance(part.dtype, pl.Enum) else part.to_frame() for part in parts]
    return pl.concat(frames, how="vertical_relaxed", rechunk=True)[name]
