"""What the arms of an experiment brought over the control, and what may be made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.users import Intake
from tippingpoint.experiment.decision import Case, Decision, Guardrail, Word, decide, signed
from tippingpoint.experiment.diagnostics import Findings, vetoes
from tippingpoint.experiment.plan import Plan
from tippingpoint.offpolicy.arm_sums import ArmSums
from tippingpoint.offpolicy.arms import Adjustment, ArmFigures, Difference, Figure, arm_figures, differences, shrunk
from tippingpoint.offpolicy.statistics import Estimate, normal, together

KIND = "experiment"
PER_1000 = "per 1,000 users"
PER_USER = "per user"


@dataclass(frozen=True)
class SegmentDifference:
    """One arm against the control in one segment.

    Parameters
    ----------
    difference
        With an interval that holds for all segments and arms at once.
    shrunk
        The difference drawn towards that of all segments, by how little this one tells; None without errors.
    users
        Users of both arms.
    """

    column: str
    segment: str
    arm: str
    users: int
    difference: Estimate
    shrunk: float | None
    expected: float


@dataclass(frozen=True)
class Arms:
    """The answer of an experiment.

    Parameters
    ----------
    outcome, good
        The target, and whether more of it is wanted.
    arms
        Names of the K arms, the control first.
    counts
        (K,) users assigned to each.
    figures
        The target, money where there are prices, then the others.
    differences
        All pairs of arms, figure by figure.
    segments
        Of the target.
    pre, adjustment
        Columns that adjust, and how; none.
    groups
        Groups there are; None where users stand alone.
    curve
        How many of the figures, the last ones, are of outcomes within fewer days.
    guardrails
        By measure the worst difference that is accepted.
    plan, unplanned
        What was planned, if it was; and what of this look was not, in words.
    """

    outcome: str
    good: bool
    arms: tuple[str, ...]
    counts: tuple[int, ...]
    figures: tuple[Figure, ...]
    differences: tuple[Difference, ...]
    segments: tuple[SegmentDifference, ...] = ()
    findings: Findings = ()
    pre: tuple[str, ...] = ()
    adjustment: str = "none"
    groups: int | None = None
    group: str | None = None
    origin: str = ""
    intake: Intake = field(default_factory=lambda: Intake(0))
    left_out: Mapping[str, Sequence[int]] = field(default_factory=dict)
    until: datetime | None = None
    currency: str | None = None
    curve: int = 0
    guardrails: Mapping[str, float] = field(default_factory=dict)
    plan: Plan | None = None
    unplanned: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[Figure, ...]:
        """All figures but those of the curve."""
        return self.figures[: len(self.figures) - self.curve]

    @property
    def users(self) -> int:
        """Users whose outcome is known."""
        return sum(self.counts) - sum(sum(of) for of in self.left_out.values())

    def against_control(self, figure: int) -> list[Difference]:
        """Each arm against the control."""
        return [of for of in self.differences if of.figure == figure and of.against == 0]

    @property
    def vetoed(self) -> tuple[str, ...]:
        """Codes of the diagnostics that take intervals away."""
        return vetoes(self.findings)

    @property
    def leading(self) -> int:
        """The figure that decides: money where there are prices, else the target."""
        return 1 if self.currency is not None else 0

    @property
    def sign(self) -> int:
        """-1 where less of what decides is wanted."""
        return 1 if self.good or self.leading == 1 else -1

    @property
    def best(self) -> Difference:
        """The arm that has most of what is wanted, against the control."""
        return max(self.against_control(self.leading), key=lambda of: self.sign * of.difference.value)

    @property
    def decision(self) -> Decision:
        """Ship, do not ship or test first."""
        best, figure = self.best, self.figures[self.leading]
        less = "" if self.sign > 0 else "fewer " if figure.unit == PER_1000 else "less "
        wanted = best.difference if self.sign > 0 else best.difference.turned
        name = figure.unit if self.leading == 1 else f"{less}{figure.name} {figure.unit}"
        vetoed = [code for code in self.vetoed if code != "TP304"]
        following: dict[Word, str] = {}
        if vetoed:
            following["Test first"] = f"tippingpoint diagnostics {vetoed[0]}"
        return decide(
            Case(
                what=f"{self.arms[best.arm]} for everyone",
                contestant=self.arms[best.arm],
                kind=KIND,
                vetoed=vetoed,
                uplift=wanted,
                unit=name,
                ranking=self._ranking(best),
                following=following,
                guardrails=self.kept(best.arm),
                withheld="; ".join(self.unplanned),
                over=self.arms[0],
                loses="it loses money" if self.leading == 1 else "it brings less",
            )
        )

    def kept(self, arm: int) -> list[Guardrail]:
        """The guardrails, as an arm has them."""
        places = {figure.name: k for k, figure in enumerate(self.figures)}
        return [
            Guardrail(name, self.figures[places[name]].unit, margin, of.difference)
            for name, margin in self.guardrails.items()
            for of in self.against_control(places[name])
            if of.arm == arm
        ]

    def _ranking(self, best: Difference) -> str:
        """How the best arm stands to the other ones, by intervals that hold for all pairs at once."""
        said = []
        for of in self.differences:
            if of.figure != self.leading or of.against == 0 or best.arm not in (of.arm, of.against):
                continue
            other = of.against if of.arm == best.arm else of.arm
            more = of.difference if of.arm == best.arm else of.difference.turned
            more = more if self.sign > 0 else more.turned
            told = more.low is not None and more.low > 0
            word = "better than" if told else "not to be told from"
            said.append(f"{word} {self.arms[other]} ({signed(more)})")
        return f"{self.arms[best.arm]} is {', '.join(said)}." if said else ""

    def table(self) -> pd.DataFrame:
        """One row a figure and pair of arms."""
        rows = []
        for of in self.differences:
            figure, relative = self.figures[of.figure], of.relative
            rows.append(
                {
                    "measure": figure.name,
                    "unit": figure.unit,
                    "arm": self.arms[of.arm],
                    "against": self.arms[of.against],
                    "value": of.value,
                    "reference": of.reference,
                    "difference": of.difference.value,
                    "low": of.difference.low,
                    "high": of.difference.high,
                    "se": of.difference.se,
                    "relative": relative.value if relative else None,
                    "relative_low": relative.low if relative else None,
                    "relative_high": relative.high if relative else None,
                    "expected_outcomes": of.expected if np.isfinite(of.expected) else None,
                    "variance_saved": of.saved,
                }
            )
        return pd.DataFrame(rows)

    def segment_table(self) -> pd.DataFrame:
        """One row a segment and arm."""
        rows = [
            {
                "column": of.column,
                "segment": of.segment,
                "arm": of.arm,
                "users": of.users,
                "difference": of.difference.value,
                "low": of.difference.low,
                "high": of.difference.high,
                "shrunk": of.shrunk,
            }
            for of in self.segments
        ]
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "decision": self.decision.to_dict(),
            "evidence": KIND,
            "outcome": self.outcome,
            "good": self.good,
            "control": self.arms[0],
            "arms": dict(zip(self.arms, self.counts, strict=True)),
            "users": self.users,
            "left_out": {why: dict(zip(self.arms, map(int, of), strict=True)) for why, of in self.left_out.items()},
            "intake": asdict(self.intake),
            "groups": self.groups,
            "pre": list(self.pre),
            "adjustment": self.adjustment if self.pre else "none",
            "until": self.until.isoformat() if self.until else None,
            "differences": self.table().to_dict("records"),
            "guardrails": [
                {"arm": self.arms[arm], **of.to_dict()} for arm in range(1, len(self.arms)) for of in self.kept(arm)
            ],
            "plan": self.plan.to_dict() if self.plan else None,
            "unplanned": list(self.unplanned),
            "segments": self.segment_table().to_dict("records"),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def valued(
    found: ArmFigures, derived: int, curve: int, rng: np.random.Generator, vetoed: bool, accepted: Sequence[str]
) -> list[Difference]:
    """All differences; the target holds by itself, money by itself, all further measures at once, and the curve.

    Parameters
    ----------
    derived, curve
        How many figures come from the target: it, and money; and how many are of outcomes within fewer days.
    """
    last = len(found.figures) - curve
    families = [[k] for k in range(derived)] + [[*range(derived, last)], [*range(last, last + curve)]]
    return differences(found, families, rng, vetoed, "TP304" in accepted)


def of_segments(
    parts: Mapping[str, Mapping[str, ArmSums]],
    figure: Figure,
    arms: Sequence[str],
    pre: Sequence[int],
    adjustment: Adjustment,
    vetoed: bool,
    accepted: Sequence[str],
) -> list[SegmentDifference]:
    """The target by segment: intervals hold for all segments of all columns, and all arms, at once (Šidák).

    Parameters
    ----------
    parts
        By column and its value the sums of these users.
    """
    z = together(sum(map(len, parts.values())) * (len(arms) - 1))
    told: list[SegmentDifference] = []
    for column, levels in parts.items():
        for arm in range(1, len(arms)):
            rows = []
            for level, sums in levels.items():
                enough = (sums.units > 3 * (len(pre) + 2)).all()
                found = arm_figures(sums, [figure], pre if enough else (), adjustment)
                value, error = float(found.value[0, arm] - found.value[0, 0]), found.error(0, 0, arm)
                basis = found.basis(0, 0, arm)
                sound = (bool(basis.sound) or "TP304" in accepted) and not vetoed
                estimate = normal(value, error, z) if sound else Estimate(value)
                users = int(sums.users[0] + sums.users[arm])
                rows.append(SegmentDifference(column, level, arms[arm], users, estimate, None, float(basis.expected)))
            told += _drawn(rows)
    return told


def _drawn(rows: list[SegmentDifference]) -> list[SegmentDifference]:
    """The same, each drawn towards all, where two at least have errors."""
    sure = [k for k, of in enumerate(rows) if of.difference.se]
    if len(sure) < 2:
        return rows
    of = [rows[k].difference for k in sure]
    drawn = shrunk(np.array([e.value for e in of]), np.array([e.se for e in of], dtype=np.float64))
    towards = dict(zip(sure, drawn.tolist(), strict=True))
    return [replace(row, shrunk=towards.get(k)) for k, row in enumerate(rows)]
