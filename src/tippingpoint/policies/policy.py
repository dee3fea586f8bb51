"""What all policies share: a name, a version, an action for each segment, and digests."""

import hashlib
import json
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from tippingpoint.settings import Closed


class Policy(Closed, ABC):
    """Rules from score and features to segment; the base of every `policy=` option."""

    name: str = Field(min_length=1)
    version: int = Field(ge=1)
    actions: dict[str, str] = Field(min_length=1)
    """The action of each segment."""

    @property
    @abstractmethod
    def segments(self) -> tuple[str, ...]:
        """Names of the segments, in order; `segment` gives codes into them."""

    @abstractmethod
    def segment(self, score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        """(n,) codes into `segments` for (n,) scores and their users' features."""

    @model_validator(mode="after")
    def _every_segment_has_an_action(self) -> Self:
        if set(self.actions) != set(self.segments):
            raise ValueError(f"actions must name each of {', '.join(self.segments)}, and no other segment")
        return self

    def decide(self, score: np.ndarray, features: pd.DataFrame, actions: tuple[str, ...]) -> np.ndarray:
        """(n,) codes into `actions`, all of which the policy's own must be among."""
        code = np.array([actions.index(self.actions[s]) for s in self.segments])
        return code[self.segment(score, features)]

    def specification(self) -> dict[str, Any]:
        """The policy as written, ready for JSON; building it again gives the same decisions."""
        return {"_target_": f"{type(self).__module__}.{type(self).__name__}", **self.model_dump(mode="json")}

    @property
    def digest(self) -> str:
        """16 hex digits of the canonical JSON of the specification."""
        text = json.dumps(self.specification(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
