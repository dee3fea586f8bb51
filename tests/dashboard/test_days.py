"""Decisions by day, and what came of them."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from tippingpoint.dashboard import days
from tippingpoint.errors import InputError

START = datetime(2026, 9, 1, 6)


@pytest.fixture
def decisions(tmp_path):
    """Ten users, decided on three days; the first five get a discount."""
    users = [f"u{i}" for i in range(10)]
    tables = [
        pl.DataFrame(
            {
                "user_id": users,
                "propensity_score": 0.5,
                "segment": ["risky"] * 5 + ["loyal"] * 5,
                "action": ["discount_10"] * 5 + ["none"] * 5,
                "scored_at": START + timedelta(days=day),
            }
        )
        for day in (0, 1, 60)
    ]
    path = tmp_path / "predictions.parquet"
    pl.concat(tables).write_parquet(path)
    return path


@pytest.fixture
def outcomes(tmp_path):
    """What came of eight of them, until twenty days after the last decision."""
    logins = [START + timedelta(days=d) for d in (2, 32, 10, 80, 5, 7, 0, 31)]
    table = pl.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(8)],
            "renewed": ["yes", "no", "yes", None, "no", "yes", "yes", "yes"],
            "watch_time_change": [1.0, 2.0, 3.0, None, -1.0, 0.0, 0.0, 0.0],
            "last_login": logins,
        }
    )
    path = tmp_path / "outcomes.csv"
    table.write_csv(path)
    return path


def test_every_decision_counts_on_its_day(decisions):
    found = days.by_day(days.history(str(decisions)), "segment")
    assert found["users"].to_list() == [5] * 6
    assert found["day"].n_unique() == 3


def test_what_came_counts_users_whose_decision_is_old_enough_and_whose_outcome_is_known(decisions, outcomes):
    history = days.history(str(decisions))
    found = days.came(history, str(outcomes))
    # The last decision of everyone is twenty days old at the end of what is known; only those before count.
    none, discount = found.to_dicts()
    assert (none["action"], none["users"], discount["users"]) == ("none", 3, 5)
    assert discount["renewed"] == pytest.approx(2 / 4)
    assert discount["renewed: users known"] == 4
    assert discount["mean watch_time_change"] == pytest.approx(1.25)
    assert discount["last_login within 30 days"] == pytest.approx(3 / 5)


def test_decisions_of_a_database_are_those_of_a_file(decisions, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        connection.execute(f"create table predictions as select * from '{decisions}'")
    there = days.history(f"duckdb:///{tmp_path}/app.duckdb?table=predictions").table
    assert there.sort("user_id", "scored_at").equals(days.history(str(decisions)).table.sort("user_id", "scored_at"))


def test_a_table_that_holds_no_decisions_is_refused(outcomes):
    with pytest.raises(InputError, match="propensity_score"):
        days.history(str(outcomes))
