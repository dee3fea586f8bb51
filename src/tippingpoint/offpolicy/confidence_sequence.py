"""Intervals of a mean that hold at every look at once, however often one looks: asymptotic confidence sequences."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.statistics import LEVEL, Estimate

LEAST_SEEN = 10
"""How often each outcome must have been seen of those left alone, and of those acted on, before the first look."""


@dataclass(frozen=True)
class Sequence:
    """What m looks at a growing number of scores say of their mean.

    Parameters
    ----------
    looks
        (m,) scores seen by each look, rising.
    value, low, high
        (m,) running mean, and the ends of its interval; all intervals cover at once with 95 %.
    fixed_low, fixed_high
        (m,) ends of the plain normal interval, which covers at one look planned beforehand and fails whoever looks
        daily; for comparison.
    """

    looks: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    fixed_low: np.ndarray
    fixed_high: np.ndarray

    @property
    def last(self) -> Estimate:
        """The latest interval; it has no standard error, as it is not made of one."""
        return Estimate(float(self.value[-1]), None, float(self.low[-1]), float(self.high[-1]))

    @property
    def verdict(self) -> str:
        """`more than nothing`, `less than nothing` or `inconclusive`, by the latest interval."""
        if self.low[-1] > 0:
            return "more than nothing"
        return "less than nothing" if self.high[-1] < 0 else "inconclusive"

    @property
    def one_look(self) -> "Sequence":
        """The plain normal interval of the last look alone: all that holds of scores that change between looks."""
        looks, *ends = (of[-1:] for of in (self.looks, self.value, self.fixed_low, self.fixed_high))
        return Sequence(looks, *ends, *ends[1:])


def confidence_sequence(
    scores: np.ndarray, looks: np.ndarray, first: int | None = None, alpha: float = 1 - LEVEL
) -> Sequence:
    """Robbins' normal-mixture boundary around a running mean, narrowest about the first look.

    After t scores with mean m and standard deviation s (divided by t) the interval is

        m ± s · √( 2(tρ² + 1) / (t²ρ²) · log( √(tρ² + 1) / α ) ),

    and the chance that any of them, from the first look on, misses the mean is at most α, as the first look comes late
    enough for the central limit; `first_look` says when. ρ² = (x - 1) / first with x - log x = 1 - log α² makes the
    interval narrowest at the first look: 1.55 times a plain normal one there, 1.66 times at ten times as many scores,
    1.82 times at a hundred. ρ must be the same at all looks: tuned anew to each look's n, the interval is a constant
    multiple of a plain one, which fails whoever looks long enough.

    Parameters
    ----------
    scores
        (n,) independent scores in the order they became known, from when on they stay as they are; where their mean
        drifts, the mean of those so far is covered.
    looks
        (m,) how many had come by each look, rising; the first must not depend on the scores' mean.
    first
        How many had come by the first look there ever was, which a later call keeps to; None: these looks' first is it.
    alpha
        Chance that any interval misses; 5 % shared among them where several sequences are to hold at once.

    Raises
    ------
    InputError
        When looks are none, do not rise, or lie outside 2..n, or `first` is below 2.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024): Time-uniform central limit theory and asymptotic confidence
    sequences. Annals of Statistics 52(6), Theorem 2.2 and appendix B.2 (the choice of ρ). arXiv:2103.06476.
    """
    looks = np.asarray(looks)
    if not len(looks) or looks[0] < 2 or looks[-1] > len(scores) or (np.diff(looks) <= 0).any():
        raise InputError("looks", f"must rise from 2 at least to {len(scores)} at most; got {looks.tolist()[:8]}")
    first = int(looks[0]) if first is None else first
    if first < 2:
        raise InputError("first", f"must be 2 at least; got {first}")
    centre = scores[0]  # sums of squares about some score lose no digits where the mean is large
    once, square = (np.cumsum((scores - centre) ** power)[looks - 1] / looks for power in (1, 2))
    value, s = centre + once, np.sqrt(np.maximum(square - once**2, 0))
    radius = s * boundary(looks, first, alpha)
    plain = norm.ppf(1 - alpha / 2) * s / np.sqrt(looks - 1)
    return Sequence(looks, value, value - radius, value + radius, value - plain, value + plain)


def boundary(looks: np.ndarray, first: int, alpha: float = 1 - LEVEL) -> np.ndarray:
    """(m,) half-widths of the sequence's intervals in standard deviations, by (m,) scores seen."""
    x = 1 + looks * _rho_squared(first, alpha)
    return np.asarray(np.sqrt(2 * x / (looks * (x - 1)) * np.log(np.sqrt(x) / alpha)))


def first_look(
    outcome: np.ndarray, acted: np.ndarray, alone: np.ndarray, looks: np.ndarray, least: int = LEAST_SEEN
) -> int | None:
    """Index of the first of the looks with enough to go by; None where there is none yet.

    An interval needs a standard deviation, and that of inverse-probability scores hangs on few users: those whom the
    policy acts on but chance left alone. So each outcome must have come `least` times among these, and among
    those who got what the policy decides.

    Parameters
    ----------
    outcome
        (n,) 0/1 in the order they came.
    acted, alone
        (n,) whether the policy acts on a user and the user got its action; or got none.
    looks
        (m,) how many had come by each look.
    """
    there = np.ones(len(looks), dtype=bool)
    for arm in (acted, alone):
        for of in (outcome == 1, outcome == 0):
            there &= np.cumsum(arm & of)[looks - 1] >= least
    return int(there.argmax()) if there.any() else None


def _rho_squared(first: int, alpha: float) -> float:
    """ρ² that makes the interval narrowest after `first` scores."""
    x = 1 - 2 * np.log(alpha)
    for _ in range(60):  # a contraction by 1/x, which is above 7 at α = 5 %
        x = 1 - 2 * np.log(alpha) + np.log(x)
    return float((x - 1) / first)
