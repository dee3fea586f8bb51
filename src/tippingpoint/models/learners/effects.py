"""The fitted object of every effect learner: (n, K) numbers from raw user columns, without this package."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline

PARTS, EFFECTS = "parts", "effects"
"""Steps of the pipeline after `prepare`: what is predicted by itself, and the sums that make effects of it."""


def assemble(prepare: Any, parts: list[Any], sums: np.ndarray, shares: np.ndarray) -> Pipeline:
    """Return a pipeline whose `predict` gives (n, K + 1), laid out as `data.model_output` says.

    Each column is a fixed sum of the predictions of fitted models, so scikit-learn's stacking with set coefficients
    holds it exactly.

    Parameters
    ----------
    prepare
        Fitted transformer of raw user columns, which all parts share.
    parts
        m fitted models of prepared columns: classifiers give the chance of outcome 1, regressors their prediction. The
        first is a classifier of the outcome under none.
    sums
        (K, m) coefficients of the chance under none and of what each other action adds.
    shares
        (K,) shares of the actions among the users it was fitted on.
    """
    mixed = sums[0] + shares[1:] @ sums[1:]
    names = [(f"part_{k}", part) for k, part in enumerate(parts)]
    stack = StackingClassifier(names, cv="prefit")
    stack.estimators_ = parts
    stack.stack_method_ = ["predict_proba" if is_classifier(part) else "predict" for part in parts]
    stack.classes_ = np.array([0, 1])
    line = LinearRegression(fit_intercept=False)
    line.coef_, line.intercept_, line.n_features_in_ = np.vstack([mixed, sums]).astype(np.float64), 0.0, len(parts)
    return Pipeline([("prepare", prepare), (PARTS, stack), (EFFECTS, line)])


def predicts_effects(classifier: Any) -> bool:
    """Whether what a version holds is a fitted effect learner; else it gives the chance of the outcome alone."""
    return isinstance(classifier, Pipeline) and EFFECTS in classifier.named_steps


def output(classifier: Any, features: pd.DataFrame) -> np.ndarray:
    """What a fitted model gives of n users: (n,) chances of the outcome; of an effect learner (n, K + 1).

    Parameters
    ----------
    features
        The raw columns that it reads.
    """
    if predicts_effects(classifier):
        return np.asarray(classifier.predict(features), dtype=np.float64)
    return np.asarray(classifier.predict_proba(features)[:, 1], dtype=np.float64)


def pipeline_under_none(classifier: Pipeline) -> Pipeline:
    """The steps `prepare` and `model` of a fitted effect learner's P(outcome | none)."""
    under_none = classifier.named_steps[PARTS].estimators_[0]
    return Pipeline([("prepare", classifier.named_steps["prepare"]), ("model", under_none)])


def models_of(classifier: Pipeline) -> list[Any]:
    """The different models that a fitted effect learner is made of."""
    parts = classifier.named_steps[PARTS].estimators_
    inner = [part[-1] if isinstance(part, Pipeline) else part for part in parts]
    return list({id(model): model for model in inner}.values())
