"""A forest of bounded trees: leaves large enough that their shares mean something."""

from typing import Any, ClassVar, Literal

from pydantic import Field
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from tippingpoint.data.users import FeatureSchema
from tippingpoint.models.family import Family, prepare
from tippingpoint.models.space import Dimension

LARGER = 10
"""How many times as many users a leaf of effects holds as one of outcomes."""


class RandomForest(Family):
    """scikit-learn's random forest, bounded in depth and leaf size (which also bounds the cost of SHAP).

    Examples
    --------
    >>> RandomForest(max_depth=6).n_estimators
    200
    """

    trusted: ClassVar = (*Family.trusted, "sklearn.tree._tree.Tree")
    explained_as: ClassVar = "trees"
    # Several threads add the trees up in the order they finish: the last digits would change from call to call, and
    # one user would wait longer for the threads than for the trees.
    when_fitted: ClassVar = {"model__n_jobs": 1}

    n_estimators: int = Field(default=200, ge=1)
    max_depth: int | None = Field(default=10, ge=1)
    min_samples_leaf: int = Field(default=20, ge=1)
    max_features: float | Literal["sqrt", "log2"] = "sqrt"
    search: dict[str, Dimension] = {
        "max_depth": Dimension(low=4, high=16),
        "min_samples_leaf": Dimension(low=5, high=100, log=True),
        "max_features": Dimension(choices=("sqrt", 0.3, 0.5, 0.7, 1.0)),
    }

    def pipeline(self, contract: FeatureSchema, seed: int) -> Pipeline:
        model = RandomForestClassifier(
            n_estimators=self.n_estimators,
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            max_features=self.max_features,
            random_state=seed,
            n_jobs=-1,
        )
        numbers = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        return Pipeline([("prepare", prepare(contract, numbers)), ("model", model)])

    def regression(self, contract: FeatureSchema, seed: int, variance: float) -> Any:
        model = super().regression(contract, seed, variance)
        return model.set_params(min_samples_leaf=LARGER * self.min_samples_leaf)  # effects are a whisper
