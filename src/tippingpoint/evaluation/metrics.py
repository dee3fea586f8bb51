"""How well scores predict, each metric with its interval; test users only are meant to come here."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from tippingpoint.models.calibration import INSIDE, log_losses
from tippingpoint.offpolicy.statistics import LEVEL, Estimate, mean, normal, squares

REPLICATES = 500
LEAST_OUTCOMES = 100
"""Users of the rarer outcome below which a PR AUC has no interval: in drawn worlds, where 95 % is meant, one on 16 of
them covers 86 %, on 30 and 50 about 89 %, and on 100 about 94 %."""
MANY, CELLS = 100_000, 10_000
"""Users from which on replicates are drawn of so many cells of equal size."""
TOP = 0.10
LOWER_IS_BETTER = ("log_loss", "brier")


def point(metric: str, outcome: np.ndarray, score: np.ndarray) -> float:
    """One metric without its interval, for choosing on validation; LOWER_IS_BETTER says which way."""
    of = {
        "roc_auc": roc_auc_score,
        "pr_auc": average_precision_score,
        "log_loss": log_loss,
        "brier": brier_score_loss,
    }
    return float(of[metric](outcome, score))


def evaluate(
    outcome: np.ndarray, score: np.ndarray, rng: np.random.Generator, group: np.ndarray | None = None
) -> dict[str, Estimate]:
    """All metrics of (n,) calibrated scores against (n,) 0/1 outcomes.

    ROC AUC by DeLong, log loss and Brier as means, calibration slope and intercept by Fisher information, PR AUC and
    lift by a bootstrap over users (500 replicates, percentiles). Without an interval are a PR AUC of few outcomes, and
    the expected calibration error: under resampling it is biased upward.

    Parameters
    ----------
    group
        (n,) numbers from 0 of the groups users belong to, over which all intervals then are; None where each stands
        alone.
    """
    ranking = _Ranking(outcome, score)
    slope, intercept = calibration_line(outcome, np.clip(score, *INSIDE), group)
    return {
        **accuracy(outcome, score, group),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        **ranking.estimates(rng, group),
        "calibration_error": Estimate(calibration_error(outcome, score)),
    }


def accuracy(outcome: np.ndarray, score: np.ndarray, group: np.ndarray | None = None) -> dict[str, Estimate]:
    """ROC AUC, log loss and Brier score of (n,) scores: what needs no bootstrap, for any score, a constant too."""
    found = {metric: mean(of(outcome, score), group=group) for metric, of in CONTRIBUTIONS.items()}
    return found | {"roc_auc": area(found["roc_auc"])}


def area(auc: Estimate) -> Estimate:
    """A ROC AUC and its error with the interval on the log-odds scale, which holds with few users of an outcome."""
    spread = auc.value * (1 - auc.value)
    if not spread or not auc.se:
        return auc
    scale = normal(float(logit(auc.value)), auc.se / spread)
    return Estimate(auc.value, auc.se, float(expit(scale.low)), float(expit(scale.high)))


def auc_contributions(outcome: np.ndarray, score: np.ndarray) -> np.ndarray:
    """(n,) per-user contributions whose mean is the ROC AUC, ties counted half.

    They are AUC plus the influence of each user (the placements of DeLong, DeLong & Clarke-Pearson 1988), so their
    standard error is DeLong's, and differences of two scores on the same users keep their covariance.
    """
    positive = outcome == 1
    n1, n0 = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(score)
    placement = np.empty(len(score))
    placement[positive] = (ranks[positive] - rankdata(score[positive])) / n0
    placement[~positive] = 1 - (ranks[~positive] - rankdata(score[~positive])) / n1
    area = placement[positive].mean()
    return np.asarray(area + (placement - area) * np.where(positive, len(score) / n1, len(score) / n0))


CONTRIBUTIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "roc_auc": auc_contributions,
    "log_loss": log_losses,
    "brier": lambda outcome, score: (outcome - score) ** 2,
}
"""By metric, what each user adds: (n,) terms of (n,) outcomes and scores whose mean is the metric."""


def calibration_line(
    outcome: np.ndarray, score: np.ndarray, group: np.ndarray | None = None
) -> tuple[Estimate, Estimate]:
    """Calibration slope, and calibration in the large: the intercept when the slope is held at 1.

    1 and 0 are perfect; a slope below 1 means scores too extreme, an intercept above 0 scores too low (Cox 1958;
    Van Calster et al. 2019). Intervals from the Fisher information; over groups from the sandwich around it.
    """
    x = logit(score)
    if np.ptp(x) == 0:
        slope = Estimate(float("nan"))
    else:
        fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(x[:, None], outcome)
        p = fitted.predict_proba(x[:, None])[:, 1]
        design = np.stack([np.ones_like(x), x], axis=1)
        information = design.T @ (design * (p * (1 - p))[:, None])
        slope = normal(float(fitted.coef_[0, 0]), _slope_error(information, design * (outcome - p)[:, None], group))
    shift = minimize_scalar(lambda a: float(np.mean(np.logaddexp(0, x + a) - outcome * (x + a))), tol=1e-10).x
    p = expit(x + shift)
    known = float(np.sum(p * (1 - p)))
    return slope, normal(float(shift), float(np.sqrt(known if group is None else squares(outcome - p, group)) / known))


def _slope_error(information: np.ndarray, score: np.ndarray, group: np.ndarray | None) -> float:
    """Error of the second coefficient; (2, 2) information and (n, 2) derivatives of the likelihood."""
    if np.linalg.det(information) <= 0:
        return float("inf")
    variance = np.linalg.inv(information)
    if group is not None:
        sums = np.stack([np.bincount(group, column) for column in score.T])
        variance = variance @ (sums @ sums.T) @ variance
    return float(np.sqrt(variance[1, 1]))


def calibration_error(outcome: np.ndarray, score: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error over bins of equal size: mean distance of mean score and outcome rate."""
    mean, outcomes, users = reliability(outcome, score, bins)
    return float(np.abs(outcomes - mean * users).sum() / len(score))


def reliability(outcome: np.ndarray, score: np.ndarray, bins: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean score, outcomes and users in (bins,) bins of equal size, by rising score."""
    parts = [part for part in np.array_split(np.argsort(score, kind="stable"), bins) if len(part)]
    outcomes = np.array([int(outcome[part].sum()) for part in parts])
    return np.array([score[part].mean() for part in parts]), outcomes, np.array([len(part) for part in parts])


@dataclass(frozen=True, init=False)
class _Ranking:
    """PR AUC and lift from users grouped by score, so that a replicate is two weighted counts."""

    group: np.ndarray
    positive: np.ndarray

    def __init__(self, outcome: np.ndarray, score: np.ndarray) -> None:
        _, group = np.unique(-score, return_inverse=True)
        object.__setattr__(self, "group", group)
        object.__setattr__(self, "positive", outcome == 1)

    def metrics(self, weight: np.ndarray) -> tuple[float, float]:
        groups = int(self.group.max()) + 1
        users = np.cumsum(np.bincount(self.group, weight, groups))
        hits = np.cumsum(np.bincount(self.group, weight * self.positive, groups))
        if hits[-1] == 0:
            return np.nan, np.nan
        precision = np.divide(hits, users, out=np.zeros(groups), where=users > 0)
        average_precision = np.sum(np.diff(hits, prepend=0) * precision) / hits[-1]
        # Within a group of tied scores, which users are among the top is a matter of chance: the mean over it.
        top = np.interp(TOP * users[-1], np.concatenate([[0], users]), np.concatenate([[0], hits]))
        return float(average_precision), float(top / (TOP * hits[-1]))

    def estimates(self, rng: np.random.Generator, group: np.ndarray | None) -> dict[str, Estimate]:
        n = len(self.group)
        values, size = self.metrics(np.ones(n)), n if group is None else int(group.max()) + 1
        if group is None and n > MANY:
            draws = self._draws_of_cells(rng, values)
        else:
            draws = []
            for _ in range(REPLICATES):
                drawn = np.bincount(rng.integers(size, size=size), minlength=size)
                draws.append(self.metrics(drawn if group is None else drawn[group]))
        tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        low, high = np.nanquantile(draws, tails, axis=0)
        se = np.nanstd(draws, axis=0, ddof=1)
        names = ("pr_auc", "lift_10")
        found = {name: Estimate(values[m], float(se[m]), float(low[m]), float(high[m])) for m, name in enumerate(names)}
        if np.bincount(self.positive, minlength=2).min() < LEAST_OUTCOMES:
            found["pr_auc"] = Estimate(values[0])
        return found

    def _draws_of_cells(self, rng: np.random.Generator, values: tuple[float, float]) -> list[tuple[float, float]]:
        """Replicates of users of whom neighbours by score share a cell, about the exact values.

        How often each cell of a replicate is drawn, with either outcome, is multinomial: the same draws, in a time that
        does not grow with the users. What is lost is the order within a cell of one in 10,000 users.
        """
        users = np.bincount(self.group)
        cell = np.minimum((np.cumsum(users) - users) * CELLS // len(self.group), CELLS - 1)[self.group]
        few = _Ranking(np.repeat([1, 0], CELLS), -np.tile(np.arange(CELLS), 2))
        counts = np.bincount(np.where(self.positive, cell, CELLS + cell), minlength=2 * CELLS)
        drawn = rng.multinomial(len(self.group), counts / counts.sum(), REPLICATES)
        shift = np.subtract(values, few.metrics(counts))
        found = [np.add(few.metrics(weight), shift) for weight in drawn]
        return [(float(area), float(lift)) for area, lift in found]
