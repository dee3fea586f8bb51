"""The action of each user that brings most within a budget of money, where actions cost different amounts."""

from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from tippingpoint.core.errors import InputError
from tippingpoint.policies.best_action import BestAction
from tippingpoint.policies.effects import learn
from tippingpoint.policies.policy import FitContext

HALVINGS = 60


class MoneyBudget(BestAction):
    """Each user gets the action of largest predicted gain less what it spends at a price, fixed on validation.

    With spend priced at λ the choice is by user, so that one user can be decided alone; of all policies that spend as
    much it is the one of largest predicted gain (the dual of the knapsack with several actions a user). λ is the
    smallest at which validation users keep the budget: what a further unit of money would bring. Needs a model that
    predicts effects.

    Examples
    --------
    >>> MoneyBudget(money_per_1000=200, actions={"none": "none", "email": "email"}).reads_effects
    True
    """

    learnt: ClassVar = ("effects", "spend_intercept", "spend_slope", "price")
    unsaid: ClassVar = ()

    name: str = Field(default="money_budget", min_length=1)
    money_per_1000: float = Field(default=100, gt=0)
    """Expected spend for every 1,000 users: contacts, and discounts of those who pay."""

    spend_intercept: tuple[float, ...] | None = None
    spend_slope: tuple[float, ...] | None = None
    """What each segment's action spends more than none, on whom the outcome does not come, and more where it does."""
    price: float | None = None
    """Gain that a unit of money must bring at least."""

    @property
    def reads_effects(self) -> bool:
        return True

    @property
    def counts_money(self) -> bool:
        return True

    def axis(self, found: np.ndarray) -> np.ndarray:
        """(n, segments) gain of each action over none, less what it spends at the price."""
        if self.effects is None or self.price is None:
            return super().axis(found)
        return self._gains(found) - self.price * self._spends(found)

    def bind(self, context: FitContext) -> Self:
        names = tuple(self.actions.values())
        effects = learn(self.name, names, context.predicted, "money", "")
        predicted = context.predicted
        assert predicted is not None
        if predicted.spends is None:
            raise InputError("policy", f"{self.name} needs one price list for all users", "Take prices that all share.")
        intercept, slope = predicted.spends(names)
        none = names.index("none")
        own: dict[str, object] = {"effects": effects, "spend_intercept": tuple((intercept - intercept[none]).tolist())}
        bound = self.model_copy(update=own | {"spend_slope": tuple((slope - slope[none]).tolist())})
        gains, spends = bound._gains(predicted.found), bound._spends(predicted.found)
        return bound.model_copy(update={"price": _price(gains, spends, self.money_per_1000 / 1000)})

    def _gains(self, found: np.ndarray) -> np.ndarray:
        assert self.effects is not None
        return self.effects.gains(found, tuple(self.actions.values()))

    def _spends(self, found: np.ndarray) -> np.ndarray:
        assert self.effects is not None
        chances = self.effects.chances(found, tuple(self.actions.values()))
        return np.asarray(np.array(self.spend_intercept) + np.array(self.spend_slope) * chances)


def _price(gains: np.ndarray, spends: np.ndarray, budget: float) -> float:
    """Smallest price of spend at which (n, segments) choices keep a budget per user."""
    rows = np.arange(len(gains))

    def spent(price: float) -> float:
        return float(spends[rows, (gains - price * spends).argmax(axis=1)].mean())

    if spent(0.0) <= budget:
        return 0.0
    low, high = 0.0, 1.0
    while spent(high) > budget:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if spent(middle) > budget else (low, middle)
    return high
