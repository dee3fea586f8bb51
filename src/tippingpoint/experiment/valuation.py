"""Binding policies to scores, deciding with them, and valuing what they decide: one way for all verbs."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np

from tippingpoint.data.model_output import probability
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.experiment.evidence import ExpectedReward, Predict, gather_evidence, reward_model
from tippingpoint.offpolicy.evidence import Evidence, Kind, Log
from tippingpoint.offpolicy.sufficient_statistics import MONEY
from tippingpoint.offpolicy.value import PolicyValue, policy_value, reward, segment_break_even
from tippingpoint.policies.effects import Predicted
from tippingpoint.policies.policy import FitContext, Policy


@dataclass(frozen=True)
class BindingUsers:
    """Users that policies learn from when they are bound to a model.

    Parameters
    ----------
    train
        The users the model was fitted on.
    validation
        The users whose scores are at hand.
    expected_reward
        As `FitContext` takes it; None where no action was ever logged.
    """

    train: Users
    validation: Users
    expected_reward: ExpectedReward | None
    economics: Economics

    @classmethod
    def of(
        cls, train: Users, validation: Users, economics: Economics, seed: int, predict: Predict | None = None
    ) -> Self:
        """Users with the rewards expected of them; `predict` is what `fit_rewards` gave for train, if it did."""
        return cls(train, validation, reward_model(train, economics, seed, predict), economics)

    def bind(self, policy: Policy, found: np.ndarray, actions: tuple[str, ...] | None = None) -> Policy:
        """Return the policy with what it learns fixed.

        Parameters
        ----------
        found
            What the model gives of validation, as `data.model_output` lays it out.
        actions
            Of an effect learner the actions it was fitted on, in order; None: those of train.
        """
        predicted = None
        if found.ndim == 2:
            good = self.train.contract.good
            lines = partial(self.economics.line, good=good)
            predicted = Predicted(actions or self.train.actions, good, found, lines)
        of = self.train.features, self.validation.features, probability(found), self.expected_reward, predicted
        return policy.bind(FitContext(*of))


@dataclass(frozen=True)
class ValuedUsers:
    """n users with evidence and prices of K actions.

    Parameters
    ----------
    actions
        Names of the K actions; `none` first.
    evidence
        Outcome scores of the users under each action.
    reward_intercept, reward_slope
        (K,) reward line of each action; (n, K) where prices are per user.
    """

    users: Users
    actions: tuple[str, ...]
    evidence: Evidence
    reward_intercept: np.ndarray
    reward_slope: np.ndarray

    @classmethod
    def of(
        cls,
        kind: Kind,
        train: Users,
        users: Users,
        actions: tuple[str, ...],
        economics: Economics,
        seed: int,
        log: Log | None = None,
        vetoed: tuple[str, ...] = (),
        accepted: Collection[str] = (),
    ) -> Self:
        """Gather evidence of users, fitted on train, and price the actions.

        Parameters
        ----------
        actions
            All or some of the users' own; for `assumed` any.
        log
            The users' log, where `log_of` made it already.
        vetoed
            Codes of the diagnostics that take every interval away.
        accepted
            Codes of the vetoes that were accepted.
        """
        lines = economics.rewards(actions, users.contract.good, users.costs)
        evidence = gather_evidence(kind, train, users, economics.response(actions), seed, log)
        if kind != "assumed" and actions != users.actions:
            evidence = evidence.among([users.actions.index(action) for action in actions])
        if economics.per_user and evidence.support:
            in_money = evidence.support["phi"].scaled(np.nan_to_num(lines[1]))
            evidence = replace(evidence, support={**evidence.support, MONEY: in_money})
        return cls(users, actions, replace(evidence, vetoed=vetoed).waived(accepted), *lines)

    @property
    def reward(self) -> np.ndarray:
        """(n, K) money per user under each action."""
        return reward(self.evidence, self.reward_intercept, self.reward_slope)

    def decide(self, policy: Policy, found: np.ndarray) -> np.ndarray:
        """(n,) codes into `actions` that a bound policy gives the users, of what a model gives of them."""
        return policy.decide(found, self.users.features, self.actions)

    def value(self, policy: Policy, found: np.ndarray) -> PolicyValue:
        """Value a bound policy by what it decides for the users, of what a model gives of them.

        Raises
        ------
        InputError
            Where a decided action has no price or no evidence.
        """
        return self.value_of(self.decide(policy, found))

    def value_of(self, decision: np.ndarray) -> PolicyValue:
        """Value (n,) codes of actions, as `value` does."""
        return policy_value(self.evidence, self.reward_intercept, self.reward_slope, decision)

    def break_even(self, members: np.ndarray, action: str) -> float:
        """From which response on an action pays for the users that (n,) bool `members` marks; NaN for none or no one.

        As `offpolicy.value.segment_break_even`, at the prices of these users.
        """
        k = self.actions.index(action)
        if not k or not members.any():
            return float("nan")
        lines = self.reward_intercept[..., [0, k]], self.reward_slope[..., [0, k]]
        if self.reward_intercept.ndim == 2:  # prices of each user's own
            lines = lines[0][members], lines[1][members]
        return segment_break_even(self.evidence.outcome_scores[members, 0], *lines, self.users.contract.good)
