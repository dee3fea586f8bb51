"""Fitting a family, and a sigmoid on its scores where validation shows that it helps."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if

from tippingpoint.core.errors import InputError
from tippingpoint.data.model_output import probability
from tippingpoint.data.splits import folds, pairs
from tippingpoint.data.users import Users
from tippingpoint.models.family import Family
from tippingpoint.models.learners.effects import output, pipeline_under_none, predicts_effects

FOLDS, REFIT_FOLDS = 5, 3
LEAST_OF_AN_OUTCOME = 100
INSIDE = 1e-15, 1 - 1e-15
"""How near to 0 and 1 a score may come before its logarithm is taken."""


@dataclass(frozen=True)
class Model:
    """A fitted family.

    Parameters
    ----------
    classifier
        What scores raw user columns: the pipeline, the pipeline under a sigmoid, or a fitted effect learner.
    pipeline
        The fitted steps `prepare` and `model`, which explanations look into; of an effect learner those under none.
    calibration
        `none` or `sigmoid`.
    trusted
        Types skops may load of it besides its own list.
    actions
        The K actions whose effects it predicts, none first; empty where it predicts none.
    """

    family: Family
    classifier: Pipeline | CalibratedClassifierCV
    pipeline: Pipeline
    calibration: str
    trusted: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def score(self, users: Users) -> np.ndarray:
        """(n,) calibrated probabilities of the outcome."""
        return probability(self.output(users))

    def output(self, users: Users) -> np.ndarray:
        """What it gives of n users, as `data.model_output` lays it out."""
        return output(self.classifier, users.features)


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
    y, chances = validation.outcome, pipeline.predict_proba(validation.features)
    plain, sigmoid = log_losses(y, chances[:, 1]), np.empty(len(y))
    given = _Given.by(pipeline, validation.features, chances)
    for fold_train, fold_test in pairs(folds(y, FOLDS, seed, validation.codes)):
        fitted = sigmoid_on(given).fit(given.rows[fold_train], y[fold_train])
        sigmoid[fold_test] = log_losses(y[fold_test], fitted.predict_proba(given.rows[fold_test])[:, 1])
    if sigmoid.mean() >= plain.mean():
        return Model(family, pipeline, pipeline, "none")
    classifier = sigmoid_on(pipeline).fit(validation.features, y)
    if classifier.calibrated_classifiers_[0].calibrators[0].a_ >= 0:  # P = 1 / (1 + exp(a·f + b))
        return Model(family, pipeline, pipeline, "none")
    # What scores is classifier.calibrated_classifiers_; the template it was made from would be saved a second time.
    return Model(family, classifier.set_params(estimator=None), pipeline, "sigmoid")


class _Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Stands for a fitted pipeline whose output of users is known, so that it need not be computed again."""

    rows: np.ndarray
    """(n, 1) log-odds, or (n, 2) probabilities where the pipeline has no other output."""

    @classmethod
    def by(cls, pipeline: Pipeline, users: Any, chances: np.ndarray) -> Self:
        found = cls()
        found.rows = pipeline.decision_function(users)[:, None] if hasattr(pipeline, "decision_function") else chances
        found.classes_ = pipeline.classes_
        return found

    def fit(self, rows: np.ndarray, outcome: np.ndarray) -> Self:
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:  # scikit-learn takes no classifier without it
        return np.asarray(self.classes_[(rows[:, -1] > (0 if rows.shape[1] == 1 else 0.5)).astype(int)])

    @available_if(lambda given: given.rows.shape[1] == 1)  # type: ignore[untyped-decorator]  # scikit-learn has no types
    def decision_function(self, rows: np.ndarray) -> np.ndarray:
        return rows[:, 0]

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        return rows


def refit(family: Family, users: Users, seed: int) -> tuple[Model, np.ndarray]:
    """Fit on all users there are but test; what a sigmoid would do is learnt out of fold.

    The sigmoid is kept where it keeps the order and lowers the out-of-fold log loss by more than its two parameters
    are worth (Akaike's two nats).

    Returns
    -------
    Model, numpy.ndarray
        The model, and (n,) out-of-fold calibrated scores of the same users, as stand-in for a validation part.
    """
    y, cut = users.outcome, pairs(folds(users.outcome, REFIT_FOLDS, seed, users.codes))
    unfitted = family.pipeline(users.contract, seed)
    plain = output = cross_val_predict(unfitted, users.features, y, cv=cut, method="predict_proba")[:, 1]
    if not family.calibrate or np.bincount(y, minlength=2).min() < LEAST_OF_AN_OUTCOME:
        return _uncalibrated(family, users, seed), plain
    calibrated = CalibratedClassifierCV(unfitted, method="sigmoid", cv=cut, ensemble=False).fit(users.features, y)
    (inner,) = calibrated.calibrated_classifiers_
    if hasattr(unfitted, "decision_function"):
        output = cross_val_predict(unfitted, users.features, y, cv=cut, method="decision_function")
    sigmoid = inner.calibrators[0].predict(output)
    if log_losses(y, sigmoid).sum() + 2 >= log_losses(y, plain).sum() or inner.calibrators[0].a_ >= 0:
        return _uncalibrated(family, users, seed), plain
    inner.estimator.set_params(**family.when_fitted)
    # What scores is in calibrated_classifiers_; how it was made need not be saved.
    return Model(family, calibrated.set_params(estimator=None, cv=None), inner.estimator, "sigmoid"), sigmoid


def _uncalibrated(family: Family, users: Users, seed: int) -> Model:
    pipeline = family.pipeline(users.contract, seed).fit(users.features, users.outcome)
    pipeline.set_params(**family.when_fitted)
    return Model(family, pipeline, pipeline, "none")


def sigmoid_on(pipeline: Pipeline | _Given) -> CalibratedClassifierCV:
    """A sigmoid, not fitted yet, on the scores of a fitted pipeline."""
    return CalibratedClassifierCV(FrozenEstimator(pipeline), method="sigmoid", ensemble=False)


def pipeline_of(classifier: Pipeline | CalibratedClassifierCV) -> Pipeline:
    """The fitted steps `prepare` and `model` of what scores, which may be under a sigmoid or one part of effects."""
    if isinstance(classifier, CalibratedClassifierCV):
        (calibrated,) = classifier.calibrated_classifiers_
        classifier = calibrated.estimator
    elif predicts_effects(classifier):
        return pipeline_under_none(classifier)
    return classifier.estimator if isinstance(classifier, FrozenEstimator) else classifier


def log_losses(outcome: np.ndarray, score: np.ndarray) -> np.ndarray:
    """(n,) log loss of each user; scores are taken into INSIDE first."""
    score = np.clip(score, *INSIDE)
    return -np.where(outcome == 1, np.log(score), np.log1p(-score))
