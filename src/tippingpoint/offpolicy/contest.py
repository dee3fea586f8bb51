"""Which of two is better: all pairs at once, on the same users."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import norm

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.cells import ROUNDING, Cells, products
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, Estimate, max_t, normal, standard_error, units
from tippingpoint.offpolicy.support import Basis

BLOCK = 1 << 15
POWER = 0.8
Verdict = Literal["better", "worse", "inconclusive"]


@dataclass(frozen=True)
class Contrast:
    """What the data say of one pair: `first` against `second`."""

    first: str
    second: str
    difference: Estimate
    """first - second, with an interval that holds for all pairs of the contest together."""
    verdict: Verdict
    users: int
    """Users the contest was held on..."""
    changed: int
    """...and those among them for whom the two differ in value; too few, and the verdict is inconclusive."""
    critical: float
    """|t| beyond which a pair of this contest is different."""

    @property
    def same(self) -> bool:
        """Whether the two have the same value for every user."""
        return not self.changed

    def seen_from(self, name: str) -> "Contrast | None":
        """The pair with this one first; None where it is not among the two."""
        if name == self.first:
            return self
        if name != self.second:
            return None
        opposite: dict[Verdict, Verdict] = {"better": "worse", "worse": "better", "inconclusive": "inconclusive"}
        turned = self.difference.turned
        return replace(self, first=name, second=self.first, difference=turned, verdict=opposite[self.verdict])

    def users_needed(self, smallest: float, power: float = POWER) -> int | None:
        """Users on which this contest would detect a difference of `smallest`, with the stated chance.

        Parameters
        ----------
        smallest
            The smallest difference of interest, stated beforehand: never the one observed.

        Returns
        -------
        None where the two decide alike for everyone, so that no number of users makes them different.
        """
        if not (smallest > 0 and 0 < power < 1):
            got = f"got {smallest} and {power}"
            raise InputError("contest.smallest", f"a difference above 0 and a power within (0, 1) are needed; {got}")
        if not self.difference.se:
            return None
        each = self.difference.se * np.sqrt(self.users)
        return int(np.ceil(((self.critical + norm.ppf(power)) * each / smallest) ** 2))


def contest(
    contributions: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    basis: Callable[[str, str], Basis | None] = lambda *_: None,
    group: np.ndarray | None = None,
) -> list[Contrast]:
    """Compare the means of all contestants pairwise, with simultaneous 95 % intervals.

    The critical value is the 95 % quantile of the largest |t| over all pairs, when the vector of means is
    normal with its estimated covariance (single-step max-t; Hothorn, Bretz & Westfall 2008). Picking the best
    first and comparing the others with it would need more: those pairs are all in here. Pairs that differ for
    fewer than `LEAST_CHANGED` users (in groups of m on average, m times as many), or rest on too few expected outcomes
    or on users without support, are left out of the critical value, have no interval and are always inconclusive: their
    |t| is not normal.

    Parameters
    ----------
    contributions
        For each contestant its (n,) per-user contributions, users in the same order; larger means are better.
    basis
        What the difference of two rests on, where it comes from a log.
    group
        (n,) numbers from 0 of the groups users belong to; None where each stands alone.

    Raises
    ------
    InputError
        Where contestants were held on different users, or contributions are missing.
    """
    names = list(contributions)
    pairs = _pairs(len(names))
    if not len(pairs):
        return []
    moments, bases = _moments(contributions, pairs, group), [basis(names[i], names[j]) for i, j in pairs]
    return _settle(names, pairs, moments, bases, rng)


def contest_of_cells(cells: Cells, coefficients: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Contrast]:
    """The same contest from statistics: contestants that treat the users of a cell alike, at any prices.

    Parameters
    ----------
    cells
        Users by what all contestants decide for them.
    coefficients
        For each contestant (cells, C) coefficients of a user's columns in each cell (`Cells.coefficients`).
    """
    names = list(coefficients)
    pairs = _pairs(len(names))
    if not len(pairs):
        return []
    n = cells.users
    each = np.stack(list(coefficients.values()))
    behind = (cells.behind(each[i] - each[j]) for i, j in pairs)
    bases = [None if of is None else of.total() for of in behind]
    differ = (each[pairs[:, 0]] != each[pairs[:, 1]]).any(axis=2)
    changed = np.rint(differ @ cells.count).astype(np.int64)
    each = each - each.mean(axis=0)
    mean = np.einsum("kci,ci->k", each, cells.gram[:, 0]) / n
    each[..., 0] -= mean[:, None]
    return _settle(names, pairs, _Moments(n, cells.independent, mean, products(cells, each), changed), bases, rng)


def _pairs(contestants: int) -> np.ndarray:
    return np.array(list(combinations(range(contestants), 2)))


class _Moments(NamedTuple):
    """Users, how many of them or their groups are independent, and of contestants means and cross products about them.

    `changed` are the users for whom the two of a pair differ.
    """

    users: int
    independent: int
    mean: np.ndarray
    square: np.ndarray
    changed: np.ndarray


def _settle(
    names: list[str], pairs: np.ndarray, moments: _Moments, bases: list[Basis | None], rng: np.random.Generator
) -> list[Contrast]:
    n, independent, mean, square, changed = moments
    first, second = pairs.T
    difference = mean[first] - mean[second]
    own = np.diag(square)
    spread = own[first] + own[second] - 2 * square[first, second]
    spread[spread <= ROUNDING * (own[first] + own[second])] = 0
    sound = np.array([basis is None or bool(basis.sound) for basis in bases])
    least = np.array([0.0 if basis is None else float(basis.noise) for basis in bases])  # as in `statistics.estimate`
    drawn, se = (standard_error(of, n, independent) for of in (spread, np.maximum(spread, least)))
    tested = (drawn > 0) & (changed * (independent / n) >= LEAST_CHANGED) & sound
    critical = max_t(square * (independent / (independent - 1)) / n**2, pairs[tested], drawn[tested], rng)
    verdicts = []
    for pair, (i, j) in enumerate(pairs):
        value, verdict = difference[pair], _verdict(difference[pair], critical * se[pair], bool(tested[pair]))
        told = sound[pair] and (tested[pair] or not drawn[pair])  # two that are equal differ by exactly nothing
        shown = (
            normal(value, se[pair], critical)
            if told
            else Estimate(float(value), float(se[pair]) if sound[pair] else None)
        )
        verdicts.append(Contrast(names[i], names[j], shown, verdict, n, int(changed[pair]), critical))
    return verdicts


def _verdict(value: float, margin: float, tested: bool) -> Verdict:
    if not tested or abs(value) <= margin:
        return "inconclusive"
    return "better" if value > 0 else "worse"


def _moments(contributions: Mapping[str, np.ndarray], pairs: np.ndarray, group: np.ndarray | None) -> _Moments:
    """Moments of contributions, less what all contestants share: in one pass, in blocks.

    A user's average value over contestants cancels in every difference, so it is taken away first: it
    would only cancel later.
    """
    arrays = list(contributions.values())
    n = len(arrays[0])
    for name, values in contributions.items():
        if values.shape != (n,) or n < 2:
            raise InputError(f"contest.{name}", f"has shape {values.shape} where {n} users are compared (at least 2)")
    total, square = np.zeros(len(arrays)), np.zeros((len(arrays), len(arrays)))
    sums = np.zeros((len(arrays), 0 if group is None else int(group.max()) + 1))
    changed = np.zeros(len(pairs), dtype=np.int64)
    for start in range(0, n, BLOCK):
        block = np.stack([values[start : start + BLOCK] for values in arrays]).astype(np.float64, copy=False)
        changed += [np.count_nonzero(block[i] != block[j]) for i, j in pairs]
        block -= block.mean(axis=0)
        total += block.sum(axis=1)
        if group is None:
            square += block @ block.T
        else:
            sums += [np.bincount(group[start : start + BLOCK], of, sums.shape[1]) for of in block]
    if not np.isfinite(total).all():
        broken = next(name for name, values in contributions.items() if not np.isfinite(values).all())
        raise InputError(f"contest.{broken}", "some users' contributions are missing", "Value every user.")
    if group is None:
        return _Moments(n, n, total / n, square - np.outer(total, total) / n, changed)
    sums -= np.outer(total / n, np.bincount(group, minlength=sums.shape[1]))
    return _Moments(n, units(n, group), total / n, sums @ sums.T, changed)
