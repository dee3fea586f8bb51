"""Surfaces and targeting curves of a simulation as PNG."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tippingpoint.experiment.simulation_result import Simulation
from tippingpoint.experiment.thresholds import CutOffs, CutOffView
from tippingpoint.reports.palette import COLOURS, GREY, colour
from tippingpoint.reports.png import blank, new_figure, save
from tippingpoint.simulation.page import marks


def picture(path: Path, simulation: Simulation, cut_offs: CutOffs) -> None:
    """One model's uplift at every choice of cut-offs, as PNG; one panel a view."""
    if not cut_offs.views:
        return
    figure = blank(6.2 * len(cut_offs.views), 5.0, 110, constrained=True)
    for axes, view in zip(figure.subplots(1, len(cut_offs.views), squeeze=False)[0], cut_offs.views, strict=True):
        _panel(figure, axes, simulation, cut_offs, view)
    save(figure, path)


def _panel(figure: Figure, axes: Axes, simulation: Simulation, cut_offs: CutOffs, view: CutOffView) -> None:
    sheet, cuts = view.surface.uplift, view.surface.cuts
    unit = f"{simulation.currency} per user ({simulation.kind})"
    title = f"{cut_offs.model}: uplift of {cut_offs.policy}"
    if view.held:
        title += "\n" + ", ".join(f"{cut_offs.bands[k + 1]} from {cut:.3f}" for k, cut in view.held.items()) + " held"
    axes.spines[["top", "right"]].set_visible(False)
    if len(view.free) == 1:
        axes.plot(cuts, sheet.value, color=colour(cut_offs.model), label="uplift")
        if simulation.kind != "assumed":
            axes.fill_between(
                cuts, sheet.band_low, sheet.band_high, color=colour(cut_offs.model), alpha=0.15, label="band"
            )
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel=f"{cut_offs.bands[1]} from", ylabel=unit, title=title)
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
        lower, upper = (f"{cut_offs.bands[k + 1]} from" for k in view.free)
        axes.set(xlabel=upper, ylabel=lower, title=title)
    for name, at, symbol in marks(cut_offs, view):
        if len(at) == 2:
            shape = {"square": "s", "circle": "o"}[symbol]
            axes.plot(at[1], at[0], shape, color=COLOURS[2], markeredgecolor="white", markersize=9, label=name)
        else:
            axes.axvline(at[0], color=COLOURS[2], linestyle="-" if symbol == "circle" else ":", label=name)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", frameon=False)


def targeting(path: Path, simulation: Simulation) -> None:
    """What acting on all from a cut-off upward brings, by share of users; one panel an action."""
    actions = sorted({action for cut_offs in simulation.all_cut_offs for action in cut_offs.curves})
    for action in actions:
        figure, axes = new_figure(5.6, 4.5)
        for model, cut_offs in {s.model: s for s in simulation.all_cut_offs if action in s.curves}.items():
            of = cut_offs.curves[action]
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
