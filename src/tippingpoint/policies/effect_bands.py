"""Bands of the predicted effect: cut-offs on what an action is expected to gain, in outcomes or money."""

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator

from tippingpoint.core.overrides import override
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.effects import Effects, Unit, learn
from tippingpoint.policies.policy import FitContext


class EffectBands(Bands):
    """Segments are bands of the effect of the last band's action over that of the first, from low to high.

    Examples
    --------
    >>> EffectBands(cuts=[0.0, 0.02], cut_belongs=["above", "above"], bands=["a", "b", "c"],
    ...     actions={"a": "none", "b": "none", "c": "discount_10"}).segments
    ('a', 'b', 'c')
    """

    learnt: ClassVar = ("effects",)

    name: str = Field(default="effect_bands", min_length=1)
    gain: Unit = "outcomes"
    """What cut-offs are counted in: wanted outcomes per user, or money per user."""
    cuts: tuple[float, ...] = Field(default=(0.02,), min_length=1)
    cut_belongs: tuple[Literal["above", "below"], ...] = ("above",)
    bands: tuple[str, ...] = ("rest", "target")
    actions: dict[str, str] = Field(default={"rest": "none", "target": "checkout_prompt"}, min_length=1)
    effects: Effects | None = None
    """How effects are read, once it is bound."""

    @field_validator("cuts")
    @classmethod
    def _rise(cls, cuts: tuple[float, ...]) -> tuple[float, ...]:
        if list(cuts) != sorted(set(cuts)):
            raise ValueError(f"must rise. Type {override('policy.cuts', sorted(set(cuts)))}.")
        return cuts

    @property
    def reads_effects(self) -> bool:
        return True

    @property
    def counts_money(self) -> bool:
        return self.gain == "money"

    @property
    def score_cuts(self) -> None:
        return None

    @property
    def _named(self) -> tuple[str, str]:
        return self.actions[self.bands[0]], self.actions[self.bands[-1]]

    def axis(self, found: np.ndarray) -> np.ndarray:
        assert self.effects is not None  # whoever decides has bound it
        gains = self.effects.gains(found, self._named)
        return np.asarray(gains[:, 1] - gains[:, 0])

    def bind(self, context: FitContext) -> Self:
        effects = learn(self.name, self._named, context.predicted, self.gain, "; or take a policy of the score")
        return self.model_copy(update={"effects": effects})
