"""Figures of the pages, in the colours of the reports; drawn only, nothing is computed here."""

import html
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import streamlit as st
from plotly.basedatatypes import BaseFigure

from tippingpoint.dashboard.scenario import Picture
from tippingpoint.offpolicy.confidence_sequence import Sequence as Looks
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.cut_off_map import CutOffMap, mark, traces
from tippingpoint.reports.palette import COLOURS, DOWN, GREY, UP

Figure = dict[str, Any]
"""`data` and `layout`, as plotly.js takes them."""
LONGEST = 28
DAY = 86_400_000
"""Milliseconds, in which plotly.js measures days."""
TICKS = 7
ALIVE = COLOURS[0]
FONT = 13
NUMBERS = 64
"""Pixels that an axis of numbers takes beside a figure, its title too."""
AXIS = {
    "gridcolor": "#eef0f2",
    "fixedrange": True,
    "zeroline": False,
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": "#eef0f2",
}
LAYOUT = {
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {"size": FONT, "color": "#262730"},
    "legend": {"orientation": "h", "traceorder": "normal", "y": 1.02, "x": 0, "yanchor": "bottom"},
    "dragmode": False,
    "separators": ".,",
}


class Drawn(BaseFigure):  # type: ignore[misc]  # Plotly tells no types
    """A figure as it is: that Plotly checks it and makes objects of it would take longer than all else on a page."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure

    def to_dict(self) -> Figure:
        return self._figure


def draw(figure: Figure, name: str, height: int = 320) -> None:
    """Show a figure as wide as its place; no menu, no zooming by accident on a phone."""
    layout = LAYOUT | {"height": height} | figure["layout"]
    layout |= {axis: AXIS | layout.get(axis, {}) for axis in ("xaxis", "yaxis")}
    # Plotly finds margins by drawing a figure over and over: half of what a click on a filter took.
    names = layout["yaxis"].get("ticktext", ())
    left = NUMBERS if "title" in layout["yaxis"] else max(map(width, names), default=0) + 12
    layout["margin"] = {"l": left, "r": 20, "t": 8, "b": 48 if "title" in layout["xaxis"] else 28}
    shown = Drawn({"data": figure["data"], "layout": layout})
    st.plotly_chart(shown, key=name, theme=None, config={"displayModeBar": False})


def width(text: str) -> int:
    """About how many pixels a name takes, rather too many."""
    wide = {"W": 1.0, "F": 1.0}  # as Chinese is written
    of = (
        wide.get(unicodedata.east_asian_width(c), 0.8 if c.isupper() or c in "mw%@" else 0.58)
        for c in html.unescape(text)
    )
    return round(FONT * sum(of))


def label(text: object) -> str:
    """A name as it stands: Plotly takes tags for tags."""
    name = str(text)
    return html.escape(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…")


def titled(text: str) -> Figure:
    """An axis with a title."""
    return {"title": {"text": text, "font": {"size": FONT}}}


def places(names: Sequence[object]) -> Figure:
    """An axis on which each name has its own place: two long ones may begin alike."""
    return {"tickvals": list(range(len(names))), "ticktext": [label(n) for n in names], "autorange": "reversed"}


def colours(segments: Sequence[str]) -> dict[str, str]:
    """One colour a segment, always the same."""
    return {segment: COLOURS[k % len(COLOURS)] for k, segment in enumerate(segments)}


def sizes(found: pl.DataFrame) -> Figure:
    """Users of each segment."""
    names = found["segment"].to_list()
    bar = {
        "type": "bar",
        "x": found["users"].to_list(),
        "y": list(range(len(found))),
        "customdata": [label(s) for s in names],
        "orientation": "h",
        "marker": {"color": list(colours(names).values())},
        "text": [f"{n:,} ({share:.0%})" for n, share in found.select("users", "share").iter_rows()],
        "textposition": "auto",
        "hovertemplate": "%{customdata}: %{x:,} users<extra></extra>",
    }
    return {"data": [bar], "layout": {"xaxis": titled("users"), "yaxis": places(names)}}


def scores(edges: np.ndarray, counts: Mapping[str, np.ndarray], outcome: str) -> Figure:
    """How scores are spread, by segment."""
    of = colours(list(counts))
    steps = [
        {
            "type": "scatter",
            "mode": "lines",
            "stackgroup": "users",
            "x": edges.tolist(),
            "y": [*count.tolist(), 0],
            "line": {"width": 0, "shape": "hv"},
            "fillcolor": of[segment],
            "name": label(segment),
            "hovertemplate": "score from %{x:.3f}: %{y:,} users<extra>" + label(segment) + "</extra>",
        }
        for segment, count in counts.items()
    ]
    x = titled(f"score: chance of {label(outcome)}") | {"range": [0, 1]}
    return {"data": steps, "layout": {"xaxis": x, "yaxis": titled("users")}}


def engagement(found: pl.DataFrame, segments: Sequence[str], users: Mapping[str, int]) -> Figure:
    """Means by segment against everyone's; of how many users each is."""
    of = colours(segments)
    columns = found.columns[1:]
    points = [
        {
            "type": "scatter",
            "x": [row[c] for c in columns],
            "y": list(range(len(columns))),
            "customdata": [label(c) for c in columns],
            "mode": "markers",
            "marker": {"size": 13, "color": of[row["segment"]]},
            "name": f"{label(row['segment'])} ({users[row['segment']]:,})",
            "hovertemplate": "%{customdata}: %{x:.2f} × the average<extra>"
            + f"{label(row['segment'])}, {users[row['segment']]:,} users</extra>",
        }
        for row in found.to_dicts()
    ]
    average = {"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "yref": "paper", "line": {"color": GREY, "width": 1}}
    x = titled("times the average user's") | {"rangemode": "tozero"}
    return {"data": points, "layout": {"shapes": [average], "xaxis": x, "yaxis": places(columns)}}


def stacked(found: pl.DataFrame, segments: Sequence[str]) -> Figure:
    """Segments by the values of a category, which stand in the first column, as shares."""
    of = colours(segments)
    column, *names = found.columns
    total = found.select(pl.sum_horizontal(names)).to_series().to_numpy()
    bars = [
        {
            "type": "bar",
            "x": (found[name].to_numpy() / np.maximum(total, 1)).tolist(),
            "y": list(range(len(found))),
            "orientation": "h",
            "name": label(name),
            "marker": {"color": of[name]},
            "customdata": list(zip(map(label, found[column]), found[name], strict=True)),
            "hovertemplate": "%{customdata[0]}: %{customdata[1]:,} users, %{x:.0%}<extra>" + label(name) + "</extra>",
        }
        for name in names
    ]
    x = {"tickformat": ".0%", "range": [0, 1], "dtick": 0.25}
    return {"data": bars, "layout": {"barmode": "stack", "xaxis": x, "yaxis": places(found[column].to_list())}}


def surface(of: Picture, bands: Sequence[str], marks: Mapping[str, Sequence[float] | None], unit: str) -> Figure:
    """Uplift of 1,000 users at every choice of one or two cut-offs, with some of them marked."""
    shapes = {"as registered": "square", "moved": "circle", "best": "star", "within the budget": "diamond"}
    free = {name: [at[k] for k in of.free] for name, at in marks.items() if at is not None}
    cuts, uplift = of.cuts, 1000 * of.value
    begins = [titled(f"{label(bands[k + 1])} from") | {"range": [0, 1]} for k in of.free]
    if of.value.ndim == 2:
        points = {name: (lower, upper, shapes[name]) for name, (lower, upper) in free.items()}
        shown = CutOffMap(cuts, uplift, np.zeros(uplift.shape, dtype=bool), marks=points)
        bar = {"title": titled(unit)["title"] | {"side": "right"}}
        return {"data": traces(shown, bar=bar), "layout": {"xaxis": begins[1], "yaxis": begins[0]}}
    data: list[Figure] = [
        {
            "type": "scatter", "x": cuts.tolist(), "y": uplift.tolist(), "mode": "lines",
            "line": {"color": ALIVE}, "name": "uplift",
        }
    ]  # fmt: skip
    if of.low is not None and of.high is not None and np.isfinite(of.low).any():
        both = (1000 * np.concatenate([of.high, of.low[::-1]])).tolist()
        data.append(
            {
                "type": "scatter", "x": [*cuts.tolist(), *cuts[::-1].tolist()], "y": both, "fill": "toself",
                "fillcolor": "rgba(0,114,178,0.15)", "line": {"width": 0}, "hoverinfo": "skip",
                "name": "95 % band, all cut-offs at once",
            }
        )  # fmt: skip
    for name, (at,) in free.items():
        data.append(mark((at,), (float(uplift[int(np.abs(cuts - at).argmin())]),), name, shapes[name]))
    return {"data": data, "layout": {"xaxis": begins[0], "yaxis": titled(unit)}}


def bars(names: Sequence[str], values: Sequence[float], title: str, paint: str | None = None) -> Figure:
    """Bars, the first on top; in one colour, or else those that raise and those that lower in theirs."""
    bar = {
        "type": "bar",
        "x": list(values),
        "y": list(range(len(names))),
        "customdata": [label(n) for n in names],
        "orientation": "h",
        "marker": {"color": paint or [UP if value >= 0 else DOWN for value in values]},
        "hovertemplate": "%{customdata}: %{x:+.3f}<extra></extra>",
    }
    return {
        "data": [bar],
        "layout": {"xaxis": titled(title) | {"zeroline": True, "zerolinecolor": GREY}, "yaxis": places(names)},
    }


def points(
    x: np.ndarray, y: np.ndarray, group: np.ndarray, names: Sequence[str], columns: tuple[str, str], paint: int = 0
) -> Figure:
    """Users by two columns, coloured by group from colour `paint` on; axes grow like arcsinh, as clusters see them."""
    data, layout = [], {}
    for k, name in enumerate(names):
        rows = group == k
        data.append(
            {
                "type": "scattergl", "mode": "markers", "name": label(name),
                "x": np.arcsinh(x[rows]).tolist(), "y": np.arcsinh(y[rows]).tolist(),
                "marker": {"size": 5, "opacity": 0.6, "color": COLOURS[(k + paint) % len(COLOURS)]},
                "customdata": np.stack([x[rows], y[rows]], axis=1).tolist(),
                "hovertemplate": "%{customdata[0]:.1f}, %{customdata[1]:.1f}<extra>" + label(name) + "</extra>",
            }
        )  # fmt: skip
    for axis, values, column in (("xaxis", x, columns[0]), ("yaxis", y, columns[1])):
        top = float(np.nanmax(np.abs(values), initial=1.0))
        ticks = [t for t in (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 100000) if t <= top * 1.2]
        layout[axis] = titled(label(column)) | {
            "tickvals": np.arcsinh(ticks).tolist(),
            "ticktext": [f"{t:,}" for t in ticks],
        }
    return {"data": data, "layout": layout}


def sequence(looked: Sequence[date], found: Looks, promise: Estimate | None, unit: str) -> Figure:
    """An uplift as it grew surer day by day, with its intervals, beside what was promised."""
    x = [str(day) for day in looked]
    band = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    data = [
        band | {"y": found.low.tolist()},
        band | {"y": found.high.tolist(), "fill": "tonexty", "fillcolor": f"{COLOURS[0]}26"},
        {
            "type": "scatter", "mode": "lines+markers", "x": x, "y": found.value.tolist(), "name": "measured so far",
            "customdata": np.column_stack([found.low, found.high]).tolist(), "line": {"color": COLOURS[0]},
            "hovertemplate": "%{x}: %{y:,.3~f} [%{customdata[0]:,.3~f}, %{customdata[1]:,.3~f}]<extra></extra>",
        },
    ]  # fmt: skip
    if promise is not None:
        ends, flat = [x[0], x[-1]], {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
        if promise.low is not None and promise.high is not None:
            hidden = flat | {"x": ends, "line": {"width": 0}, "showlegend": False}
            data += [hidden | {"y": [promise.low] * 2}]
            data += [hidden | {"y": [promise.high] * 2, "fill": "tonexty", "fillcolor": f"{COLOURS[4]}22"}]
        line = {"color": COLOURS[4], "dash": "dash"}
        data.append(flat | {"x": ends, "y": [promise.value] * 2, "line": line, "name": "promised"})
    zero = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0, "line": {"color": GREY, "width": 1}}
    axis = {"type": "date", "tickformat": "%d %b", "nticks": TICKS}
    return {"data": data, "layout": {"xaxis": axis, "yaxis": titled(unit), "shapes": [zero]}}


def days(counted: pl.DataFrame, by: str, known: Sequence[str]) -> Figure:
    """Users by day, stacked."""
    there = counted[by].unique().to_list()
    order = [name for name in known if name in there] + sorted(set(there) - set(known))
    of, data = colours(order), []
    for name in order:
        rows = counted.filter(pl.col(by) == name)
        data.append(
            {
                "type": "bar", "x": [str(day) for day in rows["day"]], "y": rows["users"].to_list(), "width": 0.8 * DAY,
                "name": label(name), "marker": {"color": of[name]},
                "hovertemplate": "%{x}: %{y:,} users<extra>" + label(name) + "</extra>",
            }
        )  # fmt: skip
    shown = sorted(set(counted["day"]))
    few = {"tickvals": [str(day) for day in shown]} if len(shown) <= TICKS else {"nticks": TICKS}
    x = {"type": "date", "tickformat": "%d %b", **few}
    return {"data": data, "layout": {"barmode": "stack", "xaxis": x, "yaxis": titled("users")}}
