from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tippingpoint.config.compose import compose
from tippingpoint.data.profile import alone, describe, infer_terms, pure
from tippingpoint.exploration.describe import describe as describe_job
from tippingpoint.exploration.settings import TableSettings

Y = np.random.default_rng(0).integers(0, 2, 400)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series(Y * 10.0 + np.linspace(0, 1, 400)),
        pl.Series(-1.0 * Y),
        pl.Series(np.where(Y == 1, "gone", "here")),
        pl.Series([f"2024-01-0{d}" if d else None for d in Y * 3]).str.to_datetime(strict=False),
    ],
)
def test_what_tells_the_outcome_alone_is_found_either_way_round_and_by_being_missing(column: pl.Series) -> None:
    assert alone(column, Y) == pytest.approx(1.0)


def test_noise_does_not_leak_even_with_a_category_for_every_second_user() -> None:
    rng = np.random.default_rng(1)
    assert alone(pl.Series(rng.normal(size=400)), Y) < 0.6  # type: ignore[operator]  # None would fail the test
    assert alone(pl.Series([f"c{i // 2}" for i in range(400)]), rng.permutation(Y)) < 0.65  # type: ignore[operator]  # None would fail the test
    assert alone(pl.Series([1.0, 2.0]), np.array([1, 1])) is None


def test_values_that_only_one_outcome_has_are_found_though_they_are_rare() -> None:
    y = np.zeros(4000, dtype=np.int64)
    y[::7] = 1
    bought = np.flatnonzero(y)[:40]
    spend, kind, late = np.zeros(4000), np.full(4000, "no", dtype=object), np.ones(4000)
    spend[bought], kind[bought], late[bought] = np.arange(1, 41), "yes", np.nan
    assert pure(pl.Series(spend), y) == "all 40 users from 1 up"
    assert pure(pl.Series(-spend), y) == "all 40 users from -1 down"
    assert pure(pl.Series(kind, dtype=pl.String), y) == "all 40 users with yes"
    assert pure(pl.Series(late).fill_nan(None), y) == "all 40 users where it is missing"
    assert pure(pl.Series(spend), 1 - y) == "all 40 users from 1 up"
    assert pure(pl.Series(kind, dtype=pl.String), np.roll(y, 1)) == ""
    idle = pl.Series(np.where(y == 1, 3.0, np.arange(4000) % 4))
    assert pure(idle, y) == ""


def test_hillstrom_s_purchases_are_suspects_for_visits(real: Path) -> None:
    words = ["data=csv", f"data.path={real / 'hillstrom.csv'}", "data.target=visit"]
    found = describe_job(TableSettings.from_config(compose("table", words))).to_dict()
    assert (found["outcome"], found["positive"], round(found["outcome_rate"], 3)) == ("visit", "1", 0.147)
    assert found["like_actions"] == ["segment"]
    assert found["leak_suspects"] == ["conversion", "spend"]


def test_types_are_inferred() -> None:
    kinds = {
        "whole": pl.Series(range(60)),
        "number": pl.Series(np.linspace(0, 1, 60)),
        "category": pl.Series(["a", "b"] * 30),
        "text": pl.Series([f"u{i}" for i in range(60)]),
        "time": pl.Series(["2024-01-01"] * 60),
    }
    assert {kind: infer_terms(values).type for kind, values in kinds.items()} == {kind: kind for kind in kinds}
    assert infer_terms(pl.Series(["1", "2.5", "?"])).missing


def test_a_column_is_described_in_full() -> None:
    table = pl.DataFrame({"hours": [3.5, None, 1.0, 2.0], "y": [1, 0, 0, 1]})
    (hours, _) = describe(table, {"hours": "number", "y": "outcome"}, np.array([1, 0, 0, 1]))
    assert (hours.type, hours.missing, hours.distinct, hours.low, hours.high) == ("number", 0.25, 3, 1.0, 3.5)
    assert hours.example == "3.5"
    assert hours.leaks


def test_every_generated_world_is_described_with_the_best_score_there_is() -> None:
    for world in ("case_study", "streamzone", "retention"):
        settings = TableSettings.from_config(compose("table", [f"data={world}", "data.users=2000"]))
        found = describe_job(settings).to_dict()
        assert 0.6 < found["best_auc"] < 0.95
        assert found["leak_suspects"] == []
        assert {"id", "outcome", "logged action"} <= {column["role"] for column in found["columns"]}


def test_telco_is_described_as_it_is(real: Path) -> None:
    path = real / "telco_customer_churn.csv"
    settings = TableSettings.from_config(
        compose("table", ["data=csv", f"data.path={path}", "data.target=Churn", "data.good=false"])
    )
    found = {column.name: column for column in describe_job(settings).columns}
    assert found["customerID"].role == "id"
    assert found["TotalCharges"].type == "number"
    assert found["TotalCharges"].missing == pytest.approx(11 / 7043)
