"""Tables on the pages. Streamlit offers each as a CSV, so that what a spreadsheet would run gets its ' beforehand."""

from typing import Any

import pandas as pd
import polars as pl
import streamlit as st

from tippingpoint.data.writing import neutralised


def frame(table: pl.DataFrame | pd.DataFrame, **options: Any) -> Any:
    """Show a table; what was picked in it, if that is asked for."""
    return st.dataframe(safe(table), **options)


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
