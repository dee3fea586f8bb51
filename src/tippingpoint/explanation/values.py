"""Why a score is what it is: one shape for all families, in the user's own columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.model_output import effects
from tippingpoint.data.users import FeatureSchema
from tippingpoint.explanation.sampled_values import sampled_values
from tippingpoint.models.boosting import is_boosting
from tippingpoint.models.calibration import Model
from tippingpoint.models.family import dense
from tippingpoint.models.learners.effects import output, predicts_effects

BACKGROUND = 1000
"""Users a score is held against, at most."""


@dataclass(frozen=True)
class Explanation:
    """SHAP values of n users for the d columns of the contract.

    Parameters
    ----------
    values
        (n, d); with `base` they sum to the explained output.
    base
        The output for the average user of the background.
    output
        (n,) what is explained.
    features
        (n, d) the users' own columns.
    space
        What the output is: `probability` or `log-odds`, before calibration.
    labels
        What people read instead of a column's name, where there is anything.
    """

    values: np.ndarray
    base: float
    output: np.ndarray
    features: pd.DataFrame
    space: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """Return what people read of a column: its label, else its name."""
        return self.labels.get(name, name)

    def importance(self) -> pd.DataFrame:
        """Columns `feature`, `mean_abs_shap`, largest first."""
        table = pd.DataFrame({"feature": self.features.columns, "mean_abs_shap": np.abs(self.values).mean(axis=0)})
        return table.sort_values("mean_abs_shap", ascending=False, kind="stable", ignore_index=True)

    @property
    def gap(self) -> float:
        """Largest distance of base + values from the output: local accuracy, 0 but for rounding."""
        return float(np.abs(self.base + self.values.sum(axis=1) - self.output).max())


def background_of(fitted: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The users fitted on, or 1,000 of them; drawn, as a table's first may be its oldest or its best."""
    drawn = np.random.default_rng([seed, 8]).permutation(len(fitted))[:BACKGROUND]
    return fitted.iloc[np.sort(drawn)]


def explain(model: Model, contract: FeatureSchema, features: pd.DataFrame, background: pd.DataFrame) -> Explanation:
    """SHAP values of the fitted pipeline (before any sigmoid); of an effect learner those of an effect.

    Of an effect learner it is the effect that differs most over the background, of a family that is neither trees nor a
    line the probability: both by permutations (`sampled_values`). Of the others they are exact.

    Trees: path-dependent TreeSHAP (Lundberg et al. 2020), of a forest's probability and of boosting's log-odds; a
    forest and XGBoost have their own fast way, other trees go through shap. A line: log-odds, coefficient times
    distance from the background's mean, which is exact where columns are independent (interventional). One-hot and
    other derived columns are summed to the column they came from.

    Parameters
    ----------
    features, background
        Users to explain, and users (of train) whose mean a line starts from.

    Raises
    ------
    InputError
        Where there is no user, a column is missing, or the last step of the pipeline is of an unknown type.
    """
    if features.empty:
        raise InputError("explain_rows", "there are no users to explain")
    for column in contract.columns:
        if column.name not in features.columns:
            there = nearest(column.name, map(str, features.columns))
            raise InputError("explain", f"the model reads {column.name!r}, which the users do not have", there)
    features = features[[column.name for column in contract.columns]]
    if predicts_effects(model.classifier):
        background = background[features.columns]
        action = int(effects(output(model.classifier, background)).std(axis=0).argmax()) or 1
        answer = partial(_effect, model.classifier, action)
        values, base, explained = sampled_values(answer, features, background)
        space = f"what {model.actions[action]} adds to the chance"
        return Explanation(values, base, explained, features, space, contract.labels)
    if model.family.explained_as == "any":
        values, base, explained = sampled_values(
            partial(_chance, model.pipeline), features, background[features.columns]
        )
        return Explanation(values, base, explained, features, "probability before calibration", contract.labels)
    transformer, estimator = model.pipeline.named_steps["prepare"], model.pipeline.named_steps["model"]
    prepared = transformer.transform(features)
    if model.family.explained_as == "line":
        if not hasattr(estimator, "coef_"):
            raise _unknown(estimator, "a line has coefficients")
        x, centre = dense(prepared), dense(transformer.transform(background)).mean(axis=0)
        values = (x - centre) * estimator.coef_[0]
        base = float(estimator.intercept_[0] + centre @ estimator.coef_[0])
        explained, space = estimator.decision_function(x), "log-odds"
    else:
        values, base, explained, space = _trees(estimator, prepared)
    source = raw_columns(transformer, contract)
    folded = np.zeros((len(features), len(contract.columns)))
    np.add.at(folded.T, source, values.T)
    return Explanation(folded, base, explained, features, f"{space} before calibration", contract.labels)


def _chance(pipeline: Any, users: pd.DataFrame) -> np.ndarray:
    return np.asarray(pipeline.predict_proba(users)[:, 1])


def _effect(classifier: Any, action: int, users: pd.DataFrame) -> np.ndarray:
    return effects(output(classifier, users))[:, action]


def _trees(estimator: Any, prepared: Any) -> tuple[np.ndarray, float, np.ndarray, str]:
    """Values of the prepared columns, base, explained output, and its space."""
    if is_boosting(estimator):  # of a sparse matrix it knows what is missing
        from xgboost import DMatrix

        booster, matrix = estimator.get_booster(), DMatrix(prepared)
        parts = booster.predict(matrix, pred_contribs=True).astype(np.float64)
        margin = booster.predict(matrix, output_margin=True).astype(np.float64)
        return parts[:, :-1], float(parts[0, -1]), margin, "log-odds"
    x = dense(prepared)
    if isinstance(estimator, RandomForestClassifier | ExtraTreesClassifier):
        from tippingpoint.explanation.forest import forest_values  # numba takes half a second to load

        values, base = forest_values(estimator, x)
        return values, base, estimator.predict_proba(x)[:, 1], "probability"
    from shap import TreeExplainer

    if not TreeExplainer.supports_model_with_masker(estimator, None):
        raise _unknown(estimator, "shap knows no such trees")
    explainer = TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(x, check_additivity=False), dtype=np.float64)
    base = float(np.ravel(explainer.expected_value)[-1])
    # Some answer for both classes, as (n, f, 2) probabilities; others for the margin of class 1.
    space = "probability" if values.ndim == 3 else "log-odds"
    probability = estimator.predict_proba(x)[:, 1].astype(np.float64)
    output = probability if space == "probability" else np.log(probability / (1 - probability))
    return values[:, :, 1] if values.ndim == 3 else values, base, output, space


def _unknown(estimator: Any, why: str) -> InputError:
    return InputError(
        "explain",
        f"a {type(estimator).__name__} cannot be explained exactly: {why}",
        "Leave out the family's explained_as: its values are then found by permutations.",
    )


def raw_columns(transformer: ColumnTransformer, contract: FeatureSchema) -> np.ndarray:
    """For each column the transformer makes, the position in the contract of the column it was made from."""
    at = {column.name: i for i, column in enumerate(contract.columns)}
    source: list[int] = []
    if numbers := contract.names("number"):
        step = transformer.named_transformers_["number"]
        made = numbers if step == "passthrough" else step.get_feature_names_out(numbers)
        source += [at[_origin(name, numbers)] for name in made]
    if categories := contract.names("category"):
        one_hot = transformer.named_transformers_["category"]
        for name, levels, rare in zip(categories, one_hot.categories_, one_hot.infrequent_categories_, strict=True):
            source += [at[name]] * (len(levels) if rare is None else len(levels) - len(rare) + 1)
    return np.array(source)


def _origin(made: str, names: list[str]) -> str:
    """The column a numeric step's output is named after: itself, or the longest name it starts with."""
    made = made.removeprefix("missingindicator_") if made not in names else made
    return made if made in names else max((n for n in names if made.startswith(n)), key=len)
