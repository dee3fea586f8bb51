"""R-learner: what is left of the outcome, on what is left of the action (Nie & Wager 2021)."""

from typing import Any

import numpy as np

from tippingpoint.models.learners.learner import Learner, direct
from tippingpoint.models.learners.nuisances import Nuisances


class RLearner(Learner):
    """Each action against none, among the users who got one of the two; nuisances are cross-fitted.

    The effect minimises the mean of ((y − m(x)) − (w − e(x)) τ(x))², a weighted regression of their quotient.
    """

    def parts(self, given: Nuisances) -> tuple[list[Any], np.ndarray]:
        effects = []
        for k in range(1, given.actions):
            rows = np.flatnonzero(np.isin(given.action, (0, k)))
            chance = given.chance[rows][:, [0, k]]
            e = chance[:, 1] / chance.sum(axis=1)
            m = (1 - e) * given.predicted[rows, 0] + e * given.predicted[rows, k]
            left = (given.action[rows] == k) - e
            target, weight = (given.users.outcome[rows] - m) / left, left**2
            effects.append(given.regression(rows, target, weight / weight.mean()))
        return direct(given, effects)
