"""What the arms of an experiment come to: sums and cross products, which add and hold all that differences need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class ArmSums:
    """Sums over the users of K arms of C columns, and cross products over what is independent: users, or groups.

    Column 0 is how often a user counts: 1, or one over the chance of the action that was taken. All others are kept
    less `shift` times column 0, so that squares of large numbers lose no digits.

    Parameters
    ----------
    users, units
        (K,) users of each arm, and users or groups that are independent.
    shift
        (C,) about the mean of each column; 0 for column 0.
    total
        (K, C) sums.
    square
        (K·C, K·C) cross products of the units' sums in each arm, arm by arm; 0 between arms where no group has users in
        two.
    some
        (K, C) users whose value is not 0.
    squares
        (C,) sum over users of each column's squares, without the shift.
    """

    users: np.ndarray
    units: np.ndarray
    shift: np.ndarray
    total: np.ndarray
    square: np.ndarray
    some: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, action: np.ndarray, columns: np.ndarray, arms: int, group: np.ndarray | None = None) -> Self:
        """Sums of users at hand.

        Parameters
        ----------
        action
            (n,) numbers of arms from 0.
        columns
            (n, C) with how often each user counts first.
        group
            (n,) numbers from 0 of the groups users belong to; None where each stands alone.
        """
        n = len(columns)
        shift = columns.sum(axis=0) / columns[:, 0].sum()
        shift[0] = 0
        about = columns - shift * columns[:, :1]
        unit = np.arange(n) if group is None else group
        key, at = np.unique(unit * arms + action, return_inverse=True)
        sums = np.stack([np.bincount(at, column, len(key)) for column in about.T], axis=1)
        return cls.of_units(
            unit=key // arms,
            arm=key % arms,
            sums=sums,
            shift=shift,
            users=np.bincount(action, minlength=arms),
            some=np.stack([np.bincount(action, column != 0, arms) for column in columns.T], axis=1),
            squares=(columns**2).sum(axis=0),
        )

    @classmethod
    def of_units(
        cls,
        *,
        unit: np.ndarray,
        arm: np.ndarray,
        sums: np.ndarray,
        shift: np.ndarray,
        users: np.ndarray,
        some: np.ndarray,
        squares: np.ndarray,
    ) -> Self:
        """Sums from (m, C) sums of units, each in one arm: (m,) numbers of units and of arms."""
        arms, width = len(users), sums.shape[1]
        total = np.stack([np.bincount(arm, column, arms) for column in sums.T], axis=1)
        units = np.bincount(arm, minlength=arms)
        square = np.zeros((arms * width, arms * width))
        numbers, place = np.unique(unit, return_inverse=True)
        if len(numbers) == len(unit):  # no unit has users in two arms
            for k in range(arms):
                of, here = sums[arm == k], slice(k * width, (k + 1) * width)
                square[here, here] = of.T @ of
        else:
            wide = np.zeros((len(numbers), arms, width))
            wide[place, arm] = sums
            flat = wide.reshape(len(numbers), -1)
            square = flat.T @ flat
        return cls(users, units, shift, total, square, some, squares)

    def __add__(self, other: "ArmSums") -> "ArmSums":
        """Sums of both; they share no unit, and have one shift."""
        return ArmSums(
            self.users + other.users,
            self.units + other.units,
            self.shift,
            self.total + other.total,
            self.square + other.square,
            self.some + other.some,
            self.squares + other.squares,
        )

    @property
    def arms(self) -> int:
        """K."""
        return len(self.users)

    def coefficients(self, of: np.ndarray) -> np.ndarray:
        """(…, C) coefficients of columns as they are kept, from those of columns as they were."""
        kept = np.array(of, dtype=np.float64)
        kept[..., 0] += kept @ self.shift
        return kept

    def placed(self, rows: np.ndarray, arm: int) -> np.ndarray:
        """(r, K·C) coefficients of an arm's columns among all, from (r, C)."""
        wide = np.zeros((len(rows), self.arms * self.total.shape[1]))
        width = self.total.shape[1]
        wide[:, arm * width : (arm + 1) * width] = rows
        return wide

    def influence(self, numerator: np.ndarray, denominator: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ratios of sums of each arm, and what each unit's columns move them by.

        Parameters
        ----------
        numerator
            (F, K, C) coefficients as kept.
        denominator
            (F, C) likewise.

        Returns
        -------
        value
            (F, K).
        rows
            (F, K, K·C): Σ over units of (row · columns)² is the variance of the ratio (delta method).
        """
        below = denominator @ self.total.T
        value = np.einsum("fkc,kc->fk", numerator, self.total) / below
        rows = np.empty((*value.shape, self.arms * self.total.shape[1]))
        for k in range(self.arms):
            of = (numerator[:, k] - value[:, k, None] * denominator) / below[:, k, None]
            rows[:, k] = self.placed(of, k)
        return value, rows

    def pooled(self, numerator: np.ndarray, denominator: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(F,) ratios over all arms together, and (F, K·C) what each unit moves them by; parameters as above."""
        below = (denominator @ self.total.T).sum(axis=1)
        value = np.einsum("fkc,kc->f", numerator, self.total) / below
        of = (numerator - value[:, None, None] * denominator[:, None]) / below[:, None, None]
        return value, of.reshape(len(value), -1)


def joined(parts: Sequence[ArmSums]) -> ArmSums:
    """The sum of parts that share no unit."""
    first, *others = parts
    for other in others:
        first = first + other
    return first
