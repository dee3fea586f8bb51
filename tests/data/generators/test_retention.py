"""Who leaves, and what an action is worth."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from tests.data.generators.worlds import built, many, node
from tippingpoint.core.strict import Component
from tippingpoint.economics import Economics


def test_engagement_levels_are_terciles():
    users = many("retention")
    shares = users.features["engagement_level"].value_counts(normalize=True)
    assert shares[["low", "medium", "high"]].to_numpy() == pytest.approx([1 / 3] * 3, abs=0.01)
    hours = users.features.groupby("engagement_level")["monthly_watch_hours"].agg(["min", "max"])
    assert hours.loc["low", "max"] <= hours.loc["medium", "min"] <= hours.loc["medium", "max"]
    assert hours.loc["medium", "max"] <= hours.loc["high", "min"]


def test_loyal_dormant_and_risky_subscribers_all_exist():
    features = many("retention").features
    level, days = features["engagement_level"], features["days_since_last_login"]
    assert days.min() == 0
    assert 200 < days.max() <= 240
    loyal, dormant = (level == "high") & (days <= 60), (level != "low") & (days > 60) & (days <= 120)
    risky = (level == "low") | (days > 120)
    assert min(group.mean() for group in (loyal, dormant, risky)) > 0.05
    assert many("retention").outcome[loyal].mean() > many("retention").outcome[risky].mean() + 0.3


def test_the_last_login_is_a_date_in_the_table_only():
    of = built("retention", users=200)
    users = of.load()
    last = of.table(users)["last_login_date"]
    assert pd.api.types.is_datetime64_any_dtype(last)
    days = (pd.Timestamp(date(2024, 7, 1)) - last).dt.days
    assert days.to_list() == users.features["days_since_last_login"].to_list()
    assert "last_login_date" in built("retention").meaning.dropped


def test_watch_time_moves_with_the_action():
    users = many("retention")
    change, persuadable = users.measures["watch_time_change"], users.truth[:, 1] > users.truth[:, 0]
    none, emailed = (change[(users.action == a) & persuadable] for a in (0, 2))
    assert emailed.mean() > none.mean() + 0.1


def test_every_action_is_priced_and_pays_for_some_only():
    economics = Component.model_validate(node("economics/retention")).build(Economics, "economics")
    users = many("retention")
    economics.check(set(users.actions))
    reward_intercept, reward_slope = economics.line(users.actions, users.contract.good)
    assert np.all(reward_slope > 0)
    assert reward_intercept[0] == 0
    gained = (users.truth * reward_slope + reward_intercept)[:, 1:] - users.truth[:, :1] * reward_slope[0]
    pays = (gained > 0).mean(axis=0)
    assert np.all((pays > 0.1) & (pays < 0.5))
