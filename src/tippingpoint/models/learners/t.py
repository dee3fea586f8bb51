"""T-learner: one model of the outcome for each action (Künzel et al. 2019)."""

from typing import Any

import numpy as np

from tippingpoint.models.learners.learner import Learner
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.models.learners.s import less_none


class TLearner(Learner):
    """An effect is the difference of two predictions; it learns most where every action was taken for many users."""

    def parts(self, given: Nuisances) -> tuple[list[Any], np.ndarray]:
        return list(given.arms), less_none(given.actions)
