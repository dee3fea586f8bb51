"""Gradient boosting: many shallow trees at a low rate, which hold on small tables too."""

from typing import ClassVar

from pydantic import Field
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from tippingpoint.data.users import Contract
from tippingpoint.models.family import Family, prepare


class Boosting(Family):
    """XGBoost on the log loss; it sends missing numbers down the better branch itself."""

    trusted: ClassVar = (*Family.trusted, "xgboost.core.Booster", "xgboost.sklearn.XGBClassifier")
    explained_as: ClassVar = "trees"
    packages: ClassVar = (*Family.packages, "xgboost")

    n_estimators: int = Field(ge=1)
    max_depth: int = Field(ge=1, le=20)
    learning_rate: float = Field(gt=0, le=1)
    subsample: float = Field(gt=0, le=1)
    colsample_bytree: float = Field(gt=0, le=1)
    min_child_weight: float = Field(ge=0)
    reg_lambda: float = Field(ge=0)

    def pipeline(self, contract: Contract, seed: int) -> Pipeline:
        parameters = self.model_dump(exclude={"calibrate", "search"})
        model = XGBClassifier(**parameters, random_state=seed, n_jobs=-1)
        return Pipeline([("prepare", prepare(contract, "passthrough")), ("model", model)])
