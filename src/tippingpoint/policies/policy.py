"""What all policies share: a name, a version, an action for each segment, and digests."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from tippingpoint.core.overrides import override
from tippingpoint.core.strict import StrictModel
from tippingpoint.data.model_output import probability
from tippingpoint.policies.effects import Predicted


@dataclass(frozen=True)
class FitContext:
    """What a policy may learn from when it is bound to a model.

    Parameters
    ----------
    train
        Features of the users the model was fitted on.
    features, score
        Features of the users of validation, and their (n,) chances of the outcome.
    expected_reward
        (features, names of actions) to (n, K) expected money per user; None where no action was ever logged.
    predicted
        The effects of actions on the users of validation; None where the model predicts none.
    measured
        Names of K actions to (n, K) doubly robust money of the users of validation under each, and what each would
        spend on them; None where no action was ever logged.
    rarer
        (n,) bool: users of validation with the rarer outcome; None where it is not known.
    fold
        (n,) folds of the users of validation, groups whole, for what is chosen by others; None: every third user.
    """

    train: pd.DataFrame
    features: pd.DataFrame
    score: np.ndarray
    expected_reward: Callable[[pd.DataFrame, tuple[str, ...]], np.ndarray] | None = None
    predicted: Predicted | None = None
    measured: Callable[[tuple[str, ...]], tuple[np.ndarray, np.ndarray]] | None = None
    rarer: np.ndarray | None = None
    fold: np.ndarray | None = None

    def among(self, rows: np.ndarray) -> "FitContext":
        """The same with some of the users of validation, by position."""
        measured, predicted = self.measured, self.predicted

        def some(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
            assert measured is not None
            reward, spend = measured(names)
            return reward[rows], spend[rows]

        mine = None if measured is None else some
        theirs = None if predicted is None else replace(predicted, found=predicted.found[rows])
        rarer, fold = (None if of is None else of[rows] for of in (self.rarer, self.fold))
        features, score = self.features.iloc[rows], self.score[rows]
        return replace(self, features=features, score=score, measured=mine, predicted=theirs, rarer=rarer, fold=fold)


class Policy(StrictModel, ABC):
    """Rules from score and features to segment; the base of every `policy=` option."""

    learnt: ClassVar[tuple[str, ...]] = ()
    """Fields that `bind` fills in; they are no part of the specification."""
    by_score_alone: ClassVar[bool] = False
    """Whether `segment` reads the score and no feature, and `bind` the scores of validation and nothing else."""
    unsaid: ClassVar[tuple[str, ...]] = ()
    """Fields that came later: at their defaults they are left out, so that digests stay what they were."""
    meant: ClassVar[tuple[str, ...]] = ()
    """Fields that say what is meant and decide nothing: no part of digests, nor of the specification where not said."""
    chosen_by_outcomes: ClassVar[bool] = False
    """Whether `bind` chooses actions by what came of them, and not by scores and features alone."""
    learns_on_validation: ClassVar[bool] = False
    """Whether it does so by the users of validation, on whom it then looks better than it is."""

    name: str = Field(min_length=1)
    version: int = Field(default=1, ge=1)
    actions: dict[str, str] = Field(min_length=1)
    """The action of each segment."""

    @property
    @abstractmethod
    def segments(self) -> tuple[str, ...]:
        """Names of the segments, in order; `segment` gives codes into them."""

    @property
    def score_cuts(self) -> tuple[float, ...] | None:
        """The score between each segment and the next; None where segments do not follow the score, or not yet."""
        return None

    @property
    def reads_effects(self) -> bool:
        """Whether it decides by predicted effects, so that only an effect learner's version can be decided with."""
        return False

    @property
    def counts_money(self) -> bool:
        """Whether it counts predicted effects in money, where a model predicts some."""
        return False

    def axis(self, found: np.ndarray) -> np.ndarray:
        """What `segment` takes as score, of what a model gives as `data.model_output` has it: (n,) chances here."""
        return probability(found)

    @property
    def reads_score(self) -> bool:
        """Whether it needs a score to decide; one that needs none decides alike with every model."""
        return True

    @abstractmethod
    def segment(self, score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        """(n,) codes into `segments` for (n,) scores and their users' features."""

    def assign(self, found: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        """(n,) codes into `segments` for n users, of what a model gives of them."""
        return self.segment(self.axis(found), features)

    @model_validator(mode="after")
    def _every_segment_has_an_action(self) -> Self:
        if set(self.actions) != set(self.segments):
            if "bands" in type(self).model_fields and len(self.actions) == len(self.segments):
                bands = override("policy.bands", [*self.actions])
                what = (
                    f"actions of {self.name} name {', '.join(self.actions)}, its bands are {', '.join(self.segments)}"
                )
                raise ValueError(f"{what}. bands: names the segments, from the lowest score up: type {bands}.")
            raise ValueError(
                f"actions of {self.name} must name each of {', '.join(self.segments)}, and no other segment. For those"
                " of another policy type policy=NAME too."
            )
        return self

    @property
    def bound_by_scores(self) -> bool:
        """Whether scores may change what `bind` learns though the bound policy reads none: models then differ in it."""
        return False

    @property
    def learnt_in_words(self) -> str:
        """What `bind` learnt that is not told elsewhere, for people to read; empty where there is nothing."""
        return ""

    def decide(self, found: np.ndarray, features: pd.DataFrame, actions: tuple[str, ...]) -> np.ndarray:
        """(n,) codes into `actions`, all of which the policy's own must be among, of what a model gives of n users."""
        code = np.array([actions.index(self.actions[s]) for s in self.segments])
        return code[self.assign(found, features)]

    def bind(self, context: FitContext) -> Self:
        """The policy with what it learns fixed, so that one user can be decided alone; most learn nothing.

        Raises
        ------
        InputError
            Where what it would learn from is missing.
        """
        return self

    def specification(self) -> dict[str, Any]:
        """The policy as written, ready for JSON; building it again gives the same decisions."""
        silent = {key for key in self.meant if getattr(self, key) is None} | self._left_out
        written = self.model_dump(mode="json", exclude={*self.learnt, *silent})
        return {"_target_": f"{type(self).__module__}.{type(self).__name__}", **written}

    def bound(self) -> dict[str, Any]:
        """The specification and what was learnt, ready for JSON; building it again gives the same decisions."""
        learnt = set(self.learnt) - self._left_out
        return self.specification() | self.model_dump(mode="json", include=learnt)

    @property
    def _left_out(self) -> set[str]:
        fields = type(self).model_fields
        return {name for name in self.unsaid if getattr(self, name) == fields[name].default}

    @property
    def digest(self) -> str:
        """16 hex digits of the canonical JSON of the specification."""
        return _digest(self.specification(), self.meant)

    @property
    def bound_digest(self) -> str:
        """16 hex digits of the canonical JSON of `bound`; the specification's where nothing is learnt."""
        return _digest(self.bound(), self.meant)


def _digest(node: dict[str, Any], meant: tuple[str, ...]) -> str:
    decides = {key: value for key, value in node.items() if key not in meant}
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
