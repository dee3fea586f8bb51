"""StreamZone: free users of a Live TV + Replay app; what counts on one device does nothing on another."""

from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import expit

from tippingpoint.core.strict import StrictModel
from tippingpoint.data.generators.world import BLOCK, Responses, World, strings

BENT = ("weekly_watch_hours", "replay_share", "live_hours", "days_active", "plan_page_visits", "ads_per_hour")
"""Columns the log-odds bend in."""


class Devices(StrictModel):
    """What the device a user mostly watches on adds to the log-odds of converting."""

    smart_tv: float = 0.6
    mobile: float = -0.2
    tablet: float = 0.1
    web: float = 0.0


class StreamZone(World):
    """10,000 free users, three actions, `converted`, and the days they were active in the four weeks after.

    Smart TV users watch more, come back on more days and convert more than mobile users. The log-odds bend:
    watching saturates on a TV and counts only beyond a threshold on a phone; a balance of live and replay is
    better than either; a few visits to the plan page say much, many say doubt. Trees can follow that, a line
    cannot.
    """

    north_star: ClassVar = "weekly_watch_hours"
    seed: int = Field(default=20240603, ge=0, lt=2**64)
    intercept: float = -4.2
    noise: float = Field(default=0.4, ge=0)
    responses: Responses = Responses(persuadable=0.35, sure_thing=0.2, lost_cause=0.3, sleeping_dog=0.15)
    devices: Devices = Devices()

    @property
    def question(self) -> str:
        return "conversion"

    def features(self, rng: np.random.Generator) -> pd.DataFrame:
        engagement, intent, taste = rng.normal(size=(3, BLOCK))
        device = rng.choice(4, BLOCK, p=[0.35, 0.35, 0.12, 0.18])
        engagement += np.array([0.35, -0.35, 0.0, 0.0])[device]
        genre = rng.choice(5, BLOCK, p=[0.25, 0.3, 0.2, 0.15, 0.1])
        hours = np.round(np.minimum(rng.gamma(3, np.exp(0.5 + 0.55 * engagement)), 90), 2)
        replay_share = np.round(expit(1.2 * taste + np.array([-0.8, 0.4, 0.0, -0.4, 0.2])[genre]), 3)
        return pd.DataFrame(
            {
                "device_type": strings(list(Devices.model_fields), device),
                "favourite_genre": strings(["sports", "series", "films", "news", "kids"], genre),
                "days_since_signup": np.floor(np.minimum(1 + rng.exponential(90, BLOCK), 730)),
                "weekly_watch_hours": hours,
                "replay_share": replay_share,
                "live_hours": np.round(hours * (1 - replay_share), 2),
                "replay_sessions": rng.poisson(0.9 * hours * replay_share).astype(np.float64),
                "days_active": rng.binomial(28, expit(0.9 * engagement - 0.2)).astype(np.float64),
                "plan_page_visits": rng.poisson(np.exp(0.1 + 0.2 * engagement + 0.9 * intent)).astype(np.float64),
                "ads_per_hour": np.round(rng.gamma(6, 1.0, BLOCK), 1),
            }
        )

    def index(self, features: pd.DataFrame) -> np.ndarray:
        hours, share, live, active, visits, ads = (features[name].to_numpy() for name in BENT)
        device, genre = (features[name].to_numpy(str) for name in ("device_type", "favourite_genre"))
        saturating, habitual = 1.8 * hours / (hours + 3), 1.6 * (hours > 8)
        second_screen = 1.6 * np.exp(-(((hours - 6) / 4) ** 2))
        watching = np.select([device == "smart_tv", device == "mobile"], [saturating, habitual], second_screen)
        balance = 2.2 * np.exp(-(((share - 0.45) / 0.16) ** 2))
        looking = np.select([visits == 0, visits <= 3, visits <= 6], [0.0, 1.5, 0.9], -0.6)
        interrupted = 1.2 * ((ads > 7) & (active >= 14))
        fan = 1.2 * ((genre == "sports") & (live > 4))
        base = features["device_type"].map(self.devices.model_dump()).to_numpy(np.float64)
        index: np.ndarray = base + watching + balance + looking + interrupted + fan
        return index

    def affinity(self, features: pd.DataFrame) -> np.ndarray:
        # Those who look at plans can be won; regulars who do not are happy as it is, and dislike being asked.
        looking = np.log1p(features["plan_page_visits"].to_numpy()) - 0.8
        regular = features["days_active"].to_numpy() / 28 - 0.5
        return np.stack([1.2 * looking, looking + regular, -looking - regular, 2 * regular - 2 * looking], 1)

    def measures(self, rng: np.random.Generator, features: pd.DataFrame, pull: np.ndarray) -> pd.DataFrame:
        staying = features["days_active"].to_numpy() / 7 - 2 + 0.3 * pull
        staying += features["device_type"].map({"smart_tv": 0.5, "mobile": -0.5}).fillna(0.0).to_numpy(np.float64)
        chance = expit(staying + 0.5 * rng.normal(size=len(features)))
        return pd.DataFrame({"days_active_next_28d": rng.binomial(28, chance).astype(np.float64)})
