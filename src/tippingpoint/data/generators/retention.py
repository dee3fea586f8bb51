"""Retention: paying subscribers, some of whom have not been seen for months, and who renewed."""

from datetime import date
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import expit

from tippingpoint.core.strict import StrictModel
from tippingpoint.data.generators.world import BLOCK, Logging, Responses, World, strings
from tippingpoint.data.users import Users

COUNTRIES = {"US": 0.24, "DE": 0.2, "GB": 0.14, "FR": 0.14, "ES": 0.1, "IT": 0.08, "BR": 0.06, "IN": 0.04}
"""Share of subscribers."""
CHEAPER = {"BR": 0.6, "IN": 0.6}
"""What of the price is asked there."""
LEVELS = ("low", "medium", "high")
TERCILE = 0.4307273
"""Two thirds of a normal distribution lie below so many standard deviations."""
LOG_HOURS = 2.6, 0.9
"""Mean and standard deviation of log monthly watch hours."""
BENT = (
    "days_since_last_login",
    "price",
    "tenure_months",
    "monthly_watch_hours",
    "genres_watched",
    "support_tickets",
)
"""Columns the log-odds bend in."""


class Types(StrictModel):
    """A price a month, by type of subscription."""

    basic: float = 7.99
    standard: float = 11.99
    premium: float = 16.99


class Retention(World):
    """10,000 subscribers, three actions, `renewed` within 30 days, and the change of their weekly watch time.

    Watch hours are those up to the last login, so that who has been away still has a level of engagement: by
    the terciles of monthly watch hours in the world, whatever the sample. Absence counts after some weeks of
    patience, fewer for the little engaged; a price is felt to be fair by those who watch much for it.
    """

    north_star: ClassVar = "weekly_watch_hours"
    seed: int = Field(default=20240701, ge=0, lt=2**64)
    logging: Logging = Logging(chances={"none": 0.5, "discount_10": 0.25, "reactivation_email": 0.25})
    intercept: float = 0.8
    noise: float = Field(default=0.4, ge=0)
    responses: Responses = Responses(persuadable=0.3, sure_thing=0.3, lost_cause=0.25, sleeping_dog=0.15)
    strength: dict[str, float] = {"discount_10": 1.1, "reactivation_email": 0.8}
    observed_on: date = date(2024, 7, 1)
    """The day from which days since the last login are counted."""
    prices: Types = Types()

    @property
    def question(self) -> str:
        return "retention"

    def features(self, rng: np.random.Generator) -> pd.DataFrame:
        engagement, week, taste = rng.normal(size=(3, BLOCK))
        country = rng.choice(len(COUNTRIES), BLOCK, p=list(COUNTRIES.values()))
        subscription = rng.choice(3, BLOCK, p=[0.4, 0.4, 0.2])
        price = np.array(list(self.prices.model_dump().values()))[subscription]
        price *= np.array([CHEAPER.get(name, 1.0) for name in COUNTRIES])[country]
        mean, deviation = LOG_HOURS
        monthly = np.round(np.minimum(np.exp(mean + deviation * engagement), 700), 2)
        level = np.digitize(monthly, np.exp([mean - deviation * TERCILE, mean + deviation * TERCILE]))
        # Two in five drifted away, more of the little engaged; the others were here lately.
        away = rng.random(BLOCK) < expit(-0.4 - 0.6 * engagement)
        lately = np.minimum(rng.exponential(12, BLOCK), 240)
        days = np.floor(np.where(away, 240 * rng.beta(1.4, 2.0, BLOCK), lately))
        return pd.DataFrame(
            {
                "country": strings(list(COUNTRIES), country),
                "subscription_type": strings(list(Types.model_fields), subscription),
                "price": np.round(price, 2),
                "tenure_months": np.maximum(np.floor(rng.gamma(1.5, 10, BLOCK)), np.ceil(days / 30)),
                "weekly_watch_hours": np.round(np.minimum(monthly / 4.3 * np.exp(0.35 * week - 0.06), 168), 2),
                "monthly_watch_hours": monthly,
                "engagement_level": strings(LEVELS, level),
                "days_since_last_login": days,
                "genres_watched": 1.0 + rng.binomial(11, expit(0.5 * engagement + 0.5 * taste - 1.2)),
                "support_tickets": rng.poisson(np.exp(-1.2 - 0.2 * taste)).astype(np.float64),
            }
        )

    def index(self, features: pd.DataFrame) -> np.ndarray:
        level = _level(features)
        days, price, tenure, hours, genres, tickets = (features[name].to_numpy() for name in BENT)
        patience = np.array([21.0, 45.0, 60.0])[level]
        absence = -2.6 * (1 - np.exp(-np.maximum(days - patience, 0) / 45))
        worth = np.where(hours >= 1.2 * price, 0.7, -0.5)
        curious = 0.8 * np.minimum(genres, 5) / 5
        # After the first year many look at what they pay for.
        settled = 0.25 * np.log1p(tenure) - 0.9 * ((tenure >= 11) & (tenure <= 13))
        cross = np.where(tickets >= 2, -1.1, -0.2 * tickets)
        index: np.ndarray = absence + worth + curious + settled + cross
        return index

    def affinity(self, features: pd.DataFrame) -> np.ndarray:
        # The engaged who have been away a while can be won back; who hardly watched and forgot is best left.
        engaged = _level(features) - 1.0
        days = features["days_since_last_login"].to_numpy()
        dormant = ((days > 30) & (days <= 120)) - 0.3
        gone = (days > 120) - 0.2
        return np.stack(
            [1.5 * dormant + 0.5 * engaged, engaged - dormant - gone, gone - engaged, 1.5 * gone - engaged], 1
        )

    def measures(self, rng: np.random.Generator, features: pd.DataFrame, pull: np.ndarray) -> pd.DataFrame:
        hours, days = features["weekly_watch_hours"].to_numpy(), features["days_since_last_login"].to_numpy()
        before = np.where(days <= 30, hours, 0.0)
        back = 1.0 - 0.035 * days + 0.5 * _level(features) + 0.8 * pull + 0.6 * rng.normal(size=len(days))
        return pd.DataFrame({"watch_time_change": np.round(hours * expit(back) - before, 2)})

    def table(self, users: Users) -> pd.DataFrame:
        days = users.features["days_since_last_login"].to_numpy().astype("timedelta64[D]")
        table = super().table(users)
        table.insert(1, "last_login_date", np.datetime64(self.observed_on, "D") - days)
        return table


def _level(features: pd.DataFrame) -> np.ndarray:
    return features["engagement_level"].map({level: i for i, level in enumerate(LEVELS)}).to_numpy(np.int64)
