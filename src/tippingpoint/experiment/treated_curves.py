"""What acting on a share of the users brings, whoever ranks them: one figure for models, learners and policies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.offpolicy.cells import Cells, Line, contrast
from tippingpoint.offpolicy.choice import choose
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.surface import Sheet, sheet
from tippingpoint.reports.estimates import interval

EVERYONE, BEST = "everyone ", "best on validation"
TOLD = {"better": "more than", "worse": "less than", "inconclusive": "not told from"}


@dataclass(frozen=True)
class TreatedCurve:
    """Users ranked by one score or gain; those at the top get an action, all others none.

    Parameters
    ----------
    name
        What ranks them.
    share
        (G,) share of users treated at each cut-off, falling from everyone to no one.
    money, outcomes
        Per user, and per 1,000 users, over everyone getting none; bands hold for the whole curve.
    best
        The cut-off of largest money on validation, valued on test; None where none has an interval.
    """

    name: str
    action: str
    share: np.ndarray
    money: Sheet
    outcomes: Sheet
    best: "TreatedPoint | None"

    @classmethod
    def of(
        cls,
        name: str,
        action: tuple[int, str],
        test: Cells,
        validation: Cells | None,
        lines: tuple[Line, Line],
        rng: np.random.Generator,
    ) -> "TreatedCurve":
        """The curve of one action, by its code and name.

        Parameters
        ----------
        validation
            On the grid of test; None where no cut-off is to be chosen.
        lines
            What prices users, and what counts outcomes.
        """
        bands, none = (0, action[0]), np.zeros(len(test.count), dtype=np.int64)
        money, outcomes = (sheet(test, bands, line, none, rng) for line in lines)
        best = None
        if validation is not None and test.measured:
            found = choose(validation, test, bands, lines[0]).honest
            if found.uplift.low is not None:
                treated = 0.0 if found.at is None else float(money.changed[found.at[0]] / test.users)
                counted = contrast(test, lines[1], test.decision(bands, found.at), none)
                best = TreatedPoint(f"{name}, {BEST} for {action[1]}", treated, found.uplift, counted.scaled(1000))
        share = money.changed / test.users
        return cls(name, action[1], share, money, outcomes.scaled(1000), best)


@dataclass(frozen=True)
class TreatedPoint:
    """A policy as it decides: the share of users it acts on, and what that brings over everyone getting none."""

    name: str
    share: float
    money: Estimate
    outcomes: Estimate

    @property
    def needs_no_model(self) -> bool:
        """Whether it does the same to everyone."""
        return self.name.startswith(EVERYONE)


@dataclass(frozen=True)
class Treated:
    """All curves and all policies of one job.

    Parameters
    ----------
    points
        Policies, and each action for everyone.
    leader
        The policy that is spoken of.
    pairs
        The contest in money between points; empty where nothing is measured.
    label
        The evidence, as people read it.
    """

    curves: Sequence[TreatedCurve]
    points: Sequence[TreatedPoint]
    leader: str
    pairs: Sequence[Contrast]
    currency: str
    outcome: str
    label: str
    measured: bool

    @property
    def verdict(self) -> str:
        """One sentence: what the leader brings at which share, and whether treating everyone alike does as well."""
        by = {point.name: point for point in self.points}
        simple = [point for point in self.points if point.needs_no_model]
        if self.leader not in by or not simple:
            return ""
        leader, unit = by[self.leader], f"{self.currency} per user ({self.label})"
        said = f"{leader.name} acts on {leader.share:.0%} of users and brings {interval(leader.money, 3)} {unit}"
        if not self.measured:
            return f"{said}: assumed, so nothing is told from anything."
        best = max(simple, key=lambda point: point.money.value)
        seen = (pair.seen_from(leader.name) for pair in self.pairs)
        pair = next((of for of in seen if of is not None and of.second == best.name), None)
        if pair is None:
            return f"{said}."
        return f"{said}, {TOLD[pair.verdict]} {best.name} ({interval(pair.difference, 3)})."

    def frame(self) -> pd.DataFrame:
        """One row a cut-off of a curve, then one a policy: share treated, money and outcomes with their ends."""
        rows: list[pd.DataFrame] = []
        for curve in self.curves:
            columns: dict[str, Any] = {"name": curve.name, "action": curve.action, "share": curve.share}
            for unit, of in (("money", curve.money), ("outcomes", curve.outcomes)):
                columns |= {unit: of.value, f"{unit}_low": of.band_low, f"{unit}_high": of.band_high}
            rows.append(pd.DataFrame(columns))
        points = [*self.points, *(curve.best for curve in self.curves if curve.best is not None)]
        for point in points:
            about: dict[str, Any] = {"name": point.name, "action": "", "share": point.share}
            for unit, e in (("money", point.money), ("outcomes", point.outcomes)):
                about |= {unit: e.value, f"{unit}_low": e.low, f"{unit}_high": e.high}
            rows.append(pd.DataFrame([about]))
        return pd.concat([row.astype(dict.fromkeys(row.columns[2:], float)) for row in rows], ignore_index=True)


def curves(
    name: str,
    test: Cells,
    validation: Cells | None,
    lines: tuple[Line, Line],
    actions: Mapping[int, str],
    seed: int,
) -> Iterable[TreatedCurve]:
    """Yield the curves of the actions, by code and name, along one ranking of the users."""
    for action in actions.items():
        yield TreatedCurve.of(name, action, test, validation, lines, np.random.default_rng([seed, 21, action[0]]))
