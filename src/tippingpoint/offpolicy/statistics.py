"""Estimates that carry their uncertainty."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import norm

LEVEL = 0.95
"""Confidence of every interval, pointwise or simultaneous."""
LEAST_CHANGED = 50
"""Users that two policies must decide differently for before a normal interval of their difference is
believed."""


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error and interval; both are None where none can be had honestly."""

    value: float
    se: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def turned(self) -> "Estimate":
        """The estimate of the opposite difference."""
        return Estimate(-self.value, self.se, *(None if end is None else -end for end in (self.high, self.low)))

    def scaled(self, factor: float) -> "Estimate":
        """The estimate in other units; `factor` > 0."""
        ends = (None if v is None else v * factor for v in (self.se, self.low, self.high))
        return Estimate(self.value * factor, *ends)


@cache
def pointwise() -> float:
    """|t| that one estimate stays below with 95 %."""
    return float(norm.ppf(0.5 + LEVEL / 2))


def normal(value: float | np.floating, se: float | np.floating, z: float | None = None) -> Estimate:
    """An estimate with the interval value ± z·se; z defaults to the pointwise 95 %."""
    z = pointwise() if z is None else z
    return Estimate(float(value), float(se), float(value - z * se), float(value + z * se))


def mean(contributions: np.ndarray) -> Estimate:
    """Mean of (n,) independent contributions, SE from their standard deviation (n - 1); of one there is none."""
    n = len(contributions)
    if n < 2:
        return Estimate(float(np.mean(contributions)))
    return normal(np.mean(contributions), np.std(contributions, ddof=1) / np.sqrt(n))
