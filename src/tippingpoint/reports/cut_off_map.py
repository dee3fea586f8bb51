"""Uplift at every choice of two cut-offs: the numbers, drawn by plotly.js and as PNG."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from tippingpoint.offpolicy.surface import Sheet
from tippingpoint.reports.html import Figure, numbers
from tippingpoint.reports.palette import COLOURS

SHAPES = {"square": "s", "circle": "o"}
"""Matplotlib's names of the symbols of marks."""


@dataclass(frozen=True)
class CutOffMap:
    """Uplift at every choice of two cut-offs of one grid; the first axis is the lower cut-off.

    Parameters
    ----------
    cuts
        (G,) the grid.
    value
        (G, G) uplift; NaN where cut-offs do not rise, and where too few users are acted on.
    few
        (G, G) whether too few users are acted on.
    further
        (G, G) numbers shown beside the uplift: `acted_on`, and where they are known the ends of the interval
        (`low`, `high`) and of the band over all choices (`band_low`, `band_high`).
    inconclusive
        (G, G) whether a choice may be as good as the best; None where nothing was chosen.
    marks
        Choices to point at, by name: lower and upper cut-off, and a symbol.
    """

    cuts: np.ndarray
    value: np.ndarray
    few: np.ndarray
    further: Mapping[str, np.ndarray] = field(default_factory=dict)
    inconclusive: np.ndarray | None = None
    marks: Mapping[str, tuple[float, float, str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        cuts: np.ndarray,
        sheet: Sheet,
        inconclusive: np.ndarray | None = None,
        marks: Mapping[str, tuple[float, float, str]] | None = None,
        most: int | None = None,
    ) -> Self:
        """The map of a sheet of uplift, with at most so many cut-offs on an axis."""
        keep = thinned(len(cuts), most or len(cuts))
        pick = np.ix_(keep, keep)
        value = np.where(sheet.supported, sheet.value, np.nan)
        further = {"acted_on": sheet.changed}
        if np.isfinite(sheet.se).any():
            further |= {end: getattr(sheet, end) for end in ("low", "high", "band_low", "band_high")}
        return cls(
            cuts=cuts[keep],
            value=value[pick],
            few=(np.isfinite(sheet.value) & ~sheet.supported)[pick],
            further={name: np.where(np.isfinite(value), of, np.nan)[pick] for name, of in further.items()},
            inconclusive=None if inconclusive is None else inconclusive[pick],
            marks=marks or {},
        )

    @property
    def plain(self) -> Self:
        """The same map, without `further`: a quarter of the size on a page."""
        return replace(self, further={})

    @property
    def data(self) -> pd.DataFrame:
        """One row a choice whose cut-offs rise: `lower_cut`, `upper_cut`, `uplift`, `few`, and `further`."""
        lower, upper = np.nonzero(np.isfinite(self.value) | self.few)
        columns = {"lower_cut": self.cuts[lower], "upper_cut": self.cuts[upper], "uplift": self.value[lower, upper]}
        columns |= {"few": self.few[lower, upper]} | {name: of[lower, upper] for name, of in self.further.items()}
        return pd.DataFrame(columns)


def thinned(size: int, most: int) -> np.ndarray:
    """Indices of at most so many of `size` entries, evenly."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).round().astype(int))


def traces(of: CutOffMap, scale: tuple[float, float] | None = None, bar: Figure | None = None) -> list[Figure]:
    """The heat map and its marks for plotly.js; `scale` are the ends of the colours, `bar` what its legend has too."""
    ticks = numbers(of.cuts, 5)
    shared = {"type": "heatmap", "x": ticks, "y": ticks}
    found: list[Figure] = []
    if of.few.any():
        found.append(
            shared
            | {
                "z": numbers(np.where(of.few, 1.0, np.nan)), "showscale": False, "zmin": 0, "zmax": 1,
                "colorscale": [[0, "#d8dce1"], [1, "#d8dce1"]],
                "hovertemplate": "cut-offs %{y} and %{x}<br>too few users are acted on to tell<extra></extra>",
            }
        )  # fmt: skip
    heat = shared | {
        "z": numbers(of.value), "colorscale": "Viridis", **({"zmin": scale[0], "zmax": scale[1]} if scale else {}),
        "colorbar": {"thickness": 12, "outlinewidth": 0, "tickfont": {"size": 11}, **(bar or {})},
        "hovertemplate": f"cut-offs %{{y}} and %{{x}}<br>uplift %{{z}}{_beside(of)}<extra></extra>",
    }  # fmt: skip
    if of.further:
        heat["customdata"] = numbers(np.stack([*of.further.values()], axis=-1))
    return [
        *found,
        heat,
        *(mark((upper,), (lower,), name, symbol) for name, (lower, upper, symbol) in of.marks.items()),
    ]


def _beside(of: CutOffMap) -> str:
    """Text under the pointer besides the uplift."""
    if not of.further:
        return ""
    acted_on = "<br>%{customdata[0]:,.0f} test users acted on"
    if "low" not in of.further:
        return f"{acted_on}<br>assumed: no interval"
    ends = "<br>95 % interval %{customdata[1]} to %{customdata[2]}<br>band %{customdata[3]} to %{customdata[4]}"
    return acted_on + ends


def mark(x: tuple[float, ...], y: tuple[float, ...], name: str, symbol: str) -> Figure:
    """A point of a figure to look at, for plotly.js."""
    marker = {"symbol": symbol, "size": 12, "color": COLOURS[2], "line": {"color": "white", "width": 2}}
    return {"type": "scatter", "mode": "markers", "x": [*x], "y": [*y], "name": name, "marker": marker,
            "cliponaxis": False, "hovertemplate": f"{name}<extra></extra>"}  # fmt: skip


def draw(axes: Axes, of: CutOffMap) -> QuadMesh | None:
    """Draw the heat map and its marks with matplotlib; returns what a colour bar takes, None where all is grey."""
    # Shaded at the cut-offs themselves: x is the upper cut, y the lower. Grey: too few are acted on to tell.
    grid, mesh = (of.cuts, of.cuts), None
    few = np.where(of.few, 1.0, np.nan)
    axes.pcolormesh(*grid, few, cmap="Greys", vmin=0, vmax=4, shading="nearest", rasterized=True)
    if np.isfinite(of.value).any():
        mesh = axes.pcolormesh(*grid, of.value, cmap="viridis", shading="nearest", rasterized=True)
    if of.inconclusive is not None and of.inconclusive.any() and len(of.cuts) > 1:
        axes.contour(*grid, of.inconclusive.astype(float), levels=[0.5], colors="white", linewidths=1)
    for name, (lower, upper, symbol) in of.marks.items():
        axes.plot(upper, lower, SHAPES[symbol], color=COLOURS[2], markeredgecolor="white", markersize=9, label=name)
    return mesh
