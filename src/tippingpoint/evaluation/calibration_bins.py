"""Outcome rate against mean score, in bins of equal size."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tippingpoint.evaluation.association import wilson
from tippingpoint.evaluation.metrics import reliability


def calibration_bins(outcome: np.ndarray, scores: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return ten bins of equal size for each model, with Wilson's 95 % intervals of the outcome rate.

    Parameters
    ----------
    outcome
        (n,) 0 or 1.
    scores
        (n,) scores of the same users by each model.

    Returns
    -------
    pandas.DataFrame
        Columns `model`, `mean_score`, `outcome_rate`, `low`, `high`, `users`; bins by rising score.
    """
    tables = []
    for model, score in scores.items():
        mean, outcomes, users = reliability(outcome, score)
        low, high = wilson(outcomes, users)
        rate = outcomes / users
        of = {"mean_score": mean, "outcome_rate": rate, "low": low, "high": high, "users": users}
        tables.append(pd.DataFrame({"model": model} | of))
    return pd.concat(tables, ignore_index=True)
