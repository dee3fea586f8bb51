"""Value and uplift of one policy, in money and in outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.common_support import Common
from tippingpoint.offpolicy.contest import Contrast, contest
from tippingpoint.offpolicy.evidence import MEASURE, Evidence, taken
from tippingpoint.offpolicy.hidden_driver import Bounds, HiddenDriver
from tippingpoint.offpolicy.statistics import Estimate, mean, units
from tippingpoint.offpolicy.support import MOST_LACKING, Basis, Support


@dataclass(frozen=True)
class PolicyValue:
    """A policy's value on n users.

    Parameters
    ----------
    value
        Money per user if the policy decided.
    uplift
        Money per user over everyone getting none, with its own standard error.
    outcomes_per_1000
        Further outcomes per 1,000 users over everyone getting none.
    contribution
        (n,) money each user adds to the uplift; its mean is the uplift.
    weight
        (n, K) how often the reward of each action counts in a user's contribution; what the figures rest on.
    support
        What the log can say about the rewards; None where there was none.
    measured
        Whether intervals may be given.
    group
        (n,) numbers of the groups users belong to; None where each stands alone.
    hidden
        What a hidden driver could move the rewards by; None where chances are known, or measures count.
    """

    value: Estimate
    uplift: Estimate
    outcomes_per_1000: Estimate
    contribution: np.ndarray
    weight: np.ndarray
    support: Support | None
    measured: bool
    group: np.ndarray | None = None
    hidden: HiddenDriver | None = None

    @cached_property
    def bounds(self) -> Bounds | None:
        """What the uplift could be with a hidden driver; None without an interval, or where chances are known."""
        if self.hidden is None or self.uplift.low is None or not self.weight.any():
            return None
        basis = _basis(self.support, self.weight, self.group)
        columns = np.stack([self.contribution, *self.hidden.behind(self.weight)])
        return Bounds.of_users(columns, 0.0 if basis is None else float(basis.noise), self.group)

    @cached_property
    def common(self) -> Common | None:
        """The uplift of those acted on who could have got either; None where support is no fault of the figure's."""
        basis = _basis(self.support, self.weight, self.group)
        if self.support is None or basis is None or not self.measured or basis.share_lacking <= MOST_LACKING:
            return None
        acted = self.weight != 0
        lacks = (acted & (self.support.moments[2] > 0)).any(axis=1)
        members = acted.any(axis=1) & ~lacks
        users = int(members.sum())
        return Common.of(users, int(acted.any(axis=1).sum()), self.among(members) if users else None)

    def among(self, members: np.ndarray) -> Estimate:
        """Uplift of those users that (n,) bool `members` marks, per user of theirs."""
        support = None if self.support is None else Support(self.support.moments[:, members])
        group = None if self.group is None else self.group[members]
        return self._estimate(self.contribution[members], _basis(support, self.weight[members], group), group)

    def over(self, other: "PolicyValue") -> Estimate:
        """What this one brings more than another on the same users, paired."""
        return self._estimate(self.contribution - other.contribution, self.basis(other), self.group)

    def basis(self, other: "PolicyValue") -> Basis | None:
        """What the difference to another rests on."""
        return _basis(self.support, self.weight - other.weight, self.group)

    def _estimate(self, contribution: np.ndarray, basis: Basis | None, group: np.ndarray | None) -> Estimate:
        found = mean(contribution, basis, group)
        return found if self.measured else Estimate(found.value)


def contest_of_values(values: Mapping[str, PolicyValue], rng: np.random.Generator) -> list[Contrast]:
    """All pairs of policies on the same users (`contest`), by money per user."""
    return contest(
        {name: of.contribution for name, of in values.items()},
        rng,
        lambda first, second: values[first].basis(values[second]),
        next(iter(values.values())).group,
    )


NO_MEASURES: Mapping[str, float] = {}


def reward(
    evidence: Evidence,
    reward_intercept: np.ndarray,
    reward_slope: np.ndarray,
    worth: Mapping[str, float] = NO_MEASURES,
) -> np.ndarray:
    """(n, K) money per user under each action: reward_intercept[a] + reward_slope[a]·outcome_scores[i, a] + measures.

    `worth` is of a unit of each measure that counts.
    """
    money = reward_intercept + reward_slope * evidence.outcome_scores
    for name, of in worth.items():
        money = money + of * evidence.measures[name]
    return np.asarray(money)


def policy_value(
    evidence: Evidence,
    reward_intercept: np.ndarray,
    reward_slope: np.ndarray,
    decision: np.ndarray,
    worth: Mapping[str, float] = NO_MEASURES,
) -> PolicyValue:
    """Value a policy by what it decides for each user.

    Parameters
    ----------
    reward_intercept, reward_slope
        (K,) reward line of each action (`Economics.line`); actions never decided may be NaN.
    decision
        (n,) action codes; or (n, K) chances of each action, for a policy that throws dice.
    worth
        As in `reward`.

    Raises
    ------
    InputError
        Where decisions do not fit the users, or a decided action has no price or no evidence.
    """
    money, outcome_scores = reward(evidence, reward_intercept, reward_slope, worth), evidence.outcome_scores
    chosen = taken(money, decision)
    gain, outcomes = chosen - money[:, 0], taken(outcome_scores, decision) - outcome_scores[:, 0]
    if not np.isfinite(gain.sum()):
        broken = np.flatnonzero(~np.isfinite(money).all(axis=0)).tolist()
        raise InputError(
            "policy.actions", f"no price or evidence for actions {broken}", "Leave them out of the policy."
        )
    support = _support(evidence, reward_slope, worth)
    counted = np.eye(outcome_scores.shape[1])[decision] if decision.ndim == 1 else decision
    weight = counted.astype(np.float64)
    weight[:, 0] -= 1

    def estimate(contributions: np.ndarray, weights: np.ndarray, of: Support | None = support) -> Estimate:
        found = mean(contributions, _basis(of, weights, evidence.group), evidence.group)
        return found if evidence.measured else Estimate(found.value)

    return PolicyValue(
        value=estimate(chosen, counted),
        uplift=estimate(gain, weight),
        outcomes_per_1000=estimate(outcomes, weight, evidence.support.get("phi")).scaled(1000),
        contribution=gain,
        weight=weight,
        support=support,
        measured=evidence.measured,
        group=evidence.group,
        hidden=None if evidence.hidden is None or worth else evidence.hidden.scaled(np.nan_to_num(reward_slope)),
    )


def _support(evidence: Evidence, slope: np.ndarray, worth: Mapping[str, float]) -> Support | None:
    """What the log can say about rewards: the outcome's part, and that of each measure that counts."""
    if "phi" not in evidence.support:
        return None
    found = evidence.support["phi"].scaled(np.nan_to_num(slope))
    for name, of in worth.items():
        found += evidence.support[f"{MEASURE}{name}"].scaled(np.full(evidence.outcome_scores.shape[1], of))
    return found


def _basis(support: Support | None, weight: np.ndarray, group: np.ndarray | None) -> Basis | None:
    n = len(weight)
    return None if support is None else support.behind(weight, apart=units(n, group) / max(n, 1)).total()


def break_even_response(base: float, reward_intercept: np.ndarray, reward_slope: np.ndarray, good: bool) -> float:
    """The stated response from which on an action earns more than none; inf: no response is enough.

    Parameters
    ----------
    base
        Mean outcome under none of the users acted on.
    reward_intercept, reward_slope
        (2,) reward lines of none and of the action.
    good
        Whether the outcome is wanted; else a response divides it (`evidence.factor`).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = reward_intercept[0] - reward_intercept[1] + reward_slope[0] * base
        times = np.float64(gap) / (reward_slope[1] * base)
        if good:
            return float(times)
        return float(1 / times) if times > 0 else float("inf")


def segment_break_even(
    outcome: np.ndarray, reward_intercept: np.ndarray, reward_slope: np.ndarray, good: bool
) -> float:
    """`break_even_response` of these users, at prices that may be each their own.

    Parameters
    ----------
    outcome
        (n,) outcomes under none, or their chances.
    reward_intercept, reward_slope
        (2,) or (n, 2) reward lines of none and of the action.
    """
    # Means of products: whoever pays may cost more or less than others do.
    a = np.broadcast_to(reward_intercept, (len(outcome), 2)).mean(axis=0)
    b = (reward_slope * outcome[:, None]).mean(axis=0)
    return break_even_response(1.0, a, b, good)
