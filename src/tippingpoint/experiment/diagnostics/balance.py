"""Whether features tell who got which action beyond the stated chances, and which columns do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tippingpoint.data.users import Users
from tippingpoint.explanation import raw_columns
from tippingpoint.models.boosting import Boosting
from tippingpoint.models.chances import fit_beyond
from tippingpoint.offpolicy.assignment import log_e_value

MOST = 20_000
"""Users looked at, drawn by the seed: so many tell of any imbalance that moves a figure."""
SUSPECTS = 12
"""Columns that are left out one at a time, those that tell most of the action alone."""


@dataclass(frozen=True)
class Balance:
    """The test of balance of users whose actions were assigned with known chances.

    Parameters
    ----------
    x
        (n, d) columns as trees take them.
    column
        (d,) number of the feature each is made of.
    action, chances
        (n,) codes and (n, K) stated chances.
    halves
        Rows of either half.
    """

    names: tuple[str, ...]
    x: Any = field(repr=False)
    column: np.ndarray
    action: np.ndarray
    chances: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]
    seed: int

    @classmethod
    def of(cls, users: Users, seed: int, group: np.ndarray | None = None) -> "Balance":
        """Prepare at most `MOST` of the users; of each group that was assigned together, one."""
        assert users.action is not None
        assert users.logging_probability is not None
        order = np.random.default_rng([seed, 11]).permutation(len(users))
        if group is not None:
            order = order[np.sort(np.unique(group[order], return_index=True)[1])]
        rows = order[:MOST]
        some = users.take(rows)
        assert some.action is not None
        assert some.logging_probability is not None
        prepare = Boosting().pipeline(users.contract, seed).named_steps["prepare"]
        x = prepare.fit_transform(some.features)
        names = tuple(column.name for column in users.contract.columns)
        halves = np.array_split(np.arange(len(rows)), 2)
        column = raw_columns(prepare, users.contract)
        return cls(names, x, column, some.action, some.logging_probability, (halves[0], halves[1]), seed)

    def log_e(self, without: Sequence[str] = (), only: str | None = None) -> float:
        """The log e-value with all columns, without some, or of one alone."""
        left = [k for k, name in enumerate(self.names) if name not in without and only in (None, name)]
        x = self.x[:, np.isin(self.column, left)]
        if not x.shape[1]:
            return 0.0

        def fit(rows: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
            predict = fit_beyond(x[rows], self.action[rows], self.chances[rows], self.seed)
            return lambda held: predict(x[held], self.chances[held])

        return log_e_value(self.action, self.chances, self.halves, fit)

    def carriers(self, limit: float) -> list[str]:
        """The one or two columns without which the log e-value is below a limit; empty where no two carry it."""
        alone = (
            {name: self.log_e(only=name) for name in self.names} if len(self.names) > 1 else dict.fromkeys(self.names)
        )
        suspects = sorted(alone, key=lambda name: -(alone[name] or 0))[:SUSPECTS]
        left = {name: self.log_e(without=[name]) for name in suspects}
        first = min(left, key=left.__getitem__)
        if left[first] < limit:
            return [first]
        pairs = {name: self.log_e(without=[first, name]) for name in suspects if name != first}
        second = min(pairs, key=pairs.__getitem__) if pairs else first
        return [first, second] if pairs and pairs[second] < limit else []
