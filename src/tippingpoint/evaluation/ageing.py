"""How long does a model last: how it ranks users who came later and later after it was fitted."""

from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.users import Users
from tippingpoint.evaluation.metrics import area, auc_contributions
from tippingpoint.offpolicy.statistics import mean

WEEK = np.timedelta64(7, "D")
LEAST = 50
"""Users of either outcome that a point of the curve needs; weeks with fewer go with the next."""


def by_age(test: Users, score: np.ndarray, fitted: np.datetime64) -> pd.DataFrame:
    """ROC AUC on test by the age of the model, in whole weeks of its users' dates.

    Parameters
    ----------
    score
        (n,) scores of the test users.
    fitted
        The day as of which the model was fitted.

    Returns
    -------
    pandas.DataFrame
        `from_day` and `to_day` (days since `fitted`, the latter not counted in), `users`, `roc_auc` with its interval
        each. What is left at the end without enough users goes with the point before; no row where there is none.
    """
    assert test.moment is not None, "only a split by time has users of later dates"
    week = ((test.moment - fitted) // WEEK).astype(np.int64)
    spans, begin = [], 0
    for end in range(1, int(week.max()) + 2):
        if _enough(test.outcome[(week >= begin) & (week < end)]):
            spans.append((begin, end))
            begin = end
    if spans:
        spans[-1] = (spans[-1][0], int(week.max()) + 1)
    rows: list[dict[str, Any]] = []
    for begin, end in spans:
        of = (week >= begin) & (week < end)
        some = test.take(of)
        found = area(mean(auc_contributions(some.outcome, score[of]), group=some.codes))
        row = {"from_day": 7 * begin, "to_day": 7 * end, "users": len(some), "roc_auc": found.value}
        rows.append(row | {"roc_auc_low": found.low, "roc_auc_high": found.high})
    columns = ["from_day", "to_day", "users", "roc_auc", "roc_auc_low", "roc_auc_high"]
    return pd.DataFrame(rows, columns=columns)


def _enough(outcome: np.ndarray) -> bool:
    return bool(np.bincount(outcome, minlength=2).min() >= LEAST)
