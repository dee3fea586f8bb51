"""Figures of a run as PNG files."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from tippingpoint.evaluation import reliability
from tippingpoint.explanation import Explanation
from tippingpoint.policies.clusters import Clusters
from tippingpoint.reports.palette import COLOURS, GREY, colour

TOP = 12


def roc(path: Path, outcome: np.ndarray, scores: dict[str, np.ndarray], title: str) -> None:
    """ROC curves of one or several families on the same users."""
    figure, axes = new_figure()
    for family, score in scores.items():
        false, true, _ = roc_curve(outcome, score)
        axes.plot(false, true, color=colour(family), label=family.replace("_", " "))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title=title, aspect="equal")
    axes.legend(loc="lower right", frameon=False)
    save(figure, path)


def calibration(path: Path, outcome: np.ndarray, scores: dict[str, np.ndarray], title: str) -> None:
    """Outcome rate against mean score in ten bins of equal size, with 95 % intervals."""
    figure, axes = new_figure()
    top = 0.0
    for family, score in scores.items():
        mean, rate, se = reliability(outcome, score)
        axes.errorbar(
            mean, rate, yerr=1.96 * se, color=colour(family), marker="o", markersize=4, linewidth=1, capsize=2,
            label=family.replace("_", " "),
        )  # fmt: skip
        top = max(top, mean.max(), (rate + 1.96 * se).max())
    edge = min(1.0, 1.05 * top)
    axes.plot([0, edge], [0, edge], color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xlabel="mean score", ylabel="observed outcome rate", title=title, xlim=(0, edge), ylim=(0, edge))
    axes.legend(loc="upper left", frameon=False)
    save(figure, path)


def shap_summary(path: Path, explanation: Explanation, family: str) -> None:
    """SHAP values of each user for the columns that matter most; colour is the column's own value."""
    order = explanation.importance()["feature"].head(TOP).tolist()
    figure, axes = new_figure(width=7.0, height=0.9 + 0.36 * len(order))
    for row, name in enumerate(reversed(order)):
        at = explanation.features.columns.get_loc(name)
        values, column = explanation.values[:, at], explanation.features[name]
        # Ranks, so that a long tail does not turn all others into one colour; categories have no order and stay grey.
        number = column.dtype.kind == "f"
        shade = {"c": column.rank(pct=True).fillna(0.5), "cmap": "viridis"} if number else {"color": GREY}
        axes.scatter(values, row + _spread(values), s=7, linewidths=0, alpha=0.8, **shade)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(order)), list(reversed(order)))
    axes.set(
        xlabel=f"SHAP value ({explanation.space})",
        title=f"{family.replace('_', ' ')}: what moves the score\n(yellow: high value of the column, dark: low)",
    )
    save(figure, path)


def clusters(path: Path, features: pd.DataFrame, found: Clusters, segment: np.ndarray, names: tuple[str, ...]) -> None:
    """Users in the plane of the two features: clusters on the left, segments on the right."""
    figure = Figure(figsize=(9.5, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    first, last = found.columns[0], found.columns[-1]
    x, y = features[first].to_numpy(np.float64), features[last].to_numpy(np.float64)
    by = {left: (found.cluster, [f"cluster {k}" for k in range(len(found.table))]), right: (segment, list(names))}
    for axes, (code, labels) in by.items():
        for k, label in enumerate(labels):
            of = code == k
            axes.scatter(x[of], y[of], s=4, linewidths=0, alpha=0.6, color=COLOURS[k % len(COLOURS)], label=label)
        axes.set(xlabel=first, ylabel=last)
        axes.legend(frameon=False, markerscale=3, fontsize=8)
    left.set_title(f"K-means, k = {len(found.table)}")
    right.set_title(f"as the policy says (ARI {found.agreement:.2f})")
    save(figure, path)


def _spread(values: np.ndarray) -> np.ndarray:
    """Vertical offsets that set points of nearly the same value apart, densest widest."""
    bins = np.digitize(values, np.linspace(values.min(), values.max(), 60))
    offset = np.zeros(len(values))
    widest = max(np.bincount(bins).max(), 1)
    for b in np.unique(bins):
        members = np.flatnonzero(bins == b)
        offset[members] = np.linspace(-0.5, 0.5, len(members)) * 0.75 * len(members) / widest if len(members) > 1 else 0
    return offset


def new_figure(width: float = 5.0, height: float = 4.5) -> tuple[Figure, Axes]:
    """An empty figure of so many inches, in the style of all others."""
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write the figure as PNG, in a folder made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
