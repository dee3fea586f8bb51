"""The same decisions on Spark: MLflow's own UDF scores, the policy itself decides."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.model_output import probability
from tippingpoint.decisions import Decider
from tippingpoint.tracking.models import check_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCORE, SEGMENT, ACTION, VALUE, GAIN = "propensity_score", "segment", "action", "expected_value", "expected_gain"
FOUND, MONEY, ADDED = "model_output", "expected_money", "effect_"
TYPES = {"number": "double", "category": "string"}


def _check(decider: Decider, there: Sequence[str]) -> None:
    """Refuse a version that Spark cannot hold, and users without its columns or with those it writes."""
    if (day := decider.deployment.as_of) is not None:
        what = f"{decider.reference} reads times as days before {day}, which is not done on Spark"
        raise InputError("engine", what, "Type tippingpoint score.")
    for column in decider.columns:
        if column not in there:
            raise InputError("users", f"no column {column!r}", nearest(column, there))
    written = {
        FOUND,
        MONEY,
        SCORE,
        SEGMENT,
        ACTION,
        VALUE,
        *_of_effects(decider),
        "model",
        "policy_digest",
        "scored_at",
    }
    if own := written & {*there}:
        raise InputError("users", f"{', '.join(sorted(own))} would be written over", "Rename or drop them.")


def _of_effects(decider: Decider) -> list[str]:
    """Columns of what each action adds, where the model predicts it, and of the gain, where that is told by user."""
    added = [f"{ADDED}{action}" for action in decider.of_effects[1:]]
    return [*added, *([GAIN] if decider.deployment.tells_gains else [])]


def _by_row(decider: Decider) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """What is said of rows for which a model gave what it gives: score, segment, and expected money."""
    policy, deployment, names = decider.policy, decider.deployment, np.array(decider.policy.segments)

    def read(found: pd.Series) -> np.ndarray:
        rows = np.array(found.tolist(), dtype=np.float64)
        return rows if decider.of_effects else rows[:, 1]

    def score(found: pd.Series) -> pd.Series:
        return pd.Series(probability(read(found)))

    def segment(found: pd.Series, features: pd.DataFrame) -> pd.Series:
        return pd.Series(names[policy.assign(read(found), features)])

    def money(found: pd.Series, segment: pd.Series, action: pd.Series, features: pd.DataFrame) -> pd.DataFrame:
        codes = pd.Index(deployment.actions).get_indexer(pd.Index(action))
        of = pd.Index(policy.segments).get_indexer(pd.Index(segment))
        return pd.DataFrame(dict(zip((VALUE, GAIN), decider.expected(read(found), features, of, codes), strict=True)))

    return score, segment, money


def decide(spark: "SparkSession", users: "DataFrame", decider: Decider) -> "DataFrame":
    """Users with what `tippingpoint score` writes of each; evaluated where the rows are, when Spark asks for them.

    Decisions are those of one process, and scores equal to 1e-12: a processor may add up a batch of another size in
    another order, so the last digit is not promised. No row is quarantined: the contract is not checked, text that is
    no number stops Spark or is missing (`spark.sql.ansi.enabled`), and of repeated ids all are decided; `tippingpoint
    score` validates its input. Expected values are null where prices are each user's own. Executors need the model's
    packages and this one, under the Python that `PYSPARK_PYTHON` names.

    Parameters
    ----------
    users
        Holds the model's columns, of any numeric type or as text; others are carried along.
    decider
        As `tracking.deciders.load_decider` gives it, which holds the version's file against the types that its family
        trusts: executors load it as MLflow does.

    Raises
    ------
    InputError
        When columns are missing, or would be written over; it is no version by number, or its files are refused; or
        pyspark is not there.
    """
    try:
        from pyspark.sql import functions as F
        from pyspark.sql.types import ArrayType, DoubleType
    except ImportError as error:
        raise InputError("engine", "Spark needs pyspark", "Type pip install 'tippingpoint[spark]'.") from error
    policy, deployment, columns = decider.policy, decider.deployment, decider.columns
    _check(decider, users.columns)
    score, segment, money = _by_row(decider)
    check_files(MlflowClient(), decider.reference)  # before any executor loads them, as MLflow does
    model = mlflow.pyfunc.spark_udf(spark, decider.reference, ArrayType(DoubleType()), env_manager="local")
    features = F.struct(*(F.col(f"`{c}`").cast(TYPES[kind]).alias(c) for c, kind in columns.items()))
    action = F.create_map(*(F.lit(name) for pair in policy.actions.items() for name in pair))
    told = F.col(f"`{FOUND}`"), F.col(SEGMENT), F.col(ACTION), features
    decided = (
        users.withColumn(FOUND, model(features))
        .withColumn(SCORE, F.pandas_udf(score, "double")(told[0]))
        .withColumn(SEGMENT, F.pandas_udf(segment, "string")(told[0], features))
        .withColumn(ACTION, action[F.col(SEGMENT)])
        .withColumn(MONEY, F.pandas_udf(money, f"{VALUE} double, {GAIN} double")(*told))
        .withColumn(VALUE, F.col(f"{MONEY}.{VALUE}"))
    )
    for k, name in enumerate(decider.of_effects[1:], start=2):
        decided = decided.withColumn(f"{ADDED}{name}", told[0].getItem(k))
    if deployment.tells_gains:
        decided = decided.withColumn(GAIN, F.col(f"{MONEY}.{GAIN}"))
    return (
        decided.drop(FOUND, MONEY)
        .withColumn("model", F.lit(decider.reference))
        .withColumn("policy_digest", F.lit(policy.bound_digest))
        .withColumn("scored_at", F.lit(datetime.now(UTC).replace(microsecond=0)))
    )
