"""The same decisions on Spark: MLflow's own UDF scores, the policy itself decides."""

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

SCORE, SEGMENT, ACTION, VALUE, GAIN = "propensity_score", "segment", "action", "expected_value", "expected_gain"
TYPES = {"number": "double", "category": "string"}


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
    if decider.of_effects:
        what = f"{decider.reference} predicts effects, which is not done on Spark"
        raise InputError("engine", what, "Type tippingpoint score.")
    if deployment.as_of is not None:
        what = f"{decider.reference} reads times as days before {deployment.as_of}, which is not done on Spark"
        raise InputError("engine", what, "Type tippingpoint score.")
    for column in columns:
        if column not in users.columns:
            raise InputError("users", f"no column {column!r}", nearest(column, users.columns))
    gained = [GAIN] if deployment.tells_gains else []
    own = {SCORE, SEGMENT, ACTION, VALUE, *gained, "model", "policy_digest", "scored_at"}
    if there := own & set(users.columns):
        raise InputError("users", f"{', '.join(sorted(there))} would be written over", "Rename or drop them.")
    names = np.array(policy.segments)

    def segment(score: pd.Series, features: pd.DataFrame) -> pd.Series:
        return pd.Series(names[policy.assign(score.to_numpy(), features)])

    def money(
        score: pd.Series, segment: pd.Series, action: pd.Series, features: pd.DataFrame
    ) -> tuple[np.ndarray, np.ndarray]:
        codes = pd.Index(deployment.actions).get_indexer(pd.Index(action))
        of = pd.Index(policy.segments).get_indexer(pd.Index(segment))
        return decider.expected(score.to_numpy(), features, of, codes)

    def value(score: pd.Series, segment: pd.Series, action: pd.Series, features: pd.DataFrame) -> pd.Series:
        return pd.Series(money(score, segment, action, features)[0])

    def gain(score: pd.Series, segment: pd.Series, action: pd.Series, features: pd.DataFrame) -> pd.Series:
        return pd.Series(money(score, segment, action, features)[1])

    check_files(MlflowClient(), decider.reference)  # before any executor loads them, as MLflow does
    score = mlflow.pyfunc.spark_udf(spark, decider.reference, ArrayType(DoubleType()), env_manager="local")
    features = F.struct(*(F.col(f"`{c}`").cast(TYPES[kind]).alias(c) for c, kind in columns.items()))
    action = F.create_map(*(F.lit(name) for pair in policy.actions.items() for name in pair))
    told = F.col(SCORE), F.col(SEGMENT), F.col(ACTION), features
    decided = (
        users.withColumn(SCORE, score(features).getItem(1))
        .withColumn(SEGMENT, F.pandas_udf(segment, "string")(F.col(SCORE), features))
        .withColumn(ACTION, action[F.col(SEGMENT)])
        .withColumn(VALUE, F.pandas_udf(value, "double")(*told))
    )
    if gained:
        decided = decided.withColumn(GAIN, F.pandas_udf(gain, "double")(*told))
    return (
        decided.withColumn("model", F.lit(decider.reference))
        .withColumn("policy_digest", F.lit(policy.bound_digest))
        .withColumn("scored_at", F.lit(datetime.now(UTC).replace(microsecond=0)))
    )
