"""What a model must beat: one number for everyone, and the most predictive single column."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tippingpoint.data.users import Users

BINS = 20
FOLDS = 5
PRIOR = 20
"""Users at everyone's rate that each group is joined by, so that small ones say little."""


@dataclass(frozen=True)
class OneColumn:
    """The outcome rate of train by one column's own groups, as a score.

    Parameters
    ----------
    edges
        Between a number's bins; None for a category.
    names
        A category's values.
    rates
        (groups,) scores; the last is of users without a value, or with one that train did not have.
    """

    column: str
    edges: np.ndarray | None
    names: pd.Index | None
    rates: np.ndarray

    def score(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) scores."""
        return self.rates[_groups(features[self.column], self.edges, self.names)]


def best_column(train: Users, rng: np.random.Generator) -> tuple[OneColumn, dict[str, float]]:
    """The column whose own rates rank users of train best, cross-validated there in five folds.

    Numbers are cut in 20 bins of equal size, so that a relation that bends counts as much as one that rises.

    Returns
    -------
    OneColumn
        Its rates on all of train.
    dict
        ROC AUC of each column alone, on folds its rates were not of; the largest first.
    """
    fold = rng.permutation(len(train)) % FOLDS
    alone: dict[str, float] = {}
    found: dict[str, OneColumn] = {}
    for column in train.contract.columns:
        values = train.features[column.name]
        edges, names = _cut(values, column.kind)
        code = _groups(values, edges, names)
        size = len(edges) + 2 if edges is not None else len(names) + 1 if names is not None else 0
        counts = np.zeros((FOLDS, size, 2))
        np.add.at(counts, (fold, code, train.outcome), 1)
        outside = counts.sum(axis=0) - counts
        areas = [_area(held, _rates(rest)) for held, rest in zip(counts, outside, strict=True)]
        alone[column.name] = float(np.nanmean(areas)) if not np.isnan(areas).all() else 0.5
        found[column.name] = OneColumn(column.name, edges, names, _rates(counts.sum(axis=0)))
    ranked = dict(sorted(alone.items(), key=lambda item: -item[1]))
    return found[next(iter(ranked))], ranked


def _cut(values: pd.Series, kind: str) -> tuple[np.ndarray | None, pd.Index | None]:
    if kind == "category":
        return None, pd.Index(values.dropna().unique())
    known = values.dropna().to_numpy(np.float64)
    return (np.unique(np.quantile(known, np.arange(1, BINS) / BINS)) if len(known) else np.empty(0)), None


def _groups(values: pd.Series, edges: np.ndarray | None, names: pd.Index | None) -> np.ndarray:
    if names is not None:
        code = names.get_indexer(pd.Index(values))
        return np.where((code < 0) | values.isna().to_numpy(), len(names), code)
    assert edges is not None
    numbers = values.to_numpy(np.float64)
    return np.where(np.isnan(numbers), len(edges) + 1, np.searchsorted(edges, numbers))


def _rates(counts: np.ndarray) -> np.ndarray:
    whole = counts[:, 1].sum() / counts.sum()
    return np.asarray((counts[:, 1] + PRIOR * whole) / (counts.sum(axis=1) + PRIOR))


def _area(counts: np.ndarray, rates: np.ndarray) -> float:
    """ROC AUC of users counted by (group, outcome), their groups ranked by rates; ties half."""
    _, rank = np.unique(rates, return_inverse=True)
    others, hits = (np.bincount(rank, counts[:, y]) for y in (0, 1))
    if not others.sum() or not hits.sum():
        return float("nan")
    return float(hits @ (np.cumsum(others) - others / 2) / (hits.sum() * others.sum()))
