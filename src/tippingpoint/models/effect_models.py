"""Fitting effect learners, and how a contestant of a learner and a family is called."""

from dataclasses import dataclass

import numpy as np

from tippingpoint.data.splits import folds, pairs
from tippingpoint.data.users import Users
from tippingpoint.models.calibration import Model
from tippingpoint.models.family import Family
from tippingpoint.models.learners.effects import output, pipeline_under_none
from tippingpoint.models.learners.learner import Learner
from tippingpoint.models.learners.nuisances import Nuisances

REFIT_FOLDS = 3
OF_EFFECTS = ("sklearn.utils._bunch.Bunch",)
"""What every fitted effect learner holds besides its parts."""


@dataclass(frozen=True)
class EffectLearner:
    """A learner as a contestant.

    Parameters
    ----------
    family, learner
        The names of its family and of its learner in the config.
    """

    family: str
    learner: str
    of: Learner

    @property
    def name(self) -> str:
        """What it is called beside other contestants (`boosting_dr`)."""
        return contestant(self.family, self.learner)


def contestant(family: str, learner: str) -> str:
    """What a family with a learner is called; with `response` it is the family alone."""
    return family if learner == "response" else f"{family}_{learner}"


def trusted_types(family: Family, learner: Learner | None) -> tuple[str, ...]:
    """Types skops may load of a saved model besides its own list: constants of the family and the learner."""
    if learner is None:
        return family.trusted
    return tuple(dict.fromkeys([*family.trusted, *family.trusted_of_effects, *OF_EFFECTS, *learner.trusted]))


def fit_effects(learner: Learner, given: Nuisances) -> Model:
    """Fit a learner on the users of its nuisances.

    Raises
    ------
    InputError
        When an action was taken for too few of them, or the learner needs a regression that the family lacks.
    """
    pipeline = learner.fit(given)
    trusted = trusted_types(given.family, learner)
    return Model(given.family, pipeline, pipeline_under_none(pipeline), "none", trusted, given.users.actions)


def refit_effects(learner: Learner, given: Nuisances) -> tuple[Model, np.ndarray]:
    """Fit on all users there are but test.

    Returns
    -------
    Model, numpy.ndarray
        The model, and (n, K + 1) what models fitted on others give of the same users.
    """
    users: Users = given.users
    found = np.empty((len(users), given.actions + 1))
    for outside, inside in pairs(folds(given.action * 2 + users.outcome, REFIT_FOLDS, given.seed, users.codes)):
        of_others = Nuisances(given.family, users.take(outside), given.seed, given.known)
        found[inside] = output(learner.fit(of_others), users.features.iloc[inside])
    return fit_effects(learner, given), found
