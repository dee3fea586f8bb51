"""Estimates that carry their uncertainty."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import norm

from tippingpoint.offpolicy.support import Basis

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


def estimate(value: float | np.floating, square: float, n: int, basis: Basis | None = None) -> Estimate:
    """Return a mean of n contributions whose squared deviations from it sum to `square`.

    Outcomes that are rare may all stay away, and the deviations with them; so their sum counts as no less than what the
    outcomes alone are expected to give. Without that, intervals miss on the side of zero (`benchmarks/coverage.py`).

    Parameters
    ----------
    basis
        What the mean rests on; None where it is no estimate from a log. Of an unsound one there is no interval.
    """
    if n < 2 or (basis is not None and not basis.sound):
        return Estimate(float(value))
    square = square if basis is None else max(square, float(basis.noise))
    return normal(value, np.sqrt(square / (n - 1) / n))


def mean(contributions: np.ndarray, basis: Basis | None = None) -> Estimate:
    """Mean of (n,) independent contributions, SE from their standard deviation (n - 1); of one there is none."""
    about = contributions - np.mean(contributions)
    return estimate(np.mean(contributions), float(about @ about), len(contributions), basis)
