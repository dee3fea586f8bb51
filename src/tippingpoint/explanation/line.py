"""A line's coefficients, and how sure they are."""

import numpy as np
import pandas as pd
from sklearn.base import clone

from tippingpoint.data.users import Contract, Users
from tippingpoint.explanation.values import raw_columns
from tippingpoint.models.calibration import Model

REFITS = 200
MOST = 2000
"""Users a refit sees."""


def coefficients(model: Model, contract: Contract, train: Users | None = None, seed: int = 0) -> pd.DataFrame:
    """A line's coefficients: `feature`, `term`, `coefficient` (log-odds a standard deviation), `odds_ratio`.

    Parameters
    ----------
    train
        Users the line was fitted on; with them there are 95 % intervals too (`_low`, `_high` of both), percentiles of
        200 bootstrap refits. Users are resampled; how columns are prepared and the strength of the penalty are held,
        so the intervals say how far the *penalised* coefficients vary, not where unpenalised ones would be. Of more
        than 2,000 users so many are drawn a refit, under a penalty as strong for each, and distances from the
        coefficient are scaled by √(2,000/n) (m out of n, Bickel et al. 1997).
    """
    transformer, estimator = model.pipeline.named_steps["prepare"], model.pipeline.named_steps["model"]
    names = [column.name for column in contract.columns]
    table = pd.DataFrame(
        {
            "feature": [names[i] for i in raw_columns(transformer, contract)],
            "term": [name.partition("__")[2] for name in transformer.get_feature_names_out()],
            "coefficient": estimator.coef_[0],
        }
    )
    if train is not None:
        table["coefficient_low"], table["coefficient_high"] = _interval(model, train, seed)
    table["odds_ratio"] = np.exp(table["coefficient"])
    if train is not None:
        table["odds_ratio_low"] = np.exp(table["coefficient_low"])
        table["odds_ratio_high"] = np.exp(table["coefficient_high"])
    return table.sort_values("coefficient", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def _interval(model: Model, train: Users, seed: int) -> np.ndarray:
    """(2, f) ends of the coefficients' 95 % intervals."""
    transformer, estimator = model.pipeline.named_steps["prepare"], model.pipeline.named_steps["model"]
    x = np.asarray(transformer.transform(train.features), dtype=np.float64)
    rng, n = np.random.default_rng(seed), len(train)
    drawn = min(n, MOST)
    # Each refit goes on from the one before; on so few columns Newton's steps are the cheapest.
    line = clone(estimator).set_params(C=estimator.C * n / drawn, solver="newton-cholesky", warm_start=True)
    refits = np.empty((REFITS, x.shape[1]))
    for k in range(REFITS):
        rows = rng.integers(0, n, drawn)
        refits[k] = line.fit(x[rows], train.outcome[rows]).coef_[0]
    away = np.percentile(refits - estimator.coef_[0], [2.5, 97.5], axis=0)
    return np.asarray(estimator.coef_[0] + away * np.sqrt(drawn / n))
