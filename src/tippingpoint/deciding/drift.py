"""Drift: how far users to decide have moved from those a model learnt from, by counts that add over chunks."""

from collections.abc import Mapping
from typing import Self

import numpy as np
import pandas as pd

from tippingpoint.closed import Closed

SCORE = "propensity_score"
BINS = 10
MOST = 50
"""Categories told apart; rarer ones count together."""
LEAST_SHARE = 1e-4
"""A bin nobody is in counts as this share: a logarithm needs one."""
MOVED, SHIFTED = 0.1, 0.25
"""Population stability index from which on a column is said to have moved, and to have shifted."""


class Reference(Closed):
    """How the users a model learnt from are spread over bins of each column and of the score.

    Bins of a number lie between `edges`; those of a category are `categories`, then all others. The last bin of either
    is for missing values.
    """

    edges: dict[str, list[float]]
    categories: dict[str, list[str]]
    shares: dict[str, list[float]]

    @classmethod
    def of(cls, features: pd.DataFrame, score: np.ndarray) -> Self:
        """Those of n users' features (raw columns) and of (m,) scores."""
        edges, categories = {}, {}
        for name, values in {**{str(c): features[c] for c in features}, SCORE: pd.Series(score)}.items():
            if pd.api.types.is_numeric_dtype(values):
                edges[name] = np.unique(values.dropna().quantile(np.linspace(0, 1, BINS + 1)[1:-1])).tolist()
            else:
                categories[name] = values.value_counts().index[:MOST].tolist()
        blank = cls(edges=edges, categories=categories, shares={})
        counts = blank.count(features, score)
        return cls(edges=edges, categories=categories, shares={n: (c / c.sum()).tolist() for n, c in counts.items()})

    def count(self, features: pd.DataFrame, score: np.ndarray) -> dict[str, np.ndarray]:
        """Users in each bin of each column; counts of chunks add."""
        counts = {}
        for name, edges in self.edges.items():
            values = score if name == SCORE else features[name].to_numpy(np.float64)
            # Comparisons, which go several users an instruction: several times as fast as a search of the bins.
            above = [int(np.count_nonzero(values > edge)) for edge in edges]
            known = len(values) - int(np.count_nonzero(np.isnan(values)))
            counts[name] = np.append(-np.diff([known, *above, 0]), len(values) - known)
        for name, categories in self.categories.items():
            found = features[name].value_counts()
            code = pd.Index(categories, dtype="str").get_indexer(found.index.astype("str"))
            code[code < 0] = len(categories)
            count = np.bincount(code, found.to_numpy(np.float64), minlength=len(categories) + 2).astype(np.int64)
            count[-1] = len(features) - count.sum()
            counts[name] = count
        return counts

    def drift(self, counts: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Population stability index sum((p - q)·ln(p / q)) of each column, the largest first, and a word for it."""
        rows = []
        for name, count in counts.items():
            q, p = (
                np.maximum(share, LEAST_SHARE) for share in (np.asarray(self.shares[name]), count / max(count.sum(), 1))
            )
            index = float(np.sum((p - q) * np.log(p / q)))
            word = "shifted" if index >= SHIFTED else "moved" if index >= MOVED else "same"
            rows.append({"column": name, "psi": index, "drift": word})
        return pd.DataFrame(rows).sort_values("psi", ascending=False, ignore_index=True)
