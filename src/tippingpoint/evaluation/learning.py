"""Would more users help: the same family fitted on parts of train."""

import numpy as np
import pandas as pd

from tippingpoint.data.users import Users
from tippingpoint.evaluation.metrics import area, auc_contributions
from tippingpoint.models.family import Family
from tippingpoint.offpolicy.statistics import mean

SHARES = (0.10, 0.25, 0.50)
LEAST = 50
"""Users of either outcome a part needs before it is fitted."""


def learning_curve(family: Family, train: Users, test: Users, score: np.ndarray, seed: int) -> pd.DataFrame:
    """ROC AUC on test of the family fitted on 10, 25 and 50 % of train, and of the model itself on all of it.

    Each part holds the one before, and each is one draw. The intervals are of these fits on other test users; what
    other users drawn for a part would change is not in them, and may be more than a step: over 25 draws of 1,200 users
    the gain of the last had a standard deviation of .006, twice the half width that test noise gave it. So it
    has no interval.

    Parameters
    ----------
    score
        (n,) scores of the test users by the model fitted on all of train.

    Returns
    -------
    pandas.DataFrame
        `share`, `users`, `roc_auc` with its interval, and `gain` over the part before; only the whole of train where
        smaller parts have fewer than 50 users of either outcome.
    """
    order = np.random.default_rng(seed).permutation(len(train))
    rows: list[dict[str, float]] = []
    for share in (*SHARES, 1.0):
        part = order[: round(share * len(train))]
        if share < 1 and np.bincount(train.outcome[part], minlength=2).min() < LEAST:
            continue
        of = score
        if share < 1:
            some = train.take(part)
            fitted = family.pipeline(some.contract, seed).fit(some.features, some.outcome)
            of = fitted.predict_proba(test.features)[:, 1].astype(np.float64)
        found = area(mean(auc_contributions(test.outcome, of), group=test.codes))
        row = {"share": share, "users": len(part), "roc_auc": found.value}
        row |= {f"roc_auc_{end}": value for end in ("low", "high") if (value := getattr(found, end)) is not None}
        if rows:
            row["gain"] = found.value - rows[-1]["roc_auc"]
        rows.append(row)
    columns = ["share", "users", "roc_auc", "roc_auc_low", "roc_auc_high", "gain"]
    return pd.DataFrame(rows, columns=columns).astype({"users": int})
