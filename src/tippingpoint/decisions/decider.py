"""A model, its policy and what was written beside them: users in, decisions out."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.decisions.deployment import Deployment
from tippingpoint.decisions.unseen import learnt
from tippingpoint.policies.policy import Policy


@dataclass(frozen=True)
class Decided:
    """What was decided for n users.

    Parameters
    ----------
    score
        (n,) probability of the outcome.
    segment, action
        (n,) codes into the policy's segments and the deployment's actions.
    value
        (n,) money the action lets expect; NaN where it cannot be told.
    """

    score: np.ndarray
    segment: np.ndarray
    action: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Decider:
    """What decides.

    Parameters
    ----------
    reference
        The version it is (`models:/conversion/3`).
    classifier
        What scores: `predict_proba` on raw user columns.
    columns
        The features it reads, in order, and whether each is a `number` or a `category`.
    """

    reference: str
    classifier: Any
    columns: dict[str, str]
    policy: Policy
    deployment: Deployment

    @cached_property
    def learnt(self) -> dict[str, frozenset[str]]:
        """The categories of each column the model learnt from, where that can be told."""
        return learnt(self.classifier)

    def score(self, features: pd.DataFrame) -> np.ndarray:
        """(n,) probabilities of the outcome for (n, d) features, numbers as float64 and categories as strings."""
        return np.asarray(self.classifier.predict_proba(features[list(self.columns)])[:, 1], dtype=np.float64)

    def decide(self, features: pd.DataFrame, costs: pd.DataFrame | None = None) -> Decided:
        """Decide for n users.

        Parameters
        ----------
        costs
            Prices per user, where the economics read them.
        """
        return self.act(self.score(features), features, costs)

    def act(self, score: np.ndarray, features: pd.DataFrame, costs: pd.DataFrame | None = None) -> Decided:
        """Decide for n users whose (n,) scores are known; features are read by policies that look beyond the score."""
        segment = self.policy.segment(score, features)
        codes = [self.deployment.actions.index(self.policy.actions[name]) for name in self.policy.segments]
        action = np.asarray(codes)[segment]
        return Decided(score, segment, action, self.deployment.expected_value(score, action, costs))
