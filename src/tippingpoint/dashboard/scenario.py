"""What if the cut-offs were others: read off the statistics of a simulation, no user is touched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import yaml

from tippingpoint.cutoffs import CutOffs
from tippingpoint.dashboard.subject import Subject
from tippingpoint.policies.bands import Bands
from tippingpoint.pricing import priced_line
from tippingpoint.simulated import Simulation
from tippingpoint.simulation.cells import Cells, Line
from tippingpoint.simulation.choice import Choice, Valued, choose, valued
from tippingpoint.simulation.statistics import Estimate


@dataclass(frozen=True)
class Scenario:
    """One choice of cut-offs and what it brings on the test users.

    Parameters
    ----------
    policy
        The bands with these cut-offs, as typed.
    at
        Indices of the nearest cut-offs there are statistics for.
    cuts
        These cut-offs: what `of` is about.
    of
        Money, outcomes, and users acted on.
    spend
        Money spent per user; None where prices are each user's own.
    """

    policy: Bands
    at: tuple[int, ...]
    cuts: tuple[float, ...]
    of: Valued
    spend: Estimate | None
    shares: dict[str, float]


@dataclass(frozen=True)
class Board:
    """A policy of bands over every choice of its cut-offs."""

    simulation: Simulation
    cut_offs: CutOffs
    policy: Bands
    model: str

    @property
    def test(self) -> Cells:
        """The statistics that everything is read off."""
        return self.simulation.gathered.scored[self.model].test

    @property
    def actions(self) -> list[int]:
        """Codes of the bands' actions, low scores first."""
        names = tuple(self.simulation.gathered.about["actions"])
        return [names.index(self.policy.actions[s]) for s in self.policy.segments]

    @property
    def line(self) -> Line:
        """Money per user."""
        return priced_line(self.simulation.gathered.about, self.simulation.asked.economics)

    @property
    def money(self) -> Line | None:
        """Money spent per user; None where prices are each user's own."""
        about = self.simulation.gathered.about
        if about["per_user_prices"]:
            return None
        return Line(*self.simulation.asked.economics.spend(tuple(about["actions"]), about["good"]))

    def scenario(self, cuts: Sequence[float]) -> Scenario:
        """What these cut-offs bring, at the nearest ones there are statistics for."""
        policy = moved(self.policy, cuts)
        at = tuple(int(np.abs(self.test.cuts - cut).argmin()) for cut in policy.grid_cuts)
        of = valued(self.test, self.actions, self.line, at)
        spend = valued(self.test, self.actions, self.line, at, self.money).spend if self.money else None
        return Scenario(
            policy,
            at,
            tuple(float(self.test.cuts[i]) for i in at),
            of,
            spend,
            self.simulation.shares(self.cut_offs, of),
        )

    def within(self, per_1000: float) -> Choice | None:
        """The best cut-offs with at most so many contacts of 1,000 users; None under assumed evidence."""
        if self.simulation.kind == "assumed":
            return None
        of = self.simulation.gathered.scored[self.model]
        least = self.simulation.asked.least
        return choose(of.validation, of.test, self.actions, self.line, None, per_1000 / 1000, least)


def board(subject: Subject) -> Board | None:
    """The champion's policy over its cut-offs; None where it has none, or nothing is known of its users."""
    simulation = subject.simulation
    if simulation is None or not isinstance(subject.policy, Bands):
        return None
    found = [s for s in simulation.all_cut_offs if (s.model, s.policy) == (subject.model, subject.policy.name)]
    return Board(simulation, found[0], subject.policy, subject.model) if found else None


def moved(policy: Bands, cuts: Sequence[float]) -> Bands:
    """The policy with other cut-offs, as the next version."""
    if tuple(cuts) == policy.cuts:
        return policy
    return Bands.model_validate(policy.model_dump() | {"cuts": tuple(cuts), "version": policy.version + 1})


def as_yaml(policy: Bands) -> str:
    """A file for conf/policy, which says its digest; `tippingpoint compare policy=FILE` takes it."""
    written = yaml.safe_dump(policy.specification(), sort_keys=False, allow_unicode=True)
    return f"# {policy.name} version {policy.version}, digest {policy.digest}\n{written}"


def coarse(cut_offs: CutOffs, most: int) -> CutOffs:
    """The same surface with at most so many cut-offs on an axis, for drawing."""
    views = []
    for view in cut_offs.views:
        size = len(view.surface.cuts)
        keep = np.unique(np.linspace(0, size - 1, min(size, most)).round().astype(int))
        index = np.ix_(*[keep] * view.surface.uplift.value.ndim)
        of = view.surface
        sheet = of.uplift
        part = replace(
            sheet,
            value=sheet.value[index],
            se=sheet.se[index],
            changed=sheet.changed[index],
            supported=sheet.supported[index],
        )
        told = None if view.told is None else view.told[index]
        views.append(replace(view, surface=replace(of, cuts=of.cuts[keep], uplift=part), told=told))
    return replace(cut_offs, views=views)
