"""Tables, shown and as CSV. Streamlit offers what it shows as CSV too: what a spreadsheet would run has its ' there."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import streamlit as st

from tippingpoint.dashboard.job import scratch
from tippingpoint.data.writing import neutralised
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.scoring.writers import File


def frame(table: pl.DataFrame | pd.DataFrame, **options: Any) -> Any:
    """Show a table; what was picked in it, if that is asked for."""
    return st.dataframe(safe(table).to_arrow(), **options)  # else it takes the way through pandas


def safe(table: pl.DataFrame | pd.DataFrame) -> pl.DataFrame:
    """The table with its texts and its header neutralised."""
    shown = pl.from_pandas(table) if isinstance(table, pd.DataFrame) else table
    shown = shown.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    shown = neutralised(shown, [c for c, t in shown.schema.items() if t == pl.String])[0]
    header = neutralised(pl.DataFrame({"name": shown.columns}, schema={"name": pl.String}), ["name"])[0]["name"]
    names: list[str] = []
    for name in header:
        while name in names:
            name += "'"
        names.append(name)
    shown.columns = names
    return shown


def between(of: Estimate | None, digits: int, times: float = 1) -> str:
    """An estimate with its interval; a minus sign that no spreadsheet takes for a formula, and no plus.

    >>> between(Estimate(-0.5, 0.1, -0.7, 1.3), 1)
    '−0.5 [−0.7, 1.3]'
    """
    if of is None:
        return "–"
    value, *ends = (f"{number * times:,.{digits}f}" for number in (of.value, of.low, of.high) if number is not None)
    return (f"{value} [{', '.join(ends)}]" if ends else value).replace("-", "−")


def as_csv(pieces: Iterable[pl.DataFrame]) -> bytes:
    """A table, which comes in pieces, as the jobs write it."""
    with scratch() as folder:
        path = Path(folder, "table.csv")
        with File(path) as file:
            for piece in pieces:
                file.add(piece)
        return path.read_bytes()
