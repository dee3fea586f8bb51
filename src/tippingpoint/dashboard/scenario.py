"""What if the cut-offs were others: read off the statistics of a simulation, no user is touched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import yaml

from tippingpoint.dashboard.subject import Subject
from tippingpoint.experiment.revaluation import priced_line
from tippingpoint.experiment.simulation_result import Simulation
from tippingpoint.experiment.thresholds import CutOffs
from tippingpoint.offpolicy.cells import Cells, Line
from tippingpoint.offpolicy.choice import Choice, Valued, choose, valued
from tippingpoint.offpolicy.statistics import Estimate, normal
from tippingpoint.offpolicy.surface import held, mean_and_changed
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.share_bands import ShareBands
from tippingpoint.reports.cut_off_map import thinned


@dataclass(frozen=True)
class Scenario:
    """One choice of cut-offs and its value on the test users.

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
class Picture:
    """Uplift, money per user, where one or two cut-offs are free and the others held; thinned for drawing.

    Parameters
    ----------
    first
        Number of the first free cut-off, from 0.
    cuts
        (g,) cut-offs along each axis.
    value
        (g,) or (g, g), NaN where cut-offs do not rise or too few users are acted on.
    low, high
        (g,) the 95 % band of a curve; None for two cut-offs.
    """

    first: int
    cuts: np.ndarray
    value: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    @property
    def free(self) -> range:
        """Numbers of the free cut-offs."""
        return range(self.first, self.first + self.value.ndim)


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
        return self.simulation.gathered.along(self.model, self.policy.name).test

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
        """Value of these cut-offs, at the nearest ones there are statistics for."""
        typed = moved(self.policy, cuts)
        at = tuple(int(np.abs(self.test.cuts - cut).argmin()) for cut in typed.grid_cuts)
        read = tuple(float(self.test.cuts[i]) for i in at)
        of = valued(self.test, self.actions, self.line, at)
        acted_on = round(of.spend.value * self.test.users)
        policy = self.policy
        if typed is not policy:
            # The grid's cut-offs belong to the side above them; just under one that belongs below is the same.
            sides = zip(cuts, typed.grid_cuts, read, policy.cut_belongs, strict=True)
            kept = [c if g == r else r if side == "above" else float(np.nextafter(r, 0)) for c, g, r, side in sides]
            policy = moved(policy, kept)
            of = replace(of, value=self._banded(of.value, acted_on), uplift=self._banded(of.uplift, acted_on))
        spend = valued(self.test, self.actions, self.line, at, self.money).spend if self.money else None
        return Scenario(policy, at, read, of, acted_on, spend)

    def _banded(self, of: Estimate, acted_on: int) -> Estimate:
        """With the simultaneous band over all choices for an interval, or with none."""
        views = self.cut_offs.views
        if not of.se or len(views) != 1 or acted_on < self.simulation.asked.least:
            return Estimate(of.value)
        return normal(of.value, of.se, views[0].surface.uplift.critical)

    def picture(self, at: tuple[int, ...], first: int, most: int) -> Picture:
        """The uplift around a choice of cut-offs: at most `most` on an axis.

        Parameters
        ----------
        at
            Indices of the cut-offs at which those that are not free are held; up to two are free both.
        first
            Number of the first of the two free ones.
        """
        if len(at) < 3:
            of = self.cut_offs.views[0].surface
            keep = thinned(len(of.cuts), most)
            value = np.where(of.uplift.supported, of.uplift.value, np.nan)
            if value.ndim == 1:
                return Picture(0, of.cuts[keep], value[keep], of.uplift.band_low[keep], of.uplift.band_high[keep])
            return Picture(0, of.cuts[keep], value[np.ix_(keep, keep)])
        none = np.zeros(len(self.test.count), dtype=np.int64)
        free = held(self.test, self.actions, at, first)
        mean, changed = mean_and_changed(self.test, free, self.line, none)
        value = np.where((changed >= self.simulation.asked.least) & np.isfinite(mean), mean, np.nan)
        # Between the held neighbours; beyond them choices repeat.
        low = at[first - 1] if first else 0
        high = at[first + 2] + 1 if first + 2 < len(at) else len(self.test.cuts)
        keep = low + thinned(high - low, most)
        return Picture(first, self.test.cuts[keep], value[np.ix_(keep, keep)])

    def within(self, per_1000: float) -> Choice | None:
        """The best cut-offs with at most so many contacts of 1,000 users; None where there are no intervals."""
        if not self.simulation.measured:
            return None
        of = self.simulation.gathered.along(self.model, self.policy.name)
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
    if isinstance(policy, ShareBands):
        return policy.at(tuple(cuts), policy.version + 1)
    return Bands.model_validate(policy.model_dump() | {"cuts": tuple(cuts), "version": policy.version + 1})


def as_yaml(policy: Bands) -> str:
    """A file for conf/policy, which says its digest; `tippingpoint compare policy=FILE` takes it."""
    written = yaml.safe_dump(policy.specification(), sort_keys=False, allow_unicode=True)
    return f"# {policy.name} version {policy.version}, digest {policy.digest}\n{written}"
