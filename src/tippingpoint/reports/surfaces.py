"""Surfaces of a simulation: one interactive HTML file that needs nothing else, and PNG."""

from pathlib import Path

import numpy as np

from tippingpoint.reports.figures import new_figure, save
from tippingpoint.reports.palette import COLOURS, GREY, colour
from tippingpoint.simulated import Simulation
from tippingpoint.simulation.surface import Sheet
from tippingpoint.sweeps import Sweep


def interactive(path: Path, simulation: Simulation) -> None:
    """Uplift at every choice of cut-offs, one menu entry a model and policy; hover tells interval and band.

    Left out are policies of more than three bands, which no picture shows.
    """
    import plotly.graph_objects as go

    shown = [s for s in simulation.sweeps if s.surface is not None and len(s.written) <= 2]
    if not shown:
        return
    figure, owners = go.Figure(), []
    for k, sweep in enumerate(shown):
        traces = _heat(sweep, simulation) if len(sweep.written) == 2 else _line(sweep, simulation)
        for trace in traces:
            figure.add_trace(trace.update(visible=k == 0))
            owners.append(k)
    buttons = [
        {
            "label": f"{sweep.model}, {sweep.policy}",
            "method": "update",
            "args": [{"visible": [owner == k for owner in owners]}, _axes(sweep, simulation)],
        }
        for k, sweep in enumerate(shown)
    ]
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.14, "yanchor": "top"}
    figure.update_layout(
        title={"text": f"Uplift ({simulation.kind}), {simulation.currency} per user over everyone none", "x": 0.5},
        updatemenus=[menu],
        template="simple_white",
        width=860,
        height=720,
        **_axes(shown[0], simulation),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.write_html(path, include_plotlyjs=True, full_html=True, div_id="surface")


def picture(path: Path, simulation: Simulation, sweep: Sweep) -> None:
    """One model's uplift at every choice of cut-offs, as PNG."""
    if sweep.surface is None or len(sweep.written) > 2:
        return
    figure, axes = new_figure(6.2, 5.0)
    sheet, cuts = sweep.surface.uplift, sweep.surface.cuts
    unit = f"{simulation.currency} per user ({simulation.kind})"
    title = f"{sweep.model}: uplift of {sweep.policy}"
    if len(sweep.written) == 1:
        axes.plot(cuts, sheet.value, color=colour(sweep.model), label="uplift")
        if simulation.kind != "assumed":
            axes.fill_between(
                cuts, sheet.band_low, sheet.band_high, color=colour(sweep.model), alpha=0.15, label="band"
            )
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel="cut-off", ylabel=unit, title=title)
    else:
        values = np.where(sheet.supported, sheet.value, np.nan)
        # Shaded at the cut-offs themselves: x is the upper cut, y the lower. Grey: too few are acted on to tell.
        few = np.where(np.isfinite(sheet.value) & ~sheet.supported, 1.0, np.nan)
        axes.pcolormesh(cuts, cuts, few, cmap="Greys", vmin=0, vmax=4, shading="nearest", rasterized=True)
        mesh = axes.pcolormesh(cuts, cuts, values, cmap="viridis", shading="nearest", rasterized=True)
        figure.colorbar(mesh, ax=axes, label=unit)
        if sweep.told is not None and not sweep.told.all():
            axes.contour(cuts, cuts, (~sweep.told).astype(float), levels=[0.5], colors="white", linewidths=1)
        axes.set(xlabel=f"{sweep.bands[2]} from", ylabel=f"{sweep.bands[1]} from", title=title)
    for name, at, mark in _marks(sweep):
        if len(at) == 2:
            axes.plot(at[1], at[0], mark, color=COLOURS[2], markerfacecolor="none", markersize=9, label=name)
        else:
            axes.axvline(at[0], color=COLOURS[2], linestyle="-" if mark == "o" else ":", label=name)
    axes.legend(loc="upper left", frameon=False)
    save(figure, path)


def targeting(path: Path, simulation: Simulation) -> None:
    """What acting on all from a cut-off upward brings, by share of users; one panel an action."""
    actions = sorted({action for sweep in simulation.sweeps for action in sweep.curves})
    for action in actions:
        figure, axes = new_figure(5.6, 4.5)
        for model, sweep in {s.model: s for s in simulation.sweeps if action in s.curves}.items():
            of = sweep.curves[action]
            axes.plot(of.share, of.gain.value * 1000, color=colour(model), label=model)
            if simulation.kind != "assumed":
                ends = (of.gain.band_low * 1000, of.gain.band_high * 1000)
                axes.fill_between(of.share, *ends, color=colour(model), alpha=0.12)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(
            xlabel="share of users acted on, highest score first",
            ylabel=f"further outcomes per 1,000 users ({simulation.kind})",
            title=f"{action}: whom to act on",
        )
        axes.legend(loc="upper left", frameon=False)
        save(figure, path / f"targeting_{action.replace(' ', '_')}.png")


def _marks(sweep: Sweep) -> list[tuple[str, tuple[float, ...], str]]:
    marks = [("as written", sweep.written, "s")]
    if sweep.choice is not None and sweep.choice.honest.cuts is not None:
        marks.append(("best on validation", sweep.choice.honest.cuts, "o"))
    return marks


def _heat(sweep: Sweep, simulation: Simulation) -> list:  # type: ignore[type-arg]
    import plotly.graph_objects as go

    assert sweep.surface is not None
    sheet, cuts = sweep.surface.uplift, sweep.surface.cuts
    values = np.where(sheet.supported, sheet.value, np.nan)
    heat = go.Heatmap(
        x=_axis(cuts),
        y=_axis(cuts),
        z=_thin(values),
        customdata=_thin(_ends(sheet, simulation.kind)),
        colorscale="Viridis",
        colorbar={"title": f"{simulation.currency}<br>per user<br>({simulation.kind})"},
        hovertemplate="lower cut %{y}, upper cut %{x}<br>uplift %{z:.4f}" + _hover(simulation.kind) + "<extra></extra>",
    )
    points = [
        go.Scatter(
            x=[at[1]], y=[at[0]], mode="markers", name=name,
            marker={"symbol": {"s": "square-open", "o": "circle-open"}[mark], "size": 13, "color": COLOURS[2]},
        )
        for name, at, mark in _marks(sweep)
    ]  # fmt: skip
    return [heat, *points]


def _line(sweep: Sweep, simulation: Simulation) -> list:  # type: ignore[type-arg]
    import plotly.graph_objects as go

    assert sweep.surface is not None
    sheet, cuts = sweep.surface.uplift, sweep.surface.cuts
    line = go.Scatter(
        x=_axis(cuts),
        y=np.round(sheet.value, 6),
        mode="lines",
        name="uplift",
        customdata=_ends(sheet, simulation.kind),
        hovertemplate="cut %{x}<br>uplift %{y:.4f}" + _hover(simulation.kind) + "<extra></extra>",
    )
    if simulation.kind == "assumed":
        return [line]
    sides = [
        go.Scatter(x=_axis(cuts), y=np.round(side, 6), mode="lines", name=name, line={"dash": "dot", "color": GREY})
        for name, side in {"band, lower": sheet.band_low, "band, upper": sheet.band_high}.items()
    ]
    return [line, *sides]


def _ends(sheet: Sheet, kind: str) -> np.ndarray:
    """What hovering tells: interval, band, users acted on; users alone where nothing was measured."""
    if kind == "assumed":
        return np.stack([sheet.changed.astype(np.float64)], axis=-1)
    return np.stack([sheet.changed, sheet.low, sheet.high, sheet.band_low, sheet.band_high], axis=-1, dtype=np.float32)


def _hover(kind: str) -> str:
    users = "<br>%{customdata[0]:,.0f} test users acted on"
    if kind == "assumed":
        return users + "<br>assumed: no interval"
    return (
        "<br>95 % interval %{customdata[1]:.3f} to %{customdata[2]:.3f}"
        "<br>band %{customdata[3]:.3f} to %{customdata[4]:.3f}" + users
    )


def _axes(sweep: Sweep, simulation: Simulation) -> dict[str, dict[str, object]]:
    if len(sweep.written) == 2:
        upper, lower = f"{sweep.bands[2]} from", f"{sweep.bands[1]} from"
        return {"xaxis": {"title": {"text": upper}}, "yaxis": {"title": {"text": lower}}}
    unit = f"{simulation.currency} per user ({simulation.kind})"
    return {"xaxis": {"title": {"text": "cut-off"}}, "yaxis": {"title": {"text": unit}}}


def _axis(cuts: np.ndarray) -> np.ndarray:
    return np.round(cuts, 5)


def _thin(values: np.ndarray) -> np.ndarray:
    """Half as many bytes: the file holds hundreds of thousands of numbers."""
    return values.astype(np.float32)
