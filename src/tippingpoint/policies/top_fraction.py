"""Act on a share of users, those of highest score or effect; and on so many of every 1,000, the same cut-off."""

from typing import ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field

from tippingpoint.core.errors import InputError
from tippingpoint.policies.effects import Effects, Unit, learn
from tippingpoint.policies.policy import FitContext, Policy


def lowest_cut(score: np.ndarray, wanted: float) -> tuple[float, float, float]:
    """Return the lowest score such that no more than the wanted share of (n,) scores is at or above it.

    Users of equal score are never treated apart, so where scores tie fewer are above it than wanted.

    Returns
    -------
    tuple
        The cut-off, just above all scores where it must be; the share at or above it; and the share that ties just
        below.
    """
    scores, counts = np.unique(-score, return_counts=True)
    share = np.cumsum(counts) / len(score)
    inside = int(np.searchsorted(share, wanted + 1e-12, side="right"))
    cut = float(-scores[inside - 1]) if inside else float(np.nextafter(score.max(), np.inf))
    tied = float(counts[inside] / len(score)) if inside < len(counts) else 0.0
    return cut, float(share[inside - 1]) if inside else 0.0, tied


class Ranked(Policy):
    """The users of highest score, down to a cut-off that is fixed on validation when the policy is bound."""

    learnt: ClassVar = ("cut", "share_at_cut", "tied_share", "effects")
    unsaid: ClassVar = ("by", "gain", "effects")
    by_score_alone: ClassVar = True

    actions: dict[str, str] = Field(default={"rest": "none", "top": "checkout_prompt"}, min_length=1)
    by: Literal["score", "effect", "own"] = "score"
    """What ranks users: the chance of the outcome, the predicted effect of the action of `top` over that of `rest`, or
    each model's own: the effect where it predicts one, else the chance."""
    gain: Unit = "outcomes"
    """What an effect is counted in."""

    cut: float | None = None
    """Scores or effects from here on are acted on."""
    share_at_cut: float | None = None
    """Share of validation that the cut-off acts on..."""
    tied_share: float | None = None
    """...and what would have been added by users of the next lower score, who all tie: one score, one treatment."""

    effects: Effects | None = None
    """How effects are read; None where it goes by the chance of the outcome."""

    @property
    def wanted(self) -> float:
        """Share of users to act on, at most."""
        raise NotImplementedError

    @property
    def reads_effects(self) -> bool:
        return self.by == "effect" or self.effects is not None

    @property
    def counts_money(self) -> bool:
        return self.by == "effect" and self.gain == "money"

    def axis(self, found: np.ndarray) -> np.ndarray:
        if self.effects is None:
            return super().axis(found)
        gains = self.effects.gains(found, (self.actions["rest"], self.actions["top"]))
        return np.asarray(gains[:, 1] - gains[:, 0])

    @property
    def segments(self) -> tuple[str, ...]:
        return ("rest", "top")

    @property
    def score_cuts(self) -> tuple[float, ...] | None:
        return None if self.cut is None or self.effects is not None else (self.cut,)

    def bind(self, context: FitContext) -> Self:
        if not len(context.score):
            raise InputError("policy", f"{self.name} needs scores to fix its cut-off on", "Add users to validation.")
        effects, ranked = None, context.score
        if self.by == "effect" or (self.by == "own" and context.predicted is not None):
            named = self.actions["rest"], self.actions["top"]
            effects = learn(self.name, named, context.predicted, self.gain, "; or type policy.by=score")
            assert context.predicted is not None
            ranked = self.model_copy(update={"effects": effects}).axis(context.predicted.found)
        cut, share, tied = lowest_cut(ranked, self.wanted)
        return self.model_copy(update={"cut": cut, "share_at_cut": share, "tied_share": tied, "effects": effects})

    def segment(self, score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        if self.cut is None:
            raise InputError("policy", f"{self.name} has no cut-off yet", "Bind it to a model first.")
        return np.asarray(score >= self.cut, dtype=np.int64)


class TopFraction(Ranked):
    """A share of users.

    Examples
    --------
    >>> top = TopFraction(name="top", version=1, share=0.4, actions={"rest": "none", "top": "prompt"})
    >>> score = np.array([0.1, 0.5, 0.5, 0.5, 0.9])
    >>> bound = top.bind(FitContext(pd.DataFrame(), pd.DataFrame(), score))
    >>> bound.cut, bound.share_at_cut, bound.tied_share
    (0.9, 0.2, 0.6)
    """

    name: str = Field(default="top_fraction", min_length=1)
    share: float = Field(default=0.2, gt=0, le=1)

    @property
    def wanted(self) -> float:
        return self.share
