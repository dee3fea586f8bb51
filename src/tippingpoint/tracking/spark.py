"""The same decisions on Spark: MLflow's own UDF scores, the policy itself decides."""

from typing import TYPE_CHECKING

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient

from tippingpoint.errors import InputError, nearest
from tippingpoint.policies.policy import Policy
from tippingpoint.tracking.models import check_files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCORE, SEGMENT, ACTION = "propensity_score", "segment", "action"
TYPES = {"number": "double", "category": "string"}


def decide(
    spark: "SparkSession", users: "DataFrame", reference: str, policy: Policy, columns: dict[str, str]
) -> "DataFrame":
    """Users with their score, segment and action; evaluated where the rows are, when Spark asks for them.

    What pyfunc and `Policy.segment` give here is what they give there: scores equal those of one process to the last
    digit where the family's own do (a forest's sum depends on its threads). Executors need the model's packages and
    this one, under the Python that `PYSPARK_PYTHON` names.

    Parameters
    ----------
    users
        Holds the model's columns, of any numeric type or as text; others are carried along.
    reference
        A version by its number (`models:/conversion/3`), or a logged model (`models:/m-…`): an alias may move between
        executors. Its files are held against what we write before any executor loads them, as MLflow does.
    policy
        Its bound policy.
    columns
        The features it reads, in order, and whether each is a `number` or a `category`.

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
    for column in columns:
        if column not in users.columns:
            raise InputError("users", f"no column {column!r}", nearest(column, users.columns))
    if there := {SCORE, SEGMENT, ACTION} & set(users.columns):
        raise InputError("users", f"{', '.join(sorted(there))} would be written over", "Rename or drop them.")
    names = np.array(policy.segments)

    def segment(score: pd.Series, features: pd.DataFrame) -> pd.Series:
        return pd.Series(names[policy.segment(score.to_numpy(), features)])

    check_files(MlflowClient(), reference)
    score = mlflow.pyfunc.spark_udf(spark, reference, ArrayType(DoubleType()), env_manager="local")
    features = F.struct(*(F.col(f"`{c}`").cast(TYPES[kind]).alias(c) for c, kind in columns.items()))
    action = F.create_map(*(F.lit(name) for pair in policy.actions.items() for name in pair))
    return (
        users.withColumn(SCORE, score(features).getItem(1))
        .withColumn(SEGMENT, F.pandas_udf(segment, "string")(F.col(SCORE), features))
        .withColumn(ACTION, action[F.col(SEGMENT)])
    )
