"""Which action a user gets, by chance: learnt from a log that does not say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from tippingpoint.data.splits import folds, pairs
from tippingpoint.data.users import Users
from tippingpoint.models.boosting import Boosting

MODEL = Boosting(
    n_estimators=200,
    max_depth=3,
    learning_rate=0.06,
    subsample=0.8,
    colsample_bytree=0.5,
    min_child_weight=5,
    reg_lambda=1.0,
    calibrate=False,
)
FOLDS = 3
BEYOND = {"max_depth": 3, "eta": 0.2, "min_child_weight": 10, "lambda": 10.0}
ROUNDS = 25


def fit_chances(train: Users, least: int, seed: int) -> Callable[[pd.DataFrame], np.ndarray]:
    """(n, K) chance of each action from the features of n users; everything is fitted on train.

    Boosted trees, as who gets what is seldom decided along a line; then recalibrated by a multinomial logistic
    regression on their log-odds for users they were not fitted on, which pulls them to the actions' shares where the
    features say nothing.

    Parameters
    ----------
    least
        An action taken for fewer users of train has its share there as its chance, 0 where it was never taken.
    """
    assert train.action is not None
    counts = np.bincount(train.action, minlength=len(train.actions))
    shares = counts / len(train)
    often = np.flatnonzero(counts >= least)
    if len(often) < 2:
        return lambda features: np.tile(shares, (len(features), 1))
    rows = np.flatnonzero(np.isin(train.action, often))
    known, action = train.take(rows).features, np.searchsorted(often, train.action[rows])
    pipeline = MODEL.pipeline(train.contract, seed)
    group = None if train.codes is None else np.unique(train.codes[rows], return_inverse=True)[1]
    cut = pairs(folds(action, FOLDS, seed, group))
    unseen = cross_val_predict(pipeline, known, action, cv=cut, method="predict_proba")
    calibration = LogisticRegression(C=1e4, max_iter=1000).fit(_log_odds(unseen), action)
    pipeline.fit(known, action)

    def chances(features: pd.DataFrame) -> np.ndarray:
        found = np.tile(shares, (len(features), 1))
        found[:, often] = calibration.predict_proba(_log_odds(pipeline.predict_proba(features))) * shares[often].sum()
        return found

    return chances


def _log_odds(chances: np.ndarray) -> np.ndarray:
    """(n, K - 1) of each action against the first."""
    log = np.log(np.maximum(chances, 1e-6))
    return np.asarray(log[:, 1:] - log[:, :1])


def fit_beyond(x: Any, action: np.ndarray, chances: np.ndarray, seed: int) -> Callable[[Any, np.ndarray], np.ndarray]:
    """Return what gives (m, K) chances from m rows of prepared columns and their (m, K) stated chances.

    A few shallow trees on top of the stated chances: where features say nothing beyond these, little is added. On one
    thread, as several would wait for each other longer than they work.

    Parameters
    ----------
    x
        (n, d) prepared columns, dense or sparse; missing numbers may be in it.
    action, chances
        (n,) codes of what was done, and the (n, K) stated chances.
    """
    import xgboost

    given = {"objective": "multi:softprob", "num_class": chances.shape[1], "seed": seed, "nthread": 1, **BEYOND}
    model = xgboost.train(given, _matrix(x, chances, action), num_boost_round=ROUNDS)
    return lambda x, chances: np.asarray(model.predict(_matrix(x, chances)), dtype=np.float64)


def _matrix(x: Any, chances: np.ndarray, action: np.ndarray | None = None) -> Any:
    import xgboost

    return xgboost.DMatrix(x, label=action, base_margin=np.log(chances), nthread=1)
