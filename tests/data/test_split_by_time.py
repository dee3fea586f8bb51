"""A split by time: test is what came later, and nothing that was not known by then has been learnt from."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Split
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import validate
from tippingpoint.data.source import Source
from tippingpoint.data.splits import LEFT_OUT, development, sides, split
from tippingpoint.data.users import Column, FeatureSchema, Users

FROM = np.datetime64("2026-03-01")


def of_days(days: list[int], horizon: int | None = 30) -> Users:
    """One user a day; the days are counted to the beginning of test."""
    n = len(days)
    return Users(
        features=pd.DataFrame({"x": np.arange(n, dtype=np.float64)}),
        outcome=np.arange(n) % 2,
        user_id=np.array([f"u{k}" for k in range(n)], dtype=object),
        contract=FeatureSchema((Column("x", "number"),), "y"),
        moment=FROM.astype("datetime64[us]") + np.array(days, dtype="timedelta64[D]"),
        horizon_days=horizon,
    )


def by_time(**further: object) -> Split:
    return validate(Split, {"by": "time", "test_from": "2026-03-01", **further}, "split")


@given(st.lists(st.integers(-400, 400), min_size=1, max_size=60), st.integers(0, 90))
def test_what_is_learnt_from_was_due_when_test_began(days: list[int], gap: int) -> None:
    side = sides(of_days(days, gap), by_time())
    for day, of in zip(days, side, strict=True):
        assert (of == 2) == (day >= 0)
        assert (of == LEFT_OUT) == (-gap < day < 0)


def test_sides_stay_when_days_are_added_and_a_stated_gap_counts() -> None:
    days = list(range(-200, 0))
    before, after = sides(of_days(days), by_time()), sides(of_days([*days, *range(90)]), by_time())
    assert after[:200].tolist() == before.tolist()
    assert (sides(of_days(days), by_time(gap_days=7)) == LEFT_OUT).sum() == 6
    shares = np.bincount(before)
    assert 0.6 < shares[0] / (shares[0] + shares[1]) < 0.9  # as 0.6 to 0.2
    assert len(development(of_days(days), by_time())) == 171


def test_a_table_with_a_column_of_days_is_split_by_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"seen_on": pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 3, 31), eager=True)})
    table = table.join(pl.DataFrame({"minutes": rng.normal(size=8)}), how="cross")
    table.with_columns(y=pl.int_range(pl.len()) % 3 == 0).write_csv(tmp_path / "users.csv")
    words = ["data=csv", f"data.path={tmp_path / 'users.csv'}", "data.target=y", "data.as_of=seen_on", "split=time"]
    words += ["split.test_from=2026-03-01", "split.gap_days=14"]
    settings = CompareSettings.from_config(compose("compare", words))
    users = settings.data.build(Source, "data").load()
    parts = split(users, settings.split)
    assert len(parts.test) == 31 * 8
    assert len(parts.train) + len(parts.validation) == (31 + 28 - 13) * 8
    assert [column.name for column in users.contract.columns] == ["minutes"]


@pytest.mark.parametrize(
    ("users", "shares", "where", "said"),
    [
        (of_days([0, -50], None), by_time(), "split.gap_days", "for how many days an outcome counts"),
        (of_days(list(range(40))), by_time(), "split", "the train part has 0"),
        (of_days(list(range(-80, 0))), by_time(), "split", "the test part has 0"),
    ],
)
def test_dates_that_leave_a_side_empty_are_refused(users: Users, shares: Split, where: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        split(users, shares)
    assert refused.value.where == where
    assert said in refused.value.what


def test_users_without_a_date_are_refused() -> None:
    settings = CompareSettings.from_config(compose("compare", ["split=time", "split.test_from=2026-03-01"]))
    with pytest.raises(InputError, match="nothing says of which time each user is"):
        split(settings.data.build(Source, "data").load(), settings.split)


@pytest.mark.parametrize(
    "words",
    [
        ["split=time"],
        ["split.test_from=2026-03-01"],
        ["split=time", "split.test_from=2026-03-01", "evaluate=crossfit"],
        ["split=time", "split.test_from=2026-03-01", "repeats=2"],
        ["split=time", "split.test_from=soon"],
    ],
)
def test_a_split_that_contradicts_itself_is_refused(words: list[str]) -> None:
    with pytest.raises(InputError):
        CompareSettings.from_config(compose("compare", words))


def test_a_split_by_hash_is_filed_as_it_always_was() -> None:
    assert CompareSettings.from_config(compose("compare", [])).filed()["split"] == {
        "train": 0.6,
        "validation": 0.2,
        "salt": "tippingpoint",
    }
