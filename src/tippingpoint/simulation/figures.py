"""Surfaces and targeting curves of a simulation as PNG."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tippingpoint.experiment.simulation_result import Simulation
from tippingpoint.experiment.thresholds import CutOffs, CutOffView
from tippingpoint.offpolicy.hidden_driver import FACTORS
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.reports.cut_off_map import CutOffMap, draw
from tippingpoint.reports.palette import COLOURS, GREY, colour
from tippingpoint.reports.png import blank, new_figure, save


def picture(path: Path, simulation: Simulation, cut_offs: CutOffs) -> None:
    """One model's uplift at every choice of cut-offs, as PNG; one panel a view."""
    if not cut_offs.views:
        return
    figure = blank(6.2 * len(cut_offs.views), 5.0, 110, constrained=True)
    for axes, view in zip(figure.subplots(1, len(cut_offs.views), squeeze=False)[0], cut_offs.views, strict=True):
        _panel(figure, axes, simulation, cut_offs, view)
    save(figure, path)


def _panel(figure: Figure, axes: Axes, simulation: Simulation, cut_offs: CutOffs, view: CutOffView) -> None:
    unit = f"{simulation.currency} per user ({simulation.label})"
    title = f"{cut_offs.model}: uplift of {cut_offs.policy}"
    if view.held:
        title += "\n" + ", ".join(f"{cut_offs.bands[k + 1]} from {cut:.3f}" for k, cut in view.held.items()) + " held"
    axes.spines[["top", "right"]].set_visible(False)
    begins = [f"{cut_offs.bands[k + 1]} from" for k in view.free]
    if len(view.free) == 2:
        if mesh := draw(axes, cut_off_map(cut_offs, view)):
            figure.colorbar(mesh, ax=axes, label=unit)
        axes.set(xlabel=begins[1], ylabel=begins[0], title=title)
    else:
        sheet, cuts = view.surface.uplift, view.surface.cuts
        axes.plot(cuts, sheet.value, color=colour(cut_offs.model), label="uplift")
        if simulation.measured:
            axes.fill_between(
                cuts, sheet.band_low, sheet.band_high, color=colour(cut_offs.model), alpha=0.15, label="band"
            )
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel=begins[0], ylabel=unit, title=title)
        for name, at, symbol in marks(cut_offs, view):
            axes.axvline(at[0], color=COLOURS[2], linestyle="-" if symbol == "circle" else ":", label=name)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", frameon=False)


def cut_off_map(cut_offs: CutOffs, view: CutOffView, most: int | None = None) -> CutOffMap:
    """The numbers of a view of two free cut-offs, with at most so many cut-offs on an axis."""
    inconclusive = None if view.different is None else ~view.different
    at = {name: (lower, upper, symbol) for name, (lower, upper), symbol in marks(cut_offs, view)}
    return CutOffMap.of(view.surface.cuts, view.surface.uplift, inconclusive, at, most)


def marks(cut_offs: CutOffs, view: CutOffView) -> list[tuple[str, tuple[float, ...], str]]:
    """Cut-offs to point at in a view, with their name and a symbol; those as written only where the view holds them."""
    found = []
    if all(np.isclose(cut_offs.written[k], cut) for k, cut in view.held.items()):
        found.append(("as written", tuple(cut_offs.written[k] for k in view.free), "square"))
    if cut_offs.choice is not None and (cuts := cut_offs.choice.honest.cuts) is not None:
        found.append(("best on validation", tuple(cuts[k] for k in view.free), "circle"))
    return found


def hidden_driver(path: Path, simulation: Simulation) -> None:
    """What the uplift of the one shown first could be with a hidden driver of the action."""
    if simulation.first not in simulation.hidden:
        return
    of, hue = simulation.hidden[simulation.first], colour(simulation.first.split(PAIR)[0])
    figure, axes = new_figure(5.6, 4.5)
    axes.fill_between(FACTORS, of.low_end, of.high_end, color=hue, alpha=0.12, label="95 %")
    axes.fill_between(FACTORS, of.low, of.high, color=hue, alpha=0.3, label="could be")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks([1, 1.5, 2, 3, 5, 10], ["1", "1.5", "2", "3", "5", "10"])
    axes.set(
        xlabel="odds of being given the action times, at most",
        ylabel=f"{simulation.currency} per user ({simulation.label})",
        title=f"{simulation.first}: if something hidden drove the action",
    )
    axes.legend(loc="upper left", frameon=False)
    save(figure, path / "hidden_driver.png")
