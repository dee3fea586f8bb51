"""Stripe's events as JSON and CSV, and the tables its dashboard exports."""

import json
from pathlib import Path

import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.data.events.exports import Properties
from tippingpoint.data.events.stripe import read_stripe

NAMES = Properties(seconds="s", platform="p", country="c", variant="v", user_id="user_id")


def event(kind: str, **inner: object) -> dict[str, object]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created": 1_700_000_000,
        "data": {"object": inner},
    }


def read(path: Path, *events: object) -> list[dict[str, object]]:
    path.write_text("\n".join(json.dumps(e) for e in events))
    return read_stripe(str(path), NAMES).to_dicts()


def test_a_customer_is_linked_by_its_metadata(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "e.jsonl", event("customer.created", id="cus_1", metadata={"user_id": "ann"}))
    assert row == {
        "event_id": "evt_1", "type": "customer.created", "created": 1_700_000_000, "object_id": "cus_1",
        "customer": "cus_1", "user_id": "ann", "amount": None,
    }  # fmt: skip


def test_amounts_come_from_the_key_that_fits_the_type(tmp_path: Path) -> None:
    rows = read(
        tmp_path / "e.jsonl",
        event("invoice.paid", id="in_1", customer="cus_1", amount_paid=999, amount_due=1_200),
        event("invoice.payment_failed", id="in_1", customer="cus_1", amount_paid=0, amount_due=1_200),
        event("charge.refunded", id="ch_1", customer={"id": "cus_1", "object": "customer"}, amount_refunded=500),
        event("customer.subscription.deleted", id="sub_1", customer="cus_1", metadata={}),
    )
    assert [row["amount"] for row in rows] == [999, 1_200, 500, None]
    assert {row["customer"] for row in rows} == {"cus_1"}


def test_tables_of_the_dashboard_tell_their_events(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text(
        "id,Description,Email,Created (UTC),user_id (metadata)\ncus_1,,a@b.c,2024-01-02 03:04:05,ann\n"
    )
    (tmp_path / "subscriptions.csv").write_text(
        "id,Customer ID,Status,Created (UTC),Start (UTC),Canceled At (UTC),Ended At (UTC)\n"
        "sub_1,cus_1,canceled,2024-01-02 03:05,2024-01-02 03:05,2024-02-01 00:00,\n"
        "sub_2,cus_2,active,2024-01-03 00:00,2024-01-03 00:00,,\n"
    )
    (tmp_path / "payments.csv").write_text(
        "id,Created date (UTC),Amount,Amount Refunded,Currency,Status,Customer ID\n"
        'ch_1,2024-01-02 03:05:10,"1,009.99",9.99,eur,Paid,cus_1\n'
        "ch_2,2024-02-02 00:00:00,9.99,0.00,eur,Failed,cus_1\n"
        "ch_3,2024-02-03 00:00:00,9.99,0.00,eur,Canceled,cus_1\n"
        "ch_4,2024-02-03 00:00:00,9.99,0.00,eur,requires_payment_method,cus_1\n"
    )
    found = {(row["object_id"], row["type"]): row for row in read_stripe(str(tmp_path), NAMES).to_dicts()}
    assert {key: (row["created"], row["customer"], row["amount"]) for key, row in found.items()} == {
        ("cus_1", "customer.created"): (1_704_164_645, "cus_1", None),
        ("sub_1", "customer.subscription.created"): (1_704_164_700, "cus_1", None),
        ("sub_1", "customer.subscription.deleted"): (1_706_745_600, "cus_1", None),
        ("sub_2", "customer.subscription.created"): (1_704_240_000, "cus_2", None),
        ("ch_1", "invoice.paid"): (1_704_164_710, "cus_1", 100_999),
        ("ch_1", "charge.refunded"): (1_704_164_710, "cus_1", 999),
        ("ch_2", "invoice.payment_failed"): (1_706_832_000, "cus_1", 999),
    }
    assert found["cus_1", "customer.created"]["user_id"] == "ann"


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"neither events .* its columns are a, b"):
        read_stripe(str(tmp_path / "other.csv"), NAMES)
    with pytest.raises(InputError, match=r"have no 'created' \(first: number 1\)"):
        read(tmp_path / "e.jsonl", {"id": "evt_1", "type": "invoice.paid"})
    with pytest.raises(InputError, match="no such file"):
        read_stripe(str(tmp_path / "none.jsonl"), NAMES)
