"""Bands of the score: cut-offs that can be swept, each with the side on which the cut itself lies."""

from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from tippingpoint.core.overrides import override
from tippingpoint.policies.policy import Policy


class Bands(Policy):
    """Segments are bands of the score, from low to high.

    Examples
    --------
    >>> bands = Bands(
    ...     name="intent", version=1, cuts=[0.4, 0.7], cut_belongs=["above", "below"],
    ...     bands=["low", "medium", "high"], actions={"low": "none", "medium": "discount", "high": "prompt"},
    ... )
    >>> [bands.segments[s] for s in bands.segment(np.array([0.39, 0.40, 0.70, 0.71]), pd.DataFrame())]
    ['low', 'medium', 'medium', 'high']
    """

    moved_by: ClassVar = "cuts"
    """The field that says where the cut-offs lie."""
    by_score_alone: ClassVar = True
    meant: ClassVar = ("acts_on",)

    name: str = Field(default="intent_bands", min_length=1)
    cuts: tuple[float, ...] = Field(default=(0.4, 0.7), min_length=1)
    cut_belongs: tuple[Literal["above", "below"], ...] = ("above", "below")
    """For each cut, the band a score equal to it falls in: the one above it or the one below."""
    bands: tuple[str, ...] = ("low", "medium", "high")
    actions: dict[str, str] = Field(
        default={"low": "none", "medium": "discount_10", "high": "checkout_prompt"}, min_length=1
    )
    acts_on: Literal["low", "high", "any"] | None = None
    """Which users the actions are for: those unlikely to have the outcome, those likely to, or any; None: not said."""

    @field_validator("cuts")
    @classmethod
    def _rise(cls, cuts: tuple[float, ...]) -> tuple[float, ...]:
        if out := [cut for cut in cuts if not 0 <= cut <= 1]:
            raise ValueError(f"scores lie between 0 and 1, {out[0]:g} does not. Type e.g. policy.cuts='[0.4,0.7]'.")
        if list(cuts) != sorted(set(cuts)):
            raise ValueError(f"must rise. Type {override('policy.cuts', sorted(set(cuts)))}.")
        return cuts

    @model_validator(mode="after")
    def _one_more_band_than_cuts(self) -> Self:
        if len(self.bands) != len(self.cuts) + 1 or len(set(self.bands)) != len(self.bands):
            raise ValueError(
                f"{len(self.cuts)} cuts need {len(self.cuts) + 1} different bands. Give bands and actions too."
            )
        if len(self.cut_belongs) != len(self.cuts):
            raise ValueError("cut_belongs needs one side for each cut")
        return self

    @model_validator(mode="after")
    def _acts_where_it_says(self) -> Self:
        opposite = {"low": "high", "high": "low"}
        if self.acts_on is not None and (other := opposite.get(self.acts_on)) and acted_end(self) == other:
            idle, acted = self.bands[:: -1 if self.acts_on == "high" else 1][:: len(self.bands) - 1]
            raise ValueError(
                f"acts_on says {self.acts_on}, but {acted} gets {self.actions[acted]} and {idle} gets none."
                f" Type {override('policy.acts_on', other)} if that is meant."
            )
        return self

    @property
    def grid_cuts(self) -> tuple[float, ...]:
        """The cut-offs as a grid takes them, where each belongs to the side above it."""
        sides = zip(self.cuts, self.cut_belongs, strict=True)
        return tuple(cut if side == "above" else float(np.nextafter(cut, np.inf)) for cut, side in sides)

    @property
    def segments(self) -> tuple[str, ...]:
        return self.bands

    @property
    def score_cuts(self) -> tuple[float, ...] | None:
        return self.cuts

    def segment(self, score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        sides = zip(self.cuts, self.cut_belongs, strict=True)
        above = [score >= cut if side == "above" else score > cut for cut, side in sides]
        return np.asarray(np.sum(above, axis=0), dtype=np.int64)


def acted_end(policy: Policy) -> Literal["low", "high"] | None:
    """Which end alone of the first and the last segment gets an action; None where both do, or neither."""
    first, last = (policy.actions[policy.segments[k]] != "none" for k in (0, -1))
    if first == last:
        return None
    return "low" if first else "high"
