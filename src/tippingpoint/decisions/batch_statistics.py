"""What a batch of decisions came to: counts and sums, which add over chunks and survive in JSON."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from tippingpoint.decisions.unseen import most


@dataclass
class Tally:
    """Counts of the rows of a table of users.

    Parameters
    ----------
    rows, decided, quarantined
        Rows in; rows in = decided + quarantined.
    kept
        Decided rows that are written.
    users, scores, values
        (S,) users, sum of scores and of expected values by segment; values are those of the policy's own actions.
    explored
        Users whose action was drawn.
    neutralised
        Cells a spreadsheet would have run as formulas.
    reasons
        What was broken, and in how many rows.
    drift
        Users by bin of each column.
    unseen_rows, unseen
        Rows that hold a category the model never learnt from, and by column how many hold which.
    """

    rows: int = 0
    decided: int = 0
    quarantined: int = 0
    kept: int = 0
    users: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))
    explored: int = 0
    neutralised: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    drift: dict[str, np.ndarray] = field(default_factory=dict)
    unseen_rows: int = 0
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)

    def __add__(self, other: Self) -> "Tally":
        """Of both."""
        counts: dict[str, Any] = {
            name: getattr(self, name) + getattr(other, name)
            for name in ("rows", "decided", "quarantined", "kept", "explored", "neutralised", "unseen_rows")
        }
        sums: dict[str, Any] = {
            name: _plus(getattr(self, name), getattr(other, name)) for name in ("users", "scores", "values")
        }
        reasons, drift = _sum(self.reasons, other.reasons), dict(self.drift)
        columns = dict.fromkeys([*self.unseen, *other.unseen])
        unseen = {c: most(_sum(self.unseen.get(c, {}), other.unseen.get(c, {}))) for c in columns}
        for name, count in other.drift.items():
            drift[name] = _plus(drift.get(name, np.zeros(0)), count)
        return Tally(**counts, **sums, reasons=reasons, drift=drift, unseen=unseen)

    def by_segment(self, segments: tuple[str, ...], actions: dict[str, str]) -> pd.DataFrame:
        """One row a segment: its action, users, share, mean score, expected value a user and in all."""
        users = np.maximum(self.users, 1)
        return pd.DataFrame(
            {
                "segment": segments,
                "action": [actions[name] for name in segments],
                "users": self.users.astype(int),
                "share": self.users / max(self.decided, 1),
                "mean_score": np.where(self.users > 0, self.scores / users, np.nan),
                "value_per_user": np.where(self.users > 0, self.values / users, np.nan),
                "value": self.values,
            }
        )

    def worst(self) -> dict[str, int]:
        """What was broken and how often, the most frequent first."""
        return dict(sorted(self.reasons.items(), key=lambda item: -item[1]))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        node = asdict(self) | {name: getattr(self, name).tolist() for name in ("users", "scores", "values")}
        return node | {"drift": {name: count.tolist() for name, count in self.drift.items()}}

    @classmethod
    def from_dict(cls, node: dict[str, Any]) -> "Tally":
        """What `to_dict` gave."""
        sums = {name: np.asarray(node[name], dtype=np.float64) for name in ("users", "scores", "values")}
        drift = {name: np.asarray(count, dtype=np.int64) for name, count in node["drift"].items()}
        return cls(**node | sums | {"drift": drift})


def in_general(reason: str) -> str:
    """A reason without the values of one chunk.

    >>> in_general("plan is an unseen category ('x', 'y')")
    'plan is an unseen category'
    """
    return re.split(r" \((?:'|type changed)|: the median", reason)[0]


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return one | {name: one.get(name, 0) + n for name, n in other.items()}


def _plus(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return other if not len(one) else one if not len(other) else one + other
