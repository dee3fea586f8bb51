"""Where a counterfactual comes from: outcome_scores[i, a] stands for user i's outcome under action a."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.hidden_driver import HiddenDriver
from tippingpoint.offpolicy.support import Support

Kind = Literal["truth", "experiment", "logged", "assumed"]
MEASURE = "measure "
"""Begins the name of a further measure's block of scores, and of its support."""
FLOOR = 0.01
"""Estimated chances are lifted to this, so that no user weighs more than its inverse."""
LEAST_ARM = 100
"""Users an action must have been taken for before anything is said about it."""


@dataclass(frozen=True)
class Evidence:
    """Outcome scores of n users under K actions; the first action is `none`.

    Parameters
    ----------
    kind
        `truth` (a generator knows), `experiment` (known logging probabilities), `logged` (estimated ones) or
        `assumed` (a stated response). One ranking never mixes kinds.
    outcome_scores
        (n, K) array whose column means estimate the mean outcome under each action.
    support
        What a log can say about them, and about further blocks of `Cells` by name; empty where there was none.
    group
        (n,) numbers from 0 of the groups users belong to; None where each stands alone.
    vetoed
        Codes of the diagnostics that take every interval away.
    hidden
        What a driver of the action that is in no feature could move them by; None where chances are known.
    measures
        (n, K) scores of further measures, made like the outcome's, by name.
    """

    kind: Kind
    outcome_scores: np.ndarray
    support: Mapping[str, Support] = field(default_factory=dict)
    group: np.ndarray | None = None
    vetoed: tuple[str, ...] = ()
    hidden: HiddenDriver | None = None
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outcome_scores.ndim != 2:
            raise InputError("evidence.phi", f"must be users × actions, got shape {self.outcome_scores.shape}")

    @property
    def measured(self) -> bool:
        """Whether intervals may be given: never for what was merely assumed, nor for what a diagnostic vetoed."""
        return self.kind != "assumed" and not self.vetoed

    @property
    def label(self) -> str:
        """What it is called where it is read by people: vetoed evidence is not what it claims to be."""
        return labelled(self.kind, self.vetoed)

    def waived(self, codes: Collection[str]) -> "Evidence":
        """The same where some of the vetoes of single figures were accepted."""
        return replace(self, support={block: of.waived(codes) for block, of in self.support.items()})

    def among(self, codes: Sequence[int]) -> "Evidence":
        """The same under some of the actions."""
        support = {block: Support(of.moments[..., list(codes)]) for block, of in self.support.items()}
        measures = {name: scores[:, list(codes)] for name, scores in self.measures.items()}
        hidden = None if self.hidden is None else self.hidden.among(list(codes))
        scores = self.outcome_scores[:, list(codes)]
        return replace(self, outcome_scores=scores, support=support, measures=measures, hidden=hidden)


def labelled(kind: str, vetoed: Sequence[str]) -> str:
    """The kind of evidence as people read it."""
    return f"{kind}, vetoed" if vetoed else kind


@dataclass(frozen=True)
class Log:
    """What was done to n users, with which chance, and what came of it; checked once, here.

    Parameters
    ----------
    outcome
        (n,) observed outcomes, or rewards in money, under the action that was taken.
    action
        (n,) codes of what was done.
    logging_probability
        (n, K) chance of each action, in (0, 1], each row summing to 1.
    predicted
        (n, K) the outcome predicted under each action, fitted on other users; not needed for ipw and snipw.

    Raises
    ------
    InputError
        Where shapes do not fit, values are missing, or probabilities are none.
    """

    outcome: np.ndarray
    action: np.ndarray
    logging_probability: np.ndarray
    predicted: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.outcome)
        e = self.logging_probability
        if e.ndim != 2 or len(e) != n or self.action.shape != (n,) or self.outcome.ndim != 1:
            shapes = f"outcome {self.outcome.shape}, action {self.action.shape}, logging probability {e.shape}"
            raise InputError("log", f"shapes do not fit: {shapes}", "Give (n,), (n,) and (n, K).")
        if n == 0:
            raise InputError("log", "holds no users", "Give at least one.")
        if not np.isfinite(self.outcome).all():
            missing = int((~np.isfinite(self.outcome)).sum())
            raise InputError("log.outcome", f"{missing} of {n} values are missing", "Drop or fill them.")
        if not (
            np.issubdtype(self.action.dtype, np.integer) and 0 <= self.action.min() <= self.action.max() < e.shape[1]
        ):
            raise InputError("log.action", f"codes must be integers from 0 to {e.shape[1] - 1}")
        if not (e.min() > 0 and e.max() <= 1):  # NaN fails too
            raise InputError(
                "log.logging_probability",
                "must lie in (0, 1]",
                "Leave out an action that could not be taken.",
            )
        if np.abs(e.sum(axis=1) - 1).max() > 1e-6:
            raise InputError(
                "log.logging_probability", "rows must sum to 1", "Give the chance of every action, none too."
            )
        if self.predicted is not None:
            if self.predicted.shape != e.shape:
                raise InputError("log.predicted", f"must have shape {e.shape}, got {self.predicted.shape}")
            if not np.isfinite(self.predicted).all():
                raise InputError("log.predicted", "holds missing or infinite values")

    @property
    def weight(self) -> np.ndarray:
        """(n, K) w[i, a] = 1[action_i = a] / e[i, a]."""
        return weights(self.action, self.logging_probability)

    def priced(self, reward_intercept: np.ndarray, reward_slope: np.ndarray) -> "Log":
        """The same log in money: outcome y under action a becomes intercept[a] + slope[a]·y; (K,) each."""
        if not np.isfinite(reward_intercept + reward_slope).all():
            codes = np.flatnonzero(~np.isfinite(reward_intercept + reward_slope)).tolist()
            raise InputError("economics.actions", f"actions {codes} have no price", "Price all that were taken.")
        predicted = None if self.predicted is None else reward_intercept + reward_slope * self.predicted
        return replace(
            self, outcome=reward_intercept[self.action] + reward_slope[self.action] * self.outcome, predicted=predicted
        )


def weights(action: np.ndarray, logging_probability: np.ndarray) -> np.ndarray:
    """(n, K) inverse probability of the action taken, 0 for the others."""
    w, rows = np.zeros(logging_probability.shape), np.arange(len(action))
    w[rows, action] = 1 / logging_probability[rows, action]
    return w


def doubly_robust(
    outcome: np.ndarray, action: np.ndarray, logging_probability: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """Augmented inverse-probability scores (Robins, Rotnitzky & Zhao 1994; Dudík et al. 2011).

    outcome_scores[i, a] = p[i, a] + 1[action_i = a] / e[i, a] · (y_i - p[i, a]). Unbiased whatever `predicted` is, as
    long as it was fitted on other users and the logging probabilities are right.

    Parameters
    ----------
    outcome
        (n,) observed outcomes.
    action
        (n,) codes of what was done.
    logging_probability, predicted
        (n, K) chance of each action, and a prediction of the outcome under it.

    Raises
    ------
    InputError
        As `Log` does.
    """
    Log(outcome, action, logging_probability, predicted)
    rows = np.arange(len(outcome))
    outcome_scores = predicted.astype(np.float64, copy=True)
    outcome_scores[rows, action] += (outcome - predicted[rows, action]) / logging_probability[rows, action]
    return np.asarray(outcome_scores)


def factor(response: np.ndarray, good: bool) -> np.ndarray:
    """What stated responses multiply the chance of the outcome by: 1.25 brings a quarter more of a wanted one.

    Of one that is not wanted it leaves 1/1.25, a fifth fewer: so who is likeliest to have it gains most.
    """
    return response if good else 1 / response


def assumed(outcome: np.ndarray, response: np.ndarray, good: bool = True) -> np.ndarray:
    """(n, K) observed outcome times the `factor` of the (K,) stated responses. Not a measurement."""
    return np.asarray(outcome[:, None] * factor(response, good)[None, :])


def taken(matrix: np.ndarray, decision: np.ndarray) -> np.ndarray:
    """(n,) entries of an (n, K) matrix that a policy decides for.

    Parameters
    ----------
    decision
        (n,) action codes; or (n, K) chances of each action, for a policy that throws dice.
    """
    if decision.ndim == 1 and len(decision) == len(matrix):
        return np.asarray(matrix[np.arange(len(matrix)), decision])
    if decision.shape != matrix.shape:
        raise InputError("decision", f"has shape {decision.shape} for {len(matrix)} users × {matrix.shape[1]} actions")
    return np.asarray(np.where(decision > 0, decision * matrix, 0).sum(axis=1))


def clip(logging_probability: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    """Lift estimated probabilities, (n, K), to a floor; the rest of a row shrinks to keep its sum of 1.

    Trades a little bias for weights that are at most 1 / floor; `Diagnostics.clipped` says how many users.
    """
    low = logging_probability < floor
    while True:  # what shrinks may come below the floor itself; at most K times
        room = 1 - floor * low.sum(axis=1, keepdims=True)
        rest = np.where(low, 0, logging_probability)
        found = np.where(low, floor, rest * room / rest.sum(axis=1, keepdims=True))
        if not (found < floor).any():
            return np.asarray(found)
        low |= found < floor


@dataclass(frozen=True)
class Diagnostics:
    """How much the log can say about one policy."""

    effective_sample_size: float
    """(Σw)² / Σw², w = 1[action taken = action decided] / its chance: so many users of equal weight say as
    much."""
    largest_weight: float
    clipped: float | None
    """Share of users whose chance of the decided action was lifted to the floor; None where nothing was clipped."""
    counts: tuple[int, ...]
    """Users each action was taken for."""


def diagnose(log: Log, decision: np.ndarray, floor: float | None = None) -> Diagnostics:
    """Weights of a policy on a log; `decision` as in `taken`, `floor` where probabilities were clipped to it."""
    w = taken(log.weight, decision)
    return Diagnostics(
        effective_sample_size=float(w.sum() ** 2 / (w @ w)) if w.any() else 0.0,
        largest_weight=float(w.max()),
        clipped=None if floor is None else float((taken(log.logging_probability, decision) <= floor).mean()),
        counts=tuple(np.bincount(log.action, minlength=log.logging_probability.shape[1]).tolist()),
    )


def check_support(action: np.ndarray, actions: tuple[str, ...], least: int = LEAST_ARM) -> None:
    """Refuse actions that were hardly ever taken.

    Parameters
    ----------
    action
        (n,) codes into `actions` of what was done.

    Raises
    ------
    InputError
        Naming every action taken for fewer than `least` users.
    """
    counts = np.bincount(action, minlength=len(actions))
    rare = {name: int(count) for name, count in zip(actions, counts, strict=True) if count < least}
    if rare:
        listed = ", ".join(f"{name!r} was taken for {count} users" for name, count in rare.items())
        raise InputError(
            "data.action",
            f"{listed}; {least} are needed",
            "Leave it out of the policy; or leave out data.action, data.control and data.logging_probability, with the"
            " columns they name in data.drop: uplift is assumed then.",
        )
