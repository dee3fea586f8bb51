"""Where a model is good and where it is not: ranking and calibration of every slice of users, against all others."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from tippingpoint.data.users import Column, Users
from tippingpoint.evaluation.association import binned, pooled, wilson
from tippingpoint.evaluation.metrics import area
from tippingpoint.models.calibration import INSIDE
from tippingpoint.offpolicy.statistics import LEVEL, normal, pointwise

BINS = 5
"""Bins a number is cut into, of about equal size."""
LEAST = 30
"""Users of either outcome that scores expect in the slice and outside, from which on the two are compared."""
LEAST_SEEN = 5
"""Users of either outcome there must be."""
NEWTON = 30
CLOSE = "ranks worse as its scores lie close"
TESTED = ("p_rest", "p_promised", "p_off")
FIRST = ("column", "slice", "users", "outcomes", "rate", "rate_low", "rate_high", "mean_score")
MEASURED = (
    *("roc_auc", "roc_auc_low", "roc_auc_high", "roc_auc_rest", "roc_auc_promised"),
    *("intercept", "intercept_low", "intercept_high"),
)


@dataclass(frozen=True)
class _Areas:
    """ROC AUC of one slice: the value, DeLong's error, and what its own scores promise if they are right."""

    value: float
    se: float
    promised: float


def slices(users: Users, score: np.ndarray) -> pd.DataFrame:
    """Every category (rare ones pooled) and five bins of every number, each slice against all other users.

    Two tests a slice, both independent of how good the model is on the whole: ROC AUC lower than that of the others
    and than the slice's scores promise (one-sided, DeLong's errors), and scores that are off, and by more than theirs,
    too high or too low (score test on outcomes against scores shifted to be right on the whole). A slice is
    worse when either holds after Holm's adjustment (1979) over all tests of the table: with no difference anywhere, and
    where scores are every user's chance, a table lists one with about 5 % at most. Below the rest, but not below its
    promise, it is named only.

    Parameters
    ----------
    score
        (n,) scores of the users.

    Returns
    -------
    pandas.DataFrame
        One row a slice: `column`, `slice`, `users`, `outcomes`, `rate` with its interval, `mean_score`, `roc_auc`
        with its interval, `roc_auc_rest` (of all others), `roc_auc_promised` (what the slice's scores would reach if
        they were right: little, where they lie close together), `intercept` with its interval (calibration in the
        large: above 0, scores are too low), `p` (Holm's, the smaller of the two) and `worse`: `ranks worse`,
        `ranks worse as its scores lie close` (than the rest, but not than promised: no fault of theirs), `scores too
        high`, `scores too low`, or empty. Where scores expect fewer than 30 users of either outcome in it or outside,
        a slice has neither interval nor test.
    """
    order = np.argsort(score, kind="stable")
    ranked = _Ranked.of(score[order], users.outcome[order] == 1)
    rows: list[dict[str, object]] = []
    for column in users.contract.columns:
        code, labels = grouped(users, column)
        if np.count_nonzero(np.bincount(code)) > 1:
            rows += _slices_of(ranked, code[order], column.name, labels)
    columns = [*FIRST, *MEASURED, *TESTED]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[2:], float))
    table = table.astype({"users": int, "outcomes": int})
    table["p"], table["worse"] = _adjusted(table)
    return table.drop(columns=[*TESTED])


@dataclass(frozen=True)
class _Ranked:
    """All users in rising order of score.

    Parameters
    ----------
    score, hit
        (n,) scores, and whether the outcome came.
    ties
        (n,) numbers of the distinct scores.
    log_odds
        (n,) of the scores.
    whole_shift
        What makes all scores together right on average, added to their log-odds.
    shifted
        (n,) scores with it.
    """

    score: np.ndarray
    hit: np.ndarray
    ties: np.ndarray
    log_odds: np.ndarray
    whole_shift: float
    shifted: np.ndarray

    @classmethod
    def of(cls, score: np.ndarray, hit: np.ndarray) -> Self:
        ties = np.concatenate([[0], np.cumsum(score[1:] != score[:-1])])
        log_odds = logit(np.clip(score, *INSIDE))
        shift = _shifts(log_odds, hit, np.zeros(len(hit), dtype=np.int64), 1)[0]
        return cls(score, hit, ties, log_odds, shift, expit(log_odds + shift))


def _slices_of(of: _Ranked, code: np.ndarray, column: str, labels: list[str]) -> list[dict[str, object]]:
    """Rows of one column's slices; (n,) codes into labels."""
    size, hits = len(labels), of.hit.sum()
    count, outcomes = np.bincount(code, minlength=size), np.bincount(code[of.hit], minlength=size)
    shift = _shifts(of.log_odds, of.hit, code, size)
    spread = np.bincount(code, _variance(of.log_odds + shift[code]), size)
    expected, variance = (np.bincount(code, each, size) for each in (of.shifted, of.shifted * (1 - of.shifted)))
    # By what scores expect, not by what came out: slices picked for many outcomes would look as if scored too low.
    enough = _fewest(expected, count, hits) >= LEAST
    tested = enough & (_fewest(outcomes, count, hits) >= LEAST_SEEN)
    mean_score = np.bincount(code, of.score, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = (outcomes - expected) / np.sqrt(variance * (1 - variance / variance.sum()))
        low, high = wilson(outcomes, count)
    rows = []
    for k in np.flatnonzero(count):
        first = (column, labels[k], int(count[k]), int(outcomes[k]), outcomes[k] / count[k], low[k], high[k])
        row: dict[str, object] = dict(zip(FIRST, (*first, mean_score[k] / count[k]), strict=True))
        rows.append(row | (_tests(of, code == k, shift[k], spread[k], off[k]) if tested[k] else {}))
    return rows


def _tests(of: _Ranked, inside: np.ndarray, shift: float, spread: float, off: float) -> dict[str, object]:
    """Ranking and calibration of one slice against all other users.

    Parameters
    ----------
    inside
        (n,) whether a user is in the slice.
    shift, spread
        What makes its scores right on average, and the information on it.
    off
        Score statistic of outcomes against scores shifted to be right on the whole.
    """
    mine, rest = (_areas(of.ties, of.hit, of.score, where) for where in (inside, ~inside))
    ranked, intercept = area(normal(mine.value, mine.se)), normal(shift, 1 / np.sqrt(spread))
    further = abs(shift) >= max(abs(of.whole_shift), pointwise() / np.sqrt(spread))
    error = np.hypot(mine.se, rest.se)
    found = (mine.value, ranked.low, ranked.high, rest.value, mine.promised, shift, intercept.low, intercept.high)
    return dict(zip(MEASURED, found, strict=True)) | {
        "p_rest": norm.cdf((mine.value - rest.value) / error) if error > 0 else 1.0,
        "p_promised": norm.cdf((mine.value - mine.promised) / mine.se) if mine.se > 0 else 1.0,
        "p_off": 2 * norm.sf(abs(off)) if further else 1.0,
    }


def _adjusted(table: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Holm's p of each slice over all tests, and in words where it is worse."""
    lower, promised, off = table[[*TESTED]].to_numpy().T
    # Worse than the rest and than promised: the larger p of the two holds for both.
    both = holm(np.concatenate([np.maximum(lower, promised), off])).reshape(2, -1)
    of_rest = holm(np.concatenate([lower, off])).reshape(2, -1)[0]
    ranks = np.where(both[0] < 1 - LEVEL, "ranks worse", np.where(of_rest < 1 - LEVEL, CLOSE, ""))
    too = np.where(table["intercept"] > 0, "scores too low", "scores too high")
    words = zip(ranks, np.where(both[1] < 1 - LEVEL, too, ""), strict=True)
    return np.fmin(*both), ["; ".join(filter(None, pair)) for pair in words]


def grouped(users: Users, column: Column) -> tuple[np.ndarray, list[str]]:
    """The slices of one column: (n,) codes of users, and what the slices are called."""
    values = users.features[column.name]
    numbers = column.kind == "number"
    code, groups = binned(values.to_numpy(np.float64), BINS) if numbers else pooled(values)
    return code, [(_bin_label if numbers else _category_label)(*group) for group in groups.itertuples(index=False)]


def worst(table: pd.DataFrame) -> pd.DataFrame:
    """The slices that are worse than the rest, the surest first.

    Those are left out that only rank worse as their scores lie close: so do a model's that are every user's chance.
    """
    return table[~table["worse"].isin(["", CLOSE])].sort_values("p", kind="stable", ignore_index=True)


def holm(p: np.ndarray) -> np.ndarray:
    """(m,) p-values adjusted so that the chance of any wrong finding stays below what they are held against.

    Holm (1979); NaN stays NaN and counts for nothing.

    >>> holm(np.array([0.01, 0.04, np.nan, 0.03])).round(2).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    adjusted, known = np.full(len(p), np.nan), np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def _fewest(outcomes: np.ndarray, users: np.ndarray, total: int) -> np.ndarray:
    """Users of the rarer outcome, inside or outside of each slice."""
    others, rest = users - outcomes, users.sum() - total
    return np.minimum.reduce([outcomes, others, total - outcomes, rest - others])


def _areas(ties: np.ndarray, hit: np.ndarray, score: np.ndarray, inside: np.ndarray) -> _Areas:
    """ROC AUC of users in rising order of score; `ties` numbers their distinct scores."""
    # With users counted by distinct score, placements (DeLong et al. 1988) are cumulative sums, ties counted half.
    tie, of = ties[inside], score[inside]
    first = np.flatnonzero(np.concatenate([[True], tie[1:] != tie[:-1]]))
    users = np.diff(np.append(first, len(tie)))
    pos = np.add.reduceat(hit[inside].astype(np.float64), first)
    neg = users - pos
    n1, n0 = pos.sum(), neg.sum()
    below, above = (np.cumsum(neg) - neg / 2) / n0, 1 - (np.cumsum(pos) - pos / 2) / n1
    value = float(pos @ below / n1)
    variance = pos @ (below - value) ** 2 / (n1 - 1) / n1 + neg @ (above - value) ** 2 / (n0 - 1) / n0
    # If each score were right, pairs would be in order as often as this (van Klaveren et al. 2016).
    p = of[first]
    p1, p0 = users * p, users * (1 - p)
    promised = float(p1 @ (np.cumsum(p0) - p0 / 2) / (p1.sum() * p0.sum()))
    return _Areas(value, float(np.sqrt(variance)), promised)


def _shifts(log_odds: np.ndarray, hit: np.ndarray, code: np.ndarray, groups: int) -> np.ndarray:
    """(groups,) the constant added to its users' log-odds that makes a group's scores right on average.

    Newton's method on all groups at once; NaN where all its users have one outcome.
    """
    users, outcomes = np.bincount(code, minlength=groups), np.bincount(code[hit], minlength=groups)
    open_ = (outcomes > 0) & (outcomes < users)
    shift = np.zeros(groups)
    for _ in range(NEWTON):
        p = expit(log_odds + shift[code])
        missed = outcomes - np.bincount(code, p, groups)
        slope = np.maximum(np.bincount(code, p * (1 - p), groups), 1e-12)
        step = np.where(open_, np.clip(missed / slope, -2, 2), 0)
        shift += step
        if np.abs(step).max() < 1e-9:
            break
    return np.where(open_, shift, np.nan)


def _variance(log_odds: np.ndarray) -> np.ndarray:
    p = expit(log_odds)
    return np.asarray(p * (1 - p))


def _bin_label(low: float, high: float) -> str:
    if np.isnan(low):
        return "missing"
    first, last = (f"{end:,.0f}" if abs(end) >= 1000 else f"{end:.4g}" for end in (low, high))
    return first if first == last else f"{first} to {last}"


def _category_label(name: str | None, categories: int) -> str:
    return "missing" if not categories else f"{categories:,} others" if name is None else name
