"""The same decisions on Spark as in one process; scores to 1e-12: a batch may be summed in another order."""

from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from tippingpoint.config.compose import option
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.source import Source
from tippingpoint.decisions import Decider
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.rules import Rules
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider
from tippingpoint.tracking.models import load
from tippingpoint.tracking.spark import decide
from tippingpoint.tracking.stored import find

pytest.importorskip("pyspark", reason="pyspark is not installed (extra: spark)")

pytestmark = pytest.mark.usefixtures("at_compared")


BANDS = Component.model_validate(option("policy", "intent_bands")).build(Policy, "policy")


def _by_rules(columns: dict[str, str], users: pd.DataFrame) -> Policy:
    """Rules over the score, a number and a category."""
    number, category = (next(c for c, kind in columns.items() if kind == of) for of in ("number", "category"))
    value = users[category].iloc[0]
    return Rules(
        name="mixed",
        version=1,
        levels={},
        rules=[
            {"segment": "likely", "when": "score >= 0.3"},
            {"segment": "known", "when": f"{category} = '{value}' AND {number} > {users[number].median()}"},
        ],
        otherwise="rest",
        actions={"likely": "checkout_prompt", "known": "discount_10", "rest": "none"},
    )


@pytest.fixture(scope="module")
def models(at_compared: tuple) -> dict[str, Any]:
    client = backend.connect()
    return {model.name: model for run in find(client, at_compared[0].filed.run_id) for model in [load(client, run)]}


@pytest.fixture(scope="module")
def users(models: dict[str, Any]) -> pd.DataFrame:
    config = next(iter(models.values())).config["data"] | {"users": 4000, "seed": 11}
    drawn = Component.model_validate(config).build(Source, "data").load()
    return drawn.features.assign(user_id=drawn.user_id, note="carried along")


def deciding(model: Any, policy: Policy) -> Decider:
    """A model of the comparison under a policy, with the winner's responses and prices."""
    deployment = load_decider(backend.connect(), "models:/conversion/1").decider.deployment
    return Decider(f"models:/{model.model_id}", model.classifier, model.columns, policy, deployment)


@pytest.mark.parametrize(
    ("family", "policy"), [("logistic", "bands"), ("boosting", "rules"), ("random_forest", "bands")]
)
def test_decisions_on_spark_are_those_of_one_process(
    spark: Any, models: dict[str, Any], users: pd.DataFrame, family: str, policy: str
) -> None:
    model = models[family]
    rules = BANDS if policy == "bands" else _by_rules(model.columns, users)
    reference = f"models:/{model.model_id}"
    frame = spark.createDataFrame(users).repartition(3)
    decider = deciding(model, rules)
    found = decide(spark, frame, decider).toPandas().set_index("user_id").loc[users["user_id"]]
    score = mlflow.pyfunc.load_model(reference).predict(users[list(model.columns)])[:, 1]
    np.testing.assert_allclose(found["propensity_score"], score, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        score, model.classifier.predict_proba(users[list(model.columns)])[:, 1], rtol=0, atol=1e-12
    )
    segment = np.array(rules.segments)[rules.segment(score, users)]
    np.testing.assert_array_equal(found["segment"], segment)
    np.testing.assert_array_equal(found["action"], [rules.actions[s] for s in segment])
    codes = np.array([decider.deployment.actions.index(a) for a in found["action"]])
    value = decider.deployment.expected_value(score.astype(np.float64), users, codes)
    np.testing.assert_allclose(found["expected_value"], value, rtol=1e-9)
    assert set(found["model"]) == {reference}
    assert set(found["policy_digest"]) == {rules.bound_digest}
    assert found["scored_at"].nunique() == 1
    assert (found["note"] == "carried along").all()
    assert found["segment"].nunique() > 1


def test_missing_values_and_whole_numbers_score_as_in_one_process(
    spark: Any, models: dict[str, Any], users: pd.DataFrame
) -> None:
    model = models["boosting"]
    number = next(c for c, kind in model.columns.items() if kind == "number")
    few = users.head(50).copy()
    few.loc[few.index[::7], number] = np.nan
    found = decide(spark, spark.createDataFrame(few), deciding(model, BANDS)).toPandas()
    want = model.classifier.predict_proba(few[list(model.columns)])[:, 1]
    scored = found.set_index("user_id").loc[few["user_id"], "propensity_score"]
    np.testing.assert_allclose(scored, want, rtol=0, atol=1e-12)


def test_a_table_without_the_models_columns_is_refused(spark: Any, models: dict[str, Any], users: pd.DataFrame) -> None:
    model = models["boosting"]
    column = next(iter(model.columns))
    frame = spark.createDataFrame(users.head(5))
    with pytest.raises(InputError, match=f"users: no column '{column}'"):
        decide(spark, frame.drop(column), deciding(model, BANDS))
    with pytest.raises(InputError, match="users: segment would be written over"):
        decide(spark, frame.withColumnRenamed("note", "segment"), deciding(model, BANDS))
