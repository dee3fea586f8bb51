"""Figures of a table of users, as plotly.js takes them."""

import html
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.events.funnel import Funnel
from tippingpoint.data.users import Users
from tippingpoint.evaluation.association import Association, spearman
from tippingpoint.reports.figures import category_labels, group_labels
from tippingpoint.reports.palette import COLOURS, GREY

LABEL = 24
"""Characters of a name on an axis; the whole of it shows under the pointer."""
BLUE, WITH, WITHOUT, LINE = COLOURS[0], COLOURS[2], COLOURS[5], "#e3e6ea"
Figure = dict[str, Any]


def by_number(association: Association, users: Users, whole: float, tall: int) -> Figure:
    """Outcome rate by bin over the distribution in either outcome."""
    groups = association.groups
    values = users.features[association.name].to_numpy(np.float64)
    known = values[~np.isnan(values)]
    ranges, places = group_labels(association), list(range(len(groups)))
    apart = int(association.missing > 0)  # who misses the number is no continuation of the line
    spacing: Figure = {}
    data = [
        _points(places[part], groups[part], "y") | {"customdata": _customdata(ranges[part], groups[part])}
        for part in (slice(0, len(groups) - apart), slice(len(groups) - apart, None))[: 1 + apart]
    ]
    if len(known):
        # The outer 1 % on either side is counted in the outermost bars, so that a long tail leaves room.
        low, high = np.quantile(known, [0.01, 0.99])
        if low == high:
            low, high = float(known.min()), float(known.max() + (known.min() == known.max()))
        steps = np.unique(known)
        whole_numbers = len(steps) <= 40 and bool(np.all(steps == np.round(steps))) and high - low <= 40
        spacing = {"dtick": 1} if whole_numbers and high - low <= 8 else {}
        edges = np.arange(np.floor(low) - 0.5, np.ceil(high) + 1) if whole_numbers else np.linspace(low, high, 31)
        for label, colour, rows in sides(users):
            part = values[rows]
            part = np.clip(part[~np.isnan(part)], edges[0], edges[-1])
            share = np.histogram(part, edges)[0] / max(len(part), 1)
            data.append(
                {
                    "type": "bar", "x": _short((edges[1:] + edges[:-1]) / 2), "y": _short(100 * share),
                    "marker": {"color": colour}, "opacity": 0.6, "xaxis": "x2", "yaxis": "y2",
                    "hovertemplate": "about %{x}: %{y:.1f} % of " + plain(label) + "<extra></extra>",
                }
            )  # fmt: skip
    layout = _layout(tall) | {
        "barmode": "overlay", "bargap": 0.05,
        "xaxis": _axis(tickvals=places, ticktext=ranges, tickfont={"size": 11}, range=[-0.5, len(groups) - 0.5]),
        "yaxis": _axis(rangemode="tozero", tickformat=".0%", domain=[0.48, 1]),
        "xaxis2": _axis(anchor="y2", **spacing),
        "yaxis2": _axis(rangemode="tozero", ticksuffix=" %", domain=[0, 0.24], nticks=4),
        "shapes": [_all(whole, "h")],
    }  # fmt: skip
    return {"data": data, "layout": layout}


def by_category(association: Association, whole: float) -> Figure:
    """Outcome rate by category, the largest on top."""
    return _by_label(group_labels(association), association.groups, whole)


def by_action(users: Users, groups: pd.DataFrame) -> Figure:
    """Outcome rate by action taken, with the truth where it is known."""
    figure = _by_label(category_labels(groups), groups, float(users.outcome.mean()))
    if users.truth is not None:
        truth = dict(zip(users.actions, users.truth.mean(axis=0), strict=True))
        figure["data"].append(
            {
                "type": "scatter", "mode": "markers", "y": list(range(len(groups))), "name": "truth, everyone",
                "x": [round(float(truth[arm]), 5) for arm in groups["group"]],
                "marker": {"symbol": "diamond-open", "size": 13, "color": WITH, "line": {"width": 2}},
                "hovertemplate": "truth, were everyone given it: %{x:.2%}<extra></extra>",
            }
        )  # fmt: skip
        figure["layout"]["xaxis"]["rangemode"] = "normal"
        figure["layout"] |= {
            "showlegend": True,
            "height": figure["layout"]["height"] + 30,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 11}},
        }
    return figure


def missing(found: list[Association], users: Users) -> Figure:
    """Share of users without a value."""
    share = [100 * a.missing / len(users) for a in found]
    names = [_cut(users.contract.label(a.name)) for a in found]
    data = {
        "type": "bar", "orientation": "h", "width": 0.6, "y": list(range(len(found))), "x": _short(np.array(share)),
        "marker": {"color": GREY}, "customdata": [[plain(a.name), f"{a.missing:,}"] for a in found],
        "hovertemplate": "%{customdata[0]}: %{customdata[1]} users (%{x:.2f} %)<extra></extra>",
    }  # fmt: skip
    axis = _axis(rangemode="tozero", ticksuffix=" %", nticks=5)
    return {"data": [data], "layout": _layout(70 + 26 * len(found)) | {"xaxis": axis, "yaxis": _rows(names)}}


def heat(users: Users, names: list[str]) -> Figure:
    """Rank correlation of the numbers."""
    matrix = spearman(users.features[names]).to_numpy()
    cells = [[None if np.isnan(v) else round(float(v), 3) for v in row] for row in matrix]
    labels, places = [_cut(users.contract.label(name), 18) for name in names], list(range(len(names)))
    data = {
        "type": "heatmap", "z": cells, "x": places, "y": places, "zmin": -1, "zmax": 1, "xgap": 1, "ygap": 1,
        "colorscale": [[0, COLOURS[2]], [0.5, "#f7f7f7"], [1, COLOURS[0]]],
        "colorbar": {"thickness": 10, "len": 0.9, "outlinewidth": 0, "tickvals": [-1, 0, 1]},
        "customdata": [[[plain(a), plain(b)] for b in names] for a in names],
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{z}<extra></extra>",
    }  # fmt: skip
    layout = _layout(180 + 24 * len(names)) | {
        "xaxis": _axis(tickvals=places, ticktext=labels, tickangle=-60, showgrid=False),
        "yaxis": _rows(labels) | {"showgrid": False},
    }
    return {"data": [data], "layout": layout}


def steps(funnel: Funnel) -> Figure:
    """How many get so far."""
    names, counts = list(funnel.steps), np.array(list(funnel.steps.values()))
    share = counts / max(counts[0], 1)
    data: Figure = {
        "type": "bar", "orientation": "h", "y": list(range(len(names))), "x": counts.tolist(), "cliponaxis": False,
        "text": [f"{n:,} · {_percent(s)}" for n, s in zip(counts, share, strict=True)],
        "textposition": "auto", "marker": {"color": BLUE}, "insidetextfont": {"color": "#fff"},
        "customdata": [[plain(name)] for name in names], "hovertemplate": "%{customdata[0]}: %{text}<extra></extra>",
    }  # fmt: skip
    axes = {"xaxis": _axis(visible=False), "yaxis": _rows([_cut(name) for name in names])}
    return {"data": [data], "layout": _layout(60 + 48 * len(names)) | axes}


def within(table: pd.DataFrame) -> Figure:
    """Share for whom it has happened within so many days, with its interval."""
    day = (table["day"] + 1).tolist()
    band = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False}
    step = {"shape": "hv", "width": 0}
    lines = [
        band | {"x": day, "y": _short(table["low"]), "line": step},
        band | {"x": day, "y": _short(table["high"]), "line": step, "fill": "tonexty", "fillcolor": "#0072B226"},
        {
            "type": "scatter", "mode": "lines", "x": day, "y": _short(table["share"]),
            "line": {"shape": "hv", "color": BLUE, "width": 2},
            "hovertemplate": "within %{x} days: %{y:.2%}<extra></extra>",
        },
    ]  # fmt: skip
    axes = {
        "xaxis": _axis(title={"text": "days"}, rangemode="tozero"),
        "yaxis": _axis(tickformat=",.1%", rangemode="tozero"),
    }
    return {"data": lines, "layout": _layout(340) | axes}


def sides(users: Users) -> list[tuple[str, str, np.ndarray]]:
    """Either outcome: its label, colour, and (n,) whose it is."""
    outcome = users.contract.outcome
    return [(f"not {outcome}", WITHOUT, users.outcome == 0), (outcome, WITH, users.outcome == 1)]


def _by_label(labels: list[str], groups: pd.DataFrame, whole: float) -> Figure:
    places = list(range(len(groups)))
    data = _points(places, groups, "x") | {"mode": "markers", "customdata": _customdata(labels, groups)}
    texts = [
        f'{_cut(label)}<br><span style="font-size:10px;color:{GREY}">{users:,} users</span>'
        for label, users in zip(labels, groups["users"], strict=True)
    ]
    layout = _layout(80 + 42 * len(groups)) | {
        "xaxis": _axis(rangemode="tozero", tickformat=".0%", nticks=6),
        "yaxis": _rows(texts),
        "shapes": [_all(whole, "v")],
    }
    if groups["rate_high"].max() < 0.05:
        layout["xaxis"]["tickformat"] = ".1%"
    return {"data": [data], "layout": layout}


def _points(places: list[int], groups: pd.DataFrame, along: str) -> Figure:
    """Rates with their intervals; `along` is the axis the rate is on."""
    error = {
        "type": "data", "symmetric": False, "thickness": 1.4, "width": 4, "color": BLUE,
        "array": _short(groups["rate_high"] - groups["rate"]),
        "arrayminus": _short(groups["rate"] - groups["rate_low"]),
    }  # fmt: skip
    across = "y" if along == "x" else "x"
    return {
        "type": "scatter", "mode": "lines+markers", "showlegend": False, along: _short(groups["rate"]), across: places,
        f"error_{along}": error, "marker": {"size": 9, "color": BLUE}, "line": {"width": 1, "color": BLUE},
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    }  # fmt: skip


def _customdata(labels: list[str], groups: pd.DataFrame) -> list[list[str]]:
    rows = groups[["users", "outcomes", "rate", "rate_low", "rate_high"]].itertuples(index=False)
    return [
        [
            plain(label),
            f"{row.rate:.2%} [{row.rate_low:.2%}, {row.rate_high:.2%}]",
            f"{row.outcomes:,} of {row.users:,}",
        ]
        for label, row in zip(labels, rows, strict=True)
    ]


def _layout(height: int) -> Figure:
    return {
        "height": height, "margin": {"l": 8, "r": 14, "t": 8, "b": 8}, "showlegend": False,
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "#1c2430"},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "dragmode": False,
        "hoverlabel": {"align": "left"},
    }  # fmt: skip


def _axis(**further: Any) -> Figure:
    return {
        "automargin": True,
        "ticklabeloverflow": "allow",
        "gridcolor": LINE,
        "zeroline": False,
        "fixedrange": True,
    } | further


def _rows(labels: list[str]) -> Figure:
    """A vertical axis of rows, the first on top."""
    places = list(range(len(labels)))
    return _axis(tickvals=places, ticktext=labels, range=[len(labels) - 0.5, -0.5], ticklabelstandoff=4)


def _all(whole: float, direction: str) -> Figure:
    """A line at the rate of all users."""
    line = {"type": "line", "line": {"color": GREY, "width": 1, "dash": "dot"}, "layer": "below"}
    if direction == "v":
        return line | {"x0": whole, "x1": whole, "y0": 0, "y1": 1, "yref": "paper"}
    return line | {"y0": whole, "y1": whole, "x0": 0, "x1": 1, "xref": "paper"}


def _cut(name: str, most: int = LABEL) -> str:
    """Both ends of a long name, as names often differ in the last word."""
    return plain(name if len(name) <= most else f"{name[: most // 2]}…{name[1 - most // 2 :]}")


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"


def _short(values: Any) -> list[float | None]:
    return [None if np.isnan(v) else float(f"{v:.5g}") for v in np.asarray(values, np.float64)]


def plain(text: object) -> str:
    """Text as plotly.js shows it literally: it takes tags such as `<b>` and `<a>` for markup, and `$x$` for TeX."""
    return html.escape(str(text), quote=False).replace("$", "&#36;")
