"""Surfaces and targeting curves of a simulation as PNG."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tippingpoint.reports.figures import new_figure, save
from tippingpoint.reports.palette import COLOURS, GREY, colour
from tippingpoint.reports.what_if_page import marks
from tippingpoint.simulated import Simulation
from tippingpoint.sweeps import Sweep, View


def picture(path: Path, simulation: Simulation, sweep: Sweep) -> None:
    """One model's uplift at every choice of cut-offs, as PNG; one panel a view."""
    if not sweep.views:
        return
    figure = Figure(figsize=(6.2 * len(sweep.views), 5.0), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, view in zip(figure.subplots(1, len(sweep.views), squeeze=False)[0], sweep.views, strict=True):
        _panel(figure, axes, simulation, sweep, view)
    save(figure, path)


def _panel(figure: Figure, axes: Axes, simulation: Simulation, sweep: Sweep, view: View) -> None:
    sheet, cuts = view.surface.uplift, view.surface.cuts
    unit = f"{simulation.currency} per user ({simulation.kind})"
    title = f"{sweep.model}: uplift of {sweep.policy}"
    if view.held:
        title += "\n" + ", ".join(f"{sweep.bands[k + 1]} from {cut:.3f}" for k, cut in view.held.items()) + " held"
    axes.spines[["top", "right"]].set_visible(False)
    if len(view.free) == 1:
        axes.plot(cuts, sheet.value, color=colour(sweep.model), label="uplift")
        if simulation.kind != "assumed":
            axes.fill_between(
                cuts, sheet.band_low, sheet.band_high, color=colour(sweep.model), alpha=0.15, label="band"
            )
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel=f"{sweep.bands[1]} from", ylabel=unit, title=title)
    else:
        values = np.where(sheet.supported, sheet.value, np.nan)
        # Shaded at the cut-offs themselves: x is the upper cut, y the lower. Grey: too few are acted on to tell.
        few = np.where(np.isfinite(sheet.value) & ~sheet.supported, 1.0, np.nan)
        axes.pcolormesh(cuts, cuts, few, cmap="Greys", vmin=0, vmax=4, shading="nearest", rasterized=True)
        if np.isfinite(values).any():
            mesh = axes.pcolormesh(cuts, cuts, values, cmap="viridis", shading="nearest", rasterized=True)
            figure.colorbar(mesh, ax=axes, label=unit)
        if view.told is not None and not view.told.all() and len(cuts) > 1:
            axes.contour(cuts, cuts, (~view.told).astype(float), levels=[0.5], colors="white", linewidths=1)
        lower, upper = (f"{sweep.bands[k + 1]} from" for k in view.free)
        axes.set(xlabel=upper, ylabel=lower, title=title)
    for name, at, symbol in marks(sweep, view):
        if len(at) == 2:
            shape = {"square": "s", "circle": "o"}[symbol]
            axes.plot(at[1], at[0], shape, color=COLOURS[2], markeredgecolor="white", markersize=9, label=name)
        else:
            axes.axvline(at[0], color=COLOURS[2], linestyle="-" if symbol == "circle" else ":", label=name)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", frameon=False)


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
