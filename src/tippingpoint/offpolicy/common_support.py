"""What can still be said where overlap is vetoed: the uplift of those acted on who could have got either."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from tippingpoint.offpolicy.cells import Cells, linear
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, Estimate
from tippingpoint.offpolicy.support import LOW_CHANCE, MOST_LACKING


@dataclass(frozen=True)
class Common:
    """The users acted on whose chances of the decided action and of none are both at least `LOW_CHANCE`.

    A rule on chances fitted on other users, fixed before any outcome (Crump, Hotz, Imbens & Mitnik 2009). It names
    users one can count, whatever the number of actions; overlap weights would average over nobody in particular. Their
    uplift says nothing of the others: no verdict rests on it.

    Parameters
    ----------
    users, acted
        How many there are, and how many are acted on.
    uplift
        Money each brings more than with none; None where there are too few for an interval.
    """

    users: int
    acted: int
    uplift: Estimate | None

    @classmethod
    def of(cls, users: int, acted: int, uplift: Estimate | None) -> Self:
        """Keep an uplift that has an interval, of enough users for one."""
        kept = uplift is not None and uplift.low is not None and users >= LEAST_CHANGED
        return cls(users, acted, uplift if kept else None)

    def __str__(self) -> str:
        either = f"could have got either (both chances at least {LOW_CHANCE})"
        if not self.users:
            return f"none of the {self.acted:,} users acted on {either}."
        if self.uplift is None:
            return f"{self.users:,} of {self.acted:,} users acted on {either}: too few, or too few outcomes, to tell."
        low, high = self.uplift.low, self.uplift.high
        return (
            f"among the {self.users:,} of {self.acted:,} users acted on who {either}: {self.uplift.value:+.3f}"
            f" [{low:.3f}, {high:.3f}] per user of theirs; of the others nothing is known."
        )


def common_support(cells: Cells, coefficients: np.ndarray, decision: np.ndarray, block: str) -> Common | None:
    """The same from cells of users who lack the chances of the same actions.

    Parameters
    ----------
    coefficients
        (G + 1, C) of the uplift.
    decision
        (G + 1,) action codes.

    Returns
    -------
    None where no overlap is vetoed.
    """
    basis = cells.behind(coefficients)
    if basis is None or not cells.measured or basis.total().share_lacking <= MOST_LACKING:
        return None
    lacking = cells.support[block].moments[2]
    rows = np.arange(len(decision))
    acted = decision != 0
    kept = acted & (lacking[rows, decision] == 0) & (lacking[:, 0] == 0)
    users = round(float(cells.count[kept].sum()))
    return Common.of(
        users,
        round(float(cells.count[acted].sum())),
        linear(cells.among(kept), coefficients) if users else None,
    )
