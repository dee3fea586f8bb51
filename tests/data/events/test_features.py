"""From events to users, by hand: what a feature holds, and what a label."""

from dataclasses import replace
from typing import Any

import pytest

from tests.data.events.logs import ASKED, DAY, HOUR, SIGNED_UP, T0, WORDS, did, paid, tables
from tippingpoint.core.errors import InputError
from tippingpoint.data.database import memory
from tippingpoint.data.events import features
from tippingpoint.data.events.features import Definition, Quality, Vocabulary


def ask(
    product: list[dict[str, Any]], payments: list[dict[str, Any]] = (), definition: Definition = ASKED
) -> tuple[dict[str, dict[str, Any]], Quality]:
    table, quality = features.users(memory(**tables(product, payments)), definition)
    return {row["user_id"]: row for row in table.iter_rows(named=True)}, quality


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
        "user_id": "ann", "cut_off": T0 + 7 * DAY, "variant": None, "outcome": 0, "signins": 2, "pricing_pages": 2,
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


def test_late_events_count_when_they_happened_if_they_came_before_the_cut_off() -> None:
    late = did("ann", "Sign In", 5 * DAY, received=T0 + 6 * DAY)
    too_late = did("ann", "Sign In", 6 * DAY, received=T0 + 9 * DAY)
    users, quality = ask([SIGNED_UP, late, too_late])
    assert users["ann"]["signins"] == 1
    assert users["ann"]["hours_since_last_event"] == 48.0
    assert quality.late == 2


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
    with pytest.raises(InputError, match="lower-case letters"):
        Vocabulary(sign_up="Sign Up", exposure=None, counted={"n, (SELECT 1)": "Sign In"})
