"""Everything one simulation finds, and its tables."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.experiment.assumption import assumption
from tippingpoint.experiment.decision import Guardrail
from tippingpoint.experiment.diagnostics import Finding, Findings
from tippingpoint.experiment.guardrails import of_values
from tippingpoint.experiment.guardrails import table as guardrail_table
from tippingpoint.experiment.thresholds import CutOffs, CutOffView, SimulationRequest
from tippingpoint.offpolicy.choice import Valued
from tippingpoint.offpolicy.common_support import Common
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.evidence import labelled
from tippingpoint.offpolicy.hidden_driver import FLIPS_FROM, Bounds
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.sufficient_statistics import PAIR, SufficientStatistics

NONE, RANDOM, ORACLE, BEST = "everyone none", "random of equal size", "oracle", "best_action"
EVERYONE, COLUMN = "everyone ", "column "
WITHOUT_MODEL = EVERYONE, COLUMN
"""How names of contestants that need no model begin: an action for everyone, the best single column under a policy."""
DEFAULT = "dr"
"""The estimator of all that is said of a log; the others stand beside it."""
THEN = " (decided at the prices then)"
"""Ends the name of a contestant whose decisions rest on prices, once it is valued at others: what it would decide now
takes users to find out."""


@dataclass(frozen=True)
class Simulation:
    """Everything one `simulate` finds.

    Parameters
    ----------
    smallest_uplift
        Smallest difference of interest, money per user: as stated, or a share of a user's value with no action;
        None where that is nothing.
    decided
        (cells of test,) action codes of each contestant that is a policy.
    first
        The contestant `model · policy` that is shown first: the leader; where nothing is chosen, as evidence is assumed
        or vetoed, the first one asked for.
    on_validation
        The leader's uplift there, money per user, which is why it leads; None without a leader.
    values
        One row a contestant: value, uplift, outcomes, users acted on, spend and regret, on test.
    verdicts
        All pairs of contestants; empty under assumed evidence.
    estimators
        Value and uplift of each contestant that decides by every estimator of a log, at these prices; empty without a
        log.
    at_these_prices
        What diagnostics found that hangs on prices.
    tornado
        Uplift of the one shown first when each price is moved down and up; the widest swing first.
    hidden
        By contestant, what its uplift could be with a hidden driver; empty where chances are known.
    common
        By contestant whose overlap is vetoed, the uplift of those who could have got either; no verdict rests on it.
    """

    gathered: SufficientStatistics
    asked: SimulationRequest
    smallest_uplift: float | None
    decided: dict[str, np.ndarray]
    first: str
    on_validation: float | None
    values: dict[str, dict[str, Estimate]]
    verdicts: list[Contrast]
    estimators: pd.DataFrame
    all_cut_offs: list[CutOffs]
    segments: pd.DataFrame
    tornado: pd.DataFrame
    at_these_prices: Findings = ()
    hidden: dict[str, Bounds] = field(default_factory=dict)
    common: dict[str, Common] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of evidence."""
        return str(self.gathered.about["kind"])

    @property
    def vetoed(self) -> tuple[str, ...]:
        """Codes of the diagnostics that take every interval away."""
        return tuple(self.gathered.about.get("vetoed", ()))

    @property
    def measured(self) -> bool:
        """Whether there are intervals, and anything is chosen or ranked: not of what is assumed or vetoed."""
        return self.kind != "assumed" and not self.vetoed

    @property
    def label(self) -> str:
        """The evidence as people read it."""
        return labelled(self.kind, self.vetoed)

    @property
    def assumption(self) -> str:
        """What each action is assumed to do to the outcome at these prices, in words; '' where it is measured."""
        return assumption(self.gathered.about, tuple(self.gathered.about["actions"]), self.asked.economics)

    @property
    def findings(self) -> Findings:
        """What diagnostics found of the users, the evidence and the policies."""
        gathered = (Finding.from_dict(node) for node in self.gathered.about.get("findings", ()))
        return (*gathered, *self.at_these_prices)

    @property
    def leader(self) -> str | None:
        """The contestant of largest uplift on validation; None where none has an interval there."""
        return None if self.on_validation is None else self.first

    @property
    def ordered(self) -> list[str]:
        """Contestants, the best first; without a leader as they were asked for."""
        if self.leader is None:
            return list(self.values)
        return sorted(self.values, key=lambda name: (-self.values[name]["uplift_per_user"].value, name))

    @property
    def currency(self) -> str:
        """The unit of money."""
        return self.asked.economics.currency

    def as_decided_by(self, contestant: str) -> list[str]:
        """The contestant, and those with the same policy and another model that decide alike for all test users."""
        if contestant not in self.decided:
            return [contestant]
        policy, own = contestant.split(PAIR)[-1], self.decided[contestant]
        return [contestant] + [
            name
            for name, of in self.decided.items()
            if name != contestant and PAIR in name and name.split(PAIR)[-1] == policy and np.array_equal(own, of)
        ]

    def without_model(self, contestant: str) -> pd.DataFrame:
        """One row a policy that needs no model, the best column last: its uplift, and what a contestant brings more.

        Columns `policy`, `uplift` and `difference` (of `Estimate`), `verdict` of the contestant; without a contest the
        last two are None.
        """
        contestant = next((n for n in self.as_decided_by(contestant) if any(v.seen_from(n) for v in self.verdicts)), "")
        against = {of.second: of for v in self.verdicts if (of := v.seen_from(contestant)) is not None}
        rows = [
            {
                "policy": name,
                "uplift": numbers["uplift_per_user"],
                "difference": against[name].difference if name in against else None,
                "verdict": against[name].verdict if name in against else None,
            }
            for name, numbers in sorted(self.values.items(), key=lambda row: row[0].startswith(COLUMN))
            if name.startswith(WITHOUT_MODEL)
        ]
        return pd.DataFrame(rows, columns=["policy", "uplift", "difference", "verdict"], dtype=object)

    def cut_offs(self) -> CutOffs | None:
        """Those of the one shown first; where its policy has no bands, those of its model."""
        model, policy = self.first.split(PAIR)
        own = [s for s in self.all_cut_offs if s.model == model]
        return next((s for s in own if s.policy == policy), own[0] if own else None)

    def shares(self, cut_offs: CutOffs, of: Valued) -> dict[str, float]:
        """Share of test users each action of a choice of cut-offs is for."""
        cells, shares = self.gathered.along(cut_offs.model, cut_offs.policy).test, dict.fromkeys(cut_offs.actions, 0.0)
        if of.at is None:
            return {cut_offs.actions[0]: 1.0}
        band = cells.decision(range(len(cut_offs.bands)), of.at)
        for action, users in zip(cut_offs.actions, np.bincount(band, cells.count, len(cut_offs.bands)), strict=True):
            shares[action] += float(users) / cells.users
        return shares

    def surface_table(self) -> pl.DataFrame | None:
        """One row a choice of cut-offs of `cut_offs` that rises: value, uplift, outcomes, intervals, bands.

        Of three cut-offs and more, two neighbours vary while the others are held.
        """
        cut_offs = self.cut_offs()
        if cut_offs is None or not cut_offs.views:
            return None
        whose = (pl.lit(cut_offs.model).alias("model"), pl.lit(cut_offs.policy).alias("policy"))
        return pl.concat([self._choices(view) for view in cut_offs.views]).select(*whose, pl.all())

    def _choices(self, view: CutOffView) -> pl.DataFrame:
        of, kind = view.surface, self.kind
        rise = np.isfinite(of.uplift.value)
        free = dict(zip(view.free, np.nonzero(rise), strict=True))
        columns = {
            f"cut_{k + 1}": of.cuts[free[k]] if k in free else np.full(int(rise.sum()), cut)
            for k, cut in enumerate(view.at)
        }
        for name, sheet in {"value": of.value, "uplift": of.uplift, "uplift_per_1000": of.outcomes}.items():
            numbers = {"": sheet.value, "_se": sheet.se, "_low": sheet.low, "_high": sheet.high}
            numbers |= {"_band_low": sheet.band_low, "_band_high": sheet.band_high}
            if not self.measured:
                numbers = {"": sheet.value}
            columns |= {f"{name}_{kind}{end}": values[rise] for end, values in numbers.items()}
        columns |= {"acted_on": of.uplift.changed[rise], "supported": of.uplift.supported[rise]}
        if view.different is not None:
            columns["told_from_best"] = view.different[rise]
        if view.flips_from is not None:
            columns[f"{FLIPS_FROM}_{kind}"] = view.flips_from[rise]
        return pl.DataFrame(columns)

    def value_table(self) -> pd.DataFrame:
        """`values` flat: one row a contestant, names that carry the kind."""
        rows = []
        for name, numbers in self.values.items():
            row: dict[str, Any] = {"contestant": name}
            for column, e in numbers.items():
                row |= {f"{column}_{self.kind}{end}": v for end, v in ends(e).items()}
            if name in self.hidden:
                row[f"{FLIPS_FROM}_{self.kind}"] = self.flips_from(name)
            rows.append(row)
        return pd.DataFrame(rows).dropna(axis="columns", how="all")

    def flips_from(self, name: str) -> float | None:
        """By how much a hidden driver must change the odds for the sign of a contestant's uplift to be open.

        None where chances are known, or the uplift has no interval.
        """
        return float(self.hidden[name].flips_from) if name in self.hidden else None

    def hidden_driver_table(self) -> pd.DataFrame:
        """One row a contestant and factor of the odds: what its uplift could be, and 95 % ends of that."""
        return pd.DataFrame(
            [
                {"contestant": name, **row}
                for name, of in self.hidden.items()
                for row in of.rows(f"uplift_per_user_{self.kind}")
            ]
        )

    def common_support_table(self) -> pd.DataFrame:
        """One row a contestant whose overlap is vetoed: of how many users something can be said, and what."""
        named = f"uplift_per_user_of_theirs_{self.kind}"
        rows = [
            {"contestant": name, "users": of.users, "acted_on": of.acted}
            | ({} if of.uplift is None else {f"{named}{end}": value for end, value in ends(of.uplift).items()})
            for name, of in self.common.items()
        ]
        return pd.DataFrame(rows)

    @property
    def guardrails(self) -> dict[str, tuple[Guardrail, ...]]:
        """By model and policy, what it does to measures that must not get worse by more than a margin."""
        margins = self.asked.guardrails
        return {name: of_values(row, margins) for name, row in self.values.items() if margins and PAIR in name}

    def verdict_table(self) -> pd.DataFrame:
        """One row a pair, with the users needed to detect the smallest uplift of interest."""
        smallest = self.smallest_uplift
        table = pd.DataFrame(
            [
                {
                    "first": v.first,
                    "second": v.second,
                    **{f"difference_{self.kind}{end}": value for end, value in ends(v.difference).items()},
                    "verdict": v.verdict,
                    "users_who_differ": v.changed,
                }
                for v in self.verdicts
            ]
        )
        if smallest is None:
            return table
        needed = pd.array([v.users_needed(smallest) for v in self.verdicts], dtype="Int64")  # not all are known
        return table.assign(**{f"users_needed_for_{smallest:g}": needed})

    def break_even_table(self) -> pd.DataFrame:
        """From which response on each segment's action pays, beside the one assumed; empty where it was measured.

        0 says that it pays whatever the response.
        """
        if "break_even_response" not in self.segments:
            return pd.DataFrame()
        rows = self.segments[np.isfinite(self.segments["break_even_response"])]
        assumed = [self.asked.economics.response((action,))[0] for action in rows["action"]]
        kept = rows[["policy", "segment", "action", "model", "break_even_response"]].reset_index(drop=True)
        return kept.assign(break_even_response=kept["break_even_response"].clip(lower=0), assumed_response=assumed)

    def choice_table(self) -> pd.DataFrame:
        """One row a model, policy of bands and choice: honest beside apparent, with and without the budget."""
        rows = []
        unit = "contacts" if self.asked.budget is None else self.asked.budget.unit
        limit = "" if self.asked.budget is None else f"{self.asked.budget.total:g} {unit}"
        for s in self.all_cut_offs:
            for budget, choice in {"none": s.choice, limit: s.budgeted}.items():
                for how in ("honest", "apparent") if choice else ():
                    of: Valued = getattr(choice, how)
                    row: dict[str, Any] = {"model": s.model, "policy": s.policy, "budget": budget, "choice": how}
                    row["spend_in"] = "contacts" if choice is s.choice else unit
                    row["cuts"] = "no one" if of.cuts is None else " ".join(f"{c:.4g}" for c in of.cuts)
                    named = {"uplift_per_user": of.uplift, "per_1000": of.outcomes, "spend_per_user": of.spend}
                    for column, e in named.items():
                        row |= {f"{column}_{self.kind}{end}": v for end, v in ends(e).items()}
                    if choice is s.choice and how == "honest" and s.flips_from is not None:
                        row[f"{FLIPS_FROM}_{self.kind}"] = s.flips_from
                    rows.append(row)
        return pd.DataFrame(rows)

    def frontier_table(self) -> pd.DataFrame:
        """One row a point of the value-spend frontier, by model and policy."""
        rows = []
        for s in self.all_cut_offs:
            for step in s.frontier:
                cuts = step.point.cuts
                row: dict[str, Any] = {"model": s.model, "policy": s.policy, "spend_in": s.frontier_in}
                row["cuts"] = "no one" if cuts is None else " ".join(f"{c:.4g}" for c in cuts)
                marginal = step.marginal or Estimate(float("nan"))
                named = {"spend_per_user": step.point.spend, "uplift_per_user": step.point.uplift}
                for column, e in {**named, "uplift_per_further_unit": marginal}.items():
                    row |= {f"{column}_{self.kind}{end}": v for end, v in ends(e).items()}
                rows.append(row)
        return pd.DataFrame(rows)

    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by name, those without rows left out."""
        found = {
            "break_even": self.break_even_table(),
            "values": self.value_table(),
            "contest": self.verdict_table(),
            "guardrails": guardrail_table(self.guardrails),
            "estimators": self.estimators,
            "choice": self.choice_table(),
            "frontier": self.frontier_table(),
            "segments": self.segments,
            "tornado": self.tornado,
            "hidden_driver": self.hidden_driver_table(),
            "common_support": self.common_support_table(),
            **self.gathered.tables,
        }
        return {name: table for name, table in found.items() if len(table)}

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        tables = {n: t.astype(object).where(t.notna(), None).to_dict("records") for n, t in self.tables().items()}
        best = self.cut_offs()
        ranges = {"untold_cuts": best.inconclusive_ranges} if best else {}
        return {
            **{key: value for key, value in self.gathered.about.items() if key not in ("economics", "prices", "own")},
            "evidence": self.label,
            **({"assumption": self.assumption} if self.assumption else {}),
            "findings": [finding.to_dict() for finding in self.findings],
            **({"unused": list(self.asked.unused)} if self.asked.unused else {}),
            "economics": {"name": self.asked.economics.name, "currency": self.currency},
            **({"leader": self.leader} if self.leader else {}),
            **ranges,
            **tables,
        }


def ends(e: Estimate) -> dict[str, float | None]:
    """An estimate as columns of a table, by the ending of their name."""
    return {"": e.value, "_low": e.low, "_high": e.high}
