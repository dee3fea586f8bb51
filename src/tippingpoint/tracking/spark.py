"""The same decisions on Spark: MLflow's own UDF scores, the policy itself decides."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.decisions import Decider
from tippingpoint.tracking.models import check_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCORE, SEGMENT, ACTION, VALUE = "propensity_score", "segment", "action", "expected_value"
TYPES = {"number": "double", "category": "string"}


def _check(decider: Decider, there: Sequence[str]) -> None:
    """Refuse a version that Spark cannot hold, and users without its columns or with those it writes."""
    if decider.of_effects:
        what = f"{decider.reference} predicts effects, which is not done on Spark"
        raise InputError("engine", what, "Type tippingpoint score.")
    if (day := decider.deployment.as_of) is not None:
        what = f"{decider.reference} reads times as days before {day}, which is not done on Spark"
        raise InputError("engine", what, "Type tippingpoint score.")
    for column in decider.columns:
        if column not in there:
            raise InputError("users", f"no column {column!r}", nearest(column, there))
    if own := {SCORE, SEGMENT, ACTION, VALUE, "model", "policy_digest", "scored_at"} & {*there}:
        raise InputError("users", f"{', '.join(sorted(own))} would be written over", "Rename or drop them.")


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
    names = np.array(policy.segments)

    def segment(score: pd.Series, features: pd.DataFrame) -> pd.Series:
        return pd.Series(names[policy.assign(score.to_numpy(), features)])

    def expected_value(score: pd.Series, action: pd.Series) -> pd.Series:
        codes = pd.Index(deployment.actions).get_indexer(pd.Index(action))
        return pd.Series(deployment.expected_value(score.to_numpy(), codes))

    check_files(MlflowClient(), decider.reference)  # before any executor loads them, as MLflow does
    score = mlflow.pyfunc.spark_udf(spark, decider.reference, ArrayType(DoubleType()), env_manager="local")
    features = F.struct(*(F.col(f"`{c}`").cast(TYPES[kind]).alias(c) for c, kind in columns.items()))
    action = F.create_map(*(F.lit(name) for pair in policy.actions.items() for name in pair))
    return (
        users.withColumn(SCORE, score(features).getItem(1))
        .withColumn(SEGMENT, F.pandas_udf(segment, "string")(F.col(SCORE), features))
        .withColumn(ACTION, action[F.col(SEGMENT)])
        .withColumn(VALUE, F.pandas_udf(expected_value, "double")(F.col(SCORE), F.col(ACTION)))
        .withColumn("model", F.lit(decider.reference))
        .withColumn("policy_digest", F.lit(policy.bound_digest))
        .withColumn("scored_at", F.lit(datetime.now(UTC).replace(microsecond=0)))
    )
