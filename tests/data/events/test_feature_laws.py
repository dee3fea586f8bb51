"""Laws of features over whole logs: no future, no neighbours, no order, and the same from either database."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.events.logs import DAY, HOUR, log
from tippingpoint.data.database import connect, memory
from tippingpoint.data.events import features
from tippingpoint.data.events.exports import PAYMENTS, PRODUCT
from tippingpoint.data.events.features import Definition


@pytest.fixture(scope="module", params=["conversion", "churn"])
def world(request: pytest.FixtureRequest) -> tuple[Definition, pl.DataFrame, pl.DataFrame]:
    """A small log with all its faults, of many who subscribe."""
    source = log(outcome=request.param, profiles=1_500, subscribing=-6.0)
    blocks = list(source.blocks())
    return (
        source.definition,
        pl.concat([block.product for block in blocks]),
        pl.concat([block.payments for block in blocks]),
    )


World = tuple[Definition, pl.DataFrame, pl.DataFrame]


def seen(world: World) -> pl.DataFrame:
    definition, product, payments = world
    return features.users(memory(product_events=product, payment_events=payments), definition)[0]


def cut_offs(world: World) -> pl.DataFrame:
    """`user_id`, `cut_off` and, for churn, `customer`, straight from the events."""
    definition, product, payments = world
    if definition.outcome == "conversion":
        began = product.filter(pl.col("event") == "Sign Up").select(user_id="distinct_id", began="time")
    else:
        linked = payments.drop_nulls("user_id").select("customer", owner="user_id").unique()
        started = payments.filter(pl.col("type") == "customer.subscription.created").join(linked, on="customer")
        began = started.select(user_id="owner", began="created")
    return began.group_by("user_id").agg(cut_off=pl.col("began").min() + definition.window_days * DAY)


def parted(world: World) -> tuple[pl.DataFrame, ...]:
    """Product and payment events from before their owner's cut-off, then those from after it."""
    _, product, payments = world
    ends = cut_offs(world)
    joins = product.drop_nulls("alias").select(distinct_id="alias", user_id="distinct_id").unique()
    ids = pl.concat([ends.select(distinct_id="user_id", user_id="user_id"), joins]).join(ends, on="user_id")
    ids = ids.group_by("distinct_id").agg(pl.col("cut_off").min())
    linked = payments.drop_nulls("user_id").select("customer", user_id="user_id").unique().join(ends, on="user_id")
    product = product.join(ids, on="distinct_id", how="left", maintain_order="left")
    payments = payments.join(linked.select("customer", "cut_off"), on="customer", how="left", maintain_order="left")
    later = pl.min_horizontal("time", "received") >= pl.col("cut_off")
    # Who was given an action is asked about, so that this one event of the future has to stay.
    later = (later & (pl.col("event") != "$experiment_started")).fill_null(False)
    after = (pl.col("created") >= pl.col("cut_off")).fill_null(False)
    return product.filter(~later), payments.filter(~after), product.filter(later), payments.filter(after)


def same_features(before: pl.DataFrame, after: pl.DataFrame) -> bool:
    return after.drop("outcome").equals(before.drop("outcome"))


def test_features_do_not_need_the_future(world: World) -> None:
    product, payments, later, after = parted(world)
    assert min(len(product), len(payments), len(later), len(after)) > 100
    told = seen((world[0], product.select(list(PRODUCT)), payments.select(list(PAYMENTS))))
    assert same_features(seen(world), told)
    assert seen(world)["outcome"].sum() > told["outcome"].sum() == 0


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_features_do_not_see_the_future(world: World, seed: int) -> None:
    # From the cut-off on everything is different: other events, money asked back, and only then does it
    # come out that a device and a customer were theirs, which had been busy before.
    product, payments, later, after = parted(world)
    rng = np.random.default_rng(seed)
    later = later.with_columns(
        event=pl.Series(rng.choice(["Sign In", "Pricing Page", "Playback"], len(later))),
        seconds=pl.Series(rng.integers(0, 10**6, len(later))),
        received=pl.col("received") + pl.Series(rng.integers(0, 10 * DAY, len(later))),
        insert_id=pl.lit("other ") + pl.col("insert_id"),
    )
    after = after.with_columns(type=pl.lit("charge.refunded"), amount=pl.lit(5_000, pl.Int64))
    ends = cut_offs(world).sample(fraction=0.5, seed=seed % 1_000).sort("user_id")
    at = {"time": pl.col("cut_off"), "insert_id": "joined " + pl.col("user_id")}
    before = {"time": pl.col("cut_off") - HOUR, "insert_id": "busy " + pl.col("user_id")}
    device = "device of " + pl.col("user_id")
    customer = "customer of " + pl.col("user_id")
    made_up = [
        ends.select(distinct_id=device, event=pl.lit("Pricing Page"), **before),
        ends.select(distinct_id="user_id", event=pl.lit("$identify"), alias=device, **at),
    ]
    charged = [
        ends.select(
            event_id="paid " + pl.col("user_id"),
            type=pl.lit("invoice.paid"),
            created=pl.col("cut_off") - DAY,
            customer=customer,
            amount=pl.lit(10**6, pl.Int64),
        ),
        ends.select(
            event_id="linked " + pl.col("user_id"),
            type=pl.lit("customer.created"),
            created="cut_off",
            customer=customer,
            user_id="user_id",
        ),
    ]
    changed = (
        world[0],
        pl.concat([product, later, *made_up], how="diagonal").select(list(PRODUCT)),
        pl.concat([payments, after, *charged], how="diagonal").select(list(PAYMENTS)),
    )
    assert same_features(seen(world), seen(changed))


def test_users_do_not_touch_each_other(world: World) -> None:
    definition, product, payments = world
    whole = seen(world)
    some = whole["user_id"].sample(fraction=0.5, seed=1)
    joined = product.filter(pl.col("alias").is_not_null()).select("distinct_id", "alias")
    theirs = set(some)
    for _ in range(3):
        theirs |= set(joined.filter(pl.col("distinct_id").is_in(list(theirs)))["alias"])
    customers = payments.filter(pl.col("user_id").is_in(list(theirs)))["customer"].unique()
    part = seen(
        (
            definition,
            product.filter(pl.col("distinct_id").is_in(list(theirs))),
            payments.filter(pl.col("customer").is_in(customers.to_list())),
        )
    )
    assert part.equals(whole.filter(pl.col("user_id").is_in(some.to_list())))


def test_order_of_arrival_does_not_matter(world: World) -> None:
    definition, product, payments = world
    shuffled = (definition, product.sample(fraction=1, shuffle=True, seed=3), payments.reverse())
    assert seen(shuffled).equals(seen(world))


def test_duckdb_and_postgresql_agree_to_the_last_digit(world: World, postgres: str) -> None:
    import psycopg

    definition, product, payments = world
    types = {pl.String: 'text COLLATE "und-x-icu"', pl.Int64: "bigint"}
    with psycopg.connect(postgres, autocommit=True) as server:
        if not server.execute("select 1 from pg_collation where collname = 'und-x-icu'").fetchone():
            types[pl.String] = "text"
        for name, table in {"product_events": product, "payment_events": payments}.items():
            columns = ", ".join(f"{column} {types[type(kind)]}" for column, kind in table.schema.items())
            server.execute(f"drop table if exists {name}")
            server.execute(f"create table {name} ({columns})")
            with server.cursor().copy(f"copy {name} from stdin") as copy:
                for row in table.iter_rows():
                    copy.write_row(row)
            server.execute(f"analyze {name}")
    for asked in (definition, replace(definition, snapshots="every:28d")):
        with connect(postgres) as database:
            there, quality_there = features.users(database, asked)
        here, quality_here = features.users(memory(product_events=product, payment_events=payments), asked)
        assert len(here) > 300
        assert there.columns == here.columns
        for column in here.columns:
            assert there[column].cast(here[column].dtype).equals(here[column], null_equal=True), column
        assert quality_there == quality_here
