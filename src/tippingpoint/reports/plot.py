"""A figure in a notebook, with the numbers behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from tippingpoint.reports.html import Figure, layout, numbers


@dataclass(frozen=True, repr=False)
class Plot:
    """A Plotly figure and the table it is drawn from.

    Parameters
    ----------
    data
        One row a mark: what is drawn, with the ends of intervals where there are any.
    drawn
        The figure as Plotly's JSON.
    """

    data: pd.DataFrame
    drawn: Figure

    @cached_property
    def figure(self) -> Any:
        """The `plotly.graph_objects.Figure`; what is changed of it is shown."""
        from plotly.graph_objects import Figure as PlotlyFigure

        return PlotlyFigure(self.drawn)

    def show(self) -> None:
        """Show the figure: in a notebook below the cell, elsewhere in a browser."""
        self.figure.show()

    def __repr__(self) -> str:
        return f"Plot of {len(self.data)} rows: {', '.join(map(str, self.data.columns))}"

    def _repr_mimebundle_(self, **how: Any) -> Any:
        return self.figure._repr_mimebundle_(**how)


def interval_plot(data: pd.DataFrame, unit: str, colours: Sequence[str], measured: bool) -> Plot:
    """Return a point a row with its interval, the first row on top.

    Parameters
    ----------
    data
        Names in the first column, and `uplift`, `low`, `high`.
    measured
        Whether there are intervals: of what is assumed there are none.
    """
    marks: Figure = {
        "type": "scatter", "mode": "markers", "x": numbers(data["uplift"], 6), "y": data.iloc[:, 0].tolist(),
        "marker": {"size": 10, "color": list(colours)},
    }  # fmt: skip
    if measured:
        above, below = data["high"] - data["uplift"], data["uplift"] - data["low"]
        ends = {"array": numbers(above, 6), "arrayminus": numbers(below, 6)}
        marks["error_x"] = {"type": "data", "symmetric": False, "thickness": 2} | ends
    drawn = layout(f"uplift, {unit}", "", 120 + 38 * len(data)) | {"showlegend": False}
    drawn["yaxis"] |= {"autorange": "reversed"}
    return Plot(data, {"data": [marks], "layout": drawn})
