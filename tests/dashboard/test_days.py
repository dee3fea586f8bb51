"""Decisions by day, and what came of them by the rules of `measure`."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.dashboard import days
from tippingpoint.data.decisions import read

START = datetime(2026, 9, 1, 6)
NOW = START + timedelta(days=70)
USERS = [f"u{i}" for i in range(10)]


def decided(day, action, segment="risky", users=USERS, model="models:/retention/1"):
    return pl.DataFrame(
        {
            "user_id": users,
            "propensity_score": 0.5,
            "segment": segment,
            "action": action,
            "model": model,
            "scored_at": START + timedelta(days=day),
        }
    )


@pytest.fixture
def decisions(tmp_path):
    """Ten users: five get a discount on the first day, and nothing from the next day on; five never do."""
    some, rest = USERS[:5], USERS[5:]
    tables = [
        decided(0, "discount_10", users=some),
        decided(0, "none", "loyal", rest),
        decided(1, "none", "loyal"),
        decided(60, "none", "loyal"),
    ]
    path = tmp_path / "predictions.parquet"
    pl.concat(tables).write_parquet(path)
    return days.history(str(path))


def written(tmp_path, name="outcomes.csv", **columns):
    """A table as it comes out of a file."""
    path = tmp_path / name
    pl.DataFrame(columns).write_csv(path)
    return read(str(path), "outcomes")


def of_all(found):
    """What came of everyone one version decided for."""
    (row,) = found.table.to_dicts()
    return row


def test_every_decision_counts_on_its_day(decisions):
    found = days.by_day(decisions, "segment")
    assert found["users"].sum() == 30
    assert found["day"].n_unique() == 3


def test_what_came_is_of_the_first_decision_and_of_users_whose_outcome_is_known(decisions, tmp_path):
    outcomes = written(
        tmp_path,
        user_id=USERS[:8],
        renewed=["yes", "no", "yes", None, "no", "yes", "yes", "no"],
        watch_time_change=[1.0, 2.0, 3.0, None, -1.0, 0.0, 0.0, 3.0],
        plan=["a"] * 8,
    )
    found = days.came(decisions, outcomes, None, NOW)
    # u3's outcome is not known; who got an action is not set beside who did not.
    assert (of_all(found)["renewed"], of_all(found)["renewed: users known"]) == (pytest.approx(4 / 7), 7)
    assert of_all(found)["mean watch_time_change"] == pytest.approx(8 / 7)
    assert "action" not in found.table.columns
    assert found.silent == {"plan": "text"}
    assert found.shares == ("renewed",)


def test_each_version_counts_its_own_first_decision(tmp_path):
    path = tmp_path / "predictions.parquet"
    later = decided(5, "none", model="models:/retention/2")
    pl.concat([decided(0, "discount_10"), later]).write_parquet(path)
    outcomes = written(tmp_path, user_id=USERS, renewed=["yes"] * 4 + ["no"] * 6)
    found = days.came(days.history(str(path)), outcomes, None, NOW, until=NOW).table
    assert found.select("model", "renewed").rows() == [("models:/retention/1", 0.4), ("models:/retention/2", 0.4)]


def test_a_table_of_renewers_alone_says_nothing_until_others_are_said_to_have_not(decisions, tmp_path):
    outcomes = written(tmp_path, user_id=USERS[3:6], renewed=["yes"] * 3)
    with pytest.raises(InputError, match="absent=zero"):
        days.came(decisions, outcomes, None, NOW)
    found = of_all(days.came(decisions, outcomes, None, NOW, absent_is_zero=True))
    assert found["renewed"] == pytest.approx(3 / 10)


def test_where_its_time_is_known_an_outcome_counts_within_30_days_of_the_decision(decisions, tmp_path):
    at = [START + timedelta(days=d) for d in (-3, 5, 29, 31, 50)]
    outcomes = written(tmp_path, user_id=USERS[:5], renewed=["yes"] * 4 + ["no"], renewed_at=at)
    found = of_all(days.came(decisions, outcomes, None, NOW, at="renewed_at"))
    # u0 had renewed before; u3 too late; u4 never.
    assert found["renewed: users known"] == 4
    assert found["renewed"] == pytest.approx(2 / 4)


def test_logins_are_counted_from_a_log_in_the_30_days_after_the_decision(decisions, tmp_path):
    rows = [("u0", 2), ("u0", 5), ("u0", 50), ("u1", 0), ("u2", 30), ("u3", 31), ("u7", -1), ("u7", 12)]
    log = written(tmp_path, "logins.csv", user_id=[u for u, _ in rows], at=[START + timedelta(days=d) for _, d in rows])
    found = of_all(days.came(decisions, None, log, NOW))
    # u1 logged in at the very moment of the decision, u3 too late.
    assert found[days.LOGINS] == pytest.approx(3 / 10)
    assert found[f"{days.LOGINS}: users known"] == 10


def test_a_last_login_is_no_log_and_is_named_as_what_it_is(decisions, tmp_path):
    last = [START + timedelta(days=50)] * 10
    outcomes = written(tmp_path, user_id=USERS, last_login=last, renewed=["yes", "no"] * 5)
    found = days.came(decisions, outcomes, None, NOW)
    assert found.silent == {"last_login": "a time"}
    assert not any("last_login" in c for c in found.table.columns)


def test_no_date_of_the_future_makes_a_decision_old(tmp_path):
    path = tmp_path / "predictions.parquet"
    decided(0, "discount_10").write_parquet(path)
    history, soon = days.history(str(path)), START + timedelta(days=3)
    renews = [START + timedelta(days=90)] * 10
    outcomes = written(tmp_path, user_id=USERS, renewed=["yes", "no"] * 5, renews_on=renews)
    assert not len(days.came(history, outcomes, None, soon).table)
    assert not len(days.came(history, outcomes, None, soon, until=START + timedelta(days=90)).table)
    with pytest.raises(InputError, match="have not come yet"):
        days.came(history, outcomes, None, soon, at="renews_on")
    late = days.came(history, outcomes, None, NOW, until=START + timedelta(days=30))
    assert late.table["renewed"].to_list() == [0.5]


def test_ids_that_were_neutralised_for_spreadsheets_are_met(tmp_path):
    path = tmp_path / "predictions.csv"
    decided(0, "none", users=["'-x", "'=y", "z"]).write_csv(path)
    outcomes = written(tmp_path, user_id=["-x", "=y", "z"], renewed=["yes", "no", "no"])
    found = days.came(days.history(str(path)), outcomes, None, NOW, until=NOW).table
    assert found["renewed: users known"].to_list() == [3]


def test_outcomes_of_strangers_alone_are_refused(decisions, tmp_path):
    outcomes = written(tmp_path, user_id=["x", "y"], renewed=["yes", "no"])
    with pytest.raises(InputError, match="none of the 2 ids"):
        days.came(decisions, outcomes, None, NOW)


def test_decisions_of_a_database_are_those_of_a_file(decisions, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        connection.execute(f"create table predictions as select * from '{tmp_path}/predictions.parquet'")
    there = days.history(f"duckdb:///{tmp_path}/app.duckdb?table=predictions").table
    assert there.sort("user_id", "scored_at").equals(decisions.table.sort("user_id", "scored_at"))


def test_a_table_that_holds_no_decisions_is_refused(tmp_path):
    written(tmp_path, user_id=USERS, renewed=["yes"] * 10)
    with pytest.raises(InputError, match="propensity_score"):
        days.history(str(tmp_path / "outcomes.csv"))
