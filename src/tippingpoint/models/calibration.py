"""Fitting a family, and a sigmoid on its scores where validation shows that it helps."""

from dataclasses import dataclass

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from tippingpoint.data.users import Users
from tippingpoint.errors import InputError
from tippingpoint.models.family import Family

FOLDS = 5
LEAST_OF_AN_OUTCOME = 100


@dataclass(frozen=True)
class Model:
    """A fitted family.

    Parameters
    ----------
    classifier
        What scores: the pipeline, or the pipeline under a sigmoid. `predict_proba` on raw user columns.
    pipeline
        The fitted steps `prepare` and `model`, which explanations look into.
    calibration
        `none` or `sigmoid`.
    """

    family: Family
    classifier: Pipeline | CalibratedClassifierCV
    pipeline: Pipeline
    calibration: str

    def score(self, users: Users) -> np.ndarray:
        """(n,) calibrated probabilities of the outcome."""
        return self.classifier.predict_proba(users.features)[:, 1].astype(np.float64)


def fit(family: Family, train: Users, validation: Users, seed: int) -> Model:
    """Fit on train; calibrate on validation if that lowers the cross-validated log loss there.

    The sigmoid (Platt 1999) is kept when its mean log loss over five folds of validation is below that of the
    plain scores and it keeps their order. With fewer than 100 users of either outcome it is not tried: it would fit
    their noise. It works on log-odds where the pipeline has a `decision_function`, on probabilities elsewhere.

    Raises
    ------
    InputError
        When train has a single class.
    """
    if len(np.unique(train.outcome)) < 2:
        raise InputError("data", f"all {len(train):,} users of train have the same outcome; nothing can be learnt")
    pipeline = family.pipeline(train.contract, seed).fit(train.features, train.outcome)
    pipeline.set_params(**family.when_fitted)
    if not family.calibrate or np.bincount(validation.outcome, minlength=2).min() < LEAST_OF_AN_OUTCOME:
        return Model(family, pipeline, pipeline, "none")
    y = validation.outcome
    plain = _log_loss(y, pipeline.predict_proba(validation.features)[:, 1])
    sigmoid = np.empty(len(y))
    for fold_train, fold_test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(y, y):
        fitted = _sigmoid(pipeline).fit(validation.features.iloc[fold_train], y[fold_train])
        scores = fitted.predict_proba(validation.features.iloc[fold_test])[:, 1]
        sigmoid[fold_test] = _log_loss(y[fold_test], scores)
    if sigmoid.mean() >= plain.mean():
        return Model(family, pipeline, pipeline, "none")
    classifier = _sigmoid(pipeline).fit(validation.features, y)
    if classifier.calibrated_classifiers_[0].calibrators[0].a_ >= 0:  # P = 1 / (1 + exp(a·f + b))
        return Model(family, pipeline, pipeline, "none")
    # What scores is classifier.calibrated_classifiers_; the template it was made from would be saved a second time.
    return Model(family, classifier.set_params(estimator=None), pipeline, "sigmoid")


def _sigmoid(pipeline: Pipeline) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(FrozenEstimator(pipeline), method="sigmoid", ensemble=False)


def _log_loss(outcome: np.ndarray, score: np.ndarray) -> np.ndarray:
    score = np.clip(score, 1e-15, 1 - 1e-15)
    return -np.where(outcome == 1, np.log(score), np.log1p(-score))
