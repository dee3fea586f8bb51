"""One model under every choice of cut-offs of a policy of bands, at the prices asked."""

from dataclasses import dataclass

import numpy as np

from tippingpoint.economics import Economics
from tippingpoint.gathered import Gathered
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy
from tippingpoint.simulation.cells import Line, contacts
from tippingpoint.simulation.choice import Choice, Step, choose, cut_regret, frontier, untold
from tippingpoint.simulation.ranking import Curve, curve
from tippingpoint.simulation.statistics import Estimate
from tippingpoint.simulation.surface import Surface, surface

LARGEST_COARSE = 40
"""Cut-offs of the grid once three are swept: more choices than anyone looks at."""


@dataclass(frozen=True)
class Asked:
    """What is asked of the statistics.

    Parameters
    ----------
    policies
        By name; those of kind bands are swept.
    budget, budget_in
        Largest expected spend per user, in `contacts` or `money`; None is no limit.
    smallest_uplift
        Smallest difference of interest, money per user, stated beforehand.
    sensitivity
        Share by which the tornado moves each price.
    """

    economics: Economics
    policies: dict[str, Policy]
    budget: float | None
    budget_in: str
    smallest_uplift: float
    sensitivity: float
    least: int
    seed: int
    leader_only: bool = False
    """Whether only the leader's model gets a surface, for speed; choices are made for all."""


@dataclass(frozen=True)
class Sweep:
    """One model under every choice of cut-offs of one policy of bands.

    Parameters
    ----------
    surface
        None where there are too many bands for it.
    choice, budgeted
        Best cut-offs, without and with the budget; None under assumed evidence, which is no objective.
    told
        Whether each entry of the surface is told from the best; None where there is no choice or surface.
    frontier, frontier_in
        What more spend buys, and the unit of spend.
    regret
        What the honest choice leaves on the table against the best cut-offs, where truth is known.
    curves
        By action: outcomes if all from a cut-off upward get it.
    """

    model: str
    policy: str
    written: tuple[float, ...]
    bands: tuple[str, ...]
    surface: Surface | None
    choice: Choice | None
    budgeted: Choice | None
    told: np.ndarray | None
    frontier: list[Step]
    frontier_in: str
    regret: Estimate | None
    curves: dict[str, Curve]

    @property
    def untold_ranges(self) -> list[tuple[float, float]]:
        """For each cut-off the span of those choices that cannot be told from the best."""
        if self.told is None or self.surface is None or self.told.all():
            return []
        cuts = self.surface.cuts
        return [(float(cuts[i.min()]), float(cuts[i.max()])) for i in np.nonzero(~self.told)]


def sweep(gathered: Gathered, asked: Asked, line: Line, model: str, name: str, policy: Bands, full: bool) -> Sweep:
    """Sweep one model and policy; where not `full`, only choices are made, no surface."""
    about, scored = gathered.about, gathered.scored[model]
    actions = tuple(about["actions"])
    bands = [actions.index(policy.actions[s]) for s in policy.segments]
    rng = np.random.default_rng([asked.seed, 6])
    test, validation = scored.test, scored.validation
    if len(policy.cuts) == 3:
        keep = np.unique(np.linspace(0, len(test.cuts) - 1, LARGEST_COARSE).astype(int)).tolist()
        test, validation = test.coarsen(keep), validation.coarsen(keep)
    found = surface(test, bands, line, rng, asked.least) if full and len(policy.cuts) < 4 else None
    choice = budgeted = told = regret = None
    steps: list[Step] = []
    money = Line(*asked.economics.spend(actions, about["good"]))
    by_money = bool(np.nansum(np.abs(money.alpha) + np.abs(money.beta)) > 0)
    spend = money if by_money else contacts(len(actions))
    if about["kind"] != "assumed":
        choice = choose(validation, test, bands, line, least=asked.least)
        if found is not None:
            stays, _ = untold(test, bands, line, choice.honest.at, rng, asked.least)
            told = ~stays
        if asked.budget is not None:
            limit = money if asked.budget_in == "money" else contacts(len(actions))
            budgeted = choose(validation, test, bands, line, limit, asked.budget, asked.least)
        if full and len(policy.cuts) < 3:
            steps = frontier(validation, test, bands, line, spend, asked.least)
        if about["kind"] == "truth":
            regret = cut_regret(test, bands, line, choice.honest.at)
    curves = {
        action: curve(scored.test, k, np.random.default_rng([asked.seed, 7]))
        for k, action in enumerate(actions)
        if full and k in bands and k
    }
    return Sweep(
        model=model,
        policy=name,
        written=policy.cuts,
        bands=policy.segments,
        surface=found,
        choice=choice,
        budgeted=budgeted,
        told=told,
        frontier=steps,
        frontier_in="money" if by_money else "contacts",
        regret=regret,
        curves=curves,
    )
