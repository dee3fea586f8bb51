"""One model under every choice of cut-offs of a policy of bands, at the prices asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tippingpoint.economics import Economics
from tippingpoint.experiment.diagnostics import Chosen
from tippingpoint.offpolicy.cells import Cells, Line, contacts
from tippingpoint.offpolicy.choice import Choice, choose, cut_regret, inconclusive
from tippingpoint.offpolicy.frontier import Step, frontier
from tippingpoint.offpolicy.sensitivity import bounds, flips_at_cut_offs
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.sufficient_statistics import MONEY, SufficientStatistics
from tippingpoint.offpolicy.surface import BandActions, Sheet, Surface, held, surface
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy


@dataclass(frozen=True)
class Limit:
    """A budget as it was typed: at most `total` of `unit`, contacts or money, for so many users."""

    total: float
    unit: str
    users: int

    @property
    def each(self) -> float:
        """Largest expected spend per user."""
        return self.total / self.users


@dataclass(frozen=True)
class SimulationRequest:
    """What is asked of the statistics.

    Parameters
    ----------
    policies
        By name; of those of kind bands, all cut-offs are looked at.
    budget
        None is no limit.
    smallest_uplift
        Smallest difference of interest, money per user, stated beforehand; None where there is none.
    sensitivity
        Share by which the tornado moves each price.
    guardrails
        By measure the worst effect of a policy that is accepted, per user.
    """

    economics: Economics
    policies: dict[str, Policy]
    budget: Limit | None
    smallest_uplift: float | None
    sensitivity: float
    least: int
    seed: int
    chosen: Chosen = field(default_factory=Chosen)
    """Which diagnostics are silenced and accepted."""
    unused: tuple[str, ...] = ()
    """A sentence for what was asked and is not used."""
    guardrails: Mapping[str, float] = field(default_factory=dict)
    first_only: bool = False
    """Whether only what is shown first gets a surface, for speed; choices are made for all."""


@dataclass(frozen=True)
class CutOffView:
    """The uplift where one or two cut-offs are free; up to two cut-offs, one view shows every choice.

    Parameters
    ----------
    first
        Number of the first free cut-off, from 0.
    at
        All cut-offs; the free ones as chosen or, under assumed evidence, as written. The others are held there.
    different
        Whether each entry is significantly worse than the best; None where there is no choice.
    flips_from
        By how much a hidden driver must change the odds of the action for the sign of each entry's uplift to be open;
        None where chances are known.
    """

    first: int
    at: tuple[float, ...]
    surface: Surface
    different: np.ndarray | None
    flips_from: np.ndarray | None = None

    @property
    def free(self) -> range:
        """Numbers of the free cut-offs."""
        return range(self.first, self.first + self.surface.uplift.value.ndim)

    @property
    def held(self) -> dict[int, float]:
        """Cut-offs that are not free, by number."""
        return {k: cut for k, cut in enumerate(self.at) if k not in self.free}


@dataclass(frozen=True)
class CutOffs:
    """One model under every choice of cut-offs of one policy of bands.

    Parameters
    ----------
    views
        One for up to two cut-offs; for more, one for each two neighbours, the others held at the best.
    choice, budgeted
        Best cut-offs, without and with the budget; None where these have no interval: what is assumed or vetoed is no
        objective.
    frontier, frontier_in
        What more spend buys, and the unit of spend.
    regret
        What the honest choice leaves on the table against the best cut-offs, where truth is known.
    flips_from
        Of the honest choice: by how much a hidden driver must change the odds of the action for the sign of its uplift
        to be open; None where chances are known.
    """

    model: str
    policy: str
    written: tuple[float, ...]
    bands: tuple[str, ...]
    actions: tuple[str, ...]
    views: list[CutOffView]
    choice: Choice | None
    budgeted: Choice | None
    frontier: list[Step]
    frontier_in: str
    regret: Estimate | None
    flips_from: float | None = None

    @property
    def inconclusive_ranges(self) -> list[tuple[float, float]]:
        """For each cut-off the span of those choices that may be as good as the best, in any view it is free in."""
        spans: dict[int, list[float]] = {}
        for view in self.views:
            if view.different is None or view.different.all():
                return []
            for k, i in zip(view.free, np.nonzero(~view.different), strict=True):
                spans.setdefault(k, []).extend(view.surface.cuts[[i.min(), i.max()]].tolist())
        return [(min(of), max(of)) for _, of in sorted(spans.items())]


def cut_offs(
    gathered: SufficientStatistics,
    asked: SimulationRequest,
    line: Line,
    model: str,
    name: str,
    policy: Bands,
    full: bool,
) -> CutOffs:
    """Look at all cut-offs of one model and policy; where not `full`, only choices are made, no surface."""
    about, scored = gathered.about, gathered.along(model, name)
    actions = tuple(about["actions"])
    bands = [actions.index(policy.actions[s]) for s in policy.segments]
    test, validation = scored.test, scored.validation
    choice = budgeted = regret = flips_from = None
    steps: list[Step] = []
    money = Line(*asked.economics.spend(actions, about["good"]))
    by_money = not about["per_user_prices"] and bool(
        np.nansum(np.abs(money.reward_intercept) + np.abs(money.reward_slope)) > 0
    )
    spend = money if by_money else contacts(len(actions))
    block = MONEY if about["per_user_prices"] else "phi"
    if test.measured:
        choice = _believed(choose(validation, test, bands, line, least=asked.least))
    if choice is not None:
        if asked.budget is not None:
            limit = money if asked.budget.unit == "money" else contacts(len(actions))
            budgeted = _believed(choose(validation, test, bands, line, limit, asked.budget.each, asked.least))
        if full:
            steps = frontier(validation, test, bands, line, spend, asked.least)
        chosen = test.decision(bands, choice.honest.at)
        L = test.coefficients(line, {0, *bands})
        if (could_be := bounds(test, L[chosen] - L[0], block)) is not None:
            flips_from = float(could_be.flips_from)
        if about["kind"] == "truth":
            regret = cut_regret(test, bands, line, choice.honest.at)
    return CutOffs(
        model=model,
        policy=name,
        written=policy.cuts,
        bands=policy.segments,
        actions=tuple(policy.actions[s] for s in policy.segments),
        views=_views(test, bands, line, policy, choice, asked, block) if full else [],
        choice=choice,
        budgeted=budgeted,
        frontier=steps,
        frontier_in="money" if by_money else "contacts",
        regret=regret,
        flips_from=flips_from,
    )


def _believed(choice: Choice) -> Choice | None:
    """A choice whose value has an interval; what a veto takes it from is not chosen."""
    return None if choice.honest.uplift.low is None else choice


def _views(
    test: Cells,
    bands: list[int],
    line: Line,
    policy: Bands,
    choice: Choice | None,
    asked: SimulationRequest,
    block: str,
) -> list[CutOffView]:
    chosen = None if choice is None else choice.honest.at
    at = test.at(policy.grid_cuts) if chosen is None else chosen
    few = len(at) < 3
    views = []
    for first in range(1 if few else len(at) - 1):
        free: BandActions = bands if few else held(test, bands, at, first)
        # Between the held neighbours; beyond them choices repeat.
        low, high = (0, None) if few or not first else (at[first - 1], None)
        if not few and first + 2 < len(at):
            high = at[first + 2] + 1
        rng = np.random.default_rng([asked.seed, 6])
        found = _part(surface(test, free, line, rng, asked.least), slice(low, high))
        different, flips_from = None, flips_at_cut_offs(test, free, line, block)
        if flips_from is not None:
            flips_from = flips_from[(slice(low, high),) * flips_from.ndim]
        if choice is not None:
            stays, _ = inconclusive(test, bands, line, chosen, rng, asked.least, free)
            different = ~stays[(slice(low, high),) * stays.ndim]
        views.append(CutOffView(first, tuple(float(test.cuts[i]) for i in at), found, different, flips_from))
    return views


def _part(of: Surface, along: slice) -> Surface:
    def part(sheet: Sheet) -> Sheet:
        return sheet.part((along,) * sheet.value.ndim)

    return replace(of, cuts=of.cuts[along], value=part(of.value), uplift=part(of.uplift), outcomes=part(of.outcomes))
