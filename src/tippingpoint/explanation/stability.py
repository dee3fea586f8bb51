"""How much the ranking of columns changes when other users are fitted on."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau
from sklearn.model_selection import StratifiedKFold

from tippingpoint.cores import cores
from tippingpoint.data.users import Users
from tippingpoint.explanation.values import explain
from tippingpoint.models.calibration import Model
from tippingpoint.models.family import Family

FOLDS, MOST, EXPLAINED = 5, 1500, 100
TOP = 5


@dataclass(frozen=True)
class Stability:
    """Rankings of the columns by mean |SHAP|, 1 for the largest, one a fold.

    Parameters
    ----------
    ranks
        (k, d) by fold and column.
    """

    columns: tuple[str, ...]
    ranks: np.ndarray

    @property
    def tau(self) -> float:
        """Mean of Kendall's tau between each two folds: 1 for the same order everywhere, 0 for chance."""
        if len(self.columns) < 2:
            return 1.0
        return float(np.mean([kendalltau(a, b).statistic for a, b in combinations(self.ranks, 2)]))

    @property
    def top_shared(self) -> float:
        """Mean share of the first five columns that two folds have in common."""
        top = [set(np.argsort(rank)[:TOP]) for rank in self.ranks]
        return float(np.mean([len(a & b) / len(a) for a, b in combinations(top, 2)]))

    def table(self) -> pd.DataFrame:
        """Columns `feature`, `mean_rank`, `lowest_rank`, `highest_rank` (best and worst), most important first."""
        mean = self.ranks.mean(axis=0)
        ends = {"lowest_rank": self.ranks.min(axis=0), "highest_rank": self.ranks.max(axis=0)}
        table = pd.DataFrame({"feature": self.columns, "mean_rank": mean, **ends})
        return table.sort_values("mean_rank", kind="stable", ignore_index=True)


def stability(family: Family, users: Users, seed: int) -> Stability:
    """Fit five times, each without another fifth, and rank the columns by what moves the score of those held out.

    Bounded: of more than 1,500 users so many are drawn, and 100 of those held out are explained. More users would give
    steadier rankings, so what is found is on the low side.

    Parameters
    ----------
    users
        Train, both outcomes at least five times.
    """
    if len(users) > MOST:
        drawn = np.sort(np.random.default_rng(seed).permutation(len(users))[:MOST])
        users = users.take(drawn)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(users.outcome, users.outcome)

    def ranked(fold: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        part, held = users.take(fold[0]), users.features.iloc[fold[1][:EXPLAINED]]
        pipeline = family.pipeline(users.contract, seed)
        # One thread a fit, several fits at once: on so few users threads wait for each other longer than they work.
        if pipeline.get_params().get("model__n_jobs"):
            pipeline.set_params(model__n_jobs=1)
        pipeline.fit(part.features, part.outcome)
        explanation = explain(Model(family, pipeline, pipeline, "none"), users.contract, held, part.features)
        order = np.argsort(-np.abs(explanation.values).mean(axis=0), kind="stable")
        return np.argsort(order) + 1

    with ThreadPoolExecutor(cores()) as pool:
        ranks = np.array(list(pool.map(ranked, folds)))
    return Stability(tuple(column.name for column in users.contract.columns), ranks)
