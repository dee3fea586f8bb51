"""TP2xx: how far a model's scores can be believed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tippingpoint.data.users import Users
from tippingpoint.evaluation import accuracy
from tippingpoint.evaluation.metrics import calibration_line
from tippingpoint.experiment.diagnostics.data import rarer
from tippingpoint.experiment.diagnostics.registry import Finding, Found, diagnostic
from tippingpoint.models.calibration import INSIDE
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.estimates import interval

FEW = 100
"""Test users of the rarer outcome below which intervals are called wide."""
OVERFIT = 0.1
"""ROC AUC that a model may lose from the users it was fitted on to test."""
GAP = 1e-4
"""Distance of base and SHAP values from the output from which on it is no rounding."""


@dataclass(frozen=True)
class Scored:
    """What test and the fit say of a model.

    Parameters
    ----------
    metrics
        On test, with intervals.
    fitted
        ROC AUC on the users it was fitted on.
    outcome
        (n,) of test.
    slices
        As `evaluation.slices` gives them, and those that are worse.
    column, gain
        The best single column, and the ROC AUC the model has over it, paired; None without.
    gap
        By how much SHAP values miss the output.
    """

    metrics: Mapping[str, Estimate]
    fitted: Estimate | None
    outcome: np.ndarray
    slices: pd.DataFrame
    worse: pd.DataFrame
    column: str
    gain: Estimate | None
    gap: float


def of_scores(scored: Scored) -> Iterator[Finding | None]:
    """What is found of a model."""
    yield does_not_rank(scored.metrics["roc_auc"])
    yield few_outcomes(scored.outcome, scored.slices)
    yield overfit(scored.fitted, scored.metrics["roc_auc"])
    yield off_calibration(scored.metrics["calibration_slope"], scored.metrics["calibration_intercept"])
    yield worse_slices(scored.worse)
    yield no_better_than_a_column(scored.column, scored.gain)
    yield unexplained(scored.gap)


def at_a_glance(users: Users, score: np.ndarray) -> Iterator[Finding | None]:
    """What (n,) scores of users tell without a bootstrap: whether they rank, and can be taken as chances."""
    if rarer(users.outcome) < 2 or not np.ptp(score):
        return
    yield does_not_rank(accuracy(users.outcome, score, users.codes)["roc_auc"])
    yield off_calibration(*calibration_line(users.outcome, np.clip(score, *INSIDE), users.codes))


@diagnostic(
    "TP201",
    "warning",
    "does not rank",
    what="The 95 % interval of the ROC AUC on test.",
    threshold="it holds 0.5, or lies below",
    why="Scores that may be as good as a draw give cut-offs nothing to hold on to.",
    remedy="Bring columns that tell the outcome, or more users; do not act on these scores.",
)
def does_not_rank(area: Estimate) -> Found | None:
    """Whether scores may rank no better than chance."""
    if area.low is None or area.low > 0.5:
        return None
    said = f"Scores may rank users no better than chance: ROC AUC {interval(area, 3)}."
    if area.high is not None and area.high < 0.5:
        said = f"Scores rank users the wrong way round: ROC AUC {interval(area, 3)}."
    return Found(said, {"roc_auc": area.value, "low": area.low, "high": area.high})


@diagnostic(
    "TP202",
    "warning",
    "few of the rarer outcome",
    what="Test users of the rarer outcome.",
    threshold=f"fewer than {FEW}",
    why="Every measure of a score rests on them: intervals are wide, and slices cannot be told apart.",
    remedy="Bring more users, or a longer time.",
)
def few_outcomes(outcome: np.ndarray, slices: pd.DataFrame) -> Found | None:
    """Whether test holds few of the rarer outcome."""
    if (count := rarer(outcome)) >= FEW:
        return None
    none = "" if slices["roc_auc"].notna().any() else ", and no slice is large enough to be compared"
    return Found(f"Only {count:,} test users have the rarer outcome: all intervals are wide{none}.", {"rarer": count})


@diagnostic(
    "TP203",
    "warning",
    "overfit",
    what="ROC AUC on the users the model was fitted on, less that on test.",
    threshold=f"the 95 % interval of the difference is above {OVERFIT}",
    why="What it learnt of these users does not hold for others; less of it might hold better.",
    remedy="Make the model smaller (depth, leaves, C), tune it, or bring more users.",
)
def overfit(fitted: Estimate | None, test: Estimate) -> Found | None:
    """Whether the model ranks the users it learnt from much better than others."""
    if fitted is None or not fitted.se or not test.se:
        return None
    gap = fitted.value - test.value
    if gap - 1.96 * float(np.hypot(fitted.se, test.se)) <= OVERFIT:
        return None
    said = f"ROC AUC is {fitted.value:.3f} on the users it was fitted on and {test.value:.3f} on test."
    return Found(said, {"fitted": fitted.value, "test": test.value})


@diagnostic(
    "TP204",
    "warning",
    "calibration off",
    what="Slope and intercept of outcomes on the log-odds of scores, on test.",
    threshold="the interval of the slope leaves out 1, or that of the intercept 0",
    why="Cut-offs and expected values read scores as chances.",
    remedy="Fit on more users, or on users of today; shares of users (policy=intent_shares) read no chances.",
)
def off_calibration(slope: Estimate, intercept: Estimate) -> Found | None:
    """Whether scores cannot be taken as chances."""
    told, figures = [], {}
    if slope.low is not None and slope.high is not None and not slope.low <= 1 <= slope.high:
        word = "too extreme" if slope.value < 1 else "too timid"
        told.append(f"Scores are {word}: calibration slope {interval(slope, 2)}, where 1 is right.")
        figures["slope"] = slope.value
    if intercept.low is not None and intercept.high is not None and not intercept.low <= 0 <= intercept.high:
        word = "low" if intercept.value > 0 else "high"
        told.append(f"Scores are too {word} on the whole: intercept {interval(intercept, 2)}, where 0 is right.")
        figures["intercept"] = intercept.value
    return Found(" ".join(told), figures) if told else None


@diagnostic(
    "TP205",
    "warning",
    "worse slices",
    what="ROC AUC and calibration in every category and five bins of every number, against all other users.",
    threshold="worse at 5 % over all slices together (Holm)",
    why="Decisions for these users are worse than the whole lets expect.",
    remedy="Look at tables/slices.csv; bring columns that tell these users apart.",
)
def worse_slices(worse: pd.DataFrame) -> Found | None:
    """Whether some users are served worse than the others."""
    if not len(worse):
        return None
    names = [f"{row.column} = {row.slice} ({row.worse})" for row in worse.head(3).itertuples()]
    more = f", and {len(worse) - 3} more" if len(worse) > 3 else ""
    return Found(f"Worse than on the rest for: {'; '.join(names)}{more}.", {"slices": len(worse)})


@diagnostic(
    "TP206",
    "warning",
    "no better than one column",
    what="ROC AUC of the model less that of the best single column, user by user on test.",
    threshold="the 95 % interval reaches 0",
    why="A model that one column replaces costs more than it brings.",
    remedy="Rank by that column, or bring columns that add to it.",
)
def no_better_than_a_column(column: str, gain: Estimate | None) -> Found | None:
    """Whether the best single column may rank as well."""
    if gain is None or gain.low is None or gain.low > 0:
        return None
    said = f"It may rank no better than {column} alone ({gain.value:+.3f} ROC AUC, at least {gain.low:+.3f})."
    if gain.high is not None and gain.high < 0:
        said = f"It ranks worse than {column} alone ({gain.value:+.3f} ROC AUC, at most {gain.high:+.3f})."
    return Found(said, {"gain": gain.value, "low": gain.low})


@diagnostic(
    "TP207",
    "warning",
    "explanation off",
    what="By how much base and SHAP values miss the score.",
    threshold=f"more than {GAP:g}",
    why="Reasons that do not add up to the score are not its reasons.",
    remedy="Do not show reasons of this model.",
)
def unexplained(gap: float) -> Found | None:
    """Whether SHAP values miss the score."""
    if gap <= GAP:
        return None
    return Found(f"SHAP values miss the score by up to {gap:.1e}: they do not explain it.", {"gap": gap})
