"""Figures of a run as PNG files."""

from io import BytesIO
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.ticker import PercentFormatter

from tippingpoint.data.users import Users
from tippingpoint.evaluation.association import Association, associations
from tippingpoint.policies.clusters import Clusters
from tippingpoint.reports.palette import COLOURS, GREY
from tippingpoint.reports.png import blank, label, literal, open_axes, save

COLUMNS = 6
"""Columns an overview shows."""


def clusters(path: Path, features: pd.DataFrame, found: Clusters, segment: np.ndarray, names: tuple[str, ...]) -> None:
    """Users in the plane of the two features: clusters on the left, segments on the right."""
    figure = blank(9.5, 4.5, 110, constrained=True)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    first, last = found.columns[0], found.columns[-1]
    x, y = features[first].to_numpy(np.float64), features[last].to_numpy(np.float64)
    by = {left: (found.cluster, [f"cluster {k}" for k in range(len(found.table))]), right: (segment, list(names))}
    for axes, (code, labels) in by.items():
        for k, name in enumerate(labels):
            of = code == k
            axes.scatter(x[of], y[of], s=4, linewidths=0, alpha=0.6, color=COLOURS[k % len(COLOURS)], label=name)
        axes.set(xlabel=first, ylabel=last)
        axes.legend(frameon=False, markerscale=3, fontsize=8)
    left.set_title(f"K-means, k = {len(found.table)}")
    right.set_title(f"as the policy says (ARI {found.agreement:.2f})")
    save(figure, path)


def overview(users: Users) -> bytes:
    """A PNG: outcome rate against the most predictive columns, with 95 % intervals; dotted is everyone's rate."""
    found = associations(users)[:COLUMNS]
    rows = ceil(len(found) / 3)
    figure = blank(11, 0.6 + 2.9 * rows, 90)
    figure.subplots_adjust(0.065, 0.95 / (0.6 + 2.9 * rows), 0.985, 1 - 0.75 / (0.6 + 2.9 * rows), 0.17, 0.6)
    for at, association in enumerate(found):
        axes = open_axes(figure.add_subplot(rows, 3, at + 1))
        groups = association.groups
        ends = np.stack([groups["rate"] - groups["rate_low"], groups["rate_high"] - groups["rate"]])
        line = "-" if association.kind == "number" else ""
        axes.errorbar(
            range(len(groups)), groups["rate"], yerr=ends, color=COLOURS[0], marker="o", markersize=4, capsize=2,
            linewidth=1, linestyle=line,
        )  # fmt: skip
        axes.axhline(users.outcome.mean(), color=GREY, linewidth=0.8, linestyle=":")
        labels = [label(name, 14) for name in group_labels(association)]
        axes.set_xticks(range(len(groups)), labels, rotation=40, ha="right", fontsize=8)
        axes.set_title(literal(f"{users.contract.label(association.name)} ({association.alone:.3f})"), fontsize=10)
        axes.set_ylim(bottom=0)
        axes.set_xlim(-0.7, len(groups) - 0.3)
        axes.yaxis.set_major_formatter(PercentFormatter(1, 0 if groups["rate_high"].max() > 0.1 else 1))
    figure.suptitle(literal(f"{users.contract.outcome} rate by column (its ROC AUC alone)"), fontsize=11)
    png = BytesIO()
    figure.savefig(png)
    return png.getvalue()


def group_labels(association: Association) -> list[str]:
    """What each group of an association is called on an axis."""
    groups = association.groups
    if association.kind == "number":
        return [_range(low, high) for low, high in zip(groups["low"], groups["high"], strict=True)]
    return category_labels(groups)


def category_labels(groups: pd.DataFrame) -> list[str]:
    """What each group of `association.rates` is called on an axis."""
    pairs = zip(groups["group"], groups["categories"], strict=True)
    return ["missing" if not size else f"{size:,} others" if name is None else name for name, size in pairs]


def number(value: float) -> str:
    """Three digits of a number, as short as they come.

    >>> [number(v) for v in (0, 0.01234, 12.34, 1234, 12345, 4.56e6)]
    ['0', '0.0123', '12.3', '1,234', '12.3k', '4.56M']
    """
    for least, divisor, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / divisor:.3g}{unit}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _range(low: float, high: float) -> str:
    if np.isnan(low):
        return "missing"
    first, last = number(low), number(high)
    return first if first == last else f"{first} to {last}" if low < 0 else f"{first}–{last}"
