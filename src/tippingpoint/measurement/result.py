"""What a version's policy brought, beside what the simulation had promised, and their tables."""

from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.data.outcome_columns import Kind
from tippingpoint.economics import Economics
from tippingpoint.experiment.promise import Promise
from tippingpoint.measurement.by_outcome import PER_1000, OutcomeUplift, gained, intervals, scored, uplift_in
from tippingpoint.measurement.by_segment import SegmentUplift, by_segment
from tippingpoint.measurement.outcomes import KNOWN
from tippingpoint.offpolicy.confidence_sequence import LEAST_SEEN, Sequence
from tippingpoint.offpolicy.statistics import Estimate

SEGMENT = "segment"
"""The column of decisions that says which segment a user fell into."""


@dataclass(frozen=True)
class Measured:
    """The uplift of one version's policy over everyone getting none, as it came out.

    Parameters
    ----------
    actions
        The K actions there were, `none` first, and how many users got each.
    acted_on, left_alone
        Users the policy acts on, and those of them that random assignment gave none.
    effective_sample_size, largest_weight
        (Σw)² / Σw² of the users left alone, who stand for all that the policy acts on; and the largest w of all.
    days, seen
        (d,) days on which users became known, and how many were by the end of each.
    start
        Position of the first look in `days`; None: too little has come for any interval yet.
    first
        Users known by the first look there ever was, to which the intervals of all looks are tuned; None before it.
    settled
        Whether known outcomes stay as they are, so that intervals hold at all looks; else at one planned look only.
    per_1000, per_user
        Uplift at each look from the first on, in outcomes per 1,000 users and in money per user; None before it, and
        for money where each user has prices of their own; None both where the outcome is a number, which is no promise
        of the version.
    so_far
        Uplift in outcomes per 1,000, or of a number per user, without an interval.
    segments
        Each segment that the policy acts on; empty where decisions do not name segments, or the outcome is a number.
    unknown
        Users whose outcome is not known.
    outcomes
        Uplift in each outcome, where there are several or the only one is a number: the first one first, whose interval
        holds by itself; those of all others hold at once.
    """

    version: str
    outcome: str
    good: bool
    currency: str
    users: int
    actions: dict[str, int]
    acted_on: int
    left_alone: int
    effective_sample_size: float
    largest_weight: float
    days: tuple[date, ...]
    seen: np.ndarray
    start: int | None
    first: int | None
    settled: bool
    per_1000: Sequence | None
    per_user: Sequence | None
    so_far: float
    promise: Promise
    segments: tuple[SegmentUplift, ...] = ()
    unknown: int = 0
    outcomes: tuple[OutcomeUplift, ...] = ()

    @property
    def until(self) -> date:
        """Day on which the last of these users became known."""
        return self.days[-1]

    @property
    def looked(self) -> tuple[date, ...]:
        """Day of each look with an interval."""
        return self.days[-len(self.per_1000.looks) :] if self.per_1000 else ()

    @property
    def verdict(self) -> str:
        """`more than nothing`, `less than nothing` or `inconclusive`, in money, or else in the first outcome."""
        told = self.per_user or self.per_1000 or (self.outcomes[0].sequence if self.outcomes else None)
        return told.verdict if told else "inconclusive"

    def with_others(self, others: tuple[OutcomeUplift, ...]) -> "Measured":
        """The same with further outcomes."""
        if not others:
            return self
        counts = self.users, self.acted_on, self.left_alone, self.unknown
        itself = self.outcomes or (
            OutcomeUplift(self.outcome, "yes_no", PER_1000, *counts, self.per_1000, self.so_far, self.settled),
        )
        return replace(self, outcomes=(*itself, *others))

    def outcome_table(self) -> pd.DataFrame:
        """One row an outcome."""
        return pd.DataFrame([of.to_dict() for of in self.outcomes])

    def kept(self) -> dict[str, str]:
        """For uplift in outcomes and in money, how what came differs from what was promised."""
        pairs = {"per_1000": (self.per_1000, self.promise.per_1000), "per_user": (self.per_user, self.promise.per_user)}
        return {name: against(of.last, by, self.promise.kind) for name, (of, by) in pairs.items() if of and by}

    def table(self) -> pd.DataFrame:
        """One row a look."""
        if self.start is None or self.per_1000 is None:
            return pd.DataFrame({"day": self.days, "users": self.seen})
        found: dict[str, Any] = {"day": self.looked, "users": self.per_1000.looks}
        for name, of in (("uplift_per_1000", self.per_1000), ("uplift_per_user", self.per_user)):
            if of is not None:
                found |= {f"{name}_experiment": of.value}
                found |= {f"{name}_experiment_low": of.low, f"{name}_experiment_high": of.high}
                found |= {f"{name}_one_look_low": of.fixed_low, f"{name}_one_look_high": of.fixed_high}
        return pd.DataFrame(found)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "version": self.version,
            "evidence": "experiment",
            "until": self.until.isoformat(),
            "users": self.users,
            "actions": self.actions,
            "acted_on": self.acted_on,
            "left_alone": self.left_alone,
            "effective_sample_size": self.effective_sample_size,
            "largest_weight": self.largest_weight,
            "outcome": self.outcome,
            "currency": self.currency,
            "holds_at": "all looks" if self.settled else "one look",
            "first_look": None if self.start is None else self.days[self.start].isoformat(),
            "uplift_per_1000": asdict(self.per_1000.last) if self.per_1000 else None,
            "uplift_per_user": asdict(self.per_user.last) if self.per_user else None,
            "verdict": self.verdict,
            "promised": asdict(self.promise),
            "against_promise": self.kept(),
            "segments": [of.to_dict(self.good) for of in self.segments],
            "outcomes": [of.to_dict() for of in self.outcomes],
            "sequence": self.table().astype({"day": str}).to_dict("records"),
        }


def against(measured: Estimate, promised: Estimate, kind: str) -> str:
    """What can be said of a promise once its interval and the measured one are there: they overlap, or do not."""
    assert measured.low is not None
    assert measured.high is not None
    low = promised.value if promised.low is None else promised.low
    high = promised.value if promised.high is None else promised.high
    if measured.low > high:
        return f"more than promised ({kind})"
    return f"less than promised ({kind})" if measured.high < low else f"not to be told from the promise ({kind})"


def measured(
    rows: pl.DataFrame,
    outcome: str,
    version: str,
    economics: Economics,
    good: bool,
    promise: Promise,
    first: int | None = None,
    settled: bool = True,
    kind: Kind = "yes_no",
    unknown: int = 0,
) -> Measured:
    """Value one version's policy by users whose action was drawn with known chances.

    Parameters
    ----------
    rows
        One user each, in the order they became known, as `DecisionsWithOutcomes.of` gives them.
    good, first, settled
        As `Measured` has them; first is None where there was no first look yet.
    kind, unknown
        Of the outcome; of a number there is no uplift in outcomes or money, but in the number; and users whose outcome
        is not known.
    """
    of = scored(rows, outcome, kind, first)
    looks, start, actions = of.looks, of.start, of.actions
    gains = {"per_1000": of.gain * of.scale}
    if kind != "number" and not economics.per_user and not economics.measures:  # of these no outcomes are known here
        gains["per_user"] = gained(_rewards(of.outcome_scores, economics, actions, good), of.decision)
    sequences: dict[str, Sequence | None] = dict.fromkeys(("per_1000", "per_user"))
    if start is not None:
        first = first or int(looks[start])
        sequences |= {name: intervals(gain, looks[start:], first, settled) for name, gain in gains.items()}
    itself: tuple[OutcomeUplift, ...] = ()
    if kind == "number":
        itself = (uplift_in(of, outcome, kind, unknown, sequences["per_1000"], settled),)
        sequences["per_1000"] = None
    return Measured(
        version=version,
        outcome=outcome,
        good=good,
        currency=economics.currency,
        users=len(rows),
        actions=dict(zip(actions, np.bincount(of.action, minlength=len(actions)).tolist(), strict=True)),
        acted_on=int(of.acts.sum()),
        left_alone=int(of.alone.sum()),
        effective_sample_size=_effective(of.weight[of.acts, 0]),
        largest_weight=float(of.weight.max()),
        days=tuple(of.day[looks - 1].to_list()),
        seen=looks,
        start=start,
        first=first,
        settled=settled,
        **sequences,
        so_far=float(of.gain.mean() * of.scale),
        promise=promise if kind != "number" else Promise(promise.kind, None, None),
        segments=_segments(rows, (of.y, of.action, of.decision), actions, gains, settled) if kind != "number" else (),
        unknown=unknown,
        outcomes=itself,
    )


def _segments(
    rows: pl.DataFrame,
    by_code: tuple[np.ndarray, np.ndarray, np.ndarray],
    actions: tuple[str, ...],
    gains: dict[str, np.ndarray],
    settled: bool,
) -> tuple[SegmentUplift, ...]:
    """Uplift of each segment, where decisions name segments; `by_code`: outcome, action and decision of each row."""
    if SEGMENT not in rows.columns:
        return ()
    days = rows[KNOWN].dt.date().to_numpy().astype("datetime64[D]")
    return by_segment(rows[SEGMENT].cast(pl.String).to_numpy(), *by_code, actions, days, gains, settled)


def _rewards(outcome_scores: np.ndarray, economics: Economics, actions: tuple[str, ...], good: bool) -> np.ndarray:
    economics.check(set(actions))
    intercept, slope = economics.line(actions, good)
    return np.asarray(intercept + slope * outcome_scores)


def _effective(weights: np.ndarray) -> float:
    """Effective sample size (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights @ weights)) if weights.any() else 0.0


def waiting(found: Measured) -> str:
    """Why there is no interval yet."""
    if not found.acted_on:
        return "The policy acts on none of these users: its uplift is 0."
    return (
        f"No interval yet: it waits until {LEAST_SEEN} users with each outcome were left alone by lot, and as many"
        f" acted on; so far {found.left_alone:,} of {found.acted_on:,} were left alone. A larger holdout is quicker."
    )
