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
from tippingpoint.simulation.statistics import Estimate, normal


@dataclass(frozen=True)
class Scenario:
    """One choice of cut-offs and what it brings on the test users.

    Parameters
    ----------
    policy
        The bands with these cut-offs: those registered, or else what is valued, as the next version.
    at
        Indices of the nearest cut-offs there are statistics for.
    cuts
        These cut-offs: what `of` is about.
    of
        Money, outcomes, and users acted on. Of cut-offs that were moved, money has the band over all choices: it holds
        wherever one slides to. It has no interval where the evidence is assumed, where too few are acted on, and where
        three cut-offs or more were moved.
    acted_on
        Test users that get an action.
    spend
        Money spent per user; None where prices are each user's own.
    """

    policy: Bands
    at: tuple[int, ...]
    cuts: tuple[float, ...]
    of: Valued
    acted_on: int
    spend: Estimate | None


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
        typed = moved(self.policy, cuts)
        at = tuple(int(np.abs(self.test.cuts - cut).argmin()) for cut in typed.grid_cuts)
        read = tuple(float(self.test.cuts[i]) for i in at)
        of = valued(self.test, self.actions, self.line, at)
        acted_on = round(of.spend.value * self.test.users)
        policy = self.policy
        if typed is not policy:
            # The grid's cut-offs belong to the side above them; just under one that belongs below is the same.
            sides = zip(cuts, typed.grid_cuts, read, policy.cut_belongs, strict=True)
            told = [c if g == r else r if side == "above" else float(np.nextafter(r, 0)) for c, g, r, side in sides]
            policy = moved(policy, told)
            of = replace(of, value=self._banded(of.value, acted_on), uplift=self._banded(of.uplift, acted_on))
        spend = valued(self.test, self.actions, self.line, at, self.money).spend if self.money else None
        return Scenario(policy, at, read, of, acted_on, spend)

    def _banded(self, of: Estimate, acted_on: int) -> Estimate:
        """With the simultaneous band over all choices for an interval, or with none."""
        views = self.cut_offs.views
        if not of.se or len(views) != 1 or acted_on < self.simulation.asked.least:
            return Estimate(of.value)
        return normal(of.value, of.se, views[0].surface.uplift.critical)

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
