"""The one table: what a model may see, what came of it, and what only simulation may know."""

import hashlib
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from tippingpoint.core.errors import InputError
from tippingpoint.data.number_format import NumberFormat


@dataclass(frozen=True)
class Column:
    """One column a model may see: `number` columns are float64, `category` columns strings.

    Parameters
    ----------
    written
        How its numbers are written as text; None: as 1568.43.
    also_missing
        Words that stand for a missing number in this column only.
    days_before
        Of a time: the day, or the column, that its days are counted to.
    month_first
        Of a time: whether 01/02/2026 is in January.
    """

    name: str
    kind: Literal["number", "category"]
    written: NumberFormat | None = None
    also_missing: tuple[str, ...] = ()
    days_before: str | None = None
    month_first: bool = False


@dataclass(frozen=True)
class FeatureSchema:
    """What the columns of a table of users mean.

    Parameters
    ----------
    columns
        The features, in order.
    outcome
        Name of the predicted column.
    positive
        Its value, as written in the source, that counts as outcome 1; or several, or a bound such as `>0`.
    good
        Whether outcome 1 is wanted (converted) or not (churned).
    user_id
        Name of the id column; None where rows are numbered.
    dropped
        Columns of the source that no model sees, with the reason.
    remarks
        Features that may be none, and why.
    odd
        Words that stand for missing numbers and times, and how often, by column.
    log
        Of users made of events: how well these fit together, in words.
    made_by
        Of users made of events: what made their features, ready for JSON.
    together
        Columns whose users were assigned together, and the number of their values; where no group is named.
    labels
        What people read instead of a column's name, where the contract has a label.
    """

    columns: tuple[Column, ...]
    outcome: str
    positive: str | tuple[str, ...] = "1"
    good: bool = True
    user_id: str | None = None
    dropped: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    log: str = ""
    odd: dict[str, dict[str, int]] = field(default_factory=dict)
    made_by: dict[str, Any] = field(default_factory=dict)
    together: dict[str, int] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """Return what people read of a column: its label, else its name."""
        return self.labels.get(name, name)

    @property
    def reading(self) -> str:
        """How numbers that are text were read, and which words in them are missing; empty if nothing is to be said."""
        said = {c.name: [f"as {c.written}"] if c.written else [] for c in self.columns}
        for name, words in self.odd.items():
            said.setdefault(name, []).append(missing_words(words))
        return "; ".join(f"{name} {', '.join(how)}" for name, how in said.items() if how)

    @property
    def as_of(self) -> str | None:
        """The day, or the column, that days of times are counted to; None where no time is a feature."""
        return next((c.days_before for c in self.columns if c.days_before is not None), None)

    @property
    def days(self) -> str:
        """Which features are days, and before what; empty if none is."""
        times = ", ".join(c.name for c in self.columns if c.days_before is not None)
        return f"{times} in days before {self.as_of}" if times else ""

    def names(self, kind: Literal["number", "category"]) -> list[str]:
        """Feature names of one kind, in the table's order."""
        return [c.name for c in self.columns if c.kind == kind]


def missing_words(words: dict[str, int]) -> str:
    """Return words that stand for missing numbers as a report names them: `missing: '-' 12, 'unknown' 3`."""
    shown = [f"{word!r} {count:,}" for word, count in list(words.items())[:3]] + ["…"] * (len(words) > 3)
    return f"missing: {', '.join(shown)}"


def unseen(dropped: dict[str, str]) -> list[str]:
    """Each dropped column and why, in words; one without a name is ''."""
    return [f"{column or repr(column)} ({why})" for column, why in dropped.items()]


@dataclass(frozen=True)
class Intake:
    """What validation made of a table's rows: rows in = rows used + rows quarantined.

    Parameters
    ----------
    rows
        Rows of the table.
    quarantined
        How many of them were quarantined: they break the contract, are blank, or have no outcome.
    path
        The file that holds these, each with its reasons; None where there are none.
    reasons
        Why, and how many rows each time.
    """

    rows: int
    quarantined: int = 0
    path: str | None = None
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def used(self) -> int:
        """Rows that are users."""
        return self.rows - self.quarantined

    def __str__(self) -> str:
        line = f"{self.rows:,} rows in = {self.used:,} used + {self.quarantined:,} quarantined"
        if not self.quarantined:
            return line
        return f"{line}{f' ({self.path})' if self.path else ''}. Worst: {self.worst}"

    @property
    def worst(self) -> str:
        """The reasons with the most rows, in words."""
        most = sorted(self.reasons.items(), key=lambda item: -item[1])[:3]
        return "; ".join(f"{reason}: {count:,}" for reason, count in most)


@dataclass(frozen=True)
class Users:
    """A table of n users; the parts a model must not see are not in `features`.

    Parameters
    ----------
    features
        (n, d) frame, the contract's columns in its order.
    outcome
        (n,) 0/1, as it came out under the action that was taken.
    user_id
        (n,) unique strings.
    group
        (n,) strings: the household, or whatever else several users share whose outcomes hang together; None where each
        stands alone. Splits and folds keep a group whole, and every variance is over groups.
    contract
        What the columns mean.
    actions
        Names of the K actions; the first is always `none`. Just `("none",)` without logged actions.
    action
        (n,) codes into `actions`: what was done. None where nothing was logged: all under `none`.
    logging_probability
        (n, K) chance with which each action could have been taken; rows sum to 1.
    measures
        (n, m) further numeric outcomes (spend); None where there are none.
    costs
        (n, c) prices per user, read by economics only; None where there are none.
    truth
        (n, K) P(outcome = 1 | action), known for generated users only.
    intake
        What came of the rows of the table these users are from, or are a part of; None if nobody counted.
    times
        The newest time (UTC, without a zone) in each column of times of that table.
    moment
        (n,) datetime64, UTC: when each row's features were known, and its outcome began to count; None: no time says.
    horizon_days
        Days from then in which the outcome counts; None: not said.
    """

    features: pd.DataFrame
    outcome: np.ndarray
    user_id: np.ndarray
    contract: FeatureSchema
    actions: tuple[str, ...] = ("none",)
    action: np.ndarray | None = None
    logging_probability: np.ndarray | None = None
    measures: pd.DataFrame | None = None
    costs: pd.DataFrame | None = None
    truth: np.ndarray | None = None
    intake: Intake | None = None
    times: dict[str, datetime] = field(default_factory=dict)
    group: np.ndarray | None = None
    moment: np.ndarray | None = None
    horizon_days: int | None = None

    def __post_init__(self) -> None:
        n, k = len(self.features), len(self.actions)
        if self.actions[0] != "none":
            raise InputError("users.actions", f"the first action must be 'none'; got {self.actions[0]!r}")
        shapes = {"outcome": (n,), "user_id": (n,), "action": (n,), "group": (n,), "truth": (n, k), "moment": (n,)}
        for part, shape in shapes.items():
            values = getattr(self, part)
            if values is not None and values.shape != shape:
                raise InputError(f"users.{part}", f"has shape {values.shape}, expected {shape}")
        if (e := self.logging_probability) is not None:
            if e.shape != (n, k):
                raise InputError("users.logging_probability", f"has shape {e.shape}, expected {(n, k)}")
            if not (np.all(e > 0) and np.all(e <= 1) and np.allclose(e.sum(axis=1), 1, atol=1e-6)):
                raise InputError(
                    "users.logging_probability",
                    "must lie in (0, 1] and sum to 1 over the actions of each user",
                )

    def __len__(self) -> int:
        return len(self.features)

    @property
    def unit(self) -> np.ndarray:
        """(n,) strings: what is drawn, split and counted as one: the group where there are groups, else the user."""
        return self.user_id if self.group is None else self.group

    @cached_property
    def codes(self) -> np.ndarray | None:
        """(n,) numbers of the groups from 0; None where each user stands alone."""
        return None if self.group is None else np.unique(self.group.astype(str), return_inverse=True)[1]

    def take(self, rows: np.ndarray) -> "Users":
        """The users at `rows` (positions or a boolean mask), in that order."""
        parts: dict[str, Any] = {}
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, pd.DataFrame):
                value = value.iloc[rows].reset_index(drop=True) if value.shape[1] else value.iloc[rows]
            elif isinstance(value, np.ndarray):
                value = value[rows]
            parts[part.name] = value
        return Users(**parts)

    def table(self) -> pd.DataFrame:
        """As a file would hold them: id, features, action by name, measures, outcome."""
        parts = [pd.DataFrame({self.contract.user_id or "user_id": self.user_id}, dtype="str"), self.features]
        if self.action is not None:
            parts.append(pd.DataFrame({"action": pd.Series(pd.array(self.actions, dtype="str").take(self.action))}))
        parts += [self.measures] if self.measures is not None else []
        return pd.concat([*parts, pd.DataFrame({self.contract.outcome: self.outcome})], axis=1)

    @cached_property
    def digest(self) -> str:
        """16 hex digits of the content (not of a file), in its order: all parts but truth, intake and times."""
        h = hashlib.sha256(repr((self.contract.outcome, self.actions, list(self.features.columns))).encode())
        tables = [self.features, self.measures, self.costs, pd.DataFrame({"id": self.user_id, "outcome": self.outcome})]
        for table in tables:
            if table is not None:
                h.update(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes())
        if self.group is not None:
            h.update(pd.util.hash_array(self.group, categorize=False).tobytes())
        for array in (self.action, self.logging_probability):
            if array is not None:
                h.update(np.ascontiguousarray(array).tobytes())
        return h.hexdigest()[:16]
