"""One family fitted and calibrated on the sides of a question, and what its policy decides for the users held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tippingpoint.data.users import Users
from tippingpoint.evaluation import point
from tippingpoint.experiment.build import fitted_on
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.experiment.valuation import BindingUsers
from tippingpoint.models import calibration
from tippingpoint.models.calibration import Model


@dataclass(frozen=True)
class Fit:
    """A fitted and calibrated model, and the users it was made with.

    Parameters
    ----------
    seen
        Those of train that the model itself was fitted on.
    on_validation
        (n,) scores of validation; out of fold for those the model was fitted on.
    """

    model: Model
    train: Users
    validation: Users
    seen: Users
    on_validation: np.ndarray


def fit(question: ExperimentSpec, name: str, development: Users | None = None) -> Fit:
    """Fit one family on train and calibrate it on validation; on `development`, both together, out of fold."""
    family, seed = question.families[name], question.seed
    if development is None:
        train, validation = question.parts.train, question.parts.validation
        seen, calibrating = (part.take(fitted_on(question, part)) for part in (train, validation))
        model = calibration.fit(family, seen, calibrating, seed)
        return Fit(model, train, validation, seen, model.score(validation))
    rows = fitted_on(question, development)
    seen = development.take(rows)
    model, out_of_fold = calibration.refit(family, seen, seed)
    on_validation = model.score(development)
    on_validation[rows] = out_of_fold
    return Fit(model, development, development, seen, on_validation)


@dataclass(frozen=True)
class Decided:
    """What a family fitted on other users decides for those of test.

    Parameters
    ----------
    learnt
        What the policy learnt when it was bound to the model, such as its cut-offs.
    decision
        (n,) codes into the question's actions.
    validation
        The metric winners are chosen by, on validation.
    """

    learnt: dict[str, Any]
    decision: np.ndarray
    validation: float


def decide(question: ExperimentSpec, name: str) -> Decided:
    """Fit one family, bind the policy to it and decide for the users of test; nothing is measured or explained."""
    fitted = fit(question, name)
    binding = BindingUsers.of(fitted.train, fitted.validation, question.economics, question.seed)
    policy = binding.bind(question.policy, fitted.on_validation)
    decision = policy.decide(fitted.model.score(question.parts.test), question.parts.test.features, question.actions)
    validation = point(question.select_by, fitted.validation.outcome, fitted.on_validation)
    return Decided({key: policy.bound()[key] for key in policy.learnt if key in policy.bound()}, decision, validation)
