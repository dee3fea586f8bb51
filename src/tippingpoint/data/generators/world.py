"""What all generated worlds share: users drawn in blocks, and four ways of responding to an action."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from tippingpoint.data.source import Source
from tippingpoint.data.users import Users
from tippingpoint.settings import Closed

BLOCK = 16_384
"""Users drawn at a time. Block b has its own stream, so user i is the same whatever the size asked for."""


class Responses(Closed):
    """Shares of users by what an action does to them; they sum to 1."""

    persuadable: float = Field(gt=0, lt=1)
    sure_thing: float = Field(gt=0, lt=1)
    lost_cause: float = Field(gt=0, lt=1)
    sleeping_dog: float = Field(gt=0, lt=1)

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        if abs(sum(self.model_dump().values()) - 1) > 1e-6:
            raise ValueError("the shares must sum to 1")
        return self

    def draw(self, rng: np.random.Generator, affinity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw each user's way of responding.

        Parameters
        ----------
        affinity
            (n, 4) log-odds, in the order of the fields, that features add to the shares. A softmax: the
            shares hold exactly where the affinity is 0 and on average where it is centred and small.

        Returns
        -------
        base, effect
            (n,) shift of the log-odds without any action, and the multiplier (1, 0 or -1) of what an action adds.
        """
        weight = np.log(list(self.model_dump().values())) + affinity
        kind = np.argmax(weight + rng.gumbel(size=affinity.shape), axis=1)
        return np.array([0.0, 1.2, -1.2, 0.0])[kind], np.array([1.0, 0.0, 0.0, -1.0])[kind]


class World(Source):
    """A generated population, drawn block by block; subclasses say what a block holds."""

    users: int = Field(ge=1)
    seed: int = Field(ge=0)
    logging: dict[str, float]
    """Logged action and the chance with which it was taken at random; `none` first."""

    @field_validator("logging")
    @classmethod
    def _is_a_distribution(cls, logging: dict[str, float]) -> dict[str, float]:
        if next(iter(logging), None) != "none":
            raise ValueError("the first logged action must be none")
        if min(logging.values()) <= 0 or abs(sum(logging.values()) - 1) > 1e-6:
            raise ValueError("probabilities must be above 0 and sum to 1")
        return logging

    @property
    def origin(self) -> str:
        return type(self).__module__.rpartition(".")[2]

    @abstractmethod
    def block(self, rng: np.random.Generator, first: int) -> Users:
        """Draw the BLOCK users from number `first` on."""

    def blocks(self) -> Iterator[Users]:
        """The users in order, a block at a time; memory stays bounded whatever the size."""
        for b in count():
            first = b * BLOCK
            if first >= self.users:
                return
            drawn = self.block(np.random.Generator(np.random.Philox(key=[self.seed, b])), first)
            yield drawn if first + BLOCK <= self.users else drawn.take(np.arange(self.users - first))

    def load(self) -> Users:
        parts = list(self.blocks())
        return replace(
            parts[0],
            features=pd.concat([p.features for p in parts], ignore_index=True),
            **{
                name: None if getattr(parts[0], name) is None else np.concatenate([getattr(p, name) for p in parts])
                for name in ("outcome", "user_id", "action", "logging_probability", "truth")
            },
        )

    def log(self, rng: np.random.Generator, truth: np.ndarray) -> dict[str, np.ndarray]:
        """Take an action at random for every user and draw the outcome under it.

        Parameters
        ----------
        truth
            (n, K) P(outcome = 1 | action), columns in the order of `logging`.
        """
        chances = np.array(list(self.logging.values()))
        action = rng.choice(len(chances), size=len(truth), p=chances / chances.sum())
        outcome = rng.random(len(truth)) < truth[np.arange(len(truth)), action]
        return {
            "action": action.astype(np.int64),
            "outcome": outcome.astype(np.int64),
            "logging_probability": np.tile(chances / chances.sum(), (len(truth), 1)),
            "truth": truth,
        }
