"""What self-contained pages share: one inlined copy of plotly.js, figures as JSON, axes, and templates that escape."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from tippingpoint.reports.figures import number

Figure = dict[str, Any]


def render(template: str, figures: Mapping[str, Any], **context: Any) -> str:
    """One HTML page that loads nothing from anywhere; `figures` are what its script draws."""
    # `<` escaped: no name in the data can end the script.
    encoded = json.dumps(figures, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return _environment().get_template(template).render(plotly=get_plotlyjs(), figures=encoded, **context)


def axis(title: str, ends: list[float] | None = None, **further: Any) -> Figure:
    """An axis; `ends` fix its range."""
    around = {"range": ends} if ends else {}
    return {"title": {"text": title, "standoff": 8}, "automargin": True, "zeroline": not ends, "zerolinecolor": "#bbb",
            "gridcolor": "#eef0f2", **around, **further}  # fmt: skip


def layout(x: str, y: str, height: int) -> Figure:
    """A figure's layout, its legend below."""
    return {
        "height": height, "margin": {"l": 10, "r": 10, "t": 10, "b": 10}, "paper_bgcolor": "#fff",
        "plot_bgcolor": "#fff", "font": {"size": 12}, "xaxis": axis(x), "yaxis": axis(y),
        "legend": {"orientation": "h", "y": -0.2, "x": 0, "yanchor": "top"}, "showlegend": True,
    }  # fmt: skip


def numbers(values: Any, digits: int | None = None) -> list[Any]:
    """Numbers as JSON has them: four digits of the largest, None where there is none."""
    array = np.asarray(values, dtype=np.float64)
    if digits is None:
        largest = float(np.nanmax(np.abs(array), initial=0.0)) if np.isfinite(array).any() else 0.0
        digits = 4 - int(np.floor(np.log10(largest))) if 0 < largest < 1e4 else 1
    rounded = np.round(array, digits).astype(object)
    rounded[~np.isfinite(array)] = None
    return list(rounded.tolist())


@cache
def _environment() -> Environment:
    loader = PackageLoader("tippingpoint.reports")
    environment = Environment(
        loader=loader, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, autoescape=True
    )
    environment.filters["number"] = number
    return environment
