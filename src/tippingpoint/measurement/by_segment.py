"""What acting on each segment brought, all of them at once, and what that says to do next."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from tippingpoint.offpolicy.confidence_sequence import Sequence, confidence_sequence, first_look
from tippingpoint.offpolicy.statistics import LEVEL

YEAR = 52
"""Weeks after which no forecast of an end is given."""
MOST_TIMES = 100
"""Times as many users up to which it is said how many would tell."""


@dataclass(frozen=True)
class SegmentUplift:
    """What a policy's action brought to the users of one segment, over giving them none.

    Parameters
    ----------
    users, left_alone
        Users of the segment who are known, and those of them that random assignment gave none.
    days
        Day of each look.
    per_1000, per_user
        Uplift at each look, in outcomes per 1,000 users of the segment and in money per user; intervals of all
        segments hold at once. None while too little has come, and for money where none can be had.
    """

    segment: str
    action: str
    users: int
    left_alone: int
    days: tuple[date, ...]
    per_1000: Sequence | None
    per_user: Sequence | None

    def verdict(self, good: bool) -> str:
        """`keep`, `stop` or `inconclusive`: in money, or else by whether the outcome is wanted."""
        told = self.per_user or self.per_1000
        if told is None or told.verdict == "inconclusive":
            return "inconclusive"
        more = told.verdict == "more than nothing"
        return "keep" if more == (good or self.per_user is not None) else "stop"

    def times_the_users(self) -> float | None:
        """How many times the users of now would tell an uplift as it is now from nothing; None where there is none."""
        told = self.per_user or self.per_1000
        if told is None or not told.value[-1]:
            return None
        return float(((told.high[-1] - told.low[-1]) / 2 / told.value[-1]) ** 2)

    def pace(self) -> float | None:
        """Users a week, by the looks there were; None where all came at once."""
        told = self.per_user or self.per_1000
        weeks = (self.days[-1] - self.days[0]).days / 7 if self.days else 0.0
        return float(told.looks[-1] - told.looks[0]) / weeks if told is not None and weeks else None

    def weeks_left(self) -> int | None:
        """Weeks at this pace until an uplift as it is now could be told from nothing; None: not within a year."""
        told, times, pace = self.per_user or self.per_1000, self.times_the_users(), self.pace()
        if told is None or times is None or not pace:
            return None
        left = (times - 1) * float(told.looks[-1]) / pace
        return int(np.ceil(left)) if left <= YEAR else None

    def forecast(self) -> str:
        """How much more it takes, where the verdict is inconclusive."""
        told, times, weeks = self.per_user or self.per_1000, self.times_the_users(), self.weeks_left()
        if told is None:
            return f"{self.segment}: inconclusive, as too few outcomes have come"
        if weeks is not None:
            return f"{self.segment}: about {weeks} more week{'s'[: weeks != 1]}"
        if self.pace() is None and times is not None and times <= MOST_TIMES:
            return f"{self.segment}: inconclusive; about {max(times, 1.1):.2g} times as many users would tell"
        if self.pace() is None:
            return f"{self.segment}: inconclusive, and many times as many users would not tell"
        return f"{self.segment}: inconclusive, and not to be told within a year at this pace"

    def to_dict(self, good: bool) -> dict[str, Any]:
        """Ready for JSON."""
        ends = {"per_1000": self.per_1000, "per_user": self.per_user}
        figures = {
            f"uplift_{name}{end}": None if of is None else getattr(of.last, end.removeprefix("_") or "value")
            for name, of in ends.items()
            for end in ("", "_low", "_high")
        }
        counts = {"segment": self.segment, "action": self.action, "users": self.users, "left_alone": self.left_alone}
        return {**counts, **figures, "verdict": self.verdict(good)}


def by_segment(
    segment: np.ndarray,
    outcome: np.ndarray,
    action: np.ndarray,
    decision: np.ndarray,
    actions: tuple[str, ...],
    days: np.ndarray,
    gains: dict[str, np.ndarray],
    settled: bool,
) -> tuple[SegmentUplift, ...]:
    """Uplift of each segment that the policy acts on, by the share of its users that was left alone by lot.

    Parameters
    ----------
    segment, outcome, action, decision
        (n,) the segment, what came, the action given and the policy's own (codes, 0 for none), as users became known.
    days
        (n,) the day on which each became known.
    gains
        By `per_1000` and `per_user`, (n,) scores whose mean is the uplift.
    settled
        Whether intervals hold at all looks.

    Notes
    -----
    Each of S confidence sequences has the level 1 - 5 %/S, so that all hold at once with 95 % (Bonferroni).
    """
    acted = [name for name in dict.fromkeys(segment.tolist()) if (decision[segment == name] > 0).any()]
    found = []
    for name in sorted(acted):
        rows = np.flatnonzero(segment == name)
        y, day, decided = outcome[rows], days[rows], decision[rows]
        alone = (decided > 0) & (action[rows] == 0)
        looks = np.append(np.flatnonzero(day[1:] != day[:-1]) + 1, len(rows))
        start = first_look(y, (decided > 0) & (action[rows] == decided), alone, looks)
        sequences: dict[str, Sequence | None] = dict.fromkeys(("per_1000", "per_user"))
        if start is not None:
            for key, gain in gains.items():
                sequence = confidence_sequence(gain[rows], looks[start:], alpha=(1 - LEVEL) / len(acted))
                sequences[key] = sequence if settled else sequence.one_look
        shown = sequences["per_1000"]
        held = () if shown is None else tuple(day[looks[-len(shown.looks) :] - 1].tolist())
        given = actions[int(np.bincount(decided).argmax())]
        found.append(SegmentUplift(name, given, len(rows), int(alone.sum()), held, **sequences))
    return tuple(found)


def what_next(found: tuple[SegmentUplift, ...], good: bool) -> str:
    """One sentence: which segments to keep acting on, which to stop, and how long others will take."""
    said = []
    for word in ("keep", "stop"):
        if names := [of.segment for of in found if of.verdict(good) == word]:
            said.append(f"{word} {' and '.join(names)}")
    said += [of.forecast() for of in found if of.verdict(good) == "inconclusive"]
    line = "; ".join(said)
    return f"{line[:1].upper()}{line[1:]}." if line else ""
