"""Predicted effects of actions as policies read them: which column is whose, what is wanted, what it is worth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import StrictModel
from tippingpoint.data.model_output import by_action, effects

Unit = Literal["outcomes", "money"]
Lines = Callable[[tuple[str, ...]], tuple[np.ndarray, np.ndarray]]
"""Names of K actions to (K,) intercepts and slopes of their rewards; NaN where an action has no price."""


@dataclass(frozen=True)
class Predicted:
    """What an effect learner gives of the users a policy is bound with.

    Parameters
    ----------
    actions
        Names of the K columns; `none` first.
    good
        Whether outcome 1 is wanted.
    found
        (n, K + 1) what it gives, as `data.model_output` lays it out.
    lines
        Rewards of actions; raises InputError where prices are each user's own.
    spends
        What actions cost: contacts, and discounts of those who pay; None where that is not known.
    """

    actions: tuple[str, ...]
    good: bool
    found: np.ndarray
    lines: Lines
    spends: Lines | None = None


class Effects(StrictModel):
    """How to read an effect learner's output; a policy learns it when it is bound, and keeps it as JSON."""

    actions: tuple[str, ...]
    good: bool
    intercept: tuple[float, ...] | None = None
    slope: tuple[float, ...] | None = None
    """(K,) reward line of each action; None where gains are counted in outcomes."""

    def gains(self, found: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """(n, len(names)) what each of these actions gains over none, in money or else in wanted outcomes."""
        columns = [self.actions.index(name) for name in names]
        if self.intercept is None or self.slope is None:
            effect = effects(found)[:, columns]
            return np.asarray(effect if self.good else -effect)
        money = np.array(self.intercept) + np.array(self.slope) * by_action(found)
        return np.asarray((money - money[:, :1])[:, columns])

    def chances(self, found: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """(n, len(names)) chances of the outcome under each of these actions."""
        return np.asarray(by_action(found)[:, [self.actions.index(name) for name in names]])


def learn(policy: str, names: tuple[str, ...], predicted: Predicted | None, unit: Unit, instead: str) -> Effects:
    """What a policy needs to read the effects of some actions.

    Parameters
    ----------
    instead
        What to type where the model predicts no effects.

    Raises
    ------
    InputError
        When the model predicts none, or not that of a named action.
    """
    if predicted is None:
        what = f"{policy} goes by the effect of an action, and the model predicts the chance of the outcome alone"
        raise InputError("policy", what, f"Fit one, tippingpoint compare learner=dr policy={policy}{instead}.")
    for name in names:
        if name not in predicted.actions:
            there = ", ".join(predicted.actions)
            what = f"{policy} gives {name!r}, and the model knows the effects of {there}"
            raise InputError("policy", what, "Give its segments others of these actions.")
    if unit == "outcomes":
        return Effects(actions=predicted.actions, good=predicted.good)
    intercept, slope = predicted.lines(predicted.actions)
    known = np.isfinite(intercept + slope)  # an action that is never given needs no price
    return Effects(
        actions=predicted.actions,
        good=predicted.good,
        intercept=tuple(np.where(known, intercept, 0).tolist()),
        slope=tuple(np.where(known, slope, 0).tolist()),
    )
