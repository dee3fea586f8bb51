"""Frames in memory: users as a source of a job, and the columns a model reads."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import polars as pl
from pydantic import PrivateAttr

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.strict import validate
from tippingpoint.data.column_roles import Roles, at_least_two
from tippingpoint.data.contract import NOUN, ColumnSpec
from tippingpoint.data.identity import names_id
from tippingpoint.data.validation import as_text, parse


class Frame(Roles):
    """Users of a frame in memory; its columns' roles are inferred as for a file."""

    label: str = "frame"
    """What it is called in reports."""

    _table: pl.DataFrame | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, frame: pd.DataFrame | pl.DataFrame, **roles: object) -> "Frame":
        """Return the users of a frame; `roles` are the keys of `conf/data/csv.yaml`."""
        source = validate(cls, roles, "data")
        source._table = as_polars(frame)
        return source

    @property
    def origin(self) -> str:
        return self.label

    def read(self) -> pl.DataFrame:
        if self._table is None:
            what = "the users were a frame in memory, which is not kept"
            raise InputError("data", what, "Give the frame again, or type data=csv data.path=… data.target=…")
        return at_least_two(self._table, "users")


def as_polars(frame: pd.DataFrame | pl.DataFrame) -> pl.DataFrame:
    """Return a frame as Polars; the index of a pandas frame is kept only if it is called like an id."""
    if isinstance(frame, pl.DataFrame):
        return frame
    frame = frame.reset_index(drop=not any(names_id(str(name)) for name in frame.index.names))
    try:
        return pl.from_pandas(frame)
    except (TypeError, ValueError, OverflowError):  # a column of objects that no type holds
        return pl.DataFrame({str(name): _held(values) for name, values in frame.items()})


def _held(values: pd.Series) -> pl.Series:
    """A column; as text if its objects are of several types, or integers beyond 64 bits."""
    try:
        return pl.from_pandas(values)
    except (TypeError, ValueError, OverflowError):
        return pl.from_pandas(values.map(str, na_action="ignore"))


def model_columns(table: pl.DataFrame, kinds: Mapping[str, str], specs: Mapping[str, ColumnSpec]) -> pd.DataFrame:
    """Return the columns a model reads: numbers as float64, categories as text.

    Parameters
    ----------
    kinds
        `number` or `category` by column, in the model's order.
    specs
        How numbers are written in each column, and what stands for a missing value.

    Raises
    ------
    InputError
        When a column is not there, or a number's holds something else.
    """
    columns = {}
    for name, kind in kinds.items():
        if name not in table.columns:
            raise InputError(
                "users", f"no column {name!r}, which the model was fitted with", nearest(name, table.columns)
            )
        values, spec = table[name], specs[name]
        if values.dtype.is_temporal():
            raise InputError(f"users.{name}", "holds times, and the model reads days", "Use score, which counts them.")
        typed, readable = parse(values, "number" if kind == "number" else "category", spec.values, spec)
        if not readable.all():
            raise InputError(f"users.{name}", f"{as_text(values.filter(~readable))[0]!r} is not {NOUN[kind]}")
        if kind == "number":
            number = typed.to_numpy().astype(np.float64)
            columns[name] = pd.Series(np.where(np.isinf(number), np.nan, number))
        else:
            columns[name] = pd.Series(pd.array(typed.to_arrow(), dtype="str"))
    return pd.DataFrame(columns)
