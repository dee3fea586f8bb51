"""SHAP values of all families: exact, additive, in the user's own columns; what they refuse."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from tests.explanation.explained import CONTRACT, FAMILIES, users
from tippingpoint.core.errors import InputError
from tippingpoint.data.users import FeatureSchema
from tippingpoint.explanation import explain, raw_columns
from tippingpoint.models.calibration import Model, fit
from tippingpoint.models.family import Family, prepare
from tippingpoint.models.size import nodes


def folded(model: Model, values: np.ndarray) -> np.ndarray:
    """Values of prepared columns, summed over the columns they came from."""
    source = raw_columns(model.pipeline.named_steps["prepare"], CONTRACT)
    return np.stack([values[:, source == at].sum(axis=1) for at in range(len(CONTRACT.columns))], axis=1)


@pytest.mark.parametrize("name", FAMILIES)
def test_values_equal_shap_s_in_the_user_s_columns(name: str, fitted: Callable[[str], Model]) -> None:
    shap = pytest.importorskip("shap")
    model, asked, background = fitted(name), users(40, 6).features, users().features
    x, centre = (np.asarray(model.pipeline[0].transform(part), dtype=np.float64) for part in (asked, background))
    if name == "logistic":
        theirs = shap.LinearExplainer(model.pipeline[-1], shap.maskers.Independent(centre, max_samples=len(centre)))
        expected, base = theirs.shap_values(x), theirs.expected_value
    else:
        theirs = shap.TreeExplainer(model.pipeline[-1], feature_perturbation="tree_path_dependent")
        values = np.asarray(theirs.shap_values(x, check_additivity=False))
        expected = values[:, :, 1] if values.ndim == 3 else values
        base = np.ravel(theirs.expected_value)[-1]
    explanation = explain(model, CONTRACT, asked, background)
    np.testing.assert_allclose(explanation.values, folded(model, expected), atol=1e-6)
    assert explanation.base == pytest.approx(float(base), abs=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_base_and_values_add_up_to_the_named_output(name: str, fitted: Callable[[str], Model]) -> None:
    model, asked = fitted(name), users(200, 6).features
    explanation = explain(model, CONTRACT, asked, users().features)
    chance = model.pipeline.predict_proba(asked)[:, 1].astype(np.float64)
    output = chance if explanation.space.startswith("probability") else np.log(chance / (1 - chance))
    assert explanation.space == ("probability" if name == "random_forest" else "log-odds") + " before calibration"
    np.testing.assert_allclose(explanation.base + explanation.values.sum(axis=1), output, atol=2e-5)
    assert explanation.gap < (5e-6 if name == "boosting" else 1e-12)  # XGBoost answers in float32


def test_a_column_that_says_nothing_gets_nothing_of_a_line(fitted: Callable[[str], Model]) -> None:
    asked = users(100, 3).features
    model = fitted("logistic")
    constant = asked.assign(hours=7.0)
    explanation = explain(model, CONTRACT, constant, constant)
    np.testing.assert_allclose(explanation.values[:, 0], 0, atol=1e-12)


def test_columns_come_in_the_contract_s_order_and_others_are_left_out(fitted: Callable[[str], Model]) -> None:
    model, asked = fitted("random_forest"), users(20, 6).features
    odd = asked[["plan", "noise", "gap", "hours"]].assign(extra=1.0)
    one, two = (explain(model, CONTRACT, features, asked) for features in (asked, odd))
    np.testing.assert_array_equal(one.values, two.values)
    assert list(two.features.columns) == [column.name for column in CONTRACT.columns]


def with_last_step(model: Model, step: Any) -> Model:
    x = model.pipeline[0].transform(users().features)
    pipeline = Pipeline([("prepare", model.pipeline[0]), ("model", step.fit(np.nan_to_num(x), users().outcome))])
    return replace(model, pipeline=pipeline, classifier=pipeline)


def test_other_trees_that_shap_knows_are_explained(fitted: Callable[[str], Model]) -> None:
    model = with_last_step(fitted("boosting"), HistGradientBoostingClassifier(max_iter=20, random_state=0))
    assert explain(model, CONTRACT, users(20, 6).features, users().features).gap < 1e-6


class Bayes(Family):
    """A family that is neither trees nor a line."""

    def pipeline(self, contract: FeatureSchema, seed: int) -> Pipeline:
        return Pipeline([("prepare", prepare(contract, SimpleImputer())), ("model", GaussianNB())])


def test_any_other_family_is_explained_by_permutations() -> None:
    model, asked = fit(Bayes(), users(), users(600, 1), seed=0), users(60, 6).features
    explanation = explain(model, CONTRACT, asked, users().features)
    assert explanation.space == "probability before calibration"
    np.testing.assert_allclose(explanation.output, model.pipeline.predict_proba(asked)[:, 1], atol=1e-12)
    assert explanation.gap < 1e-12
    moved = explanation.importance().set_index("feature")["mean_abs_shap"]
    assert moved["hours"] > 3 * moved["noise"]
    assert nodes(model.pipeline[-1]) > 0


def test_bad_input_is_told_in_one_message(fitted: Callable[[str], Model]) -> None:
    model, asked = fitted("boosting"), users(5).features
    with pytest.raises(InputError, match="no users to explain"):
        explain(model, CONTRACT, asked.iloc[:0], asked)
    with pytest.raises(InputError, match=r"the model reads 'hours', which the users do not have. Nearest: 'hour'"):
        explain(model, CONTRACT, asked.rename(columns={"hours": "hour"}), asked)
    for name in ("boosting", "logistic"):
        unknown = with_last_step(fitted(name), KNeighborsClassifier())
        with pytest.raises(InputError, match="a KNeighborsClassifier cannot be explained exactly"):
            explain(unknown, CONTRACT, asked, asked)
