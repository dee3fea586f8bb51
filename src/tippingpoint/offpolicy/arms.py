"""Differences between the arms of an experiment: means, ratios and money, adjusted by what was known before it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from tippingpoint.offpolicy.arm_sums import ArmSums
from tippingpoint.offpolicy.statistics import Estimate, max_t, normal, pointwise
from tippingpoint.offpolicy.support import LEAST_EXPECTED, Basis

Adjustment = Literal["regression", "cuped"]


@dataclass(frozen=True)
class Figure:
    """What is compared between arms: a ratio of two sums over users.

    Parameters
    ----------
    name, unit
        What it is called, and what it is in: `retained`, `per 1,000 users`.
    numerator
        (K, C) coefficients of the columns in each arm: prices differ between arms.
    denominator
        (C,) coefficients; of a mean, 1 for column 0.
    scale
        What values are multiplied by to be in the unit.
    rare
        Columns whose values are 0 or 1, which are as rare as the rarer one.
    """

    name: str
    unit: str
    numerator: np.ndarray
    denominator: np.ndarray
    scale: float = 1.0
    rare: Collection[int] = ()


@dataclass(frozen=True)
class ArmFigures:
    """F figures of K arms, with what is common to their errors.

    Parameters
    ----------
    figures
        What they are.
    value
        (F, K), in the figures' units.
    covariance
        (F·K, F·K) of all of them.
    plain
        (F, K, K) the variances and covariances of each figure without adjustment.
    noise, fourth
        (F, K) variance that outcomes alone are expected to give, by rates common to all arms, and the fourth moment:
        as of `support.Basis`.
    apart
        Units a user.
    users
        Users of all arms.
    """

    figures: tuple[Figure, ...]
    value: np.ndarray
    covariance: np.ndarray
    plain: np.ndarray
    noise: np.ndarray
    fourth: np.ndarray
    apart: float
    users: int

    def basis(self, figure: int, one: int, other: int) -> Basis:
        """What the difference of two arms rests on: nothing where no outcome, or every one, came."""
        pair = [one, other]
        noise, fourth = self.noise[figure, pair].sum(), self.fourth[figure, pair].sum()
        if noise == 0:
            fourth = np.asarray(1.0)
        return Basis(noise, fourth, np.asarray(self.users), np.zeros(()), self.apart)

    def error(self, figure: int, one: int, other: int, plain: bool = False) -> float:
        """Standard error of the difference of two arms."""
        of = self.plain[figure]
        if not plain:
            arms = self.value.shape[1]
            at = slice(figure * arms, (figure + 1) * arms)
            of = self.covariance[at, at]
        return float(np.sqrt(max(of[one, one] + of[other, other] - 2 * of[one, other], 0.0)))


@dataclass(frozen=True)
class Difference:
    """One arm against another in one figure.

    Parameters
    ----------
    figure, arm, against
        Positions of the figure and of the two arms.
    value, reference
        What the two arms have.
    difference
        value - reference, with an interval that holds for all differences of its family at once; none where it rests on
        too few expected outcomes.
    relative
        The same as a share of the reference.
    expected
        Effective number of expected outcomes it rests on.
    saved
        Share of the variance that the adjustment saved; 0 without one.
    """

    figure: int
    arm: int
    against: int
    value: float
    reference: float
    difference: Estimate
    relative: Estimate | None
    expected: float
    saved: float


def arm_figures(
    sums: ArmSums, figures: Sequence[Figure], pre: Sequence[int] = (), adjustment: Adjustment = "regression"
) -> ArmFigures:
    """Value figures in each arm, adjusted by columns that were known before the assignment.

    A figure of an arm is a ratio of sums R = Σ N / Σ D. A unit moves it by ψ = (N - R·D) / ΣD, so that its variance is
    Σψ² times g/(g - 1) for g units (delta method; over groups the cluster-robust one). With the means x of columns
    known before, an arm's figure is R - β(x - x̄), x̄ over all arms:

    - `regression`: β is the arm's own least-squares slope of ψ on what a unit moves x by (Lin 2013): as precise as no
      adjustment or more, whatever the arms' sizes. The variance has the degrees of freedom and the leverage of least
      squares, and the part that x̄ has in β'x̄ where slopes differ.
    - `cuped`: one slope over all arms (Deng, Xu, Kohavi & Walker 2013), as tea-tasting has it.

    Parameters
    ----------
    pre
        Positions of such columns.

    References
    ----------
    Lin (2013): Agnostic notes on regression adjustments to experimental data. Annals of Applied Statistics 7(1).
    Deng, Xu, Kohavi & Walker (2013): Improving the sensitivity of online controlled experiments. WSDM.
    """
    arms, count = sums.arms, len(figures)
    scale = np.array([figure.scale for figure in figures])
    numerator = sums.coefficients(np.stack([figure.numerator for figure in figures]) * scale[:, None, None])
    denominator = sums.coefficients(np.stack([figure.denominator for figure in figures]))
    value, rows = sums.influence(numerator, denominator)
    free = sums.units / np.maximum(sums.units - 1, 1)
    plain_rows = rows * np.sqrt(free)[None, :, None]
    plain = np.einsum("fki,ij,flj->fkl", plain_rows, sums.square, plain_rows)
    shared = np.zeros((count * arms, count * arms))
    if pre:
        value, rows, lever, shared = _adjusted(sums, numerator, denominator, list(pre), adjustment)
        used = len(pre) if adjustment == "regression" else 0
        free = sums.units / np.maximum(sums.units - 1 - used, 1) * lever
    flat = (rows * np.sqrt(free)[None, :, None]).reshape(count * arms, -1)
    covariance = flat @ sums.square @ flat.T + shared
    noise, fourth = _expected(sums, figures, scale)
    observed = np.array([[_observed(sums, figure, k) for k in range(arms)] for figure in figures])
    # Where hardly any outcome came, the variance that came is luck: it counts as no less than what is expected.
    lacking = np.where(observed < LEAST_EXPECTED, np.maximum(noise - np.einsum("fkk->fk", plain), 0), 0)
    covariance = covariance + np.diag(lacking.ravel())
    plain = plain + np.einsum("fk,kl->fkl", lacking, np.eye(arms))
    users = int(sums.users.sum())
    apart = float(sums.units.sum() / max(users, 1))
    return ArmFigures(tuple(figures), value, covariance, plain, noise, fourth, apart, users)


def _adjusted(
    sums: ArmSums, numerator: np.ndarray, denominator: np.ndarray, pre: list[int], adjustment: Adjustment
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Adjusted values, what units move them by, (K,) leverage, and the covariance that the overall mean gives all."""
    arms, width, count = sums.arms, sums.total.shape[1], len(numerator)
    value, rows = sums.influence(numerator, denominator)
    each = sums.coefficients(np.eye(width)[pre])
    ones = np.broadcast_to(np.eye(width)[0], each.shape)
    means, moved = sums.influence(np.repeat(each[:, None], arms, axis=1), ones)
    overall, moved_overall = sums.pooled(np.repeat(each[:, None], arms, axis=1), ones)
    off = means - overall[:, None]
    if adjustment == "cuped":
        _, pooled = sums.pooled(numerator, denominator)
        slopes = [_slope(moved_overall, pooled, sums.square)] * arms
    else:
        slopes = [_slope(moved[:, k], rows[:, k], sums.square) for k in range(arms)]
    lever, shared = np.ones(arms), np.zeros((count, arms, count, arms))
    independent = int(sums.units.sum())
    own = moved_overall @ sums.square @ moved_overall.T * (independent / max(independent - 1, 1))
    for k, slope in enumerate(slopes):
        value[:, k] -= slope @ off[:, k]
        rows[:, k] -= slope @ moved[:, k]
        if adjustment == "regression":
            spread = moved[:, k] @ sums.square @ moved[:, k].T * sums.units[k]
            lever[k] += float(off[:, k] @ np.linalg.pinv(spread) @ off[:, k])
            for j, another in enumerate(slopes):
                shared[:, k, :, j] = slope @ own @ another.T
    return value, rows, lever, shared.reshape(count * arms, count * arms)


def _slope(moved: np.ndarray, rows: np.ndarray, square: np.ndarray) -> np.ndarray:
    """(F, d) least-squares slopes of figures on columns, from what units move both by; 0 along what does not vary."""
    return np.asarray((np.linalg.pinv(moved @ square @ moved.T, rcond=1e-10) @ (moved @ square @ rows.T)).T)


def _expected(sums: ArmSums, figures: Sequence[Figure], scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F, K) variance and fourth moment that outcomes alone give, by their rates over all arms."""
    users = sums.users
    rate = sums.some.sum(axis=0) / users.sum()
    mean_square = sums.squares / np.maximum(sums.some.sum(axis=0), 1)
    noise, fourth = np.zeros((2, len(figures), sums.arms))
    for f, figure in enumerate(figures):
        yes_no = np.isin(np.arange(len(rate)), list(figure.rare))
        spread = np.where(yes_no, rate * (1 - rate), rate)
        below = (figure.denominator @ (sums.total + sums.shift * sums.total[:, :1]).T) / sums.total[:, 0]
        of = figure.numerator * scale[f] / below[:, None]
        of = np.where(np.arange(len(rate)) == 0, 0, of) ** 2 * mean_square  # column 0 is no outcome
        noise[f] = (of * spread).sum(axis=1) / users
        fourth[f] = (of**2 * spread).sum(axis=1) / users**3
    return noise, fourth


def _observed(sums: ArmSums, figure: Figure, arm: int) -> float:
    """How often what a figure counts came in an arm, or stayed away if that is rarer; of several columns, the least."""
    columns = [c for c in range(1, sums.some.shape[1]) if figure.numerator[arm, c]]
    came = [
        min(sums.some[arm, c], sums.users[arm] - sums.some[arm, c]) if c in figure.rare else sums.some[arm, c]
        for c in columns
    ]
    return float(min(came, default=np.inf))


def differences(
    found: ArmFigures,
    families: Sequence[Collection[int]],
    rng: np.random.Generator,
    vetoed: bool = False,
    waived: bool = False,
) -> list[Difference]:
    """All pairs of arms in all figures, with intervals that hold at once within each family of figures.

    The critical value is the 95 % quantile of the largest |t| of a family when its figures are normal with their
    covariance (single-step max-t; Hothorn, Bretz & Westfall 2008); for one difference the normal's. What rests on fewer
    than `LEAST_EXPECTED` expected outcomes, or on a figure that is the same for all, has no interval and takes no part.

    Parameters
    ----------
    families
        Positions of figures; the first arm is what others are held against.
    vetoed
        Whether no interval may be given at all.
    waived
        Whether few expected outcomes were accepted.
    """
    arms = found.value.shape[1]
    pairs = list(combinations(range(arms), 2))
    told = []
    for family in families:
        each = [(f, one, other) for f in family for one, other in pairs]
        bases = [found.basis(*of) for of in each]
        errors = [found.error(*of) for of in each]
        sound = [  # what never varies tells nothing of how it might
            (waived or bool(basis.sound)) and not vetoed and error > 0
            for basis, error in zip(bases, errors, strict=True)
        ]
        z = _critical(found, [of for of, is_ in zip(each, sound, strict=True) if is_], rng)
        for (f, against, arm), basis, error, is_ in zip(each, bases, errors, sound, strict=True):
            value, reference = float(found.value[f, arm]), float(found.value[f, against])
            plain = found.error(f, against, arm, plain=True)
            told.append(
                Difference(
                    f,
                    arm,
                    against,
                    value,
                    reference,
                    normal(value - reference, error, z) if is_ else Estimate(value - reference),
                    _relative(found, f, against, arm, z if is_ else None),
                    float(basis.expected),
                    1 - error**2 / plain**2 if plain else 0.0,
                )
            )
    return told


def _critical(found: ArmFigures, tested: list[tuple[int, int, int]], rng: np.random.Generator) -> float:
    if len(tested) < 2:
        return pointwise()
    arms = found.value.shape[1]
    at = np.array([[f * arms + other, f * arms + one] for f, one, other in tested])
    errors = np.array([found.error(*of) for of in tested])
    size = np.sqrt(np.maximum(np.diag(found.covariance), 1e-300))  # figures differ in size by orders of magnitude
    of = np.unique(at)
    place = {row: k for k, row in enumerate(of.tolist())}
    unit = np.ones_like(size)
    for f in {f for f, _, _ in tested}:
        unit[f * arms : (f + 1) * arms] = size[f * arms : (f + 1) * arms].max()
    covariance = (found.covariance / np.outer(unit, unit))[np.ix_(of, of)]
    pairs = np.array([[place[a], place[b]] for a, b in at.tolist()])
    return max_t(covariance, pairs, errors / unit[at[:, 0]], rng)


def _relative(found: ArmFigures, figure: int, against: int, arm: int, z: float | None) -> Estimate | None:
    """The difference as a share of the reference: the interval is that of the logarithm of the ratio (delta method)."""
    value, reference = found.value[figure, arm], found.value[figure, against]
    if value * reference <= 0:
        return None
    share = float(value / reference)
    if z is None:
        return Estimate(share - 1)
    arms = found.value.shape[1]
    at = slice(figure * arms, (figure + 1) * arms)
    of = found.covariance[at, at]
    spread = of[arm, arm] / value**2 + of[against, against] / reference**2
    spread -= 2 * of[arm, against] / (value * reference)
    with np.errstate(over="ignore"):
        half = float(np.exp(z * np.sqrt(max(spread, 0.0))))
    if not np.isfinite(half):  # the reference may be nothing
        return Estimate(share - 1)
    return Estimate(share - 1, None, share / half - 1, share * half - 1)


def shrunk(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """(m,) differences of segments drawn towards their mean, each by how little it tells (empirical Bayes).

    The variance between segments is DerSimonian and Laird's; where segments differ no more than by chance, all are the
    mean.

    References
    ----------
    DerSimonian & Laird (1986): Meta-analysis in clinical trials. Controlled Clinical Trials 7(3).
    """
    weight = 1 / errors**2
    mean = (weight * values).sum() / weight.sum()
    q = (weight * (values - mean) ** 2).sum()
    between = max(0.0, (q - (len(values) - 1)) / (weight.sum() - (weight**2).sum() / weight.sum()))
    if not between:
        return np.full(len(values), mean)
    total = 1 / (errors**2 + between)
    centre = (total * values).sum() / total.sum()
    kept = between / (between + errors**2)
    return np.asarray(centre + kept * (values - centre))
