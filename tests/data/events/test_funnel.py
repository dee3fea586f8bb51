"""The funnel and the time to conversion, by hand, in parts, and in two databases."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.events.logs import ASKED, DAY, SIGNED_UP, did, log, paid, tables
from tippingpoint.data.database import connect, memory
from tippingpoint.data.events.funnel import Funnel, funnel

LIVES = [
    SIGNED_UP,
    did("ann", "Sign In", 10),
    did("ann", "Pricing", DAY),
    did("bob", "Sign Up", 0),
    did("bob", "Pricing", 50),  # no sign-in: stops before it
    did("eve", "Sign Up", 0),
    did("eve", "Sign In", 5),
    did("eve", "Sign In", 5),
]
MONEY = [
    paid("c1", "customer.created", DAY, user_id="ann"),
    paid("c1", "customer.subscription.created", 3.5 * DAY),
    paid("c1", "invoice.paid", 3.5 * DAY),
    paid("c1", "customer.subscription.deleted", 10 * DAY),
    paid("c9", "customer.subscription.created", DAY),  # of nobody
]


def test_a_user_counts_in_a_step_who_took_it_and_all_before() -> None:
    found = funnel([memory(**tables(LIVES, MONEY))], ASKED)
    assert found.steps == {
        "Sign Up": 3,
        "Sign In": 2,
        "Pricing": 1,
        "Customer created": 1,
        "Subscription started": 1,
        "Invoice paid": 1,
    }


def test_days_until_it_happened_and_days_of_those_to_whom_it_did_not() -> None:
    found = funnel([memory(**tables(LIVES, MONEY))], replace(ASKED, until=ASKED.until - 380 * DAY))
    assert found.day.tolist() == [3, 20]
    assert found.happened.tolist() == [1, 0]
    assert found.left.tolist() == [0, 2]
    left = funnel([memory(**tables(LIVES, MONEY))], replace(ASKED, outcome="churn"))
    assert left.day.tolist() == [6]
    assert left.happened.tolist() == [1]


def test_what_happens_after_the_log_is_complete_has_not_happened() -> None:
    found = funnel([memory(**tables(LIVES, MONEY))], replace(ASKED, until=ASKED.until - 398 * DAY))
    assert found.happened.sum() == 0
    assert found.left.sum() == 3


COUNTS = st.dictionaries(st.integers(0, 9), st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=6)


def part(counts: dict[int, tuple[int, int]]) -> Funnel:
    day = np.array(sorted(counts), dtype=np.int64)
    rows = np.array([counts[d] for d in day], dtype=np.int64).reshape(-1, 2)
    return Funnel({"Sign Up": int(rows.sum())}, day, rows[:, 0], rows[:, 1])


@given(COUNTS, COUNTS)
@settings(max_examples=50)
def test_parts_add_up(a: dict, b: dict) -> None:
    both = part(a) + part(b)
    assert both.steps["Sign Up"] == both.happened.sum() + both.left.sum()
    for k, values in enumerate((both.happened, both.left)):
        expected = [a.get(d, (0, 0))[k] + b.get(d, (0, 0))[k] for d in both.day]
        assert values.tolist() == expected


def test_the_funnel_of_a_generated_log_holds_everybody_once() -> None:
    world = log(profiles=2000)
    found = funnel(world.engines(), world.definition)
    counts = list(found.steps.values())
    assert counts == sorted(counts, reverse=True)
    assert found.happened.sum() + found.left.sum() == counts[0]
    assert found.happened.sum() == found.steps["Subscription started"] > 0


def test_duckdb_and_postgresql_count_the_same(postgres: str) -> None:
    import psycopg

    frames = tables(LIVES, MONEY)
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute("CREATE SCHEMA IF NOT EXISTS funnel")
        for name, frame in frames.items():
            types = ", ".join(f"{c} {'TEXT' if d == pl.String else 'BIGINT'}" for c, d in frame.schema.items())
            server.execute(f"CREATE TABLE funnel.{name} ({types})")
            marks = ", ".join(["%s"] * frame.width)
            server.cursor().executemany(f"INSERT INTO funnel.{name} VALUES ({marks})", frame.rows())
    with connect(f"{postgres}&options=-csearch_path%3Dfunnel") as database:
        for outcome in ("conversion", "churn"):
            asked = replace(ASKED, outcome=outcome, until=None)
            there, here = funnel([database], asked), funnel([memory(**frames)], asked)
            assert there.steps == here.steps
            for name in ("day", "happened", "left"):
                assert np.array_equal(getattr(there, name), getattr(here, name)), name


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
def test_nothing_happened_is_a_funnel_too(outcome: str) -> None:
    found = funnel([memory(**tables([SIGNED_UP]))], replace(ASKED, outcome=outcome))
    assert found.steps["Sign Up"] == 1
    assert found.happened.sum() == 0
