"""What an action adds to the chance of the outcome, as a table a column: read by people, written as JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV

from tippingpoint.core.strict import StrictModel
from tippingpoint.data.users import Users

CUTS = 15
"""Cuts of a number column, at quantiles: steps between them are what is learnt."""
LEAST_LEVEL, MOST_LEVELS = 20, 50
"""Users a category needs for a row of its own, and rows a column has at most; others count as the average does."""
MOST_USERS = 200_000
"""Users a table is fitted on at most."""
PENALTIES = tuple(np.logspace(1, 7, 19).tolist())
"""Of the ridge, on columns of unit variance; the largest leaves nothing but the mean."""
TYPICAL = 0.5
"""How far the slope of an effect on new users is expected to lie from 1 before they are looked at."""

Columns = Mapping[str, Any] | pd.DataFrame
"""(n,) values by name of column: numbers, NaN where missing; texts, None where missing."""


class Steps(StrictModel):
    """What values of a number column add."""

    cuts: list[float]
    added: list[float]
    """Of values up to the first cut, up to the next, and above the last."""
    missing: float

    def __call__(self, values: Any) -> np.ndarray:
        """(n,) what each value adds."""
        x = np.asarray(values, dtype=np.float64)
        code = np.where(np.isnan(x), -1, np.searchsorted(self.cuts, x))
        return np.array([*self.added, self.missing])[code]


class Levels(StrictModel):
    """What values of a category add; those without a row add nothing."""

    added: dict[str, float]
    missing: float

    def __call__(self, values: Any) -> np.ndarray:
        """(n,) what each value adds."""
        if not isinstance(values, pd.Series):
            return np.array([self.missing if v is None else self.added.get(v, 0.0) for v in values])
        code = pd.Index(list(self.added), dtype="str").get_indexer(pd.Index(values))
        return np.where(values.isna(), self.missing, np.array([*self.added.values(), 0.0])[code])


class EffectTable(StrictModel):
    """What an action adds to the chance of the outcome: the mean, and what each column adds to that.

    Examples
    --------
    >>> table = EffectTable(mean=0.02, columns={"days": Steps(cuts=[30.0], added=[-0.01, 0.03], missing=0.0)})
    >>> table({"days": [3.0, 90.0, float("nan")]}).tolist()
    [0.01, 0.05, 0.02]
    """

    mean: float
    columns: dict[str, Steps | Levels]

    def __call__(self, features: Columns) -> np.ndarray:
        """(n,) effects in outcomes per user."""
        parts = [added(features[name]) for name, added in self.columns.items()]
        return np.asarray(self.mean + sum(parts)) if parts else np.full(_length(features), self.mean)

    def calibrated(self, features: Columns, scores: np.ndarray, fitted_on: int) -> "EffectTable":
        """The same, made to fit users it was not fitted on.

        The slope is that of the best linear predictor (Chernozhukov et al. 2018), drawn towards 1 as far as it is
        uncertain, and never below 0; the mean is of these users and those it was fitted on together.

        Parameters
        ----------
        scores
            (n,) doubly robust effects of those users, each by itself unbiased.
        fitted_on
            How many users it was fitted on.
        """
        effect = self(features)
        centred = effect - effect.mean()
        spread = float(centred @ centred)
        if len(scores) <= 2:
            return self
        slope, certain = 0.0, 0.0
        if spread > 0:
            slope = float(centred @ scores) / spread
            left = scores - scores.mean() - slope * centred
            certain = TYPICAL**2 / (TYPICAL**2 + float((centred * left) @ (centred * left)) / spread**2)
        kept = max(0.0, certain * slope + (1 - certain))
        middle, n = float(effect.mean()), len(scores)
        return self.scaled(kept, middle, (fitted_on * middle + n * float(scores.mean())) / (fitted_on + n))

    def scaled(self, slope: float, middle: float, mean: float) -> "EffectTable":
        """The effects less `middle`, times `slope`, about `mean`."""
        columns: dict[str, Steps | Levels] = {}
        for name, of in self.columns.items():
            more = {"missing": of.missing * slope}
            if isinstance(of, Steps):
                columns[name] = of.model_copy(update={"added": [slope * v for v in of.added], **more})
            else:
                columns[name] = of.model_copy(update={"added": {k: slope * v for k, v in of.added.items()}, **more})
        return EffectTable(mean=mean + slope * (self.mean - middle), columns=columns)


def fit_tables(users: Users, scores: np.ndarray) -> list[EffectTable]:
    """One table an action, fitted to users' effects by ridge regression on the steps between quantiles.

    The penalty of each action is chosen by generalised cross-validation: where nothing is found the table is the mean.
    A regression of doubly robust scores is the DR-learner (Kennedy 2023), additive in columns.

    Parameters
    ----------
    scores
        (n, m) effects of m actions, each by itself unbiased.
    """
    design = _Design(users)
    x = design(users.features)
    middle, spread = x.mean(axis=0), x.std(axis=0)
    there = spread > 0
    x = (x[:, there] - middle[there]) / spread[there]
    mean = scores.mean(axis=0)
    if not x.shape[1]:
        return [EffectTable(mean=float(of), columns={}) for of in mean]
    line = RidgeCV(alphas=PENALTIES, alpha_per_target=True).fit(x, scores - mean)
    weights = np.zeros((scores.shape[1], len(there)))
    weights[:, there] = np.atleast_2d(line.coef_) / spread[there]
    return [design.table(float(of), weight, middle) for of, weight in zip(mean, weights, strict=True)]


class _Design:
    """Columns of users as 0/1 columns: steps a number passed, values of a category, and what is missing."""

    def __init__(self, users: Users) -> None:
        self.cuts: dict[str, list[float]] = {}
        self.levels: dict[str, list[str]] = {}
        for column in users.contract.columns:
            values = users.features[column.name]
            if column.kind == "number":
                known = values.to_numpy(np.float64)
                known = known[np.isfinite(known)]
                at = np.quantile(known, np.linspace(0, 1, CUTS + 2)[1:-1]) if len(known) else np.empty(0)
                self.cuts[column.name] = np.unique(at).tolist()
            else:
                counted = values.value_counts().head(MOST_LEVELS)
                self.levels[column.name] = sorted(counted.index[counted >= LEAST_LEVEL].tolist())

    def __call__(self, features: pd.DataFrame) -> np.ndarray:
        blocks = []
        for name, cuts in self.cuts.items():
            x = features[name].to_numpy(np.float64)
            blocks.append(np.column_stack([x[:, None] > np.array(cuts), np.isnan(x)]))
        for name, levels in self.levels.items():
            code = pd.Index(levels, dtype="str").get_indexer(pd.Index(features[name]))
            blocks.append(np.column_stack([code[:, None] == np.arange(len(levels)), features[name].isna()]))
        return np.hstack(blocks).astype(np.float64) if blocks else np.empty((len(features), 0))

    def table(self, mean: float, weight: np.ndarray, middle: np.ndarray) -> EffectTable:
        """What (d,) weights of columns, whose means are (d,) `middle`, say as a table."""
        columns: dict[str, Steps | Levels] = {}
        at = 0
        for name, cuts in self.cuts.items():
            steps, missing = weight[at : at + len(cuts)], weight[at + len(cuts)]
            at += len(cuts) + 1
            if steps.any() or missing:
                columns[name] = Steps(cuts=cuts, added=np.cumsum([0.0, *steps]).tolist(), missing=float(missing))
        for name, levels in self.levels.items():
            own, missing = weight[at : at + len(levels)], weight[at + len(levels)]
            at += len(levels) + 1
            if own.any() or missing:
                columns[name] = Levels(added=dict(zip(levels, own.tolist(), strict=True)), missing=float(missing))
        return EffectTable(mean=mean - float(weight @ middle), columns=columns)


def _length(features: Columns) -> int:
    return len(features) if isinstance(features, pd.DataFrame) else len(next(iter(features.values()), ()))
