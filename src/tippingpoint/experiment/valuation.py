"""Binding policies to scores, deciding with them, and valuing what they decide: one way for all verbs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from operator import add
from typing import Self

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.data.model_output import probability
from tippingpoint.data.splits import folds, pairs
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.experiment.evidence import (
    FOLDS,
    ExpectedReward,
    Measured,
    MeasuredReward,
    Predict,
    check_measures,
    fit_measures,
    gather_evidence,
    measured_reward,
    reward_model,
)
from tippingpoint.offpolicy.evidence import MEASURE, Evidence, Kind, Log
from tippingpoint.offpolicy.sufficient_statistics import MONEY
from tippingpoint.offpolicy.support import Basis
from tippingpoint.offpolicy.value import PolicyValue, policy_value, reward, segment_break_even
from tippingpoint.policies.effects import Predicted
from tippingpoint.policies.policy import FitContext, Policy

CHOICE_FOLDS = 3
"""Of the users a policy is bound on, where it chooses how much to learn from them."""


@dataclass(frozen=True)
class BindingUsers:
    """Users that policies learn from when they are bound to a model.

    Parameters
    ----------
    train
        The users the model was fitted on.
    validation
        The users whose scores are at hand.
    expected_reward, measured
        As `FitContext` takes them; None where no action was ever logged.
    """

    train: Users
    validation: Users
    expected_reward: ExpectedReward | None
    measured: MeasuredReward | None
    economics: Economics
    seed: int = 0

    @classmethod
    def of(
        cls, train: Users, validation: Users, economics: Economics, seed: int, predict: Predict | None = None
    ) -> Self:
        """Users with the rewards expected of them; `predict` is what `fit_rewards` gave for train, if it did."""
        expected = reward_model(train, economics, seed, predict)
        measured = measured_reward(train, validation, economics, seed, predict)
        return cls(train, validation, expected, measured, economics, seed)

    def bind(self, policy: Policy, found: np.ndarray, actions: tuple[str, ...] | None = None) -> Policy:
        """Return the policy with what it learns fixed.

        Parameters
        ----------
        found
            What the model gives of validation, as `data.model_output` lays it out.
        actions
            Of an effect learner the actions it was fitted on, in order; None: those of train.
        """
        return policy.bind(self._context(found, actions))

    def decide_held_out(
        self,
        policy: Policy,
        found: np.ndarray,
        names: tuple[str, ...],
        seed: int,
        actions: tuple[str, ...] | None = None,
    ) -> np.ndarray:
        """(n,) codes into `names` that an unbound policy gives the users of validation; `found` and `actions` as above.

        One that learns from what actions brought them is bound on others of them, fold by fold: so its uplift there is
        no better than it is, and it can be held against others by it.
        """
        users = self.validation
        if not policy.learns_on_validation or users.action is None:
            return self.bind(policy, found, actions).decide(found, users.features, names)
        context = self._context(found, actions)
        decision = np.empty(len(users), dtype=np.int64)
        for others, held in pairs(folds(users.action * 2 + users.outcome, FOLDS, seed, users.codes)):
            decision[held] = policy.bind(context.among(others)).decide(found[held], users.features.iloc[held], names)
        return decision

    def _context(self, found: np.ndarray, actions: tuple[str, ...] | None) -> FitContext:
        predicted = None
        if found.ndim == 2:
            good = self.train.contract.good
            lines = partial(_lines, self.economics, good)
            spends = None if self.economics.per_user else partial(self.economics.spend, good=good)
            predicted = Predicted(actions or self.train.actions, good, found, lines, spends)
        users = self.validation
        features = self.train.features, users.features
        rarer, fold = users.outcome == (users.outcome.mean() <= 0.5), None
        if users.action is not None:
            fold = folds(users.action * 2 + users.outcome, CHOICE_FOLDS, self.seed, users.codes)
        return FitContext(*features, probability(found), self.expected_reward, predicted, self.measured, rarer, fold)


def _lines(economics: Economics, good: bool, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Reward lines of actions, for gains of predicted effects."""
    if economics.measures:
        what = f"{', '.join(economics.measures)}: predicted effects are of the outcome, and gain no measure"
        raise InputError("economics.reward", what, "Type economics.reward=outcome, or learner=response.")
    return economics.line(names, good)


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
    worth
        Of a unit of each measure that counts.
    """

    users: Users
    actions: tuple[str, ...]
    evidence: Evidence
    reward_intercept: np.ndarray
    reward_slope: np.ndarray
    worth: Mapping[str, float] = field(default_factory=dict)

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
        measured: Measured | None = None,
        further: Collection[str] = (),
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
        measured
            Models of measures fitted on train, where they are at hand; else those that count are fitted.
        further
            Further measures whose scores are wanted, though they do not count.

        Raises
        ------
        InputError
            Where a measure that counts is not known under each action, or has missing values.
        """
        check_measures(kind, users, economics)
        if measured is None:
            measured = fit_measures(train, dict.fromkeys([*economics.measures, *further]), seed)
        lines = economics.rewards(actions, users.contract.good, users.costs)
        evidence = gather_evidence(kind, train, users, economics.response(actions), seed, log, measured)
        if kind != "assumed" and actions != users.actions:
            evidence = evidence.among([users.actions.index(action) for action in actions])
        if economics.per_user and evidence.support:
            in_money = evidence.support["phi"].scaled(np.nan_to_num(lines[1]))
            evidence = replace(evidence, support={**evidence.support, MONEY: in_money})
        return cls(users, actions, replace(evidence, vetoed=vetoed).waived(accepted), *lines, economics.measures)

    @property
    def reward(self) -> np.ndarray:
        """(n, K) money per user under each action."""
        return reward(self.evidence, self.reward_intercept, self.reward_slope, self.worth)

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
        return policy_value(self.evidence, self.reward_intercept, self.reward_slope, decision, self.worth)

    def measured_basis(self, decision: np.ndarray) -> Basis | None:
        """What the measures' part of the uplift of (n,) codes rests on; None where only the outcome counts."""
        weight = np.eye(len(self.actions))[decision]
        weight[:, 0] -= 1
        bases = [self.evidence.support[f"{MEASURE}{m}"].behind(weight * of).total() for m, of in self.worth.items()]
        return reduce(add, bases) if bases else None

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
