"""How much the ranking of columns changes when other users are fitted on."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, rankdata

from tippingpoint.core.threads import cores
from tippingpoint.data.splits import folds, pairs
from tippingpoint.data.users import Users
from tippingpoint.explanation.values import explain
from tippingpoint.models.calibration import Model
from tippingpoint.models.family import Family

FOLDS, MOST, EXPLAINED = 5, 1000, 100


@dataclass(frozen=True)
class Stability:
    """Rankings by mean |SHAP|, 1 for the largest, one a fold, of the columns that any fold's model uses.

    Parameters
    ----------
    ranks
        (k, d) by fold and column; equal columns share the mean of their ranks.
    """

    columns: tuple[str, ...]
    ranks: np.ndarray

    @property
    def tau(self) -> float:
        """Mean of Kendall's tau-b between each two folds: 1 for the same order everywhere; NaN below two columns.

        Any two fits share three quarters of their users, so that it lies above 0 where no column matters too: at .2 to
        .4 on average for 1,200 users and 8 columns of noise, in each family.
        """
        if len(self.columns) < 2:
            return float("nan")
        # A fold in which all are equal has no order that could agree with another.
        return float(np.mean([np.nan_to_num(kendalltau(a, b).statistic) for a, b in combinations(self.ranks, 2)]))

    def table(self) -> pd.DataFrame:
        """Columns `feature`, `mean_rank`, `lowest_rank`, `highest_rank` (best and worst), most important first."""
        mean = self.ranks.mean(axis=0)
        ends = {"lowest_rank": self.ranks.min(axis=0), "highest_rank": self.ranks.max(axis=0)}
        table = pd.DataFrame({"feature": self.columns, "mean_rank": mean, **ends})
        return table.sort_values("mean_rank", kind="stable", ignore_index=True)


def stability(family: Family, users: Users, seed: int) -> Stability:
    """Fit five times, each without another fifth, and rank the columns by what moves the score of those held out.

    Bounded: of more than 1,000 users so many are drawn, and 100 of those held out. More users would give steadier
    rankings, fits that share no user less alike ones.

    Parameters
    ----------
    users
        Train, both outcomes at least five times.
    """
    rng = np.random.default_rng(seed)
    if len(users) > MOST:
        users = users.take(np.sort(rng.permutation(len(users))[:MOST]))
    cut = pairs(folds(users.outcome, FOLDS, seed, users.codes))
    parts = [(fitted, rng.permutation(held)[:EXPLAINED]) for fitted, held in cut]

    def moved(fold: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        part, held = users.take(fold[0]), users.features.iloc[fold[1]]
        pipeline = family.pipeline(users.contract, seed)
        # One thread a fit, several fits at once: on so few users threads wait for each other longer than they work.
        if pipeline.get_params().get("model__n_jobs"):
            pipeline.set_params(model__n_jobs=1)
        pipeline.fit(part.features, part.outcome)
        explanation = explain(Model(family, pipeline, pipeline, "none"), users.contract, held, part.features)
        return np.asarray(np.abs(explanation.values).mean(axis=0))

    with ThreadPoolExecutor(cores()) as pool:
        size = np.array(list(pool.map(moved, parts)))
    used = np.flatnonzero(size.any(axis=0))
    columns = tuple(users.contract.columns[at].name for at in used)
    return Stability(columns, rankdata(-size[:, used], axis=1))
