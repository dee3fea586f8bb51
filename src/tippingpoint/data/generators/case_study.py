"""The case study: free users of a streaming app, a randomised nudge, and who converted."""

import numpy as np
import pandas as pd
from scipy.special import expit

from tippingpoint.data.generators.world import BLOCK, Responses, World
from tippingpoint.data.users import Column, Contract, Users
from tippingpoint.settings import Closed

CONTRACT = Contract(
    columns=(
        Column("days_since_signup", "number"),
        Column("sessions_7d", "number"),
        Column("content_hours_7d", "number"),
        Column("downloads_7d", "number"),
        Column("paywall_views_7d", "number"),
        Column("country_tier", "category"),
    ),
    outcome="converted",
    user_id="user_id",
)


class Tiers(Closed):
    """What the tier of a user's country adds to the log-odds of converting."""

    tier_1: float
    tier_2: float
    tier_3: float


class CaseStudy(World):
    """10,000 free users, three actions taken at random, `converted` under the action that was taken.

    The log-odds are linear in the logarithms of the week's signals, plus the tier, plus noise no model can see,
    plus what the user's way of responding makes of the action.
    """

    intercept: float
    tiers: Tiers
    noise: float
    responses: Responses
    strength: dict[str, float]
    """Log-odds an action adds for persuadable users, and takes away from sleeping dogs."""

    @property
    def question(self) -> str:
        return "conversion"

    def block(self, rng: np.random.Generator, first: int) -> Users:
        engagement, intent = rng.normal(size=(2, BLOCK))
        tier = rng.choice(3, size=BLOCK, p=[0.45, 0.35, 0.20])
        signals = {
            "days_since_signup": np.minimum(1 + rng.exponential(60, BLOCK), 730).astype(np.int64),
            "sessions_7d": rng.poisson(np.exp(1.1 + 0.6 * engagement)),
            "content_hours_7d": np.round(rng.gamma(1.5, np.exp(0.3 + 0.6 * engagement)), 2),
            "downloads_7d": rng.poisson(np.exp(-0.2 + 0.5 * engagement)),
            "paywall_views_7d": rng.poisson(np.exp(0.2 * engagement + 0.7 * intent)),
        }
        features = pd.DataFrame({name: values.astype(np.float64) for name, values in signals.items()})
        features["country_tier"] = pd.Series(np.array(["tier_1", "tier_2", "tier_3"])[tier], dtype="str")
        days, sessions, hours, downloads, paywall = np.log1p(features.to_numpy()[:, :5].astype(np.float64)).T

        index = 0.6 * sessions + 0.5 * hours + 0.4 * downloads + 1.2 * paywall - 0.25 * days
        index += np.array(list(self.tiers.model_dump().values()))[tier]
        # Those who look at the paywall can be won; those who use the app a lot without looking dislike being asked.
        browsing, looking = sessions - 1.3, paywall - 0.8
        affinity = np.stack([1.5 * looking, 0.5 * browsing + looking, -browsing - looking, browsing - 2 * looking], 1)
        base, effect = self.responses.draw(rng, affinity)
        log_odds = self.intercept + index + base + self.noise * rng.normal(size=BLOCK)
        strength = np.array([0.0, *(self.strength[action] for action in list(self.logging)[1:])])
        truth = expit(log_odds[:, None] + effect[:, None] * strength)
        return Users(
            features=features,
            user_id=np.array([f"u{i:09d}" for i in range(first, first + BLOCK)], dtype=object),
            contract=CONTRACT,
            actions=tuple(self.logging),
            **self.log(rng, truth),
        )
