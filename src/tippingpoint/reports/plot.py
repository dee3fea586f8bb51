"""A figure in a notebook, with the numbers behind it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from tippingpoint.reports.html import Figure


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
