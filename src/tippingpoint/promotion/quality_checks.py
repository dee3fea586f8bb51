"""Checks of scores: how well they rank, whether better than the champion's, calibration, value, and slices."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from tippingpoint.data.users import Users
from tippingpoint.evaluation.metrics import auc_contributions, calibration_line
from tippingpoint.evaluation.slices import grouped, holm
from tippingpoint.models.calibration import INSIDE, log_losses
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, Estimate, mean
from tippingpoint.offpolicy.support import LEAST_EXPECTED, Basis
from tippingpoint.promotion.alpha_spending import ends, fewest, power
from tippingpoint.promotion.verdict import NEEDED, Check, Verdict

LEAST = 50
"""Test users of either outcome from which on the normal approximation of a ROC AUC is believed."""
LEAST_IN_SLICE = 30
"""Users of either outcome a slice needs before its ROC AUC is compared."""
FEW = "only {} test users have the rarer outcome; {} are needed"


def floor(outcome: np.ndarray, score: np.ndarray, least: float, level: float, group: np.ndarray | None = None) -> Check:
    """Whether the ROC AUC of (n,) scores is above a floor: its lower bound, on the log-odds scale, at this level.

    Parameters
    ----------
    group
        Here and below (n,) numbers of the groups users belong to; None where each stands alone.
    """
    auc = mean(auc_contributions(outcome, score), group=group)
    figures = {"roc_auc": auc.value}
    if (few := fewest(outcome)) < LEAST:
        return Check("quality", "inconclusive", FEW.format(few, LEAST), figures | {NEEDED: float(LEAST)})
    assert auc.se is not None
    low = high = auc.value
    if spread := auc.value * (1 - auc.value):
        low, high = (float(expit(e)) for e in ends(float(logit(auc.value)), auc.se / spread, level))
    figures |= {"roc_auc_low": low, "roc_auc_high": high}
    verdict: Verdict = "passes" if low >= least else "fails" if high < least else "inconclusive"
    return Check(
        "quality", verdict, f"ROC AUC {auc.value:.3f} [{low:.3f}, {high:.3f}] against a floor of {least}", figures
    )


def better(
    outcome: np.ndarray,
    score: np.ndarray,
    champion: np.ndarray,
    margin: float,
    smallest: float,
    level: float,
    group: np.ndarray | None = None,
) -> Check:
    """Whether (n,) scores rank better than the champion's on the same users: lower bound of the paired difference.

    Parameters
    ----------
    margin
        How much worse it may be; 0: it must be better.
    smallest
        The smallest difference of interest: the chance of telling it is said beside the verdict.
    """
    difference = mean(auc_contributions(outcome, score) - auc_contributions(outcome, champion), group=group)
    theirs = mean(auc_contributions(outcome, champion)).value
    figures = {"difference": difference.value, "champion_roc_auc": theirs}
    if (few := fewest(outcome)) < LEAST:
        return Check("better", "inconclusive", FEW.format(few, LEAST), figures | {NEEDED: float(LEAST)})
    assert difference.se is not None
    low, high = ends(difference.value, difference.se, level)
    chance = power(smallest + margin, difference.se, level)
    figures |= {"difference_low": low, "difference_high": high, "se": difference.se, "power": chance}
    verdict: Verdict = "passes" if low > -margin else "fails" if high < -margin else "inconclusive"
    said = f"ROC AUC {difference.value:+.4f} [{low:+.4f}, {high:+.4f}] over {theirs:.3f}, user by user"
    said += f", at most {margin:g} worse" if margin else ""
    if np.ptp(champion):  # against a constant nobody asks for so little
        said += f"; {smallest:g} would be told with a chance of {chance:.0%}"
    return Check("better", verdict, said, figures)


def value(
    gain: np.ndarray,
    champion: np.ndarray,
    kind: str,
    margin: float,
    level: float,
    basis: Basis | None = None,
    group: np.ndarray | None = None,
) -> Check:
    """Whether the policy's value is no less than the champion's: paired difference, user by user.

    Parameters
    ----------
    gain, champion
        (n,) money each user adds over none, under either model and its own policy, at the same prices.
    margin
        Money per user by which its value may be lower.
    basis
        What the difference rests on, where it comes from a log.
    """
    difference = gain - champion
    changed = int(np.count_nonzero(difference))
    estimate = mean(difference, basis, group) if changed else Estimate(0.0)
    return value_of(estimate, changed, kind, margin, level, basis)


def guardrails(found: Sequence[tuple[str, float, Estimate]], kind: str, level: float) -> Check:
    """Whether each measure is within its margin: all must be, so each is held to the whole level.

    Parameters
    ----------
    found
        Name of each measure, its margin (below 0 where it may fall by so much, above 0 where it may rise by so much),
        and what the policy does to it per user, over everyone getting none.
    """
    said, figures, verdicts = [], {}, set()
    for name, margin, difference in found:
        figures[name] = difference.value
        if difference.se is None or difference.low is None:
            verdicts.add("inconclusive")
            said.append(
                f"{name} {difference.value:+.4f} per user, without an interval, against a margin of {margin:+g}"
            )
            continue
        low, high = ends(difference.value, difference.se, level)
        figures |= {f"{name}_low": low, f"{name}_high": high}
        worst, best = (low, high) if margin < 0 else (-high, -low)
        verdicts.add("passes" if worst > -abs(margin) else "fails" if best < -abs(margin) else "inconclusive")
        said.append(
            f"{name} {difference.value:+.4f} [{low:+.4f}, {high:+.4f}] per user against a margin of {margin:+g}"
        )
    verdict: Verdict = "fails" if "fails" in verdicts else "inconclusive" if "inconclusive" in verdicts else "passes"
    return Check("guardrails", verdict, f"{'; '.join(said)} ({kind})", figures)


def value_of(
    estimate: Estimate, changed: int, kind: str, margin: float, level: float, basis: Basis | None = None
) -> Check:
    """As `value`, of the mean difference of two policies; `changed` users are treated otherwise by one of them."""
    if changed == 0:
        return Check("value", "passes", "both bring the same for every user", {"difference": 0.0, "changed": 0})
    if estimate.se is None:
        few = (
            "" if basis is None else f", of about {basis.expected:.0f} expected outcomes (at least {LEAST_EXPECTED:g})"
        )
        said = f"{estimate.value:+.4f} money per user ({kind}), {changed:,} users treated otherwise{few}: no interval"
        return Check("value", "inconclusive", said, {"difference": estimate.value, "changed": changed})
    low, high = ends(estimate.value, estimate.se, level)
    figures = {"difference": estimate.value, "difference_low": low, "difference_high": high, "changed": changed}
    said = (
        f"{estimate.value:+.4f} [{low:+.4f}, {high:+.4f}] money per user ({kind}), {changed:,} users treated otherwise"
    )
    if changed < LEAST_CHANGED:
        return Check("value", "inconclusive", f"{said}: too few", figures)
    verdict: Verdict = "passes" if low >= -margin else "fails" if high < -margin else "inconclusive"
    return Check("value", verdict, said, figures)


def calibrated(
    outcome: np.ndarray,
    score: np.ndarray,
    slope: tuple[float, float],
    intercept: tuple[float, float],
    group: np.ndarray | None = None,
) -> Check:
    """Whether scores can be taken as chances: slope 1 and intercept 0 are in the interval, or it is in the limits."""
    if (few := fewest(outcome)) < LEAST:
        return Check("calibration", "inconclusive", FEW.format(few, LEAST))
    found = dict(zip(("slope", "intercept"), calibration_line(outcome, np.clip(score, *INSIDE), group), strict=True))
    verdicts: list[Verdict] = []
    figures: dict[str, float] = {}
    for name, ideal, (least, most) in (("slope", 1.0, slope), ("intercept", 0.0, intercept)):
        estimate = found[name]
        low, high = estimate.low, estimate.high
        if low is None or high is None or not np.isfinite([low, high]).all():
            verdicts.append("inconclusive")
            continue
        figures |= {name: estimate.value, f"{name}_low": low, f"{name}_high": high}
        inside = low <= ideal <= high or (least <= low and high <= most)
        verdicts.append("passes" if inside else "fails" if high < least or low > most else "inconclusive")
    said = "; ".join(
        f"{name} {figures[name]:.2f} [{figures[f'{name}_low']:.2f}, {figures[f'{name}_high']:.2f}],"
        f" to hold {ideal} or lie in {limits}"
        for name, ideal, limits in (("slope", 1, list(slope)), ("intercept", 0, list(intercept)))
        if name in figures
    )
    return Check("calibration", worst_of(verdicts), said or "all users have one score", figures)


def slices(users: Users, score: np.ndarray, champion: np.ndarray, level: float) -> Check:
    """Whether no slice is served worse than by the champion: paired, one-sided, Holm over all slices and measures.

    Every category and five bins of every number: the mean log loss of its users, and where it holds 30 users of
    either outcome their ROC AUC.

    Parameters
    ----------
    score, champion
        (n,) scores of the users.
    level
        Of all tests of the table together.
    """
    loss = log_losses(users.outcome, score) - log_losses(users.outcome, champion)
    rows: list[tuple[str, str, float, float]] = []
    for column in users.contract.columns:
        code, labels = grouped(users, column)
        for k, label in enumerate(labels):
            inside = code == k
            outcome = users.outcome[inside]
            if len(outcome) < LEAST_CHANGED or fewest(outcome) < 2:
                continue
            where = f"{column.name} = {label}"
            group = None if users.codes is None else users.codes[inside]
            rows.append((where, "log loss", *_worse(-loss[inside], group)))
            if fewest(outcome) >= LEAST_IN_SLICE:
                gain = auc_contributions(outcome, score[inside]) - auc_contributions(outcome, champion[inside])
                rows.append((where, "ROC AUC", *_worse(gain, group)))
    if not rows:
        return Check("slices", "inconclusive", "no slice is large enough")
    table = pd.DataFrame(rows, columns=["slice", "measure", "difference", "p"])
    table["p"] = holm(table["p"].to_numpy())
    worse = table[table["p"] < level].sort_values("p", kind="stable")
    figures = {"slices": float(table["slice"].nunique()), "worse": float(len(worse)), "p": float(table["p"].min())}
    if worse.empty:
        return Check("slices", "passes", f"none of {int(figures['slices'])} slices is significantly worse", figures)
    first = zip(worse["slice"].head(3), worse["measure"], worse["difference"].to_numpy(np.float64), strict=False)
    named = [f"{where} ({measure} worse by {-difference:.4f})" for where, measure, difference in first]
    return Check("slices", "fails", f"worse than the champion for {'; '.join(named)}", figures)


def worst_of(verdicts: list[Verdict]) -> Verdict:
    """Fails before inconclusive before passes."""
    order: tuple[Verdict, ...] = ("fails", "inconclusive", "passes")
    return min(verdicts, key=order.index)


def _worse(gain: np.ndarray, group: np.ndarray | None) -> tuple[float, float]:
    """Mean gain, and the one-sided p-value of its being 0 or more."""
    estimate = mean(gain, group=group)
    if not estimate.se:
        return estimate.value, 1.0
    return estimate.value, float(norm.cdf(estimate.value / estimate.se))
