"""Logs of another shape are told by their columns: the same users, whatever file or database holds them."""

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.data.events.logs import log
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.events.source import Events

COUNTED = {"home": "/", "products": "Product"}
PATHS = ["/", "/product/1", "/product/22?from=mail", "/help", "/club/thanks"]


def clicks() -> pl.DataFrame:
    """Of 40 visitors, one an hour from 1 January 2026 on; each subscribes ten days on, or not."""
    rows = [
        {
            "visitor": f"v{k:02}",
            "at": 1_767_225_600 + 3_600 * k + 86_400 * day,
            "page": PATHS[(k + day) % 4],
            "with": "web",
        }
        for k in range(40)
        for day in (0, 1, 3, 5, 8)
    ]
    rows += [{**row, "at": row["at"] + 10 * 86_400, "page": PATHS[4]} for row in rows[::10]]
    table = pl.DataFrame(rows).sort("at")
    return table.with_columns(pl.from_epoch("at", "s"))


def shop(product: str, **further: Any) -> Events:
    mapped = {"user": "visitor", "time": "at", "name": "page"}
    events = mapped | {"platform": "with", "sign_up": "first", "names": {"Product": "/product/*"}}
    billing = mapped | {"names": {"subscribed": "/club/*"}}
    node = {"product": product, "horizon_days": 14, "events": events, "billing": billing} | further
    node["vocabulary"] = {"counted": COUNTED}
    return Component.of({"_target_": "tippingpoint.data.events.Events", **node}, "data").build(Events, "data")


def written(table: pl.DataFrame, folder: Path, form: str) -> str:
    path = folder / f"clicks.{form}"
    if form == "csv":
        table.with_columns(pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S")).write_csv(path)
    elif form == "jsonl":
        table.with_columns(pl.col("at").dt.epoch("ms")).write_ndjson(path)
    elif form == "parquet":
        table.with_columns(pl.col("at").dt.epoch("us")).write_parquet(path)
    else:
        with duckdb.connect(str(path)) as connection:
            connection.register("table_", table)
            connection.execute("create table clicks as select * from table_")
        return f"duckdb:///{path}?table=clicks"
    return str(path)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "duckdb"])
def test_any_form_gives_the_users_that_the_clicks_are_of(form: str, tmp_path: Path) -> None:
    source = shop(written(clicks(), tmp_path, form), until=1_772_000_000)
    users = source.load()
    assert list(users.user_id) == [f"v{k:02}" for k in range(40)]
    # Pages of day 0, 1, 3, 5 in the first week: v00 sees /, /product/1, /help, /product/1.
    assert users.features.loc[0, ["home", "products", "active_days"]].tolist() == [1, 2, 3]
    assert users.outcome.tolist() == [1, 0] * 20
    today = source.as_of(date(2026, 1, 9), 2)  # v00 began at midnight, a week before the 8th
    assert today["user_id"].to_list() == [f"v{k:02}" for k in range(25)]
    assert today["home"].to_list() == users.features["home"][:25].tolist()


def test_a_mapped_log_makes_the_features_that_its_own_tables_make(tmp_path: Path) -> None:
    source = log(profiles=800, subscribing=-6.0)
    block = next(source.blocks())
    with duckdb.connect(str(tmp_path / "log.duckdb")) as connection:
        for name, table in {"product_events": block.product, "payment_events": block.payments}.items():
            connection.register("table_", table)
            connection.execute(f"create table {name} as select * from table_")
    local = pl.from_epoch(pl.col("time", "received"), "s").dt.replace_time_zone("UTC")
    there = block.product.with_columns(local.dt.convert_time_zone("Asia/Tokyo").dt.strftime("%Y-%m-%dT%H:%M:%S"))
    there.write_csv(tmp_path / "product.csv")
    block.payments.with_columns(pl.col("amount") / 100).write_parquet(tmp_path / "payments.parquet")
    events = {"user": "distinct_id", "time": "time", "name": "event", "received": "received", "id": "insert_id"}
    events |= {
        "other_id": "alias",
        "zone": "Asia/Tokyo",
        "seconds": "seconds",
        "platform": "platform",
        "country": "country",
    }
    billing = {"user": "user_id", "time": "created", "name": "type", "id": "event_id", "amount": "amount"}
    linked = block.payments.drop_nulls("user_id").select("customer", owner="user_id").unique("customer")
    payments = block.payments.join(linked, on="customer", how="left").with_columns(user_id="owner")
    payments.with_columns(pl.col("amount") / 100).write_parquet(tmp_path / "payments.parquet")
    node = {"_target_": "tippingpoint.data.events.Events", "until": source.definition.until}
    mapped = node | {"product": str(tmp_path / "product.csv"), "payments": str(tmp_path / "payments.parquet")}
    mapped |= {"events": events, "billing": billing}
    own = Component.of(node | {"url": f"duckdb:///{tmp_path / 'log.duckdb'}"}, "data").build(Events, "data").load()
    users = Component.of(mapped, "data").build(Events, "data").load()
    assert len(own) > 300
    assert list(users.user_id) == list(own.user_id)
    assert users.outcome.tolist() == own.outcome.tolist()
    # A user is a customer from their first payment on here, where Stripe says so of itself.
    same = [c for c in own.features if c != "is_customer"]
    assert users.features[same].equals(own.features[same])


def test_a_device_is_a_users_once_both_are_named(tmp_path: Path) -> None:
    table = clicks().filter(pl.col("page") != PATHS[4]).with_columns(device="d" + pl.col("visitor"))
    first = pl.col("at") == pl.col("at").min().over("visitor")
    unknown = table.with_columns(visitor=pl.when(first).then("visitor"))  # logged in at their first page only
    payments = written(clicks().filter(pl.col("page") == PATHS[4]), tmp_path, "csv")
    unknown.write_parquet(tmp_path / "devices.parquet")
    events = {"user": "visitor", "time": "at", "name": "page", "other_id": "device", "sign_up": "first"}
    events["names"] = {"Product": "/product/*"}
    there = shop(str(tmp_path / "devices.parquet"), payments=payments, until=1_772_000_000, events=events)
    assert (
        there.load().features["active_days"].tolist()
        == shop(written(table, tmp_path, "parquet"), payments=payments, until=1_772_000_000)
        .load()
        .features["active_days"]
        .tolist()
    )


@pytest.mark.parametrize(
    ("further", "where", "said"),
    [
        ({"events": {"user": "visitr", "time": "at", "name": "page"}}, "data.events.user", "no column 'visitr'"),
        (
            {"events": {"user": "visitor", "time": "page", "name": "page"}},
            "data.product=",
            "times in column 'page' are none",
        ),
        (
            {"events": {"user": "visitor", "time": "at", "name": "page", "zone": "Berlin"}},
            "data.events.zone",
            "no time zone",
        ),
        (
            {"billing": {"user": "visitor", "time": "at", "name": "page", "names": {"bought": "/"}}},
            "data.billing",
            "'bought'",
        ),
        (
            {"billing": {"user": "visitor", "time": "at", "name": "page", "names": {"subscribed": "/x"}}},
            "data.billing.names",
            "is a payment",
        ),
        ({"billing": None}, "data", "needs product and payments"),
        ({"product": "duckdb:///clicks.duckdb"}, "data.product", "names no table"),
    ],
)
def test_what_the_log_does_not_have_is_refused(further: dict[str, Any], where: str, said: str, tmp_path: Path) -> None:
    path = written(clicks(), tmp_path, "csv")
    with pytest.raises(InputError) as refused:
        shop(**{"product": path, **further}).load()
    assert refused.value.where.startswith(where)
    assert said in refused.value.what


def test_an_hour_that_a_zone_skips_is_refused(tmp_path: Path) -> None:
    table = clicks().with_columns(at=pl.datetime(2026, 3, 29, 2, 30))  # clocks go from 2 to 3 in Berlin
    events = {"user": "visitor", "time": "at", "name": "page", "zone": "Europe/Berlin"}
    with pytest.raises(InputError, match="of the zone Europe/Berlin"):
        shop(written(table, tmp_path, "csv"), events=events).load()
