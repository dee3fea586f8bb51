"""A run's explanations as PNG and tables."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tippingpoint.data.users import Users
from tippingpoint.explanation import (
    CAVEAT,
    Effect,
    Explanation,
    Typical,
    background_of,
    coefficients,
    effects,
    interactions,
    ranks,
    shown,
    stability,
    strongest_partner,
    typical_table,
    typical_users,
)
from tippingpoint.models.calibration import Model
from tippingpoint.models.learners.effects import predicts_effects
from tippingpoint.policies.policy import Policy
from tippingpoint.reports.palette import DOWN, GREY, UP, colour
from tippingpoint.reports.png import blank, label, literal, open_axes, save, words

TOP, CLOSER, PAIRED, STEPS = 12, 4, 5, 6
"""Columns in the overview, looked at closely, searched for interactions, and one by one in a waterfall."""
LEAST_OUTCOMES = 25
"""Users of either outcome below which rankings are not compared between fits."""


def write_explanations(
    folder: Path,
    explanation: Explanation,
    model: Model,
    policy: Policy,
    train: Users,
    test: pd.DataFrame,
    family: str,
    seed: int,
    level: Literal["full", "light"] = "full",
) -> dict[str, float]:
    """Write figures and tables of an explanation into `folder/figures` and `folder/tables`.

    Light: what moves the score (`shap.png`, `mean_abs_shap.csv`), and a line's coefficients. Full adds dependence,
    partial dependence, a typical user of each segment and what would move them, interactions, intervals of the
    coefficients, and how stable the ranking of columns is; the last costs five small fits.

    Parameters
    ----------
    policy
        Bound to the model.
    train
        Users the model was fitted on.
    test
        (n, d) all users among whom typical ones are looked for; those explained may be too few to be in each segment.

    Returns
    -------
    dict
        Metrics found on the way, by name: `explanation/stability` (full, of two columns or more).
    """
    figures, tables = folder / "figures", folder / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    importance = explanation.importance()
    importance.to_csv(tables / "mean_abs_shap.csv", index=False)
    shap_summary(figures / "shap.png", explanation, family)
    full = level == "full"
    if model.family.explained_as == "line" and not predicts_effects(model.classifier):
        line = coefficients(model, train.contract, train if full else None, seed)
        line.to_csv(tables / "coefficients.csv", index=False)
    if not full:
        return {}
    top = importance["feature"].tolist()
    background = background_of(train.features, seed)
    dependence(figures / "dependence.png", explanation, top[:CLOSER], family)
    if shapes := effects(model, explanation.features, top[:CLOSER], background):
        partial_dependence(figures / "partial_dependence.png", shapes, family, explanation.labels)
    typical, theirs = typical_users(model, train.contract, test, background, policy.segments, policy.assign)
    typical_table(typical).to_csv(tables / "typical_users.csv", index=False)
    waterfalls(figures / "typical_users.png", theirs, typical, family)
    if len(top) > 1:
        pairs = interactions(model, explanation.features, top[:PAIRED])
        pairs.to_csv(tables / "interactions.csv", index=False)
    if np.bincount(train.outcome, minlength=2).min() < LEAST_OUTCOMES or predicts_effects(model.classifier):
        return {}
    steady = stability(model.family, train, seed)
    steady.table().to_csv(tables / "importance_stability.csv", index=False)
    return {} if np.isnan(steady.tau) else {"explanation/stability": steady.tau}


def shap_summary(path: Path, explanation: Explanation, family: str) -> None:
    """SHAP values of each user for the columns that matter most, shaded by the column, beside their mean size."""
    importance = explanation.importance().head(TOP).iloc[::-1]
    height = 1.35 + 0.36 * len(importance)
    figure = blank(9.5, height)
    margin, gap = _margin(map(explanation.label, importance["feature"])) / 9.5, 0.55 / height
    swarm = figure.add_axes((margin, gap, 0.62 - margin, 1 - 1.25 / height))
    bars = figure.add_axes((0.65, gap, 0.33, 1 - 1.25 / height), sharey=swarm)
    for row, name in enumerate(importance["feature"]):
        at = explanation.features.columns.get_loc(name)
        values, column = explanation.values[:, at], explanation.features[name]
        # Ranks, so that a long tail does not turn all others into one colour; categories have no order and stay grey.
        shade = {"c": ranks(column), "cmap": "viridis"} if column.dtype.kind == "f" else {"color": GREY}
        swarm.scatter(values, row + _spread(values), s=7, linewidths=0, alpha=0.8, **shade)
    swarm.axvline(0, color=GREY, linewidth=0.8)
    swarm.set_yticks(range(len(importance)), [label(explanation.label(name)) for name in importance["feature"]])
    swarm.set_ylim(-0.6, len(importance) - 0.4)
    swarm.set_xlabel(f"SHAP value ({explanation.space})")
    swarm.set_title("each user (yellow: high, dark: low; grey: category)", fontsize=9)
    bars.barh(range(len(importance)), importance["mean_abs_shap"], color=colour(family), height=0.6)
    bars.tick_params(labelleft=False)
    bars.set_xlabel("mean |SHAP value|")
    bars.set_title("how much, on the whole", fontsize=9)
    for axes in (swarm, bars):
        open_axes(axes)
    figure.suptitle(f"{words(family)}: what moves the score", y=1 - 0.12 / height, va="top")
    save(figure, path)


def dependence(path: Path, explanation: Explanation, columns: list[str], family: str) -> None:
    """SHAP value against the column's own, one panel a column; shaded by the column that bends it most."""
    figure, panels = _panels(len(columns), f"{words(family)}: what a column's value gives\n(one point a user)")
    for axes, name in zip(panels, columns, strict=True):
        values = explanation.values[:, explanation.features.columns.get_loc(name)]
        column = explanation.features[name]
        x = _positions(axes, column, values)
        other = strongest_partner(explanation, name)
        shade = {"color": colour(family)} if other is None else {"c": ranks(explanation.features[other])}
        axes.scatter(x, values, s=11, linewidths=0, alpha=0.8, cmap=None if other is None else "viridis", **shade)
        axes.axhline(0, color=GREY, linewidth=0.8)
        title = label(explanation.label(name))
        if other is not None:
            title += f"\n(shade: {label(explanation.label(other))}, yellow: high)"
        axes.set_title(title, fontsize=9)
        axes.set_ylabel(f"SHAP ({explanation.space.split(' ')[0]})", fontsize=9)
    save(figure, path)


def partial_dependence(path: Path, shapes: list[Effect], family: str, labels: Mapping[str, str]) -> None:
    """Calibrated score as one column is changed alone: the mean, and behind it each user."""
    figure, panels = _panels(
        len(shapes),
        f"{words(family)}: the score if one column were different\n(thick: mean; grey: single users)",
    )
    for axes, shape in zip(panels, shapes, strict=True):
        if shape.points.dtype == object:
            x = np.arange(len(shape.points))
            _named_ticks(axes, [label(str(point), 14) for point in shape.points])
            across = x + np.linspace(-0.2, 0.2, len(shape.lines))[:, None]
            axes.scatter(across, shape.lines, s=5, color=GREY, alpha=0.35, linewidths=0)
            axes.plot(x, shape.mean, "o", color=colour(family), markersize=7)
        else:
            _long_tail(axes, shape.points)
            axes.plot(shape.points, shape.lines.T, color=GREY, linewidth=0.6, alpha=0.3)
            axes.plot(shape.points, shape.mean, color=colour(family), linewidth=2.2, marker="o", markersize=3.5)
        axes.set_title(label(labels.get(shape.column, shape.column)), fontsize=9)
        axes.set_ylabel("calibrated score", fontsize=9)
    save(figure, path)


def waterfalls(path: Path, explanation: Explanation, users: list[Typical], family: str) -> None:
    """From the average user's output to that of each typical user, column by column; why, and what would move them."""
    names = [explanation.label(name) for name in explanation.features.columns]
    steps = min(STEPS, len(names))
    each, head = 1.12 + 0.27 * (steps + 1), 0.5
    height = head + each * len(users)
    figure = blank(8.0, height)
    values_of = explanation.features.iloc
    labels = {
        user.row: [f"{label(names[j], 20)} = {label(shown(values_of[user.row, j]), 16)}" for j in range(len(names))]
        for user in users
    }
    margin = _margin([text for some in labels.values() for text in some]) / 8.0
    for place, user in enumerate(users):
        bottom = height - head - each * place - each + 0.3
        axes = figure.add_axes((margin, bottom / height, 0.97 - margin, 0.27 * (steps + 1) / height))
        values = explanation.values[user.row]
        order = np.abs(values).argsort(kind="stable")[::-1]
        first, rest = order[:steps], order[steps:]
        parts, ticks = [float(values[j]) for j in first], [labels[user.row][j] for j in first]
        if len(rest):
            parts, ticks = [*parts, float(values[rest].sum())], [*ticks, f"{len(rest)} others"]
        _waterfall(axes, explanation.base, parts, ticks)
        text = f"Weighs most: {user.why()}."
        if user.toward:
            text += f" To {user.toward}: {user.would_move()}."
        top = (bottom + 0.27 * (steps + 1) + 0.06) / height
        figure.text(0.02, top, fill(literal(text), 118), fontsize=8, va="bottom")
        title = f"{user.segment}: score {user.score:.2f}"
        figure.text(0.02, top + 0.34 / height, literal(title), fontsize=10, fontweight="bold", va="bottom")
    title = f"{words(family)}: a typical user of each segment ({explanation.space})"
    figure.text(0.02, 1 - 0.1 / height, title, fontsize=12, va="top")
    figure.text(0.02, 1 - 0.34 / height, f"Dotted: the average user. {CAVEAT}", fontsize=8, va="top", color=GREY)
    save(figure, path)


def _waterfall(axes: Axes, base: float, parts: list[float], ticks: list[str]) -> None:
    ends = base + np.cumsum(parts)
    starts = np.concatenate([[base], ends[:-1]])
    rows = np.arange(len(parts))[::-1]
    axes.barh(rows, parts, left=starts, color=[UP if part > 0 else DOWN for part in parts], height=0.62)
    low, high = min(base, *ends), max(base, *ends)
    space = max(high - low, 1e-9)
    for row, part, start, end in zip(rows, parts, starts, ends, strict=True):
        axes.plot([end, end], [row - 1 if row else row, row + 0.31], color=GREY, linewidth=0.6)
        axes.text(max(start, end) + 0.012 * space, row, f"{part:+.2g}", va="center", fontsize=8)
    axes.axvline(base, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlim(low - 0.04 * space, high + 0.14 * space)
    axes.set_yticks(rows, ticks, fontsize=8)
    open_axes(axes).tick_params(axis="x", labelsize=8)


def _positions(axes: Axes, column: pd.Series, values: np.ndarray) -> np.ndarray:
    """Where users stand on the axis of a column, which is set up; those without a value stand left of all."""
    if column.dtype.kind == "f":
        x = column.to_numpy(np.float64)
        there = x[~np.isnan(x)]
        _long_tail(axes, there)
        if len(there) == len(x):
            return x
        low, high = (there.min(), there.max()) if len(there) else (0.0, 1.0)
        axes.axvline(low - 0.04 * (high - low or 1), color=GREY, linewidth=0.6, linestyle=":")
        axes.text(0.01, 1.0, "missing", transform=axes.transAxes, fontsize=7, va="top", color=GREY)
        return np.where(np.isnan(x), low - 0.08 * (high - low or 1), x)
    named = column.astype(object).where(column.notna(), "missing")
    levels = named.value_counts().index[:8]
    code = pd.Categorical(named, categories=[*levels, "others"]).codes.astype(int)
    code[code < 0] = len(levels)
    labels = [label(str(level), 14) for level in levels] + (["others"] if (code == len(levels)).any() else [])
    _named_ticks(axes, labels)
    place = np.zeros(len(values))
    for level in np.unique(code):
        members = np.flatnonzero(code == level)
        place[members] = np.linspace(-0.25, 0.25, len(members)) if len(members) > 1 else 0
    return np.asarray(code + place)


def _named_ticks(axes: Axes, labels: list[str]) -> None:
    turned = sum(map(len, labels)) > 30
    axes.set_xticks(range(len(labels)), labels, rotation=30 if turned else 0, ha="right" if turned else "center")


def _long_tail(axes: Axes, values: np.ndarray) -> None:
    """An axis on which a tail far longer than its middle does not press all users against the edge."""
    if len(values) and values.min() >= 0 and values.max() > 20 * max(np.quantile(values, 0.75), 1):
        axes.set_xscale("symlog", linthresh=1)


def _panels(count: int, title: str) -> tuple[Figure, list[Axes]]:
    """So many panels, two a row, set by hand."""
    rows, columns = -(-count // 2), min(2, count)
    width, height = 4.6 * columns, 0.6 + 2.8 * rows
    figure = blank(width, height)
    figure.subplots_adjust(0.72 / width, 0.55 / height, 1 - 0.12 / width, 1 - 0.95 / height, 0.26, 0.5)
    panels = [open_axes(figure.add_subplot(rows, columns, at + 1)) for at in range(count)]
    for axes in panels:
        axes.tick_params(labelsize=8)
    figure.suptitle(title, y=1 - 0.1 / height, va="top", fontsize=12)
    return figure, panels


def _margin(labels: object) -> float:
    """Inches that labels of this many letters take."""
    return 0.3 + 0.073 * max(len(label(str(text), 40)) for text in labels)  # type: ignore[attr-defined]  # labels can be gone through


def _spread(values: np.ndarray) -> np.ndarray:
    """Vertical offsets that set points of nearly the same value apart, densest widest."""
    bins = np.digitize(values, np.linspace(values.min(), values.max(), 60))
    offset = np.zeros(len(values))
    widest = max(np.bincount(bins).max(), 1)
    for b in np.unique(bins):
        members = np.flatnonzero(bins == b)
        offset[members] = np.linspace(-0.5, 0.5, len(members)) * 0.75 * len(members) / widest if len(members) > 1 else 0
    return offset
