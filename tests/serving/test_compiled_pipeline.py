"""The compiled scorer gives the scores of the pipeline, to 1e-12."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import QuantileTransformer

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.models.calibration import fit, pipeline_of, refit
from tippingpoint.models.family import Family, prepare
from tippingpoint.serving.compiled_pipeline import CannotCompileError, arrays, compiled, gap

NUMBERS, CATEGORIES = ["hours", "sessions"], ["plan", "country"]
KINDS = {"hours": "number", "plan": "category", "sessions": "number", "country": "category"}
CONTRACT = FeatureSchema(tuple(Column(name, kind) for name, kind in KINDS.items()), "paid")


def table(n: int, seed: int, gaps: float = 0.1) -> pd.DataFrame:
    """Long tails, ties, missing values, rare and unseen categories."""
    rng = np.random.default_rng(seed)
    hours = np.round(rng.lognormal(1, 1.5, n), 1)
    hours[rng.random(n) < gaps] = np.nan
    plan = rng.choice(np.array(["free", "trial", "rare", None], object), n, p=[0.6, 0.3, 0.02, 0.08])
    country = np.array([f"c{k}" for k in rng.zipf(1.6, n)], object)
    return pd.DataFrame(
        {
            "hours": hours,
            "plan": pd.Series(plan, dtype="str"),
            "sessions": rng.poisson(3, n).astype(np.float64),
            "country": pd.Series(country, dtype="str"),
        }
    )


def users(n: int, seed: int) -> Users:
    features = table(n, seed)
    chance = 1 / (1 + np.exp(1.5 - 0.4 * features["sessions"] + 0.3 * np.log1p(features["hours"].fillna(0))))
    outcome = (np.random.default_rng(seed + 1).random(n) < chance).astype(np.int64)
    ids = np.arange(n).astype(str).astype(object)
    return Users(features=features, outcome=outcome, user_id=ids, contract=CONTRACT, actions=("none",))


def family(name: str) -> Family:
    node = Settings.from_config(compose("run", [f"model={name}"])).model[name]
    return node.build(Family, "model")


@pytest.mark.parametrize("way", ["plain", "sigmoid", "out of fold"])
@pytest.mark.parametrize("name", ["logistic", "random_forest", "boosting"])
def test_scores_are_those_of_the_pipeline(name, way):
    train, validation = users(1500, 1), users(1200, 2)
    made = family(name)
    if way == "out of fold":
        classifier = refit(made, train, 0)[0].classifier
    else:
        held = made.model_copy(update={"calibrate": way == "sigmoid"})
        classifier = fit(held, train, validation, 0).classifier
    strange = table(3000, 3, gaps=0.3)
    strange.loc[:9, NUMBERS] = np.nan
    strange.loc[10:19, "hours"] = [0, -1, 1e30, -1e30, 0.1, 1e-30, 2**24 + 1, 0.3, 1 / 3, 1e9]
    assert gap(compiled(classifier), classifier, strange, NUMBERS, CATEGORIES) <= 1e-12


def test_a_user_alone_scores_as_among_others():
    classifier = fit(family("boosting"), users(1500, 1), users(1200, 2), 0).classifier
    scorer, (x, c) = compiled(classifier), arrays(table(200, 4), NUMBERS, CATEGORIES)
    alone = [scorer.score(x[i : i + 1], [values[i : i + 1] for values in c])[0] for i in range(200)]
    assert np.array_equal(alone, scorer.score(x, c))


def test_another_last_step_scores_without_the_columns_way():
    train = users(800, 1)
    forest = ExtraTreesClassifier(20, random_state=0)
    pipeline = Pipeline([("prepare", prepare(CONTRACT, SimpleImputer())), ("model", forest)])
    pipeline.fit(train.features, train.outcome)
    assert gap(compiled(pipeline), pipeline, table(500, 5), NUMBERS, CATEGORIES) == 0


def test_a_step_that_is_not_known_is_left_to_the_pipeline():
    train = users(800, 1)
    steps = Pipeline([("impute", SimpleImputer()), ("ranks", QuantileTransformer(n_quantiles=50))])
    pipeline = Pipeline([("prepare", prepare(CONTRACT, steps)), ("model", ExtraTreesClassifier(5))])
    pipeline.fit(train.features, train.outcome)
    assert pipeline_of(pipeline) is pipeline
    with pytest.raises(CannotCompileError, match="QuantileTransformer"):
        compiled(pipeline)
