"""Bands of the score that hold stated shares of users: their cut-offs follow the base rate."""

from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import FitContext
from tippingpoint.policies.top_fraction import lowest_cut


class ShareBands(Bands):
    """Segments are bands of the score, each cut-off fixed on validation such that a share of users is at or above it.

    Examples
    --------
    >>> shares = ShareBands(shares=[0.6, 0.2])
    >>> score = np.array([0.01, 0.02, 0.03, 0.05, 0.09])
    >>> shares.bind(FitContext(pd.DataFrame(), pd.DataFrame(), score)).cuts
    (0.03, 0.09)
    """

    learnt: ClassVar = ("cuts",)
    moved_by: ClassVar = "shares"

    name: str = Field(default="intent_shares", min_length=1)
    shares: tuple[float, ...] = Field(default=(0.3, 0.1), min_length=1)
    """For each cut-off, from low to high, the share of validation users that are to be at or above it, at most."""
    cuts: tuple[float, ...] = ()
    """The cut-offs, once it is bound; where scores tie two may be equal."""
    cut_belongs: tuple[Literal["above"], ...] = ("above", "above")

    @field_validator("shares")
    @classmethod
    def _fall(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if out := [share for share in shares if not 0 < share < 1]:
            raise ValueError(f"shares lie between 0 and 1, {out[0]:g} does not. Type e.g. policy.shares='[0.3,0.1]'.")
        if list(shares) != sorted(set(shares), reverse=True):
            raise ValueError(f"must fall. Type {override('policy.shares', sorted(set(shares), reverse=True))}.")
        return shares

    @field_validator("cuts")
    @classmethod
    def _rise(cls, cuts: tuple[float, ...]) -> tuple[float, ...]:
        if list(cuts) != sorted(cuts):
            raise ValueError("must rise")
        return cuts

    @model_validator(mode="after")
    def _one_more_band_than_cuts(self) -> Self:
        if len(self.bands) != len(self.shares) + 1 or len(set(self.bands)) != len(self.bands):
            needed = f"{len(self.shares)} shares need {len(self.shares) + 1} different bands"
            raise ValueError(f"{needed}. Give bands and actions too.")
        if len(self.cut_belongs) != len(self.shares):
            raise ValueError("cut_belongs needs one side for each share")
        return self

    def bind(self, context: FitContext) -> Self:
        if not len(context.score):
            raise InputError("policy", f"{self.name} needs scores to fix its cut-offs on", "Add users to validation.")
        return self.model_copy(update={"cuts": tuple(lowest_cut(context.score, share)[0] for share in self.shares)})

    def segment(self, score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        if not self.cuts:
            raise InputError("policy", f"{self.name} has no cut-offs yet", "Bind it to a model first.")
        return super().segment(score, features)

    @property
    def learnt_in_words(self) -> str:
        above = zip(self.bands[1:], self.cuts, self.shares, strict=True)
        return f"Cut-offs: {', '.join(f'{band} from {cut:.3g} (top {share:.0%})' for band, cut, share in above)}."

    def at(self, cuts: tuple[float, ...], version: int) -> Bands:
        """Bands with cut-offs of their own, as a further version."""
        written = self.model_dump(exclude={"shares", "cuts", "version"})
        return Bands.model_validate({**written, "cuts": cuts, "version": version})
