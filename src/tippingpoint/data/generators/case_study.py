"""The case study: free users of a streaming app, a nudge, and who converted."""

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from tippingpoint.core.strict import StrictModel
from tippingpoint.data.generators.world import BLOCK, World, strings


class Tiers(StrictModel):
    """What the tier of a user's country adds to the log-odds of converting."""

    tier_1: float = 0.5
    tier_2: float = 0.0
    tier_3: float = -0.6


class CaseStudy(World):
    """10,000 free users, three actions, `converted` under the action that was taken.

    The log-odds are linear in the logarithms of the week's signals, plus the tier: a world in which a line is
    right but for what the ways of responding bend.
    """

    file: ClassVar = "data/synthetic_user_conversion_data.csv"

    seed: int = Field(default=20240501, ge=0, lt=2**64)
    intercept: float = -2.82
    noise: float = Field(default=0.5, ge=0)
    tiers: Tiers = Tiers()

    @property
    def question(self) -> str:
        return "conversion"

    def features(self, rng: np.random.Generator) -> pd.DataFrame:
        engagement, intent = rng.normal(size=(2, BLOCK))
        return pd.DataFrame(
            {
                "days_since_signup": np.floor(np.minimum(1 + rng.exponential(60, BLOCK), 730)),
                "sessions_7d": rng.poisson(np.exp(1.1 + 0.6 * engagement)).astype(np.float64),
                "content_hours_7d": np.round(rng.gamma(1.5, np.exp(0.3 + 0.6 * engagement)), 2),
                "downloads_7d": rng.poisson(np.exp(-0.2 + 0.5 * engagement)).astype(np.float64),
                "paywall_views_7d": rng.poisson(np.exp(0.2 * engagement + 0.7 * intent)).astype(np.float64),
                "country_tier": strings(list(Tiers.model_fields), rng.choice(3, BLOCK, p=[0.45, 0.35, 0.20])),
            }
        )

    def index(self, features: pd.DataFrame) -> np.ndarray:
        days, sessions, hours, downloads, paywall = np.log1p(features[self.meaning.names("number")].to_numpy()).T
        tier = features["country_tier"].map(self.tiers.model_dump()).to_numpy(np.float64)
        index: np.ndarray = 0.6 * sessions + 0.5 * hours + 0.4 * downloads + 1.2 * paywall - 0.25 * days + tier
        return index

    def affinity(self, features: pd.DataFrame) -> np.ndarray:
        # Those who look at the paywall can be won; heavy users who do not look dislike being asked.
        browsing = np.log1p(features["sessions_7d"].to_numpy()) - 1.3
        looking = np.log1p(features["paywall_views_7d"].to_numpy()) - 0.8
        return np.stack([1.5 * looking, 0.5 * browsing + looking, -browsing - looking, browsing - 2 * looking], 1)
