"""Uplift metrics as scikit-uplift and causalml define them, under their names, for comparison only.

They weigh arms by their observed sizes, depend on the share treated, and carry no standard errors. Ties:
scikit-uplift's areas take equal scores together; its uplift@k and all of causalml take them in row order.
"""

import numpy as np

from tippingpoint.core.errors import InputError


def sklift_qini_auc_score(
    outcome: np.ndarray, score: np.ndarray, treated: np.ndarray, negative_effect: bool = True
) -> float:
    """Area over the diagonal, as a share of a perfect ranking's: scikit-uplift 0.5.1 `qini_auc_score`.

    Parameters
    ----------
    outcome, score, treated
        (n,) outcomes 0/1, scores, and whether (1) or not (0) treated.
    negative_effect
        Whether the perfect ranking puts users last whom treatment harms.
    """
    x, _, y = _sklift_curves(outcome, score, treated)
    if negative_effect:
        perfect_x, _, perfect_y = _sklift_curves(outcome, outcome * treated - outcome * (1 - treated), treated)
    else:
        best = y[-1]  # incremental outcomes if everyone is treated: all of them come first
        perfect_x, perfect_y = np.array([0.0, best, len(outcome)]), np.array([0.0, best, best])
    return _share(x, y, perfect_x, perfect_y)


def sklift_uplift_auc_score(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray) -> float:
    """scikit-uplift 0.5.1 `uplift_auc_score`: as `sklift_qini_auc_score`, of the curve (ȳ₁ - ȳ₀)·k."""
    control_responders = ((outcome == 1) & (treated == 0)).sum()
    treated_others = ((outcome == 0) & (treated == 1)).sum()
    perfect = 2 * (outcome == treated) + (outcome if control_responders > treated_others else treated)
    x, y, _ = _sklift_curves(outcome, score, treated)
    perfect_x, perfect_y, _ = _sklift_curves(outcome, perfect, treated)
    return _share(x, y, perfect_x, perfect_y)


def sklift_uplift_at_k_overall(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray, k: float) -> float:
    """scikit-uplift 0.5.1 `uplift_at_k(strategy="overall")`: ȳ₁ - ȳ₀ among the first share k of all users."""
    first = np.argsort(score, kind="mergesort")[::-1][: int(len(score) * k)]
    arms = outcome[first][treated[first] == 1], outcome[first][treated[first] == 0]
    return _difference(*arms)


def sklift_uplift_at_k_by_group(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray, k: float) -> float:
    """scikit-uplift 0.5.1 `uplift_at_k(strategy="by_group")`: ȳ₁ - ȳ₀, each among the first share k of its
    own arm."""
    order = np.argsort(score, kind="mergesort")[::-1]
    arms = (order[treated[order] == arm] for arm in (1, 0))
    return _difference(*(outcome[arm[: int(len(arm) * k)]] for arm in arms))


def causalml_auuc_score(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray) -> float:
    """causalml 0.18 `auuc_score(normalize=True)`: mean of the gain curve, in units of its end."""
    k, treated_k, control_k, treated_sum, control_sum = _sums(outcome, score, treated)
    both = (treated_k > 0) & (control_k > 0)
    lift = treated_sum[both] / treated_k[both] - control_sum[both] / control_k[both]
    # Until both arms have been met the lift is interpolated from 0.
    gain = np.interp(np.arange(len(k) + 1), np.append(0, k[both]), np.append(0, lift)) * np.arange(len(k) + 1)
    return float((gain / abs(gain[-1])).mean())


def causalml_qini_score(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray) -> float:
    """causalml 0.18 `qini_score(normalize=True)`: mean of the Qini curve in units of its end, less ½ for
    random."""
    k, treated_k, control_k, treated_sum, control_sum = _sums(outcome, score, treated)
    both = (treated_k > 0) & (control_k > 0)
    curve = treated_sum[both] - control_sum[both] * treated_k[both] / control_k[both]
    return float((curve / abs(curve[-1])).sum() / (len(k) + 1) - 0.5)


def _sklift_curves(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray) -> tuple[np.ndarray, ...]:
    """Users so far, uplift curve and Qini curve at the end of every group of equal scores, from 0."""
    k, treated_k, control_k, treated_sum, control_sum = _sums(outcome, score, treated)
    by_arm = _ratio(treated_sum, treated_k) - _ratio(control_sum, control_k)
    scaled = treated_sum - control_sum * _ratio(treated_k, control_k)
    last = np.append(np.flatnonzero(np.diff(np.sort(score)[::-1])), len(score) - 1)
    return tuple(np.append(0, curve[last]) for curve in (k, by_arm * k, scaled))


def _sums(outcome: np.ndarray, score: np.ndarray, treated: np.ndarray) -> tuple[np.ndarray, ...]:
    if not np.isin(treated, (0, 1)).all() or len(np.unique(treated)) < 2:
        raise InputError("ranking.treated", "must hold both 0 and 1, nothing else")
    order = np.argsort(-score, kind="stable")
    y, t = outcome[order].astype(np.float64), treated[order].astype(np.float64)
    return np.arange(1.0, len(y) + 1), t.cumsum(), (1 - t).cumsum(), (y * t).cumsum(), (y * (1 - t)).cumsum()


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(a, b, out=np.zeros_like(a), where=b != 0))


def _share(x: np.ndarray, y: np.ndarray, perfect_x: np.ndarray, perfect_y: np.ndarray) -> float:
    diagonal = perfect_x[-1] * perfect_y[-1] / 2
    return float((np.trapezoid(y, x) - diagonal) / (np.trapezoid(perfect_y, perfect_x) - diagonal))


def _difference(treated: np.ndarray, control: np.ndarray) -> float:
    if not (len(treated) and len(control)):
        raise InputError("ranking.share", "one arm has no user among the first", "Take a larger share.")
    return float(treated.mean() - control.mean())
