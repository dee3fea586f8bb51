"""What all effect learners share."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.pipeline import Pipeline

from tippingpoint.core.strict import StrictModel
from tippingpoint.models.learners.effects import assemble
from tippingpoint.models.learners.nuisances import Nuisances


class Learner(StrictModel, ABC):
    """How a score is learnt from users to whom actions were done; the base of every `learner=` option."""

    trusted: ClassVar[tuple[str, ...]] = ()
    """Types skops may load besides those of the family; a constant, never what a file asks for."""
    filed_as: ClassVar[str] = "exactly"
    """How the saved pipeline stands for what was learnt, in words."""

    def fit(self, given: Nuisances) -> Pipeline:
        """Fit; the pipeline's `predict` gives what `effects.assemble` says."""
        shares = np.bincount(given.action, minlength=given.actions) / len(given.action)
        return assemble(given.prepare, *self.parts(given), shares)

    @abstractmethod
    def parts(self, given: Nuisances) -> tuple[list[Any], np.ndarray]:
        """The m fitted models, and the (K, m) sums of their predictions that are effects, as `assemble` takes them."""


def direct(given: Nuisances, effects: list[Any]) -> tuple[list[Any], np.ndarray]:
    """Parts of a learner that fits one regression an action for its effect; P(outcome | none) is that arm's model."""
    return [given.arms[0], *effects], np.eye(given.actions)
