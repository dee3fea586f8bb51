"""What the score does as columns change: partial dependence, lines of single users, interactions."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from tippingpoint.data.model_output import probability
from tippingpoint.models.calibration import Model
from tippingpoint.models.learners.effects import output

USERS, POINTS = 50, 12
LEAST_CHANCE = 1e-4
"""A score is kept this far from 0 and 1 before its log-odds are taken: a forest's can be 0."""


@dataclass(frozen=True)
class Effect:
    """The calibrated score with one column set to each of p points, all else as it is.

    Parameters
    ----------
    points
        (p,) quantiles of a number, or categories, the most frequent first.
    lines
        (n, p) score of each user (individual conditional expectation, Goldstein et al. 2015).
    """

    column: str
    points: np.ndarray
    lines: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """(p,) partial dependence (Friedman 2001)."""
        return np.asarray(self.lines.mean(axis=0))


def points_of(column: pd.Series, most: int = POINTS, edge: float = 0.02) -> np.ndarray:
    """Observed values to set a column to: evenly spaced quantiles of a number, or its most frequent categories.

    Parameters
    ----------
    edge
        Share of the users beyond the first and beyond the last point of a number.
    """
    if column.dtype.kind == "f":
        there = np.sort(column.dropna().to_numpy())
        shares = np.linspace(edge, 1 - edge, most)
        return np.unique(np.quantile(there, shares, method="nearest")) if len(there) else there
    return column.value_counts().index[:most].to_numpy(dtype=object)


def effects(model: Model, features: pd.DataFrame, columns: list[str], points: pd.DataFrame) -> list[Effect]:
    """Partial dependence with single users' lines, through the whole calibrated model; 50 users and 12 points at most.

    A column is changed alone, whatever it goes together with: where columns are correlated, some of these users could
    not be.

    Parameters
    ----------
    features
        Users, of whom every so many-th is drawn.
    points
        Users whose observed values are set.
    """
    users = features.iloc[np.unique(np.linspace(0, len(features) - 1, USERS).astype(int))]
    grids = {name: grid for name in columns if len(grid := points_of(points[name]))}
    asked = [_set(users, {name: value}) for name, grid in grids.items() for value in grid]
    if not asked:
        return []
    score = _scores(model, pd.concat(asked, ignore_index=True)).reshape(-1, len(users)).T
    ends = np.cumsum([len(grid) for grid in grids.values()])[:-1]
    parts = np.split(score, ends, axis=1)
    return [Effect(name, grid, lines) for (name, grid), lines in zip(grids.items(), parts, strict=True)]


def interactions(model: Model, features: pd.DataFrame, columns: list[str], users: int = 20) -> pd.DataFrame:
    """How far each two columns move the score together beyond what each does alone, in any family the same way.

    Friedman and Popescu's H (2008) on the log-odds of the pipeline's score, in which a line has none. One row a pair:
    `feature_a`, `feature_b`, `strength` (standard deviation of what is joint only, log-odds), `share` (H²: of the
    variance of both together). Largest strength first; from few users, so of two close ones either may be first.

    Parameters
    ----------
    users
        So many are drawn evenly; each pair costs the square of it in scores.
    """
    drawn = features.iloc[np.unique(np.linspace(0, len(features) - 1, users).astype(int))].reset_index(drop=True)
    n = len(drawn)
    every, each = np.tile(np.arange(n), n), np.repeat(np.arange(n), n)
    background, single = drawn.take(every), list(columns)
    sets = [(name,) for name in single] + list(combinations(single, 2))
    asked = [background.assign(**{name: drawn[name].take(each).to_numpy() for name in names}) for names in sets]
    typed = pd.concat(asked, ignore_index=True).astype(drawn.dtypes.to_dict())
    chance = np.clip(model.pipeline.predict_proba(typed)[:, 1].astype(np.float64), LEAST_CHANCE, 1 - LEAST_CHANCE)
    mean = np.log(chance / (1 - chance)).reshape(len(sets), n, n).mean(axis=2)
    mean -= mean.mean(axis=1, keepdims=True)
    known = dict(zip(sets, mean, strict=True))
    rows = []
    for a, b in combinations(single, 2):
        joint = known[a, b] - known[a,] - known[b,]
        whole = float((known[a, b] ** 2).mean())
        strength = float(np.sqrt((joint**2).mean()))
        rows.append((a, b, strength, strength**2 / whole if whole > 1e-12 else 0.0))
    table = pd.DataFrame(rows, columns=["feature_a", "feature_b", "strength", "share"])
    return table.sort_values("strength", ascending=False, kind="stable", ignore_index=True)


def _set(users: pd.DataFrame, values: dict[str, object]) -> pd.DataFrame:
    """The users with columns set to one value each, types kept."""
    typed = {name: pd.Series([value] * len(users), index=users.index) for name, value in values.items()}
    return users.assign(**{name: column.astype(users[name].dtype) for name, column in typed.items()})


def _scores(model: Model, features: pd.DataFrame) -> np.ndarray:
    return probability(output(model.classifier, features))
