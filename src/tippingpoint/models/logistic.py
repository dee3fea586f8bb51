"""A readable baseline that is a good one: long tails are tamed before the line is drawn."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tippingpoint.data.users import FeatureSchema
from tippingpoint.models.family import Family, prepare
from tippingpoint.models.space import Dimension


class Logistic(Family):
    """L2-penalised logistic regression on standardised arcsinh(x).

    arcsinh is nearly x around 0 and ±log(2|x|) far out, so counts and money with long tails, and their changes,
    become something a line can use; its derivative is 1 at 0, so a coefficient still reads in the user's column.

    Examples
    --------
    >>> Logistic(C=1.0).max_iter
    1000
    """

    trusted: ClassVar = (*Family.trusted, "numpy.arcsinh")
    explained_as: ClassVar = "line"
    unit: ClassVar = "standard deviation of arcsinh(x)"

    C: float = Field(default=0.3, gt=0)
    """Inverse strength of the penalty."""
    max_iter: int = Field(default=1000, ge=1)
    search: dict[str, Dimension] = {"C": Dimension(low=0.001, high=100.0, log=True)}

    def pipeline(self, contract: FeatureSchema, seed: int) -> Pipeline:
        numbers = Pipeline(
            [
                ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
                ("arcsinh", FunctionTransformer(np.arcsinh, feature_names_out="one-to-one")),
                ("scale", StandardScaler()),
            ]
        )
        model = LogisticRegression(C=self.C, max_iter=self.max_iter)
        return Pipeline([("prepare", prepare(contract, numbers)), ("model", model)])

    def regression(self, contract: FeatureSchema, seed: int, variance: float) -> Any:
        return Ridge(1 / (self.C * variance))
