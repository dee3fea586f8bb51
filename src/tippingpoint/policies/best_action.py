"""Each user's best action: by the version's own predicted effects, or by a reward model as a yardstick."""

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field, PrivateAttr, field_validator

from tippingpoint.core.errors import InputError
from tippingpoint.policies.effects import Effects, learn
from tippingpoint.policies.policy import FitContext, Policy


class BestAction(Policy):
    """Segments are actions; each user gets the one of largest expected reward at the prices it was bound with.

    With an effect learner's version it reads that version's effects, and can be registered and deployed. With any other
    it has a reward model of its own (one model an action, fitted on train), which is no part of the specification: such
    a bound policy lives as long as the job that bound it.

    Examples
    --------
    >>> BestAction(actions={"none": "none", "email": "email"}).segments
    ('none', 'email')
    """

    learnt: ClassVar[tuple[str, ...]] = ("effects",)
    unsaid: ClassVar[tuple[str, ...]] = ("effects",)
    chosen_by_outcomes: ClassVar = True

    name: str = Field(default="best_action", min_length=1)
    actions: dict[str, str] = Field(
        default={"none": "none", "discount_10": "discount_10", "checkout_prompt": "checkout_prompt"}, min_length=1
    )

    effects: Effects | None = None
    """How the version's effects are read, at the prices it was bound with; None where it has a reward model."""

    _expected_reward: Callable[[pd.DataFrame, tuple[str, ...]], np.ndarray] | None = PrivateAttr(default=None)

    @field_validator("actions")
    @classmethod
    def _none_is_among_them(cls, actions: dict[str, str]) -> dict[str, str]:
        if "none" not in actions.values():
            raise ValueError("must name none too: acting is not always best")
        return actions

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.actions)

    @property
    def reads_effects(self) -> bool:
        return self.effects is not None

    @property
    def counts_money(self) -> bool:
        return True

    def axis(self, found: np.ndarray) -> np.ndarray:
        """(n, segments) money each action gains over none, where the version predicts effects."""
        return super().axis(found) if self.effects is None else self.effects.gains(found, tuple(self.actions.values()))

    @property
    def reads_score(self) -> bool:
        return False

    def bind(self, context: FitContext) -> Self:
        if context.predicted is not None:
            effects = learn(self.name, tuple(self.actions.values()), context.predicted, "money", "")
            return self.model_copy(update={"effects": effects})
        if context.expected_reward is None:
            raise InputError(
                "policy", f"{self.name} needs logged actions to learn from; these users have none", "Use scores."
            )
        bound = self.model_copy()
        bound._expected_reward = context.expected_reward
        return bound

    def segment(self, score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        if self.effects is not None:
            return np.asarray(score.argmax(axis=1))
        if self._expected_reward is None:
            raise InputError("policy", f"{self.name} has no reward model yet", "Bind it to a model first.")
        return np.asarray(self._expected_reward(features, tuple(self.actions.values())).argmax(axis=1))
