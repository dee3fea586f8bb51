"""How good a model is, as PNG files and CSV tables: one picture a question, drawn only."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from tippingpoint.evaluation.calibration_bins import calibration_bins
from tippingpoint.evaluation.curves import GRID, Curve, Curves
from tippingpoint.evaluation.slices import worst
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.estimates import interval
from tippingpoint.reports.palette import GREY, colour
from tippingpoint.reports.png import blank, label, open_axes, save, words

SLICES = 12
"""Slices drawn."""
LABEL = 42
"""Characters of a slice's name; the whole of it is in tables/slices.csv."""
BINS = 40
Metrics = Mapping[str, Estimate]


def write_evaluation(folder: Path, candidate: Candidate, question: ExperimentSpec) -> None:
    """A candidate's figures and tables; of a light report the pictures of lift, slices and learning are left out."""
    test, found, family = question.parts.test, candidate.evaluation, candidate.family
    pictures, tables = folder / "figures", folder / "tables"
    ranking(pictures / "roc.png", {family: found.curves}, {family: candidate.metrics}, float(test.outcome.mean()))
    cuts = candidate.policy.score_cuts or ()
    scores, metrics = {family: candidate.score}, {family: candidate.metrics}
    calibration(pictures / "calibration.png", test.outcome, scores, metrics, cuts, test.contract.outcome)
    if found.ages is not None and len(found.ages) > 1:
        ageing(pictures / "roc_auc_by_age.png", found.ages, candidate.metrics["roc_auc"], family)
    if question.report == "full":
        lift(pictures / "lift.png", found.deciles, found.curves.gains, family)
        if found.slices["roc_auc"].notna().any():
            called = found.slices.assign(column=found.slices["column"].map(test.contract.label))
            slices(pictures / "slices.png", called, candidate.metrics, family)
        if found.learning is not None and len(found.learning) > 1:
            learning(pictures / "learning_curve.png", found.learning, family)
    tables.mkdir(parents=True, exist_ok=True)
    named = {
        "slices": found.slices.dropna(subset="p"),  # those that were tested
        "deciles": found.deciles,
        "confusion": found.confusion,
        "baselines": candidate.beside(question),
        "learning_curve": found.learning,
        "roc_auc_by_age": found.ages,
    }
    for name, table in named.items():
        if table is not None:
            table.to_csv(tables / f"{name}.csv", index=False)


def ranking(path: Path, curves: Mapping[str, Curves], metrics: Mapping[str, Metrics], rate: float) -> None:
    """ROC and precision-recall curves of one family with its bands, or of several on the same users without."""
    figure, (left, right) = _panels(9.6, 4.4, 2)
    for family, found in curves.items():
        auc, average = (metrics[family][name] for name in ("roc_auc", "pr_auc"))
        shade = len(curves) == 1
        _curve(left, found.roc, family, f"{words(family)} {interval(auc, 3)}", shade)
        _curve(right, found.pr, family, f"{words(family)} {interval(average, 3)}", shade)
    left.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    right.axhline(rate, color=GREY, linewidth=0.8, linestyle=":")
    left.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC on test, area under it")
    right.set(xlabel="recall", ylabel="precision", title="Precision and recall on test, average precision")
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
    # Among the first few users precision jumps; the room is for what comes after.
    highest = max(np.nanmax((c.pr.high if len(curves) == 1 else c.pr.value)[5:]) for c in curves.values())
    right.set_ylim(0, top := min(1.02, 1.2 * float(highest)))
    left.legend(loc="lower right", frameon=False, fontsize=9)
    right.legend(loc="lower left" if rate > top / 4 else "upper right", frameon=False, fontsize=9)
    save(figure, path)


def calibration(
    path: Path,
    outcome: np.ndarray,
    scores: Mapping[str, np.ndarray],
    metrics: Mapping[str, Metrics],
    cuts: Sequence[float] = (),
    named: str = "outcome",
) -> None:
    """Outcome rate against mean score in ten bins of equal size, with Wilson's 95 % intervals; slope and intercept.

    Of one family the distribution of its scores by outcome stands beside, with the policy's cuts.
    """
    figure, panels = _panels(9.6 if len(scores) == 1 else 5.0, 4.4, 2 if len(scores) == 1 else 1)
    axes, bins = panels[0], calibration_bins(outcome, scores)
    for family in scores:
        of = bins[bins["model"] == family]
        rate, low, high = (of[name].to_numpy() for name in ("outcome_rate", "low", "high"))
        slope, intercept = (metrics[family][f"calibration_{name}"] for name in ("slope", "intercept"))
        told = f"{words(family)}: slope {slope.value:.2f}, intercept {intercept.value:+.2f}"
        if len(scores) == 1:
            told = f"{words(family)}\nslope {interval(slope, 2)}\nintercept {interval(intercept, 2)}"
        axes.errorbar(
            of["mean_score"], rate, yerr=np.stack([rate - low, high - rate]), color=colour(family), marker="o",
            markersize=4, linewidth=1, capsize=2, label=told,
        )  # fmt: skip
    edge = min(1.0, 1.05 * float(bins[["mean_score", "high"]].to_numpy().max()))
    axes.plot([0, edge], [0, edge], color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlabel="mean score", ylabel="observed outcome rate", title="Calibration on test", xlim=(0, edge))
    axes.set_ylim(0, edge)
    axes.legend(loc="upper left", frameon=False, fontsize=9)
    if len(scores) == 1:
        ((family, score),) = scores.items()
        _distribution(panels[1], outcome, score, cuts, family, named)
    save(figure, path)


def _distribution(
    axes: Axes, outcome: np.ndarray, score: np.ndarray, cuts: Sequence[float], family: str, named: str
) -> None:
    end = max([float(score.max()), *[cut for cut in cuts if cut <= 1]])
    edges = np.linspace(0, end * 1.02 or 1.0, BINS + 1)
    for y, shade in ((0, GREY), (1, colour(family))):
        of = score[outcome == y]
        share = np.histogram(of, edges)[0] / len(of)
        axes.stairs(share, edges, fill=True, color=shade, alpha=0.35)
        axes.stairs(share, edges, color=shade, linewidth=1.2, label=f"{label(named, LABEL)} {y}: {len(of):,} users")
    for cut in cuts:
        if cut <= edges[-1]:
            axes.axvline(cut, color="black", linewidth=0.9, linestyle="--")
    told = "; dashed: the policy's cuts" if any(cut <= edges[-1] for cut in cuts) else ""
    axes.set(
        xlabel="score", ylabel="share of users of that outcome", title=f"Scores by outcome{told}", xlim=edges[[0, -1]]
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(framealpha=0.9, edgecolor="none", fontsize=9)


def lift(path: Path, deciles: pd.DataFrame, gains: Curve, family: str) -> None:
    """Lift of each tenth of the users, and the share of all outcomes that the first tenths hold."""
    figure, (left, right) = _panels(9.6, 4.0, 2)
    at, high = deciles["decile"], deciles["lift"]
    ends = np.stack([high - deciles["lift_low"], deciles["lift_high"] - high])
    left.bar(at, high, color=colour(family), alpha=0.75, width=0.75)
    left.errorbar(at, high, yerr=ends, color="black", linestyle="", linewidth=0.9, capsize=2)
    left.axhline(1, color=GREY, linewidth=0.8, linestyle=":")
    left.set(
        xlabel="tenth of the users, highest scores first", ylabel="outcome rate over that of all", title="Lift on test"
    )
    left.xaxis.set_major_locator(FixedLocator(list(at)))
    _curve(right, gains, family, words(family), True)
    right.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    right.set(xlabel="share of users, highest scores first", ylabel="share of all outcomes", title="Gains on test")
    right.set(xlim=(0, 1), ylim=(0, 1.02))
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    save(figure, path)


def slices(path: Path, table: pd.DataFrame, metrics: Metrics, family: str) -> None:
    """The slices worse than the rest, or those nearest to it: ROC AUC and calibration in the large."""
    listed = worst(table)
    known = table[table["roc_auc"].notna()]
    shown = (listed if len(listed) else known.sort_values(["p", "roc_auc"], kind="stable")).head(SLICES)
    count = len(shown)
    height = 1.75 + 0.3 * count
    figure, (left, right) = _panels(9.6, height, 2, left=0.42, top=0.78, bottom=0.72, between=0.08)
    place = np.arange(count)[::-1]
    for axes, name, neutral in ((left, "roc_auc", metrics["roc_auc"].value), (right, "intercept", 0.0)):
        value = shown[name]
        ends = np.stack([value - shown[f"{name}_low"], shown[f"{name}_high"] - value])
        axes.errorbar(value, place, xerr=ends, color=colour(family), marker="o", markersize=5, linestyle="", capsize=2)
        axes.axvline(neutral, color=GREY, linewidth=0.8, linestyle=":")
        axes.set_ylim(-0.6, count - 0.4)
        axes.yaxis.set_major_locator(NullLocator())
    left.plot(shown["roc_auc_rest"], place, marker="|", markersize=11, color="black", linestyle="", label="all others")
    left.plot(
        shown["roc_auc_promised"], place, marker="D", markersize=4, markerfacecolor="white", color=GREY, linestyle="",
        label="what its scores promise",
    )  # fmt: skip
    told = [f"{label(f'{row.column} = {row.slice}', LABEL)}  ({row.users:,})" for row in shown.itertuples()]
    left.set_yticks(place, told, fontsize=9)
    left.set(xlabel="ROC AUC on test (dotted: of all)")
    right.set(xlabel="intercept (right of 0: scores too low)")
    right.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:+.2g}" if x else "0"))
    title = f"{len(listed)} of {len(table)} slices worse than the rest (Holm, 5 %)"
    title += f", the surest {count}" if len(listed) > count else ""
    if not len(listed):
        title = f"No slice is worse than its scores explain (Holm, 5 %; {len(table)} slices, the nearest shown)"
    figure.suptitle(f"{words(family)}: {title}" if len(listed) else title, fontsize=11, y=1 - 0.12 / height, va="top")
    figure.legend(loc="upper right", bbox_to_anchor=(0.985, 1 - 0.36 / height), ncols=2, frameon=False, fontsize=9)
    save(figure, path)


def learning(path: Path, table: pd.DataFrame, family: str) -> None:
    """ROC AUC on test by users the family was fitted on."""
    figure, (axes,) = _panels(5.6, 4.0, 1, left=0.16, bottom=0.8)
    value = table["roc_auc"]
    ends = np.stack([value - table["roc_auc_low"], table["roc_auc_high"] - value])
    axes.errorbar(table["users"], value, yerr=ends, color=colour(family), marker="o", markersize=5, capsize=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(table["users"].tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(
        [f"{users:,}\n({share:.0%})" for users, share in zip(table["users"], table["share"], strict=True)]
    )
    last = table.iloc[-1]
    gain = f"last step {last['gain']:+.3f}; one draw of users a point, bars: test noise only"
    axes.set(xlabel="users it was fitted on", ylabel="ROC AUC on test")
    axes.set_title(f"{words(family)}: would more users help?\n{gain}", fontsize=10)
    save(figure, path)


def ageing(path: Path, table: pd.DataFrame, whole: Estimate, family: str) -> None:
    """ROC AUC on test by how many days after the model was fitted its users came."""
    figure, (axes,) = _panels(5.6, 4.0, 1, left=0.16, bottom=0.8)
    value, at = table["roc_auc"], (table["from_day"] + table["to_day"]) / 2
    ends = np.stack([value - table["roc_auc_low"], table["roc_auc_high"] - value])
    span = (table["to_day"] - table["from_day"]) / 2
    axes.errorbar(at, value, yerr=ends, xerr=span, color=colour(family), marker="o", markersize=5, capsize=3)
    axes.axhline(whole.value, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlabel="days from fitting to the user's date", ylabel="ROC AUC on test (dotted: of all)")
    axes.set_title(f"{words(family)}: how long does it last?", fontsize=10)
    save(figure, path)


def _curve(axes: Axes, curve: Curve, family: str, label: str, shade: bool) -> None:
    axes.plot(GRID, curve.value, color=colour(family), label=label)
    if shade:
        axes.fill_between(GRID, curve.low, curve.high, color=colour(family), alpha=0.18, linewidth=0)


def _panels(
    width: float, height: float, panels: int, left: float | None = None, top: float = 0.45, bottom: float = 0.6,
    between: float = 0.24,
) -> tuple[Figure, Sequence[Axes]]:  # fmt: skip
    """Panels side by side with margins set by hand, in inches but the left."""
    figure = blank(width, height)
    figure.subplots_adjust(left or 0.68 / width, bottom / height, 1 - 0.25 / width, 1 - top / height, between)
    found = [open_axes(figure.add_subplot(1, panels, at + 1)) for at in range(panels)]
    for axes in found:
        axes.title.set_fontsize(11)
    return figure, found
