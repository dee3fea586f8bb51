"""Which column bends what another's value gives."""

import numpy as np
import pandas as pd

from tippingpoint.explanation.values import Explanation


def strongest_partner(explanation: Explanation, name: str) -> str | None:
    """The column that goes most with what this column's own value leaves open of its SHAP values; None where it is all.

    Crude, as only a shade hangs on it: how far a user lies off the mean of both neighbours in the column (of all users
    in the category), against how far they do in each other column. `explanation.interactions` measures.
    """
    features = explanation.features
    values, column = explanation.values[:, features.columns.get_loc(name)], features[name]
    if len(values) < 3:
        return None
    order = np.argsort(ranks(column), kind="stable")
    level = pd.factorize(column, use_na_sentinel=False)[0]

    def off(x: np.ndarray) -> np.ndarray:
        if column.dtype.kind != "f":
            return np.asarray(x - (np.bincount(level, x) / np.bincount(level))[level])
        x = x[order]
        return np.asarray(x[1:-1] - (x[:-2] + x[2:]) / 2)

    left = off(values)
    if left.std() <= 0.05 * values.std():
        return None
    best, strongest = None, 0.2
    for other in features.columns:
        theirs = off(ranks(features[other]))
        size = np.sqrt((theirs @ theirs) * (left @ left))
        if other != name and size > 0 and abs(theirs @ left) / size > strongest:
            best, strongest = str(other), abs(theirs @ left) / size
    return best


def ranks(column: pd.Series) -> np.ndarray:
    """(n,) shares of users at or below; categories by name, missing in the middle."""
    ordered = column if column.dtype.kind == "f" else column.astype(object).map(str, na_action="ignore")
    return ordered.rank(pct=True).fillna(0.5).to_numpy(np.float64)
