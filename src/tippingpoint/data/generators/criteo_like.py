"""A synthetic twin of the Criteo uplift set: twelve anonymous columns, one advertisement, rare visits."""

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import expit

from tippingpoint.data.generators.world import BLOCK, Logging, Responses, World

COLUMNS = tuple(f"f{k}" for k in range(12))
HEAVY = (2, 5, 8)
"""Columns with a long tail."""
FEW = (3, 6, 11)
"""Columns that are mostly one value."""


class CriteoLike(World):
    """Users of an advertiser, of whom 85 % may be shown its advertisement, who visited, and who converted.

    Sizes, arms and rates are those of Criteo's uplift set (Diemert et al. 2018: 13,979,592 users, 4.7 % visits, 0.29 %
    conversions); its columns are anonymous, and what they do here is made up, so that the truth is known.
    `users=13979592` is as many. A conversion is a measure, drawn beside the visit.
    """

    north_star: ClassVar = "f0"
    users: int = Field(default=100_000, ge=1)
    seed: int = Field(default=20180813, ge=0, lt=2**64)
    logging: Logging = Logging(chances={"none": 0.15, "ad": 0.85})
    intercept: float = -5.55
    noise: float = Field(default=0.5, ge=0)
    responses: Responses = Responses(persuadable=0.35, sure_thing=0.15, lost_cause=0.45, sleeping_dog=0.05)
    strength: dict[str, float] = {"ad": 0.8}

    @property
    def question(self) -> str:
        return "visit"

    def features(self, rng: np.random.Generator) -> pd.DataFrame:
        shared = rng.normal(size=(BLOCK, 3))
        x = 0.7 * shared[:, np.arange(12) % 3] + 0.7 * rng.normal(size=(BLOCK, 12))
        for k in HEAVY:
            x[:, k] = np.exp(x[:, k])
        for k in FEW:
            x[:, k] = np.where(x[:, k] > 0.8, np.round(x[:, k], 1), 0.0)
        return pd.DataFrame(np.round(x, 4), columns=list(COLUMNS))

    def index(self, features: pd.DataFrame) -> np.ndarray:
        x = features.to_numpy(np.float64)
        steps = 0.9 * (x[:, 3] > 0) + 0.7 * (x[:, 6] > 0)
        index: np.ndarray = 0.9 * x[:, 0] + 0.6 * np.log1p(x[:, 2]) - 0.5 * x[:, 4] + steps + 0.4 * x[:, 0] * x[:, 9]
        return index

    def affinity(self, features: pd.DataFrame) -> np.ndarray:
        x = features.to_numpy(np.float64)
        known, tired = x[:, 0] - 0.5 * x[:, 4], np.log1p(x[:, 5]) - 0.7
        return np.stack([0.8 * known - tired, 0.5 * known, -known, tired], 1)

    def measures(self, rng: np.random.Generator, features: pd.DataFrame, pull: np.ndarray) -> pd.DataFrame:
        chance = expit(-7.05 + 0.5 * self.index(features) + pull)
        return pd.DataFrame({"conversion": (rng.random(BLOCK) < chance).astype(np.float64)})
