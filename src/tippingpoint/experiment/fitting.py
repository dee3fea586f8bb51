"""One family fitted and calibrated on the sides of a question, and what its policy decides for the users held out."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tippingpoint.config.settings import Split
from tippingpoint.core.strict import validate
from tippingpoint.data.model_output import probability
from tippingpoint.data.splits import sides
from tippingpoint.data.users import Users
from tippingpoint.evaluation import point
from tippingpoint.experiment.baselines import decided_by_column
from tippingpoint.experiment.build import fitted_on
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.experiment.valuation import BindingUsers
from tippingpoint.models import calibration
from tippingpoint.models.calibration import Model
from tippingpoint.models.effect_models import EffectLearner, fit_effects, refit_effects
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.policies.policy import Policy


@dataclass(frozen=True)
class Fit:
    """A fitted and calibrated model, and the users it was made with.

    Parameters
    ----------
    seen
        Those of train that the model itself was fitted on.
    found
        What the model gives of validation; out of fold for those it was fitted on.
    """

    model: Model
    train: Users
    validation: Users
    seen: Users
    found: np.ndarray

    def judged(self, question: ExperimentSpec, policy: Policy, binding: BindingUsers) -> float:
        """What winners are chosen by: a metric of the score, or the value of the policy where effects are predicted."""
        if question.select_by != "value":
            return point(question.select_by, self.validation.outcome, probability(self.found))
        found, rows = self.found, np.ones(len(self.found), dtype=bool)
        if len(found) > len(question.parts.validation):  # fitted on train too
            rows = sides(self.validation, validate(Split, question.config["split"], "split")) == 1
        if policy.learns_on_validation:  # on whom it looks better than it is
            held_out = binding.decide_held_out(question.policy, found, question.actions, question.seed)
            return question.valued_on_validation.value_of(held_out[rows]).value.value
        return question.valued_on_validation.value(policy, found[rows]).value.value


def fit(question: ExperimentSpec, name: str, development: Users | None = None) -> Fit:
    """Fit one family on train and calibrate it on validation; on `development`, both together, out of fold."""
    family, seed = question.families[name], question.seed
    if (of := question.learners.get(name)) is not None:
        return _fit_effects(question, of, development)
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


def _fit_effects(question: ExperimentSpec, of: EffectLearner, development: Users | None) -> Fit:
    """Fit a learner on all users of train, whatever was done to them."""
    if development is None:
        given, validation = question.nuisances[of.family], question.parts.validation
        model = fit_effects(of.of, given)
        return Fit(model, given.users, validation, given.users, model.output(validation))
    known = question.evidence.kind != "logged"
    model, found = refit_effects(of.of, Nuisances(question.families[of.name], development, question.seed, known))
    return Fit(model, development, development, development, found)


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
    by_column
        What the best single column of the other users decides under the policy, by its name as a contestant; empty
        where the policy reads no score.
    """

    learnt: dict[str, Any]
    decision: np.ndarray
    validation: float
    by_column: dict[str, np.ndarray]


def decide(question: ExperimentSpec, name: str) -> Decided:
    """Fit one family, bind the policy to it and decide for the users of test; nothing is measured or explained."""
    fitted = fit(question, name)
    binding = BindingUsers.of(fitted.train, fitted.validation, question.economics, question.seed)
    policy, test, actions = binding.bind(question.policy, fitted.found), question.parts.test, question.actions
    decision = policy.decide(fitted.model.output(test), test.features, actions)
    learnt = {key: policy.bound()[key] for key in policy.learnt if key in policy.bound()}
    column = decided_by_column(binding, {name: policy}, probability(fitted.found), test, actions, question.seed)
    return Decided(learnt, decision, fitted.judged(question, policy, binding), column)
