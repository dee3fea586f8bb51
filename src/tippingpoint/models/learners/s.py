"""S-learner: one model of the outcome, the action among its columns (Künzel et al. 2019)."""

from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from tippingpoint.models.learners.learner import Learner
from tippingpoint.models.learners.nuisances import Nuisances


class SLearner(Learner):
    """It learns most where effects are small beside what else moves the outcome, or few users got an action.

    A family without interactions (a line) moves everyone alike on the log-odds.
    """

    trusted: ClassVar = ("functools.partial", "numpy.pad")
    filed_as: ClassVar = "as P(outcome | x, action) by action: the one model with each action set"

    def parts(self, given: Nuisances) -> tuple[list[Any], np.ndarray]:
        done = given.action[:, None] == np.arange(1, given.actions)
        model = given.fitted(given.classifier(), np.hstack([given.x, done]), given.users.outcome)
        arms = [_with_action(model, k, given.actions) for k in range(given.actions)]
        return arms, less_none(given.actions)


def _with_action(model: Any, action: int, actions: int) -> Pipeline:
    """The model with an action set: its 0/1 columns are appended to those prepared."""
    steps: list[tuple[str, Any]] = [
        (
            f"action_{k}",
            FunctionTransformer(partial(np.pad, pad_width=((0, 0), (0, 1)), constant_values=int(k == action))),
        )
        for k in range(1, actions)
    ]
    return Pipeline([*steps, ("model", model)])


def less_none(actions: int) -> np.ndarray:
    """(K, K) sums that make effects of outcomes by action: the first stays, from the others it is taken away."""
    sums = np.eye(actions)
    sums[1:, 0] = -1
    return sums
