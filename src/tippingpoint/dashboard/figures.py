"""Figures of the pages, in the colours of the reports; drawn only, nothing is computed here."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import polars as pl
import streamlit as st

from tippingpoint.dashboard.scenario import Picture
from tippingpoint.reports.palette import COLOURS, DOWN, GREY, UP

LONGEST = 28
ALIVE = COLOURS[0]


def draw(figure: go.Figure, name: str, height: int = 320) -> None:
    """Show a figure as wide as its place; no menu, no zooming by accident on a phone."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"size": 13, "color": "#262730"},
        legend={
            "orientation": "h",
            "traceorder": "normal",
            "y": 1.02,
            "x": 0,
            "yanchor": "bottom",
            "title": {"text": ""},
        },
        dragmode=False,
        separators=".,",
    )
    figure.update_xaxes(automargin=True, gridcolor="#eef0f2", fixedrange=True)
    figure.update_yaxes(automargin=True, gridcolor="#eef0f2", fixedrange=True)
    st.plotly_chart(figure, key=name, theme=None, config={"displayModeBar": False})


def label(text: object) -> str:
    """A name as it stands: Plotly takes tags for tags."""
    name = str(text)
    return html.escape(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…")


def places(names: Sequence[object]) -> dict[str, Any]:
    """An axis on which each name has its own place: two long ones may begin alike."""
    return {"tickvals": list(range(len(names))), "ticktext": [label(n) for n in names], "autorange": "reversed"}


def colours(segments: Sequence[str]) -> dict[str, str]:
    """One colour a segment, always the same."""
    return {segment: COLOURS[k % len(COLOURS)] for k, segment in enumerate(segments)}


def sizes(found: pl.DataFrame) -> go.Figure:
    """Users of each segment."""
    of = colours(found["segment"].to_list())
    shown = [f"{n:,} ({share:.0%})" for n, share in found.select("users", "share").iter_rows()]
    figure = go.Figure(
        go.Bar(
            x=found["users"].to_list(),
            y=list(range(len(found))),
            customdata=[label(s) for s in found["segment"]],
            orientation="h",
            marker={"color": list(of.values())},
            text=shown,
            textposition="auto",
            hovertemplate="%{customdata}: %{x:,} users<extra></extra>",
        )
    )
    figure.update_xaxes(title="users")
    figure.update_yaxes(**places(found["segment"].to_list()))
    return figure


def scores(edges: np.ndarray, counts: Mapping[str, np.ndarray], outcome: str) -> go.Figure:
    """How scores are spread, by segment."""
    of = colours(list(counts))
    figure = go.Figure(
        [
            go.Bar(
                x=((edges[1:] + edges[:-1]) / 2).tolist(),
                y=count.tolist(),
                width=float(edges[1] - edges[0]),
                name=label(segment),
                marker={"color": of[segment], "line": {"width": 0}},
                hovertemplate="score %{x:.2f}: %{y:,} users<extra>" + label(segment) + "</extra>",
            )
            for segment, count in counts.items()
        ]
    )
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_xaxes(title=f"score: chance of {label(outcome)}", range=[0, 1])
    figure.update_yaxes(title="users")
    return figure


def engagement(found: pl.DataFrame, segments: Sequence[str], users: Mapping[str, int]) -> go.Figure:
    """Means by segment against everyone's; of how many users each is."""
    of = colours(segments)
    columns = found.columns[1:]
    figure = go.Figure(
        [
            go.Scatter(
                x=[row[c] for c in columns],
                y=list(range(len(columns))),
                customdata=[label(c) for c in columns],
                mode="markers",
                marker={"size": 13, "color": of[row["segment"]]},
                name=f"{label(row['segment'])} ({users[row['segment']]:,})",
                hovertemplate="%{customdata}: %{x:.2f} × the average<extra>"
                + f"{label(row['segment'])}, {users[row['segment']]:,} users</extra>",
            )
            for row in found.to_dicts()
        ]
    )
    figure.add_vline(x=1, line={"color": GREY, "width": 1})
    figure.update_xaxes(title="times the average user's", rangemode="tozero")
    figure.update_yaxes(**places(columns))
    return figure


def stacked(found: pl.DataFrame, segments: Sequence[str]) -> go.Figure:
    """Segments by the values of a category, which stand in the first column, as shares."""
    of = colours(segments)
    column, *names = found.columns
    total = found.select(pl.sum_horizontal(names)).to_series().to_numpy()
    figure = go.Figure(
        [
            go.Bar(
                x=(found[name].to_numpy() / np.maximum(total, 1)).tolist(),
                y=list(range(len(found))),
                orientation="h",
                name=label(name),
                marker={"color": of[name]},
                customdata=list(zip(map(label, found[column]), found[name], strict=True)),
                hovertemplate="%{customdata[0]}: %{customdata[1]:,} users, %{x:.0%}<extra>" + label(name) + "</extra>",
            )
            for name in names
        ]
    )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    figure.update_yaxes(**places(found[column].to_list()))
    return figure


def surface(of: Picture, bands: Sequence[str], marks: Mapping[str, Sequence[float] | None], unit: str) -> go.Figure:
    """Uplift of 1,000 users at every choice of one or two cut-offs, with some of them marked."""
    cuts, uplift = of.cuts, 1000 * of.value
    figure = go.Figure()
    shapes = {"as registered": "square", "moved": "circle", "best": "star", "within the budget": "diamond"}
    if of.value.ndim == 2:
        shown = [[None if np.isnan(v) else round(float(v), 1) for v in row] for row in uplift]
        figure.add_heatmap(
            x=cuts.tolist(),
            y=cuts.tolist(),
            z=shown,
            colorscale="Viridis",
            colorbar={"title": {"text": unit, "side": "right"}, "thickness": 12},
            hovertemplate="%{y:.2f} and %{x:.2f}: %{z:,.0f}<extra></extra>",
        )
        lower, upper = (f"{label(bands[k + 1])} from" for k in of.free)
        figure.update_xaxes(title=upper, range=[0, 1])
        figure.update_yaxes(title=lower, range=[0, 1])
    else:
        figure.add_scatter(x=cuts.tolist(), y=uplift.tolist(), mode="lines", line={"color": ALIVE}, name="uplift")
        if of.low is not None and of.high is not None and np.isfinite(of.low).any():
            both = (1000 * np.concatenate([of.high, of.low[::-1]])).tolist()
            figure.add_scatter(
                x=[*cuts.tolist(), *cuts[::-1].tolist()], y=both, fill="toself", fillcolor="rgba(0,114,178,0.15)",
                line={"width": 0}, name="95 % band, all cut-offs at once", hoverinfo="skip",
            )  # fmt: skip
        figure.update_xaxes(title=f"{label(bands[1])} from", range=[0, 1])
        figure.update_yaxes(title=unit)
    for name, at in marks.items():
        if at is None:
            continue
        at = [at[k] for k in of.free]
        y = at[0] if len(at) == 2 else float(uplift[int(np.abs(cuts - at[0]).argmin())])
        figure.add_scatter(
            x=[at[-1]], y=[y], mode="markers", name=name,
            marker={"symbol": shapes[name], "size": 14, "color": COLOURS[2], "line": {"color": "white", "width": 2}},
            hovertemplate=name + "<extra></extra>",
        )  # fmt: skip
    return figure


def bars(names: Sequence[str], values: Sequence[float], title: str, paint: str | None = None) -> go.Figure:
    """Bars, the first on top; in one colour, or else those that raise and those that lower in theirs."""
    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=list(range(len(names))),
            customdata=[label(n) for n in names],
            orientation="h",
            marker={"color": paint or [UP if value >= 0 else DOWN for value in values]},
            hovertemplate="%{customdata}: %{x:+.3f}<extra></extra>",
        )
    )
    figure.update_xaxes(title=title, zeroline=True, zerolinecolor=GREY)
    figure.update_yaxes(**places(names))
    return figure


def points(
    x: np.ndarray, y: np.ndarray, group: np.ndarray, names: Sequence[str], columns: tuple[str, str], paint: int = 0
) -> go.Figure:
    """Users by two columns, coloured by group from colour `paint` on; axes grow like arcsinh, as clusters see them."""
    figure = go.Figure()
    for k, name in enumerate(names):
        rows = group == k
        figure.add_scattergl(
            x=np.arcsinh(x[rows]).tolist(), y=np.arcsinh(y[rows]).tolist(), mode="markers", name=label(name),
            marker={"size": 5, "opacity": 0.6, "color": COLOURS[(k + paint) % len(COLOURS)]},
            customdata=np.stack([x[rows], y[rows]], axis=1).tolist(),
            hovertemplate="%{customdata[0]:.1f}, %{customdata[1]:.1f}<extra>" + label(name) + "</extra>",
        )  # fmt: skip
    for axis, values, column in (("x", x, columns[0]), ("y", y, columns[1])):
        top = float(np.nanmax(np.abs(values), initial=1.0))
        ticks = [t for t in (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 100000) if t <= top * 1.2]
        places: dict[str, Any] = {"tickvals": np.arcsinh(ticks).tolist(), "ticktext": [f"{t:,}" for t in ticks]}
        getattr(figure, f"update_{axis}axes")(title=label(column), **places)
    return figure


def days(counted: pl.DataFrame, by: str, known: Sequence[str]) -> go.Figure:
    """Users by day, stacked."""
    there = counted[by].unique().to_list()
    order = [name for name in known if name in there] + sorted(set(there) - set(known))
    of = colours(order)
    figure = go.Figure()
    for name in order:
        rows = counted.filter(pl.col(by) == name)
        figure.add_bar(
            x=rows["day"].to_list(), y=rows["users"].to_list(), name=label(name), marker={"color": of[name]},
            hovertemplate="%{x}: %{y:,} users<extra>" + label(name) + "</extra>",
        )  # fmt: skip
    figure.update_layout(barmode="stack")
    figure.update_xaxes(type="date", tickformat="%d %b", nticks=min(counted["day"].n_unique() + 1, 8))
    figure.update_yaxes(title="users")
    return figure
