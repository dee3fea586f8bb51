"""From events to users: what a feature may know, and what a label."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tippingpoint.composing import compose
from tippingpoint.data import features
from tippingpoint.data.database import connect, memory
from tippingpoint.data.exports import PAYMENTS, PRODUCT
from tippingpoint.data.features import Definition, Quality, Vocabulary
from tippingpoint.data.generators.event_log import EventLog
from tippingpoint.errors import InputError
from tippingpoint.settings import Component

HOUR, DAY = 3_600, 86_400
T0 = 1_700_000_000
WORDS = Vocabulary(sign_up="Sign Up", exposure=None, counted={"signins": "Sign In", "pricing_pages": "Pricing"})
ASKED = Definition("conversion", 7, 30, WORDS, until=T0 + 400 * DAY)


def log(**settings: Any) -> EventLog:
    overrides = ["data=event_log", *(f"data.{key}={value}" for key, value in settings.items())]
    node = Component.model_validate(dict(compose("run", overrides).data))
    return node.build(EventLog, "data")


def did(who: str, event: str, at: float, **further: Any) -> dict[str, Any]:
    """One product event; `at` in seconds after T0, received at once."""
    time = T0 + int(at)
    return {"distinct_id": who, "event": event, "time": time, "received": time, "insert_id": None, **further}


def paid(customer: str, kind: str, at: float, **further: Any) -> dict[str, Any]:
    return {"customer": customer, "type": kind, "created": T0 + int(at), **further}


def tables(product: list[dict[str, Any]], payments: list[dict[str, Any]] = ()) -> dict[str, pl.DataFrame]:
    product = [{**row, "insert_id": row["insert_id"] or f"i{k}"} for k, row in enumerate(product)]
    payments = [{"event_id": f"e{k}", **row} for k, row in enumerate(payments)]
    return {
        "product_events": pl.DataFrame(product, schema=PRODUCT),
        "payment_events": pl.DataFrame(payments, schema=PAYMENTS),
    }


def ask(
    product: list[dict[str, Any]], payments: list[dict[str, Any]] = (), definition: Definition = ASKED
) -> tuple[dict[str, dict[str, Any]], Quality]:
    table, quality = features.users(memory(**tables(product, payments)), definition)
    return {row["user_id"]: row for row in table.iter_rows(named=True)}, quality


SIGNED_UP = did("ann", "Sign Up", 0, platform="web", country="DE")


def test_features_of_one_user_by_hand() -> None:
    users, _ = ask(
        [
            SIGNED_UP,
            did("ann", "Sign In", HOUR),
            did("ann", "Sign In", 2 * DAY, seconds=1_800),
            did("ann", "Pricing", 2 * DAY + 60),
            did("ann", "Pricing", 6 * DAY, seconds=900),
            did("ann", "Unheard Of", 6.5 * DAY),
        ],
        [
            paid("cus", "customer.created", DAY, user_id="ann"),
            paid("cus", "invoice.payment_failed", DAY, amount=999),
        ],
    )
    assert users["ann"] == {
        "user_id": "ann", "variant": None, "outcome": 0, "signins": 2, "pricing_pages": 2,
        "pricing_pages_per_sign_in": 1.0, "active_days": 3, "playback_hours": 0.75,
        "hours_since_last_event": 24.0, "trend": (1 - 3) / 4, "is_customer": 1, "days_since_sign_up": 7.0,
        "invoices_paid": 0, "invoices_failed": 1, "cents_paid": 0, "cents_refunded": 0, "paused": 0,
        "platform": "web", "country": "DE",
    }  # fmt: skip


def test_a_user_who_did_nothing_is_a_user() -> None:
    ann = ask([SIGNED_UP])[0]["ann"]
    assert (ann["signins"], ann["hours_since_last_event"], ann["trend"]) == (0, 7 * 24.0, None)
    assert ann["pricing_pages_per_sign_in"] is None


def test_payment_state_at_the_cut_off() -> None:
    state = [
        paid("cus", "customer.created", DAY, user_id="ann"),
        paid("cus", "customer.subscription.created", 2 * DAY),
        paid("cus", "invoice.paid", 2 * DAY, amount=999),
        paid("cus", "invoice.payment_failed", 3 * DAY, amount=999),
        paid("cus", "charge.refunded", 4 * DAY, amount=500),
        paid("cus", "customer.subscription.paused", 5 * DAY),
    ]
    churn = replace(ASKED, outcome="churn")
    ann = ask([SIGNED_UP], state, churn)[0]["ann"]
    paid_, failed, cents, refunded = (1, 1, 999, 500)
    columns = ("invoices_paid", "invoices_failed", "cents_paid", "cents_refunded", "paused")
    assert [ann[c] for c in columns] == [paid_, failed, cents, refunded, 1]
    assert ann["days_since_sign_up"] == 9.0
    resumed = [*state, paid("cus", "customer.subscription.resumed", 6 * DAY)]
    assert ask([SIGNED_UP], resumed, churn)[0]["ann"]["paused"] == 0


def test_duplicates_count_once() -> None:
    twice = did("ann", "Sign In", HOUR, insert_id="same")
    later = {**twice, "received": T0 + 5 * HOUR}
    users, quality = ask([SIGNED_UP, twice, later, twice, did("ann", "Sign In", HOUR)])
    assert users["ann"]["signins"] == 2
    assert quality.product_duplicates == 2
    payment = paid("cus", "invoice.payment_failed", DAY, amount=999, event_id="evt")
    customer = paid("cus", "customer.created", DAY, user_id="ann")
    users, quality = ask([SIGNED_UP], [customer, payment, payment])
    assert users["ann"]["invoices_failed"] == 1
    assert quality.payment_duplicates == 1


def test_late_events_count_when_they_happened() -> None:
    late = did("ann", "Sign In", 6 * DAY, received=T0 + 9 * DAY)
    users, quality = ask([SIGNED_UP, late])
    assert users["ann"]["signins"] == 1
    assert users["ann"]["hours_since_last_event"] == 24.0
    assert quality.late == 1


def test_a_clock_ahead_is_set_back_to_when_the_event_was_received() -> None:
    ahead = did("ann", "Sign In", 8 * DAY, received=T0 + 6 * DAY)
    users, quality = ask([SIGNED_UP, ahead])
    assert users["ann"]["hours_since_last_event"] == 24.0
    assert quality.ahead == 1


def test_orphans_are_nobodys_and_are_reported() -> None:
    orphan = paid("lost", "customer.subscription.created", 8 * DAY)
    users, quality = ask([SIGNED_UP, did("ghost", "Sign In", HOUR)], [orphan])
    assert set(users) == {"ann"}
    assert (users["ann"]["signins"], users["ann"]["outcome"]) == (0, 0)
    assert (quality.product_orphans, quality.payment_orphans) == (1, 1)
    assert "1 of 2 product events are orphans" in str(quality)


def test_events_of_a_merged_id_are_the_users() -> None:
    users, quality = ask(
        [
            SIGNED_UP,
            did("device", "Sign In", HOUR),
            did("old", "Sign In", 2 * HOUR),
            did("old", "$identify", 3 * HOUR, alias="device"),
            did("ann", "$merge", 4 * HOUR, alias="old"),
        ]
    )
    assert users["ann"]["signins"] == 2
    assert (quality.product_orphans, quality.joined_ids) == (0, 2)


def test_an_id_merged_after_the_cut_off_was_not_known_to_be_the_users() -> None:
    events = [SIGNED_UP, did("device", "Sign In", HOUR), did("ann", "$identify", 8 * DAY, alias="device")]
    assert ask(events)[0]["ann"]["signins"] == 0


def test_a_merged_account_is_no_user_of_its_own() -> None:
    bob = did("bob", "Sign Up", DAY)
    assert set(ask([SIGNED_UP, bob, did("ann", "$merge", 3 * DAY, alias="bob")])[0]) == {"ann"}
    assert set(ask([SIGNED_UP, bob, did("ann", "$merge", 20 * DAY, alias="bob")])[0]) == {"ann", "bob"}


def test_a_device_belongs_to_whom_it_was_first_joined() -> None:
    users, _ = ask(
        [
            SIGNED_UP,
            did("bob", "Sign Up", 0),
            did("device", "Sign In", HOUR),
            did("bob", "$identify", 2 * HOUR, alias="device"),
            did("ann", "$identify", 3 * HOUR, alias="device"),
        ]
    )
    assert (users["ann"]["signins"], users["bob"]["signins"]) == (0, 1)


@pytest.mark.parametrize(
    ("at", "outcome"), [(7 * DAY, 1), (37 * DAY - 1, 1), (37 * DAY, 0), (7 * DAY - 1, "not asked")]
)
def test_the_horizon_starts_at_the_cut_off_and_ends_before_its_end(at: int, outcome: int | str) -> None:
    payments = [
        paid("cus", "customer.created", 0, user_id="ann"),
        paid("cus", "customer.subscription.created", at),
    ]
    users, _ = ask([SIGNED_UP], payments)
    assert (users["ann"]["outcome"] if users else "not asked") == outcome


def test_a_user_whose_horizon_is_not_over_is_left_out() -> None:
    assert set(ask([SIGNED_UP], definition=replace(ASKED, until=T0 + 37 * DAY))[0]) == {"ann"}
    assert not ask([SIGNED_UP], definition=replace(ASKED, until=T0 + 37 * DAY - 1))[0]
    until_last = replace(ASKED, until=None)
    assert not ask([SIGNED_UP, did("bob", "Sign Up", 30 * DAY)], definition=until_last)[0]
    assert set(ask([SIGNED_UP, did("bob", "Sign Up", 37 * DAY)], definition=until_last)[0]) == {"ann"}


def test_the_action_is_the_one_given_at_the_cut_off() -> None:
    definition = replace(ASKED, vocabulary=WORDS.model_copy(update={"exposure": "Given"}))
    given = [
        SIGNED_UP,
        did("ann", "Given", 6 * DAY, variant="early"),
        did("ann", "Given", 7 * DAY, variant="call"),
        did("ann", "Given", 7 * DAY + 5, variant="later"),
        did("bob", "Sign Up", 0),
    ]
    users, _ = ask(given, definition=definition)
    assert {name: row["variant"] for name, row in users.items()} == {"ann": "call"}


def test_names_of_events_are_values_and_names_of_features_are_checked() -> None:
    evil = "Sign In' OR '1'='1"
    words = WORDS.model_copy(update={"counted": {"signins": evil}})
    users, _ = ask(
        [SIGNED_UP, did("ann", "Sign In", HOUR), did("ann", evil, HOUR)], [], replace(ASKED, vocabulary=words)
    )
    assert users["ann"]["signins"] == 1
    with pytest.raises(ValueError, match="lower-case letters"):
        Vocabulary(sign_up="Sign Up", exposure=None, counted={"n, (SELECT 1)": "Sign In"})


def test_nobody_is_an_error_that_says_what_to_look_at() -> None:
    table, quality = features.users(memory(**tables([did("ann", "Sign In", 0)])), ASKED)
    with pytest.raises(InputError, match="sign_up='Sign Up'"):
        features.as_users(table, ASKED, quality, None)


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
    with connect(postgres) as database:
        there, quality_there = features.users(database, definition)
    here, quality_here = features.users(memory(product_events=product, payment_events=payments), definition)
    assert len(here) > 300
    assert there.columns == here.columns
    for column in here.columns:
        assert there[column].cast(here[column].dtype).equals(here[column], null_equal=True), column
    assert quality_there == quality_here
