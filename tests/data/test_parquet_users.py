"""Users come back from Parquet as they were, with their digest."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.data.number_format import NumberFormat
from tippingpoint.data.parquet_users import as_parquet, from_parquet
from tippingpoint.data.source import Source
from tippingpoint.data.users import Column, FeatureSchema, Users


def back(users: Users) -> Users:
    return from_parquet(*as_parquet(users))


@pytest.mark.parametrize("data", ["case_study", "criteo_like", "streamzone"])
def test_generated_users_come_back_with_all_their_parts(data: str) -> None:
    users = Settings.from_config(compose("run", [f"data={data}", "data.users=300"])).data.build(Source, "data").load()
    again = back(users)
    assert again.digest == users.digest
    pd.testing.assert_frame_equal(again.features, users.features)
    assert again.contract == users.contract
    for part in ("truth", "logging_probability", "action", "outcome", "user_id"):
        np.testing.assert_array_equal(getattr(again, part), getattr(users, part))
    assert (again.measures is None) == (users.measures is None)
    assert again.take(np.arange(10)).digest == users.take(np.arange(10)).digest


def test_what_is_missing_odd_or_empty_comes_back() -> None:
    columns = (Column("pläne", "number", NumberFormat.of(",", ".", "€"), ("k.A.",)), Column("land/os", "category"))
    features = pd.DataFrame(
        {"pläne": [1.5, np.nan, -0.0], "land/os": pd.Series(["de", None, ""], dtype="str")}, index=range(3)
    )
    ids = np.array(["007", "8", "ä"], dtype=object)
    users = Users(features, np.array([0, 1, 1]), ids, FeatureSchema(columns, "paid", positive=("a", "b")))
    times = {"seen": datetime(2026, 3, 1, 4, 5, 6)}
    moment = np.array(["2026-01-01", "2026-01-02", "2026-01-03"], dtype="datetime64[us]")
    more = replace(
        users,
        group=np.array(["h1", "h1", "h2"], dtype=object),
        moment=moment,
        times=times,
        horizon_days=14,
        measures=pd.DataFrame({"spend": [1.0, 2.0, 0.0]}),
        costs=pd.DataFrame(index=range(3)),
    )
    for of in (users, more):
        again = back(of)
        assert again.digest == of.digest
        pd.testing.assert_frame_equal(again.features, of.features)
        assert (again.contract, again.times, again.horizon_days) == (of.contract, of.times, of.horizon_days)
    np.testing.assert_array_equal(back(more).moment, moment)
    assert back(more).costs is not None
    with pytest.raises((ValueError, KeyError)):
        from_parquet(as_parquet(users)[0], "{}")
