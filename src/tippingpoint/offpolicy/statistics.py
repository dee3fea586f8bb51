"""Estimates that carry their uncertainty."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import norm

from tippingpoint.offpolicy.support import Basis

LEVEL = 0.95
"""Confidence of every interval, pointwise or simultaneous."""
DRAWS = 20_000
"""Draws from a normal that a simultaneous critical value is read off."""
LEAST_CHANGED = 50
"""Users, or groups of them, that two policies must decide differently for before a normal interval of their difference
is believed."""


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

    def at(self, z: float) -> "Estimate":
        """The estimate with the interval value ± z·se, where it has one."""
        return self if self.se is None or self.low is None else normal(self.value, self.se, z)

    def scaled(self, factor: float) -> "Estimate":
        """The estimate in other units; `factor` > 0."""
        ends = (None if v is None else v * factor for v in (self.se, self.low, self.high))
        return Estimate(self.value * factor, *ends)


@cache
def pointwise() -> float:
    """|t| that one estimate stays below with 95 %."""
    return float(norm.ppf(0.5 + LEVEL / 2))


def together(estimates: int) -> float:
    """|t| that all of so many estimates stay below with 95 %: exact if independent, else no less (Šidák)."""
    return float(norm.ppf(0.5 + LEVEL ** (1 / max(estimates, 1)) / 2))


def normal(value: float | np.floating, se: float | np.floating, z: float | None = None) -> Estimate:
    """An estimate with the interval value ± z·se; z defaults to the pointwise 95 %."""
    z = pointwise() if z is None else z
    return Estimate(float(value), float(se), float(value - z * se), float(value + z * se))


def squares(deviation: np.ndarray, group: np.ndarray | None = None) -> float:
    """Return the sum of squares of (n,) deviations, or of their sums over groups, given (n,) numbers of these."""
    sums = deviation if group is None else np.bincount(group, deviation)
    return float(sums @ sums)


def units(n: int, group: np.ndarray | None = None) -> int:
    """Return how many of n users, or groups of them, are independent of each other."""
    return n if group is None else int(np.count_nonzero(np.bincount(group)))


def standard_error(square: np.ndarray | float, n: int, independent: int) -> np.ndarray:
    """Return the error of a mean of n contributions: `square` sums those of the `independent` users or groups.

    With groups it is the cluster-robust one with the factor G/(G - 1) (Liang & Zeger 1986). A square that was put
    together from others may come out below 0 by rounding: it is 0.
    """
    return np.asarray(np.sqrt(np.maximum(square, 0) * (independent / max(independent - 1, 1))) / n)


def estimate(
    value: float | np.floating, square: float, n: int, basis: Basis | None = None, independent: int | None = None
) -> Estimate:
    """Return a mean of n contributions whose squared deviations from it sum to `square`, by user or by group.

    Outcomes that are rare may all stay away, and the deviations with them; so their sum counts as no less than what the
    outcomes alone are expected to give. Without that, intervals miss on the side of zero (`benchmarks/coverage.py`).

    Parameters
    ----------
    basis
        What the mean rests on; None where it is no estimate from a log. Of an unsound one there is no interval.
    independent
        Users or groups that are independent of each other; None: all n are.
    """
    independent = n if independent is None else independent
    if independent < 2 or (basis is not None and not basis.sound):
        return Estimate(float(value))
    square = square if basis is None else max(square, float(basis.noise))
    return normal(value, float(standard_error(square, n, independent)))


def mean(contributions: np.ndarray, basis: Basis | None = None, group: np.ndarray | None = None) -> Estimate:
    """Mean of (n,) contributions, independent but within groups; of one there is no error.

    Parameters
    ----------
    group
        (n,) numbers from 0 of the groups; None where all users are independent.
    """
    n, about = len(contributions), contributions - np.mean(contributions)
    return estimate(np.mean(contributions), squares(about, group), n, basis, units(n, group))


def max_t(covariance: np.ndarray, pairs: np.ndarray, se: np.ndarray, rng: np.random.Generator) -> float:
    """Return what the largest |t| of differences stays below with 95 %, where figures are normal.

    Parameters
    ----------
    covariance
        (k, k) of the figures.
    pairs
        (m, 2) positions of two figures each; none: 0.
    se
        (m,) standard errors of their differences.
    """
    if not len(pairs):
        return 0.0
    spread, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(spread, 0))
    draws = root @ rng.standard_normal((len(covariance), DRAWS))
    largest = np.zeros(DRAWS)
    for (i, j), error in zip(pairs, se, strict=True):
        np.maximum(largest, np.abs(draws[i] - draws[j]) / error, out=largest)
    return float(np.quantile(largest, LEVEL))
