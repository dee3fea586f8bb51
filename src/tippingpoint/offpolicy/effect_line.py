"""What a score says of an action's effect: the best line through it, and whether effects differ along it at all."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.statistics import Estimate, estimate, mean, squares, units
from tippingpoint.offpolicy.support import Basis

Direction = Literal["rises", "falls", "mixed", "inconclusive"]
"""How effects go along a score; inconclusive: they cannot be told apart."""


@dataclass(frozen=True)
class EffectLine:
    """The best linear predictor of the effect (Chernozhukov, Demirer, Duflo & Fernández-Val 2025).

    Parameters
    ----------
    average
        Mean effect.
    level
        Mean effect less the mean predicted one: 0 where predictions are right; of a score that is no effect it says
        nothing.
    slope
        Further effect per unit of the score: 1 where predictions are right, 0 where they say nothing.
    """

    average: Estimate
    level: Estimate
    slope: Estimate

    @property
    def direction(self) -> Direction:
        """Whether effects differ along the score."""
        return direction(self.slope)


def direction(slope: Estimate) -> Direction:
    """Whether a slope differs from 0, and which way."""
    if slope.low is None or slope.high is None or slope.low <= 0 <= slope.high:
        return "inconclusive"
    return "rises" if slope.value > 0 else "falls"


def effect_line(
    score: np.ndarray, effect: np.ndarray, group: np.ndarray | None = None, basis: Basis | None = None
) -> EffectLine:
    """Fit effect = average + slope·(score - mean score) by least squares.

    Errors are robust (HC3, as few users of large score weigh much), and over groups where there are.

    Parameters
    ----------
    score
        (n,) predicted effects, fitted on other users; or any score.
    effect
        (n,) doubly robust scores of an action less those of none.
    group
        (n,) numbers from 0 of the groups users belong to; None where each stands alone.
    basis
        What each user's effect rests on, (n,) each (`Support.behind`); None where it is no estimate from a log.

    Raises
    ------
    InputError
        Where values are missing or shapes do not fit.
    """
    check_effects(score, effect)
    n, apart = len(score), score - score.mean()
    average = mean(effect, None if basis is None else basis.total(), group)
    level = mean(effect - score, None if basis is None else basis.total(), group)
    variance = float(apart @ apart) / n
    if not variance > 0:
        return EffectLine(average, level, Estimate(0.0))
    slope = float(apart @ effect) / n / variance
    left = (effect - average.value - slope * apart) / (1 - np.minimum((1 + apart**2 / variance) / n, 0.5))
    weight = apart / variance
    rests = None if basis is None else basis.scaled(weight).total()
    return EffectLine(average, level, estimate(slope, squares(weight * left, group), n, rests, units(n, group)))


def check_effects(score: np.ndarray, effect: np.ndarray) -> None:
    """Refuse scores and effects that are missing or do not fit each other.

    Raises
    ------
    InputError
        Saying what is wrong.
    """
    if score.shape != effect.shape or score.ndim != 1 or len(score) < 2:
        raise InputError("ranking", f"{score.shape} scores do not fit {effect.shape} effects (at least 2)")
    if not (np.isfinite(score).all() and np.isfinite(effect).all()):
        raise InputError("ranking", "scores or effects are missing or infinite", "Score every user.")
