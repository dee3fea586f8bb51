"""What an outcome under an action is worth: a line in the outcome, one an action."""

import contextlib
from typing import Annotated, Any, Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.core.strict import StrictModel

OUTCOME = "outcome"
Share = Annotated[float, Field(ge=0, le=1)]


class ActionPrice(StrictModel):
    """What taking one action costs, and how users are assumed to respond where no experiment says.

    Examples
    --------
    >>> Economics(price=9.99, actions={"none": {}, "email": ActionPrice(contact_cost=0.01)}).priced == {"none", "email"}
    True
    """

    contact_cost: float = 0.0
    """Money per user acted on."""
    discount: Share = 0.0
    """Share of the price given away..."""
    discount_months: float = Field(default=0.0, ge=0)
    """...for so many months."""
    assumed_response: float = Field(default=1.0, gt=0)
    """What multiplies the chance of a wanted outcome, and divides that of one that is not: 1.25 brings a quarter more,
    or leaves a fifth fewer. Read for evidence `assumed` only."""


class Economics(StrictModel):
    """Prices of a subscription, per user and in one currency.

    A user who pays is worth the price of the months they stay, less a discount; one who does not is worth what
    advertising brings over the same months. Either way an action costs its contact.

    Examples
    --------
    >>> reward_intercept, reward_slope = Economics(price=9.99).line(("none", "checkout_prompt"), good=True)
    >>> (reward_intercept + reward_slope).round(2).tolist()  # of a user who pays
    [59.94, 59.92]
    """

    name: str = "freemium"
    currency: str = Field(default="EUR", min_length=3, max_length=3)
    price: float = Field(ge=0)
    """Of a month."""
    months: float = Field(default=6, gt=0)
    """A new subscriber stays."""
    ad_revenue: float = 3.0
    """From a user who stays free, over the same months."""
    reward: str | tuple[str, ...] | dict[str, float] = OUTCOME
    """What a user is worth: `outcome`, which is price, months and ad revenue; a measure of the data (`spend`), whose
    unit is a unit of money; several; or what a unit of each is worth (`{spend: 0.4, refunds: -1}`). Costs of contact
    are always subtracted, discounts where the outcome counts."""
    actions: dict[str, ActionPrice] = {
        "none": ActionPrice(contact_cost=0.0),
        "discount_10": ActionPrice(contact_cost=0.05, discount=0.1, discount_months=3, assumed_response=1.1),
        "checkout_prompt": ActionPrice(contact_cost=0.02, assumed_response=1.05),
    }

    @field_validator("actions")
    @classmethod
    def _none_is_priced(cls, actions: dict[str, ActionPrice]) -> dict[str, ActionPrice]:
        if "none" not in actions:
            raise ValueError("the action none must be priced too")
        return actions

    @field_validator("reward")
    @classmethod
    def _something_is_worth_something(cls, reward: str | tuple[str, ...] | dict[str, float]) -> Any:
        if not reward or (isinstance(reward, dict) and not np.isfinite([*reward.values()]).all()):
            raise ValueError("must name the outcome or measures. Type economics.reward=outcome.")
        return reward

    @property
    def _worth(self) -> dict[str, float]:
        given = (self.reward,) if isinstance(self.reward, str) else self.reward
        return given if isinstance(given, dict) else dict.fromkeys(given, 1.0)

    @property
    def measures(self) -> dict[str, float]:
        """What one unit of each measure that counts is worth; empty where only the outcome does."""
        return {name: worth for name, worth in self._worth.items() if name != OUTCOME}

    @property
    def rewards_outcome(self) -> bool:
        """Whether the outcome itself is worth something."""
        return bool(self._worth.get(OUTCOME, 0.0))

    @property
    def priced(self) -> set[str]:
        """Actions that have a price."""
        return set(self.actions)

    @property
    def per_user(self) -> bool:
        """Whether each user has prices of their own: then `rewards` alone tells them, and takes users."""
        return False

    @property
    def in_words(self) -> str:
        """What a user is worth, as a clause.

        >>> Economics(price=9.99).in_words
        '9.99 EUR a month for 6 months from who pays, 3 EUR from who does not'
        """
        said = [f"{worth:g} {self.currency} for each unit of {name}" for name, worth in self.measures.items()]
        if self.rewards_outcome:
            paid = f"{self.price:g} {self.currency} a month for {self.months:g} months from who pays"
            said.insert(0, f"{paid}, {self.ad_revenue:g} {self.currency} from who does not")
        return "; ".join(said)

    def specification(self) -> dict[str, Any]:
        """As a config node, ready for JSON; its class is named where it is not this one."""
        target = {"_target_": f"{type(self).__module__}.{type(self).__name__}"} if self.per_user else {}
        return target | self.model_dump(mode="json")

    def check(self, actions: set[str]) -> None:
        """Refuse actions that have no price.

        Raises
        ------
        InputError
            Naming the first action without a price.
        """
        if not (lacking := sorted(actions - set(self.actions))):
            return
        remedy = nearest(lacking[0], self.actions)
        with contextlib.suppress(ValueError):  # some names can stand in a file only
            free = {action: {"contact_cost": 0} for action in lacking}
            remedy += f" For a new one type {override('+economics.actions', free)}, with its cost."
        raise InputError("economics.actions", f"{lacking[0]!r} has no price", remedy)

    def line(self, actions: tuple[str, ...], good: bool) -> tuple[np.ndarray, np.ndarray]:
        """Reward r(y, a) = reward_intercept[a] + reward_slope[a]·y, in money per user.

        Parameters
        ----------
        actions
            The K actions, in order; one without a price gets NaN.
        good
            Whether y = 1 means that the user pays.

        Returns
        -------
        reward_intercept, reward_slope
            (K,) each.
        """
        reward_intercept, reward_slope = np.full((2, len(actions)), np.nan)
        for k, action in enumerate(actions):
            if (of := self.actions.get(action)) is None:
                continue
            counts = self._worth.get(OUTCOME, 0.0)
            paying = self.price * (self.months - of.discount * min(of.discount_months, self.months))
            one, zero = counts * np.array([paying, self.ad_revenue] if good else [self.ad_revenue, paying])
            reward_intercept[k], reward_slope[k] = zero - of.contact_cost, one - zero
        return reward_intercept, reward_slope

    def spend(self, actions: tuple[str, ...], good: bool) -> tuple[np.ndarray, np.ndarray]:
        """What an action costs: its contact, and the discount of those who pay, as intercept[a] + slope[a]·y.

        Parameters and shapes as in `line`.
        """
        reward_intercept, reward_slope = np.full((2, len(actions)), np.nan)
        for k, action in enumerate(actions):
            if (of := self.actions.get(action)) is None:
                continue
            counts = self._worth.get(OUTCOME, 0.0)
            given = counts * self.price * of.discount * min(of.discount_months, self.months)
            reward_intercept[k], reward_slope[k] = of.contact_cost + (0 if good else given), given if good else -given
        return reward_intercept, reward_slope

    def rewards(
        self, actions: tuple[str, ...], good: bool, costs: pd.DataFrame | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The reward line of each of n users: (K,) where all share one, (n, K) where prices are per user."""
        return self.line(actions, good)

    def response(self, actions: tuple[str, ...]) -> np.ndarray:
        """(K,) assumed responses, as `ActionPrice.assumed_response` has them."""
        return np.array([self.actions[a].assumed_response if a in self.actions else np.nan for a in actions])


class CostColumns(StrictModel):
    """The columns that say what an action costs a user with outcome 1, and one with outcome 0."""

    one: str
    zero: str
    assumed_response: float = Field(default=1.0, gt=0)


class PerUser(Economics):
    """Costs named per user and action, as cost-sensitive tables have them; a reward is a cost avoided.

    The prices of `Economics` are not read: what a user is worth stands in the table (`data.costs`).
    """

    price: float = 0.0
    months: float = 1.0
    ad_revenue: float = 0.0
    actions: dict[str, ActionPrice] = Field(default_factory=lambda: {"none": ActionPrice()})
    costs: dict[str, CostColumns]

    @model_validator(mode="after")
    def _none_costs_too(self) -> Self:
        if "none" not in self.costs:
            raise ValueError("the action none has its costs too")
        if self.measures:
            raise ValueError("costs of each user are the reward: measures cannot be. Leave economics.reward out.")
        return self

    @property
    def priced(self) -> set[str]:
        return set(self.costs)

    @property
    def per_user(self) -> bool:
        return True

    @property
    def in_words(self) -> str:
        return f"{self.currency} of each user's own columns"

    def check(self, actions: set[str]) -> None:
        for action in sorted(actions - set(self.costs)):
            raise InputError("economics.costs", f"{action!r} has no costs", nearest(action, self.costs))

    def line(self, actions: tuple[str, ...], good: bool) -> tuple[np.ndarray, np.ndarray]:
        raise InputError(
            "economics",
            f"{self.name} prices each user; what is best for everyone alike is not defined",
            "Take another policy than best_action, or prices that all users share.",
        )

    def rewards(
        self, actions: tuple[str, ...], good: bool, costs: pd.DataFrame | None
    ) -> tuple[np.ndarray, np.ndarray]:
        there = [] if costs is None else list(costs.columns)
        n = 0 if costs is None else len(costs)
        reward_intercept, reward_slope = np.full((2, n, len(actions)), np.nan)
        for k, action in enumerate(actions):
            if (of := self.costs.get(action)) is None:
                continue
            for column in (of.one, of.zero):
                if costs is None or column not in there:
                    raise InputError(
                        "economics.costs",
                        f"no cost column {column!r}",
                        "Name it in data.costs. " + nearest(column, there),
                    )
            assert costs is not None
            reward_intercept[:, k] = -costs[of.zero].to_numpy()
            reward_slope[:, k] = costs[of.zero].to_numpy() - costs[of.one].to_numpy()
        return reward_intercept, reward_slope

    def response(self, actions: tuple[str, ...]) -> np.ndarray:
        return np.array([self.costs[a].assumed_response if a in self.costs else np.nan for a in actions])
