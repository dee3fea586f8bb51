"""Which of two is better: all pairs at once, on the same users."""

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from tippingpoint.simulation.statistics import LEVEL, Estimate, normal

DRAWS = 20_000


@dataclass(frozen=True)
class Verdict:
    """What the data say of one pair: `first` against `second`."""

    first: str
    second: str
    difference: Estimate
    """first - second, with an interval that holds for all pairs of the contest together."""
    word: Literal["better", "worse", "cannot tell"]


def contest(contributions: dict[str, np.ndarray], rng: np.random.Generator) -> list[Verdict]:
    """Compare the means of all contestants pairwise, with simultaneous 95 % intervals.

    The critical value is the 95 % quantile of the largest |t| over all pairs, when the vector of means is normal
    with its estimated covariance (single-step max-t; Hothorn, Bretz & Westfall 2008). Picking the best first and
    comparing the others with it would need more: those pairs are all in here.

    Parameters
    ----------
    contributions
        For each contestant its (n,) per-user contributions, users in the same order; larger means are better.
    """
    names = list(contributions)
    pairs = list(combinations(range(len(names)), 2))
    if not pairs:
        return []
    values = np.stack([contributions[name] for name in names])
    # The covariance of the differences themselves: taking it from the contestants' would cancel badly.
    differences = np.stack([values[i] - values[j] for i, j in pairs])
    n = differences.shape[1]
    centred = differences - differences.mean(axis=1, keepdims=True)
    se = np.sqrt((centred**2).sum(axis=1) / (n - 1) / n)
    z = _max_t(centred, se, rng)
    verdicts = []
    for (i, j), value, spread in zip(pairs, differences.mean(axis=1), se, strict=True):
        estimate = normal(value, spread, z)
        word: Literal["better", "worse", "cannot tell"] = "cannot tell"
        if spread > 0 and estimate.low is not None and estimate.high is not None:
            word = "better" if estimate.low > 0 else "worse" if estimate.high < 0 else word
        verdicts.append(Verdict(names[i], names[j], estimate, word))
    return verdicts


def _max_t(centred: np.ndarray, se: np.ndarray, rng: np.random.Generator) -> float:
    differing = se > 0
    if not differing.any():
        return 0.0
    standard = centred[differing] / np.linalg.norm(centred[differing], axis=1, keepdims=True)
    correlation = standard @ standard.T
    draws = rng.multivariate_normal(np.zeros(len(correlation)), correlation, size=DRAWS, method="eigh")
    return float(np.quantile(np.abs(draws).max(axis=1), LEVEL))
