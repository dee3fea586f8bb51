"""Drift: how far users to decide have moved from those a model learnt from, by counts that add over chunks."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.stats import chi2

from tippingpoint.core.strict import StrictModel

SCORE = "propensity_score"
SURE = 0.999
"""How sure, over all columns at once, chance alone leaves an index where it is not called a move."""
BINS = 10
DRAWN = 1000
UNSEEN = "\0unseen"
"""A category no table has."""
MOST = 50
"""Categories told apart; rarer ones count together."""
FEW = 5
"""Users learnt from below which bins count together: of rare values a new batch always holds others."""
LEAST_SHARE = 1e-4
"""A bin nobody is in counts as this share, or as half a user where that is more: a logarithm needs one."""
MOVED, SHIFTED = 0.1, 0.25
"""Population stability index from which on a column is said to have moved, and to have shifted."""


class Reference(StrictModel):
    """How the users a model learnt from are spread over bins of each column and of the score.

    Bins of a number lie between `edges`; those of a category are `categories`, then all others. The last bin of either
    is for missing values. `users` counts those a column's shares rest on: the score's are others than the features'.
    """

    edges: dict[str, list[float]]
    categories: dict[str, list[str]]
    shares: dict[str, list[float]]
    users: dict[str, int]

    @classmethod
    def of(cls, features: pd.DataFrame, score: np.ndarray) -> Self:
        """Those of n users' features (raw columns) and of (m,) scores."""
        edges, categories = {}, {}
        for name, values in {**{str(c): features[c] for c in features}, SCORE: pd.Series(score)}.items():
            if pd.api.types.is_numeric_dtype(values):
                edges[name] = np.unique(values.dropna().quantile(np.linspace(0, 1, BINS + 1)[1:-1])).tolist()
            else:
                categories[name] = values.value_counts().index[:MOST].tolist()
        blank = cls(edges=edges, categories=categories, shares={}, users={})
        counts = blank.count(features, score)
        users = {name: int(count.sum()) for name, count in counts.items()}
        shares = {name: (count / max(users[name], 1)).tolist() for name, count in counts.items()}
        return cls(edges=edges, categories=categories, shares=shares, users=users)

    def drawn(self, columns: Mapping[str, str]) -> pd.DataFrame:
        """1,000 users spread over each column as those learnt from, each column by itself.

        Columns are drawn apart, and of a number only its nine deciles: a change is tried column by column, on those.

        Parameters
        ----------
        columns
            Those wanted, in order, and whether each is a `number` or a `category`.
        """
        rng = np.random.default_rng(0)
        found: dict[str, Any] = {}
        for name, kind in columns.items():
            shares = np.asarray(self.shares[name])
            drawn = rng.choice(len(shares), DRAWN, p=shares / shares.sum())
            if kind == "number":
                edges = np.asarray(self.edges[name] or [np.nan])
                found[name] = np.append(edges, [edges[-1], np.nan])[np.minimum(drawn, len(edges) + 1)]
            else:
                names = np.array([*self.categories[name], UNSEEN, None], dtype=object)
                found[name] = pd.Series(names[drawn], dtype="str")
        return pd.DataFrame(found)

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
        """Population stability index sum((p - q)·ln(p / q)) of each column, the largest first, and a word for it.

        `by_chance` is what the index of users of the same kind hardly exceeds in any column: of n users against the N
        learnt from it is spread nearly as chi²(bins - 1)·(1/n + 1/N). The logarithm's tail is longer: 1 in 200 batches
        of 100 users do exceed it, where chi² says 1 in 1,000. An index below it says nothing where it would be called a
        move: `inconclusive`. Bins of fewer than 5 users learnt from are one.

        References
        ----------
        Yurdakul (2018): Statistical properties of the population stability index. Western Michigan University.
        """
        rows = []
        for name, count in counts.items():
            n, learnt = max(int(count.sum()), 1), max(self.users[name], 1)
            rare = np.asarray(self.shares[name]) * learnt < FEW
            share, count = (np.append(of[~rare], of[rare].sum()) for of in (np.asarray(self.shares[name]), count))
            there = (count > 0) | (share > 0)
            q = np.maximum(share[there], max(LEAST_SHARE, 0.5 / learnt))
            p = np.maximum(count[there] / n, max(LEAST_SHARE, 0.5 / n))
            index = float(np.sum((p - q) * np.log(p / q)))
            level = 1 - (1 - SURE) / len(counts)
            chance = float(chi2.ppf(level, max(int(there.sum()) - 1, 1)) * (1 / n + 1 / learnt))
            word = "shifted" if index >= SHIFTED else "moved" if index >= MOVED else "same"
            if index <= chance and chance >= MOVED:
                word = "inconclusive"
            rows.append({"column": name, "psi": index, "by_chance": chance, "drift": word})
        return pd.DataFrame(rows).sort_values("psi", ascending=False, ignore_index=True)
