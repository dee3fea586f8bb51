"""What a policy brought in each of several outcomes: yes or no, numbers, and times that came soon enough."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tippingpoint.data.column_rules import CHANCE
from tippingpoint.data.outcome_columns import Kind
from tippingpoint.measurement.outcomes import KNOWN, DecisionsWithOutcomes
from tippingpoint.offpolicy.confidence_sequence import Sequence, confidence_sequence, first_look
from tippingpoint.offpolicy.evidence import weights
from tippingpoint.offpolicy.statistics import LEVEL

PER_1000, PER_USER = "per 1,000", "per user"


@dataclass(frozen=True)
class OutcomeUplift:
    """The uplift of a version's policy in one of several outcomes.

    Parameters
    ----------
    unit
        `per 1,000` of what came or not, `per user` of a number.
    users, acted_on, left_alone, unknown
        Users whose outcome is known, those of them the policy acts on, those of these that random assignment gave none,
        and users whose outcome is not known.
    sequence
        Uplift at each look; None while too little has come.
    so_far
        Uplift without an interval; None where nobody's outcome is known.
    settled
        Whether intervals hold at all looks, else at one.
    """

    outcome: str
    kind: Kind
    unit: str
    users: int
    acted_on: int
    left_alone: int
    unknown: int
    sequence: Sequence | None
    so_far: float | None
    settled: bool

    @property
    def verdict(self) -> str:
        """`more than nothing`, `less than nothing` or `inconclusive`."""
        return self.sequence.verdict if self.sequence else "inconclusive"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        last = self.sequence.last if self.sequence else None
        return {
            "outcome": self.outcome,
            "kind": self.kind,
            "unit": self.unit,
            "users": self.users,
            "acted_on": self.acted_on,
            "left_alone": self.left_alone,
            "unknown": self.unknown,
            "uplift": last.value if last else self.so_far,
            "low": last.low if last else None,
            "high": last.high if last else None,
            "verdict": self.verdict,
            "holds_at": "all looks" if self.settled else "one look",
        }


@dataclass(frozen=True)
class Scored:
    """Users' scores in one outcome, in the order they became known.

    Parameters
    ----------
    y, action, decision
        (n,) the outcome, and codes of the action each user got and of the policy's.
    weight, outcome_scores
        (n, K) inverse chances of the action taken, 0 for others; and the doubly robust scores.
    gain
        (n,) what the decision brings over none.
    acts, alone
        (n,) whether the policy acts on a user; and whether the user got none then.
    day, looks, start
        (n,) day on which each became known, (d,) users by the end of each day, and the first look's position in these.
    scale
        1,000 of what came or not.
    """

    actions: tuple[str, ...]
    y: np.ndarray
    action: np.ndarray
    decision: np.ndarray
    weight: np.ndarray
    outcome_scores: np.ndarray
    gain: np.ndarray
    acts: np.ndarray
    alone: np.ndarray
    day: pl.Series
    looks: np.ndarray
    start: int | None
    scale: float


def scored(rows: pl.DataFrame, outcome: str, kind: Kind, first: int | None = None, line: bool = False) -> Scored:
    """Score one outcome of users, in the order they became known.

    A user's score is the doubly robust one, whose prediction cannot bias what the chances make right, and takes out
    what varies between users: under every action the model's own score, which was fitted before the decision; or, of a
    number and (`line`) of an outcome that the model does not predict, lines over this score, one an action and all of
    one slope, that fit the users of the first look and stay as they are at later ones.
    """
    actions, action, decision, chance = _actions(rows)
    y, score = rows[outcome].to_numpy().astype(np.float64), rows["propensity_score"].to_numpy()
    weight = weights(action, chance)  # as evidence.doubly_robust, but that an action nobody takes may have no chance
    acts, alone = decision > 0, (decision > 0) & (action == 0)
    day = rows[KNOWN].dt.date()
    looks = np.append(np.flatnonzero((day != day.shift(-1)).fill_null(False).to_numpy()) + 1, len(rows))
    came = y > np.median(y[acts]) if kind == "number" and acts.any() else y
    start = first_look(came, acts & (action == decision), alone, looks)
    prediction = score[:, None]
    if kind == "number" or line:
        seen = first or (int(looks[start]) if start is not None else len(rows))
        basis = np.column_stack([np.ones_like(score), score, np.eye(len(actions))[action]])
        common, slope, *levels = np.linalg.lstsq(basis[:seen], y[:seen])[0]
        prediction = common + slope * prediction + levels
    outcome_scores = prediction + weight * (y[:, None] - prediction)
    gain = gained(outcome_scores, decision)
    scale = 1.0 if kind == "number" else 1000.0
    return Scored(actions, y, action, decision, weight, outcome_scores, gain, acts, alone, day, looks, start, scale)


def further(version: str, others: Iterable[DecisionsWithOutcomes]) -> tuple[OutcomeUplift, ...]:
    """Uplift of a version's policy in further outcomes; their intervals hold all at once (Bonferroni)."""
    others = [*others]
    found = []
    for other in others:
        rows, name, kind, missing = other.of(version), other.outcome_name, other.kind, other.unknown.get(version, 0)
        if not len(rows):
            unit = PER_USER if kind == "number" else PER_1000
            found.append(OutcomeUplift(name, kind, unit, 0, 0, 0, missing, None, None, other.settled))
            continue
        of, sequence = scored(rows, name, kind, line=True), None
        if of.start is not None:
            at, alpha = of.looks[of.start :], (1 - LEVEL) / len(others)
            sequence = intervals(of.gain * of.scale, at, int(at[0]), other.settled, alpha)
        found.append(uplift_in(of, name, kind, missing, sequence, other.settled))
    return tuple(found)


def uplift_in(
    of: Scored, outcome: str, kind: Kind, unknown: int, sequence: Sequence | None, settled: bool
) -> OutcomeUplift:
    """Return the uplift in one outcome, of its scores."""
    unit = PER_USER if kind == "number" else PER_1000
    counts = len(of.y), int(of.acts.sum()), int(of.alone.sum()), unknown
    return OutcomeUplift(outcome, kind, unit, *counts, sequence, float(of.gain.mean() * of.scale), settled)


def intervals(scores: np.ndarray, looks: np.ndarray, first: int, settled: bool, alpha: float = 1 - LEVEL) -> Sequence:
    """Return the sequence of these looks; of scores that may yet change, the interval of one look."""
    found = confidence_sequence(scores, looks, first, alpha)
    return found if settled else found.one_look


def _actions(rows: pl.DataFrame) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]:
    """The K actions, `none` first; (n,) the action each user got and the policy's; and (n, K) the chances of each."""
    there = [c.removeprefix(CHANCE) for c in rows.columns if c.startswith(CHANCE)]
    actions = ("none", *(a for a in there if a != "none"))
    code = {name: k for k, name in enumerate(actions)}
    action, decision = (
        rows[c].replace_strict(code, return_dtype=pl.Int64).to_numpy() for c in ("action", "policy_action")
    )
    chance = rows.select(f"{CHANCE}{a}" for a in actions).to_numpy()
    return actions, action, decision, chance / chance.sum(axis=1, keepdims=True)


def gained(scores: np.ndarray, decision: np.ndarray) -> np.ndarray:
    """(n,) what the decision brings over `none`, from (n, K) scores of each action."""
    return scores[np.arange(len(scores)), decision] - scores[:, 0]
