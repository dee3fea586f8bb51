"""Columns whose users were assigned together: all who share a value got the same action."""

from __future__ import annotations

import numpy as np

from tippingpoint.core.on_demand import polars as pl

BY_CHANCE = 1e-6
"""Chance, at the actions' shares, that no value has two actions, below which it was no chance."""
FIRST = 2000
"""Rows that are looked at first: most columns show two actions of one value there."""


def assigned_together(table: pl.DataFrame, action: np.ndarray) -> dict[str, int]:
    """Return by column the number of its values, where users of one value always got the same of (n,) action codes.

    Columns of no more values than actions are left out: they are the action by another name.
    """
    share = np.bincount(action) / max(len(action), 1)
    code = pl.Series("__action", action)
    found = {}
    for column in table:
        if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
            continue
        pair = pl.DataFrame([column.alias("value"), code]).drop_nulls()
        if _differ(pair.head(FIRST)):
            continue
        groups = _groups(pair)
        sizes = groups["n"].to_numpy()
        if (groups["actions"] > 1).any() or len(sizes) <= np.count_nonzero(share):
            continue
        same, counts = np.unique(sizes, return_counts=True)
        log_chance = sum(
            float(times * np.log((share**n).sum())) for n, times in zip(same, counts, strict=True) if n > 1
        )
        if log_chance < np.log(BY_CHANCE):
            found[column.name] = len(sizes)
    return found


def _groups(pair: pl.DataFrame) -> pl.DataFrame:
    return pair.group_by("value").agg(n=pl.len(), actions=pl.col("__action").n_unique())


def _differ(pair: pl.DataFrame) -> bool:
    """Whether some value has two actions."""
    return bool((_groups(pair)["actions"] > 1).any())
