"""The effect of an action in groups of users sorted by a score."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import studentized_range

from tippingpoint.offpolicy.effect_line import Direction, check_effects
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, LEVEL, Estimate, mean, together
from tippingpoint.offpolicy.support import Basis


@dataclass(frozen=True)
class ScoreGroups:
    """Mean effects of G groups, from low to high score (GATES; Chernozhukov, Demirer, Duflo & Fernández-Val 2025).

    Parameters
    ----------
    users, low, high
        (G,) users, and their smallest and largest score.
    effects
        Mean effect of each, with intervals that hold for all groups together.
    direction
        Whether a group of higher score is told above one of lower score (`rises`), below (`falls`), both (`mixed`) or
        none is (`inconclusive`), over all pairs together.
    """

    users: np.ndarray
    low: np.ndarray
    high: np.ndarray
    effects: tuple[Estimate, ...]
    direction: Direction

    @property
    def monotone(self) -> tuple[Estimate, ...] | None:
        """The same effects read as rising or falling throughout; None where they are not told to do so.

        Values and ends are each put in order, which takes no coverage away if the true effects are in that order
        (Chernozhukov, Fernández-Val & Galichon 2009).
        """
        if self.direction not in ("rises", "falls") or any(of.low is None for of in self.effects):
            return None
        ends = [(e.value, e.low, e.high) for e in self.effects]
        rising = np.sort(np.array(ends, dtype=np.float64), axis=0)
        value, low, high = rising[:: 1 if self.direction == "rises" else -1].T
        return tuple(Estimate(*map(float, (v, (h - b) / 2, b, h))) for v, b, h in zip(value, low, high, strict=True))


def score_groups(
    score: np.ndarray,
    effect: np.ndarray,
    groups: int = 5,
    group: np.ndarray | None = None,
    basis: Basis | None = None,
) -> ScoreGroups:
    """Sort users by score into groups of equal size, fewer where scores tie, and estimate the effect in each.

    Parameters
    ----------
    score, effect, group, basis
        As in `effect_line`.
    groups
        At most so many; those of fewer than `LEAST_CHANGED` users have no interval.

    Raises
    ------
    InputError
        Where values are missing or shapes do not fit.
    """
    check_effects(score, effect)
    edges = np.unique(np.quantile(score, np.arange(1, groups) / groups, method="inverted_cdf"))
    _, code, users = np.unique(np.searchsorted(edges, score, side="left"), return_inverse=True, return_counts=True)
    found = []
    for g in range(len(users)):
        members = code == g
        own = mean(
            effect[members],
            None if basis is None else basis.among(members).total(),
            None if group is None else group[members],
        )
        found.append(own if users[g] >= LEAST_CHANGED else Estimate(own.value))
    of = [score[code == g] for g in range(len(users))]
    held = tuple(own.at(together(len(users))) for own in found)
    low, high = (np.array([end(members) for members in of]) for end in (np.min, np.max))
    return ScoreGroups(users, low, high, held, _direction(found))


def _direction(found: list[Estimate]) -> Direction:
    # Tukey & Kramer: |difference| / its error over all pairs of independent means, conservative where sizes differ.
    told = [e for e in found if e.se is not None and e.low is not None]
    if len(told) < 2:
        return "inconclusive"
    value, se = np.array([(e.value, e.se or 0.0) for e in told]).T
    i, j = np.triu_indices(len(told), 1)
    margin = _critical(len(told)) * np.hypot(se[i], se[j])
    up, down = bool((value[j] - value[i] > margin).any()), bool((value[i] - value[j] > margin).any())
    if up and down:
        return "mixed"
    return "rises" if up else "falls" if down else "inconclusive"


@cache
def _critical(groups: int) -> float:
    return float(studentized_range.ppf(LEVEL, groups, np.inf) / np.sqrt(2))
