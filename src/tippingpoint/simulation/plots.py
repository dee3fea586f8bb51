"""The figures of a simulation in a notebook, each with the table it is drawn from."""

from dataclasses import dataclass

import pandas as pd

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.experiment.simulation_result import Simulation
from tippingpoint.experiment.treated_figure import figure
from tippingpoint.reports.palette import COLOURS, GREY
from tippingpoint.reports.plot import Plot, interval_plot
from tippingpoint.simulation.figures import cut_off_map
from tippingpoint.simulation.page import frontier, heat, line
from tippingpoint.simulation.treated import treated

SIDE = 120
"""Cut-offs on an axis of a heat map."""


@dataclass(frozen=True)
class SimulationPlots:
    """`what_if.plot`: one method a figure."""

    simulation: Simulation

    def uplift(self) -> Plot:
        """What each contestant brings over everyone getting none, per user, with 95 % intervals."""
        simulation = self.simulation
        rows = {name: simulation.values[name]["uplift_per_user"] for name in simulation.ordered}
        data = pd.DataFrame(
            [{"contestant": n, "uplift": e.value, "low": e.low, "high": e.high} for n, e in rows.items()]
        )
        colours = [COLOURS[0] if name == simulation.leader else GREY for name in rows]
        unit = f"{simulation.currency} per user ({simulation.label})"
        return interval_plot(data, unit, colours, simulation.measured)

    def cut_offs(self, model: str | None = None) -> Plot:
        """Uplift at every choice of cut-offs of the leading policy of bands, or of a model's.

        Raises
        ------
        InputError
            When no policy has cut-offs, or there is no such model.
        """
        of = {c.model: c for c in reversed(self.simulation.all_cut_offs)}
        first = self.simulation.cut_offs()
        if first is None:
            raise InputError("policies", "none has cut-offs of the score", "Simulate a policy of bands, tp.Bands().")
        if model is not None and model not in of:
            raise InputError("model", f"there is no {model!r}", nearest(model, of))
        chosen = first if model is None else of[model]
        view = chosen.views[0]
        if len(view.free) == 2:
            return Plot(cut_off_map(chosen, view).data, heat(chosen, view, SIDE))
        sheet = view.surface.uplift
        data = pd.DataFrame({"cut": view.surface.cuts, "uplift": sheet.value, "low": sheet.low, "high": sheet.high})
        return Plot(
            data.assign(band_low=sheet.band_low, band_high=sheet.band_high), line(chosen, view, self.simulation)
        )

    def targeting(self) -> Plot:
        """What acting on a share of users brings, ranked by each score or effect, and every policy at its share."""
        shares = treated(self.simulation)
        return Plot(shares.frame(), figure(shares))

    def frontier(self) -> Plot:
        """The largest uplift for each expected spend.

        Raises
        ------
        InputError
            When no policy has cut-offs to choose.
        """
        data = self.simulation.frontier_table()
        if not len(data):
            raise InputError("policies", "none has cut-offs to choose", "Simulate a policy of bands, tp.Bands().")
        return Plot(data, frontier(self.simulation))
