"""How well a score ranks users for an action: AUTOC, Qini, uplift@k."""

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.effect_line import check_effects
from tippingpoint.offpolicy.statistics import Estimate, estimate, squares, units


def autoc(
    score: np.ndarray, effect: np.ndarray, group: np.ndarray | None = None, over: np.ndarray | None = None
) -> Estimate:
    """Area under the targeting operator characteristic, as grf's rank_average_treatment_effect(target =
    "AUTOC").

    Mean over i = 1…n of TOC(i/n), the mean effect of the i users of largest score less that of all. Users of
    equal score each count with the mean effect of their group (Yadlowsky et al. 2025). The SE is by the
    influence function, where grf draws half-samples.

    Parameters
    ----------
    score
        (n,) whom to act on first; larger is earlier.
    effect
        (n,) outcome_scores[:, action] - outcome_scores[:, 0].
    group
        (n,) numbers of the groups users belong to; None where each stands alone.
    over
        (n,) another score of the same users: then the area less that of this one, user by user.
    """
    n = len(score)
    # Summing (1/k)·Σ_{i≤k} effect_i over k gives user i the weight Σ_{k≥i} 1/k; TOC takes the overall mean
    # away.
    tail = np.cumsum(1 / np.arange(n, 0, -1))[::-1]
    return _ranked(score, effect, tail - 1, group, over)


def qini(
    score: np.ndarray, effect: np.ndarray, group: np.ndarray | None = None, over: np.ndarray | None = None
) -> Estimate:
    """Area between the Qini curve and its diagonal, as grf's rank_average_treatment_effect(target = "QINI").

    Mean over i = 1…n of i/n · TOC(i/n); otherwise as `autoc`.
    """
    n = len(score)
    # Here k/n · (1/k) = 1/n a summand, so user i has weight (n - i + 1)/n, less the mean (n + 1)/(2n) of k/n.
    return _ranked(score, effect, np.arange(n, 0, -1) / n - (n + 1) / (2 * n), group, over)


def uplift_at(share: float, score: np.ndarray, effect: np.ndarray, group: np.ndarray | None = None) -> Estimate:
    """Mean effect of the `share` of users of largest score; a group of equal scores at the edge counts in
    part.

    The SE holds the cut-off fixed: what estimating a quantile adds is of the order of the effect's slope,
    small beside the noise of outcome_scores.
    """
    groups, sums, count = _groups(score, effect)
    n = len(score)
    if not 0 < share <= 1:
        raise InputError("simulate.share", f"must lie in (0, 1], got {share}")
    inside = np.clip((share * n - (np.cumsum(count) - count)) / count, 0, 1)  # of each group, by falling score
    value = float(inside @ sums) / (share * n)
    each = inside[groups] * (effect - value) / share
    return estimate(value, squares(each, group), n, independent=units(n, group))


def _ranked(
    score: np.ndarray,
    effect: np.ndarray,
    weight: np.ndarray,
    group: np.ndarray | None,
    over: np.ndarray | None,
) -> Estimate:
    """Estimate of the area under a score's ranking, or of what it has over that of another."""
    value, each = _area(score, effect, weight)
    if over is not None:
        other, of_other = _area(over, effect, weight)
        value, each = value - other, each - of_other
    return estimate(value, squares(each, group), len(score), independent=units(len(score), group))


def _area(score: np.ndarray, effect: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean of weight · effect by falling score, where weights and effects of equal scores are their group's
    means; and each user's influence on it.

    Parameters
    ----------
    weight
        (n,) weight of the first, second, … user.
    """
    # With groups g of equal score, cumulative shares A_g, mean effects t_g and mean weights W_g (Ω its
    # antiderivative),
    #   θ = Σ_g t_g·(Ω(A_g) - Ω(A_{g-1})).
    # One more user in group h moves t_h by (effect - t_h)/p_h and every A_g by 1[g ≥ h] - A_g, so its
    # influence is
    #   (effect - t_h)·W_h + Σ_{g≥h, g<last} (t_g - t_{g+1})·w(A_g), up to its mean.
    groups, sums, count = _groups(score, effect)
    n = len(score)
    ends = np.cumsum(count)
    average = np.add.reduceat(weight, ends - count) / count
    level = sums / count
    value = float(average @ sums) / n
    drops = np.append(-np.diff(level) * weight[ends[:-1] - 1], 0)
    shifts = drops[::-1].cumsum()[::-1]
    each = (effect - level[groups]) * average[groups] + shifts[groups]
    return value, each - each.mean()


def _groups(score: np.ndarray, effect: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group number of each user, groups by falling score, and each group's sum of effects and size."""
    check_effects(score, effect)
    _, group, count = np.unique(-score, return_inverse=True, return_counts=True)
    return group, np.bincount(group, effect), count
