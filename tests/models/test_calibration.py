"""The sigmoid on a model's scores is scikit-learn's, whatever is not computed again for it."""

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from tests.models.test_family_contract import users
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.models.calibration import fit, sigmoid_on
from tippingpoint.models.family import Family


def family(name: str, *words: str) -> Family:
    settings = Settings.from_config(compose("run", [f"model={name}", *words]))
    return settings.model[name].build(Family, f"model.{name}")


@pytest.mark.parametrize("name", ["logistic", "random_forest", "boosting"])
def test_it_is_the_one_fitted_by_scikit_learn_on_the_pipeline_itself(name: str) -> None:
    train, validation = users(1500, 1), users(900, 2)
    validation.outcome[:] = np.where(np.random.default_rng(0).random(900) < 0.3, 0, validation.outcome)  # needs one
    model = fit(family(name), train, validation, 0)
    assert model.calibration == "sigmoid"
    theirs = sigmoid_on(model.pipeline).fit(validation.features, validation.outcome)
    np.testing.assert_allclose(model.score(train), theirs.predict_proba(train.features)[:, 1], rtol=1e-9)
    assert set(vars(model.classifier)) == set(vars(theirs))
    assert list(model.classifier.feature_names_in_) == list(theirs.feature_names_in_)


def test_validation_is_predicted_twice_at_most_to_choose_and_to_fit_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, own = [], Pipeline.predict_proba

    def counted(pipeline: Pipeline, features: object) -> np.ndarray:
        asked.append(len(features))  # type: ignore[arg-type]  # a table
        return own(pipeline, features)

    monkeypatch.setattr(Pipeline, "predict_proba", counted)
    fit(family("random_forest", "model.random_forest.n_estimators=20"), users(1500, 1), users(900, 2), 0)
    assert asked[0] == 900
    assert sum(asked) <= 1800
