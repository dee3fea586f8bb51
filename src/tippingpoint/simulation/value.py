"""What one policy would bring: value and uplift, in money and in outcomes."""

from dataclasses import dataclass

import numpy as np

from tippingpoint.simulation.evidence import Evidence
from tippingpoint.simulation.statistics import Estimate, mean


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
    """

    value: Estimate
    uplift: Estimate
    outcomes_per_1000: Estimate
    contribution: np.ndarray


def reward(evidence: Evidence, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """(n, K) money per user under each action: alpha[a] + beta[a]·phi[i, a]."""
    return alpha + beta * evidence.phi


def policy_value(evidence: Evidence, alpha: np.ndarray, beta: np.ndarray, decision: np.ndarray) -> PolicyValue:
    """Value a policy by what it decides for each user.

    Parameters
    ----------
    alpha, beta
        (K,) reward line of each action (`Economics.line`); actions never decided may be NaN.
    decision
        (n,) action codes.
    """
    rows = np.arange(len(decision))
    money, phi = reward(evidence, alpha, beta), evidence.phi
    chosen = money[rows, decision]
    gain, outcomes = chosen - money[:, 0], phi[rows, decision] - phi[:, 0]
    value, uplift, per_1000 = mean(chosen), mean(gain), mean(outcomes).scaled(1000)
    if not evidence.measured:
        value, uplift, per_1000 = Estimate(value.value), Estimate(uplift.value), Estimate(per_1000.value)
    return PolicyValue(value, uplift, per_1000, contribution=gain)


def break_even_response(base: float, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """(K,) ratio P(y | a) / P(y | none) from which on an action earns more than none.

    Parameters
    ----------
    base
        Mean outcome under none of the users acted on.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return (alpha[0] - alpha + beta[0] * base) / (beta * base)
