"""Six estimators of one policy's value from users: truth, dm, ipw, snipw, dr, sndr; those of a log from cells too."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.cells import Cells, Line, quadratic
from tippingpoint.offpolicy.evidence import Log, taken
from tippingpoint.offpolicy.statistics import Estimate, normal
from tippingpoint.offpolicy.support import Basis


@dataclass(frozen=True)
class Influence:
    """An estimate as what each user does to it, so that differences of policies get their own standard error.

    Parameters
    ----------
    each
        (n,) influence of each user, summing to 0.
    freedom
        What the squares are divided by: n - 1 for means, n for the ratio snipw (the delta method as printed).
    """

    value: float
    each: np.ndarray
    freedom: int

    def __sub__(self, other: "Influence") -> "Influence":
        return Influence(self.value - other.value, self.each - other.each, min(self.freedom, other.freedom))

    @property
    def estimate(self) -> Estimate:
        """Value with SE √(Σ each² / freedom / n)."""
        if self.freedom < 1:
            raise InputError("log", "one user has no standard error", "Give at least two.")
        return normal(self.value, float(np.sqrt(self.each @ self.each / self.freedom / len(self.each))))


def _mean(contributions: np.ndarray) -> Influence:
    value = float(contributions.mean())
    return Influence(value, contributions - value, len(contributions) - 1)


def truth(probability: np.ndarray, decision: np.ndarray) -> Influence:
    """Mean of the (n, K) true values under what a policy decides (`taken` says how decisions look)."""
    return _mean(taken(probability, decision))


def dm(log: Log, decision: np.ndarray) -> Influence:
    """Direct method: mean prediction. Its SE knows nothing of the prediction's bias, so its interval promises
    nothing."""
    return _mean(taken(_predicted(log), decision))


def ipw(log: Log, decision: np.ndarray) -> Influence:
    """Inverse probability weighting (Horvitz & Thompson 1952): mean of w·y."""
    return _mean(taken(log.weight, decision) * log.outcome)


def snipw(log: Log, decision: np.ndarray) -> Influence:
    """Self-normalised (Hájek 1971): V = Σwy / Σw; SE by the delta method, √Σw²(y - V)² / Σw."""
    w = _weights(log, decision)
    value = float(w @ log.outcome / w.sum())
    return Influence(value, w * (log.outcome - value) / w.mean(), len(w))


def dr(log: Log, decision: np.ndarray) -> Influence:
    """Doubly robust: mean of p̂ + w·(y - p̂)."""
    base, residual = _residual(log, decision)
    return _mean(base + taken(log.weight, decision) * residual)


def sndr(log: Log, decision: np.ndarray) -> Influence:
    """Doubly robust with normalised weights: mean p̂ + Σw(y - p̂) / Σw."""
    base, residual = _residual(log, decision)
    w = _weights(log, decision)
    shift = float(w @ residual / w.sum())
    each = base - base.mean() + w * (residual - shift) / w.mean()
    return Influence(float(base.mean()) + shift, each, len(w) - 1)


ESTIMATORS: dict[str, Callable[[Log, np.ndarray], Influence]] = {
    "dm": dm,
    "ipw": ipw,
    "snipw": snipw,
    "dr": dr,
    "sndr": sndr,
}
"""Those that read a log; `truth` reads a generator."""


def estimates(
    cells: Cells, line: Line, decision: np.ndarray, reference: np.ndarray | None = None
) -> dict[str, Estimate]:
    """A policy's value by every estimator, or its difference to another's, at any price, without touching users.

    Needs cells gathered with a log. The direct method has no interval: its error is the prediction's bias, which no
    spread shows. As above: each value is a ratio of sums, each influence linear in a
    user's columns, so its sum of squares is a quadratic form in the cells' cross products, that of a difference too.

    Raises
    ------
    InputError
        Where no user got what a policy decides.
    """
    found = {}
    others = {} if reference is None else _influences(cells, line, reference)
    basis = _basis(cells, line, decision, reference)
    for name, (value, influence, freedom) in _influences(cells, line, decision).items():
        if name in others:
            value, influence = value - others[name][0], influence - others[name][1]
        told = cells.measured and name != "dm" and (basis is None or bool(basis.sound))
        square = quadratic(cells, influence) if told else 0.0
        if basis is not None and name in ("dr", "sndr"):  # as in `statistics.estimate`
            square = max(square, float(basis.noise))
        found[name] = normal(value, float(np.sqrt(square / freedom / cells.users))) if told else Estimate(value)
    return found


def _basis(cells: Cells, line: Line, decision: np.ndarray, reference: np.ndarray | None) -> Basis | None:
    L = cells.coefficients(line, np.unique(decision if reference is None else [decision, reference]))
    basis = cells.behind(L[decision] - (0 if reference is None else L[reference]))
    return None if basis is None else basis.total()


def _predicted(log: Log) -> np.ndarray:
    if log.predicted is None:
        raise InputError("log.predicted", "this estimator needs predictions", "Give them, or use ipw or snipw.")
    return log.predicted


def _residual(log: Log, decision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predicted = _predicted(log)
    return taken(predicted, decision), log.outcome - taken(predicted, log.action)


def _weights(log: Log, decision: np.ndarray) -> np.ndarray:
    w = taken(log.weight, decision)
    if not w.any():
        raise InputError("log.action", "no user got what the policy decides", "Choose a policy nearer to the log.")
    return w


def _influences(cells: Cells, line: Line, decision: np.ndarray) -> dict[str, tuple[float, np.ndarray, int]]:
    """By estimator: value, what makes a user's columns their influence, and what squares are divided by."""
    n = cells.users
    rows, columns = (
        np.arange(len(decision)),
        {b: cells.columns(b).start + decision for b in ("phi", "w", "wy", "p")},
    )

    def pick(*terms: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        coefficients = np.zeros(cells.gram.shape[:2])
        for column, slope in terms:
            coefficients[rows, column] += slope
        return coefficients

    def total(coefficients: np.ndarray) -> float:
        return float(np.einsum("ci,ci->", coefficients, cells.gram[:, 0]))

    reward_intercept, reward_slope, first = (
        line.reward_intercept[decision],
        line.reward_slope[decision],
        np.zeros(len(rows), dtype=np.int64),
    )
    one, weight = pick((first, np.ones(len(rows)))), pick((columns["w"], np.ones(len(rows))))
    if total(weight) <= 0:
        raise InputError("log.action", "no user got what the policy decides", "Choose a policy nearer to the log.")
    weighted = pick((columns["w"], reward_intercept), (columns["wy"], reward_slope))
    direct = pick((first, reward_intercept), (columns["p"], reward_slope))
    robust = pick((first, reward_intercept), (columns["phi"], reward_slope))
    residual = pick((columns["phi"], reward_slope), (columns["p"], -reward_slope))  # w·(y - p̂) = outcome_scores - p̂
    ratio, shift = total(weighted) / total(weight), total(residual) / total(weight)
    scale = n / total(weight)

    def centred(coefficients: np.ndarray) -> tuple[float, np.ndarray, int]:
        return total(coefficients) / n, coefficients - total(coefficients) / n * one, n - 1

    modelled, about_model, freedom = centred(direct)
    return {
        "dm": (modelled, about_model, freedom),
        "ipw": centred(weighted),
        "snipw": (ratio, (weighted - ratio * weight) * scale, n),
        "dr": centred(robust),
        "sndr": (modelled + shift, about_model + (residual - shift * weight) * scale, freedom),
    }
