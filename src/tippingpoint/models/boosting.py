"""Gradient boosting: many shallow trees at a low rate, which hold on small tables too."""

from functools import partial
from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tippingpoint.data.users import FeatureSchema
from tippingpoint.models.family import Family, Watch, prepare
from tippingpoint.models.space import Dimension

KEPT = 1e-300
"""What stands for a number's 0 among prepared columns."""


LARGER = 5
"""How many times as many users a leaf of effects holds as one of outcomes."""


class Boosting(Family):
    """XGBoost on the log loss; it sends missing numbers down the better branch itself.

    Examples
    --------
    >>> Boosting(max_depth=4).parameters()["learning_rate"]
    0.03
    """

    trusted: ClassVar = (*Family.trusted, "functools.partial", "xgboost.core.Booster", "xgboost.sklearn.XGBClassifier")
    explained_as: ClassVar = "trees"
    trusted_of_effects: ClassVar = ("xgboost.sklearn.XGBRegressor",)
    packages: ClassVar = (*Family.packages, "xgboost")
    rounds: ClassVar = "n_estimators"

    n_estimators: int = Field(default=400, ge=1)
    max_depth: int = Field(default=3, ge=1, le=20)
    learning_rate: float = Field(default=0.03, gt=0, le=1)
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample_bytree: float = Field(default=0.5, gt=0, le=1)
    min_child_weight: float = Field(default=5, ge=0)
    reg_lambda: float = Field(default=1.0, ge=0)
    search: dict[str, Dimension] = {
        "n_estimators": Dimension(high=1000, patience=50),
        "max_depth": Dimension(low=2, high=8),
        "learning_rate": Dimension(low=0.01, high=0.3, log=True),
        "subsample": Dimension(low=0.5, high=1.0),
        "colsample_bytree": Dimension(low=0.3, high=1.0),
        "min_child_weight": Dimension(low=1, high=50, log=True),
        "reg_lambda": Dimension(low=0.01, high=100.0, log=True),
    }

    def pipeline(self, contract: FeatureSchema, seed: int) -> Pipeline:
        from xgboost import XGBClassifier

        model = XGBClassifier(**self.parameters(), random_state=seed, n_jobs=-1)
        # XGBoost takes what a sparse matrix leaves out for missing: a number's 0 must not be left out. In XGBoost's
        # 32 bits the sum is 0 again.
        numbers = FunctionTransformer(partial(np.add, KEPT), feature_names_out="one-to-one")
        return Pipeline([("prepare", prepare(contract, numbers)), ("model", model)])

    def regression(self, contract: FeatureSchema, seed: int, variance: float) -> Any:
        model = super().regression(contract, seed, variance)
        # A user weighs p(1 − p) in a classifier's leaf, 1 in a regression's. Effects are a whisper beside outcomes:
        # leaves hold five times as many users, trees are lower, and there are a quarter of them.
        least = LARGER * self.min_child_weight / variance
        depth, rounds = min(self.max_depth, 2), max(self.n_estimators // 4, 1)
        return model.set_params(min_child_weight=least, max_depth=depth, n_estimators=rounds)

    def fit_watched(
        self, model: Any, x: np.ndarray, y: np.ndarray, held: tuple[np.ndarray, np.ndarray], patience: int, watch: Watch
    ) -> np.ndarray:
        from tippingpoint.models.boosting_rounds import Watched

        model.set_params(early_stopping_rounds=patience, eval_metric="logloss", callbacks=[Watched(watch)])
        model.fit(x, y, eval_set=[held], verbose=False)
        return np.array(model.evals_result()["validation_0"]["logloss"])

    def score_after(self, model: Any, x: np.ndarray, rounds: int) -> np.ndarray:
        return np.asarray(model.predict_proba(x, iteration_range=(0, rounds))[:, 1], dtype=np.float64)


def is_boosting(estimator: Any) -> bool:
    """Whether it is XGBoost's, told without loading XGBoost, which is not there where nothing needs it."""
    return type(estimator).__module__.partition(".")[0] == "xgboost"
