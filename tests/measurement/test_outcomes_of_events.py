"""Outcomes of decisions told from payments and product events, by the rules that a table of them has."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.data.events.logs import DAY, T0, did, paid, tables
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.data.decisions import checked
from tippingpoint.measurement.of_events import outcomes_of_events
from tippingpoint.measurement.outcomes import OutcomeRule, outcomes_of
from tippingpoint.measurement.settings import MeasureSettings

START = datetime.fromtimestamp(T0, UTC).replace(tzinfo=None)
USERS = ("ann", "bob", "cid", "dan", "eve")


def written(folder: Path) -> str:
    """Ann subscribes 3 days after day 10, bob before it, cid 20 days after; dan's phone plays; eve left and returns."""
    product = [did(who, "Sign Up", 0) for who in USERS]
    product += [did("phone", "Playback", 11 * DAY), did("dan", "$identify", 12 * DAY, alias="phone")]
    product += [did("ann", "Sign In", 40 * DAY)]
    payments = [
        paid("a", "customer.subscription.created", 13 * DAY, user_id="ann"),
        paid("b", "customer.subscription.created", 5 * DAY, user_id="bob"),
        paid("c", "customer.subscription.created", 30 * DAY, user_id="cid"),
        paid("e", "customer.subscription.created", 4 * DAY, user_id="eve"),
        paid("e", "customer.subscription.deleted", 6 * DAY),
        paid("e", "customer.subscription.created", 14 * DAY),
    ]
    with duckdb.connect(str(folder / "log.duckdb")) as connection:
        for name, table in tables(product, payments).items():
            connection.register("table_", table)
            connection.execute(f"create or replace table {name} as select * from table_")
    return f"duckdb:///{folder / 'log.duckdb'}"


def decided(at: float = 10) -> pl.DataFrame:
    n = len(USERS)
    return pl.DataFrame(
        {
            "user_id": USERS,
            "propensity_score": [0.2] * n,
            "segment": ["high"] * n,
            "action": ["discount_10"] * n,
            "policy_action": ["discount_10"] * n,
            "logging_probability_none": [0.5] * n,
            "logging_probability_discount_10": [0.5] * n,
            "model": ["models:/conversion/1"] * n,
            "scored_at": [START + timedelta(days=at)] * n,
        }
    )


def settings(url: str, *words: str) -> MeasureSettings:
    given = ["decisions=decisions.parquet", "data=events", f"data.url={url}", *words]
    return MeasureSettings.from_config(compose("measure", given))


def came(url: str, *words: str, at: float = 10) -> tuple[pl.DataFrame, dict[str, Any], pl.DataFrame]:
    """The table that events stand for, the settings it is read with, and what is counted of it."""
    table, read = outcomes_of_events(settings(url, *words), decided(at))
    rule = OutcomeRule(read.outcome, read.at, read.absent == "zero", read.within, read.since, read.until)
    decisions, key = checked(decided(at))
    found = outcomes_of(decisions, key, table, read.outcomes_id, rule)
    return table, read.model_dump(), found.table.select("user_id", pl.col(table.columns[1]))


def test_what_counts_is_the_first_payment_after_the_decision_within_the_horizon(tmp_path: Path) -> None:
    table, read, used = came(written(tmp_path), "data.horizon_days=14")
    assert read["within"] == 14
    assert dict(table.select("user_id", "converted").iter_rows()) == dict(zip(USERS, [1, 0, 1, 0, 1], strict=True))
    # Bob subscribed before and never again; cid came too late.
    assert dict(used.iter_rows()) == dict(zip(USERS, [1, 0, 0, 0, 1], strict=True))
    assert table["came_at"][0] == START + timedelta(days=13)


def test_a_product_event_counts_too_whosever_device_it_came_from(tmp_path: Path) -> None:
    _, _, used = came(written(tmp_path), "outcome=Playback", "within=5")
    assert dict(used.iter_rows()) == dict(zip(USERS, [0, 0, 0, 1, 0], strict=True))


def test_what_the_log_does_not_reach_is_not_known_and_not_0(tmp_path: Path) -> None:
    url = written(tmp_path)
    assert len(came(url, "data.horizon_days=14", at=26)[2]) == 5
    assert len(came(url, "data.horizon_days=14", at=27)[2]) == 0
    stopped = f"until='{START + timedelta(days=20)}'"
    table, _, used = came(url, "data.horizon_days=9", stopped)
    assert table["converted"].sum() == 2  # cid's came after
    assert len(used) == 5


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["outcome=Playbak"], "outcome"),
        (["outcomes=outcomes.csv"], "outcomes"),
        (["absent=zero"], "absent"),
        (["at=came_at"], "at"),
    ],
)
def test_what_events_cannot_say_is_refused(words: list[str], where: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        outcomes_of_events(settings(written(tmp_path), *words), decided())
    assert refused.value.where == where


def test_users_of_a_table_are_no_events() -> None:
    given = MeasureSettings.from_config(compose("measure", ["decisions=decisions.parquet", "data=case_study"]))
    with pytest.raises(InputError, match="no log of raw events"):
        outcomes_of_events(given, decided())


def test_neither_outcomes_nor_events_is_refused() -> None:
    with pytest.raises(InputError, match="not given"):
        MeasureSettings.from_config(compose("measure", ["decisions=decisions.parquet"]))
