"""A model, its policy and what was written beside them: users in, decisions out."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.model_output import probability
from tippingpoint.decisions.deployment import Deployment
from tippingpoint.decisions.unseen import learnt
from tippingpoint.models.effect_table import Columns
from tippingpoint.models.learners.effects import output, predicts_effects
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
    value, gain
        (n,) money the action lets expect, and how much of it doing nothing would not bring; NaN where it cannot be
        told.
    found
        What the model gives of them, as `data.model_output` lays it out.
    """

    score: np.ndarray
    segment: np.ndarray
    action: np.ndarray
    value: np.ndarray
    gain: np.ndarray
    found: np.ndarray


@dataclass(frozen=True)
class Decider:
    """What decides.

    Parameters
    ----------
    reference
        The version it is (`models:/conversion/3`).
    classifier
        What scores raw user columns.
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
        return probability(self.output(features))

    def output(self, features: pd.DataFrame) -> np.ndarray:
        """What the model gives of (n, d) features, as `data.model_output` lays it out."""
        return output(self.classifier, features[list(self.columns)])

    @property
    def of_effects(self) -> tuple[str, ...]:
        """The K actions, none first, whose effects it predicts; empty where it predicts none."""
        return self.deployment.actions if predicts_effects(self.classifier) else ()

    def decide(self, features: pd.DataFrame, costs: pd.DataFrame | None = None) -> Decided:
        """Decide for n users.

        Parameters
        ----------
        costs
            Prices per user, where the economics read them.
        """
        return self.act(self.output(features), features, costs)

    def act(
        self,
        found: np.ndarray,
        features: pd.DataFrame,
        costs: pd.DataFrame | None = None,
        columns: Columns | None = None,
    ) -> Decided:
        """Decide for n users of whom is known what the model gives; policies that look beyond it read features.

        Parameters
        ----------
        columns
            What expected values read, where that is not `features` too.
        """
        segment = self.policy.assign(found, features)
        codes = [self.deployment.actions.index(self.policy.actions[name]) for name in self.policy.segments]
        action = np.asarray(codes)[segment]
        value, gain = self.expected(found, features if columns is None else columns, segment, action, costs)
        return Decided(probability(found), segment, action, value, gain, found)

    def expected(
        self,
        found: np.ndarray,
        columns: Columns,
        segment: np.ndarray,
        action: np.ndarray,
        costs: pd.DataFrame | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n,) money expected under actions, and its gain over doing nothing.

        NaN for those acted on in segments where test users do not bear it out; gains also where they are not told by
        user.
        """
        value = self.deployment.expected_value(found, columns, action, costs)
        if not self.deployment.tells_gains:
            return value, np.full(len(found), np.nan)
        if (away := self.withheld(segment)).any():
            value = np.where(away & (action != 0), np.nan, value)
        return value, self.deployment.gained(found, columns, value, costs)

    def withheld(self, segment: np.ndarray) -> np.ndarray:
        """(n,) bool: of whom no gain is shown, by (n,) codes of segments."""
        there = self.deployment.withheld
        return np.isin(segment, [k for k, name in enumerate(self.policy.segments) if name in there])
