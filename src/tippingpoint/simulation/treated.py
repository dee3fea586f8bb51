"""What acting on a share of users brings, along every score and effect that was simulated."""

from tippingpoint.experiment.revaluation import outcome_line, priced_line, usable
from tippingpoint.experiment.simulation_result import RANDOM, WITHOUT_MODEL, Simulation
from tippingpoint.experiment.treated_curves import Treated, TreatedPoint, curves
from tippingpoint.offpolicy.sufficient_statistics import PAIR


def treated(simulation: Simulation) -> Treated:
    """Curves along what models and policies rank users by, at the simulation's prices, and its contestants."""
    about, economics = simulation.gathered.about, simulation.asked.economics
    names = tuple(about["actions"])
    lines = priced_line(about, economics), outcome_line(about, economics)
    actions = {k: names[k] for k in usable(economics, names) if k}
    along = [
        curve
        for name, scored in simulation.gathered.scored.items()
        for curve in curves(name, scored.test, scored.validation, lines, actions, simulation.asked.seed)
    ]
    points = [
        TreatedPoint(name, row["contacts_per_1000"].value / 1000, row["uplift_per_user"], row["uplift_per_1000"])
        for name, row in simulation.values.items()
        if name != RANDOM and (PAIR in name or name.startswith(WITHOUT_MODEL))
    ]
    first, outcome = simulation.leader or simulation.first, str(about["outcome"])
    of = simulation.verdicts, simulation.currency, outcome, simulation.label, simulation.measured
    return Treated(along, points, first, *of)
