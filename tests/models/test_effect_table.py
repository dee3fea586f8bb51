"""Tables of what an action adds, column by column."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.models.effect_table import EffectTable, fit_tables


def users(n: int, seed: int) -> Users:
    rng = np.random.default_rng(seed)
    days = np.where(rng.random(n) < 0.1, np.nan, rng.exponential(30, n))
    plan = pd.Series(rng.choice(["a", "b"], n), dtype="str").where(rng.random(n) < 0.9, None)
    contract = FeatureSchema((Column("days", "number"), Column("plan", "category")), "paid")
    features = pd.DataFrame({"days": days, "plan": plan})
    return Users(
        features=features,
        outcome=np.zeros(n, dtype=np.int64),
        user_id=np.arange(n).astype(str).astype(object),
        contract=contract,
    )


def effect(of: Users) -> np.ndarray:
    days, plan = of.features["days"], of.features["plan"]
    return np.where(days.isna(), 0.3, np.where(days > 40, 0.2, 0.0)) + np.where(plan == "b", 0.1, 0.0)


def test_effects_of_columns_missing_values_and_unknown_ones_are_learnt():
    of = users(20_000, 1)
    noise = np.random.default_rng(2).normal(size=(len(of), 2)) * [0.1, 0.0]
    (table, flat) = fit_tables(of, np.stack([effect(of), np.full(len(of), 0.05)], axis=1) + noise)
    assert np.abs(table(of.features) - effect(of)).mean() < 0.02
    assert flat(of.features) == pytest.approx(0.05)
    assert EffectTable.model_validate_json(table.model_dump_json()) == table
    lists = {"days": [90.0, np.nan], "plan": ["b", "never seen"]}
    frame = pd.DataFrame(lists).astype({"plan": "str"})
    assert table(lists) == pytest.approx(table(frame), abs=1e-15)


def test_where_nothing_differs_between_users_nothing_is_made_of_it():
    found = []
    for seed in range(20):
        of = users(4000, seed)
        (table,) = fit_tables(of, 0.02 + np.random.default_rng(seed).normal(size=(len(of), 1)))
        found.append(table(of.features).std())
    assert np.median(found) < 0.02  # of noise of 1


def test_calibration_shrinks_what_other_users_do_not_show_and_never_turns_it_round():
    of = users(4000, 3)
    (table,) = fit_tables(of, effect(of)[:, None])
    rng = np.random.default_rng(4)
    true = table.calibrated(of.features, effect(of) + 0.1 * rng.normal(size=len(of)), len(of))
    against = table.calibrated(of.features, -effect(of), len(of))
    assert np.polyfit(table(of.features), true(of.features), 1)[0] == pytest.approx(1, abs=0.05)
    assert against(of.features).std() == pytest.approx(0, abs=1e-12)
    few = table.calibrated(of.features[:30], rng.normal(size=30) * 10, len(of))
    assert 0.5 < np.polyfit(table(of.features), few(of.features), 1)[0] < 1.5


def test_a_table_of_users_without_columns_that_differ_is_the_mean():
    of = users(500, 5)
    same = replace(of, features=pd.DataFrame({"days": np.ones(500), "plan": pd.Series(["a"] * 500, dtype="str")}))
    (table,) = fit_tables(same, np.arange(500)[:, None] / 500)
    assert table(same.features) == pytest.approx(0.499)
