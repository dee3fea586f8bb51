"""X-learner: effects imputed with the other arm's model, then regressed (Künzel et al. 2019)."""

from typing import Any

import numpy as np

from tippingpoint.models.learners.learner import Learner
from tippingpoint.models.learners.nuisances import Nuisances


class XLearner(Learner):
    """Of the two regressions of an action each counts by how many got the other arm.

    The weight may be any function of the features; it is the mean chance, a constant, so that the saved sum is exact.
    """

    def parts(self, given: Nuisances) -> tuple[list[Any], np.ndarray]:
        outcome, none = given.users.outcome, np.flatnonzero(given.action == 0)
        models, sums = [given.arms[0]], np.zeros((given.actions, 2 * given.actions - 1))
        sums[0, 0] = 1
        for k in range(1, given.actions):
            got = np.flatnonzero(given.action == k)
            gained = outcome[got] - given.arms[0].predict_proba(given.x[got])[:, 1]
            missed = given.arms[k].predict_proba(given.x[none])[:, 1] - outcome[none]
            models += [given.regression(none, missed), given.regression(got, gained)]
            of = given.chance[:, [0, k]].mean(axis=0)
            sums[k, 2 * k - 1 : 2 * k + 1] = of[::-1] / of.sum()
        return models, sums
