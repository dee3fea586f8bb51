"""DR-learner: a regression of doubly robust scores (Kennedy 2023)."""

from typing import Any

import numpy as np

from tippingpoint.models.learners.learner import Learner, direct
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.offpolicy.evidence import doubly_robust


class DRLearner(Learner):
    """The score of an action less that of none is unbiased for its effect if chances or outcomes are right."""

    def parts(self, given: Nuisances) -> tuple[list[Any], np.ndarray]:
        scores = doubly_robust(given.users.outcome, given.action, given.chance, given.predicted)
        everyone = np.arange(len(scores))
        return direct(given, [given.regression(everyone, scores[:, k] - scores[:, 0]) for k in range(1, given.actions)])
