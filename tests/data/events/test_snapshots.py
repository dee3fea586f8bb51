"""Snapshots: everyone at risk at a date, from what was received before it; outcomes that are not due are no outcome."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.data.events.logs import DAY, T0, WORDS, did, paid, tables
from tests.data.events.logs import log as drawn
from tests.data.events.test_as_of import MESS, epoch, events, written
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.database import memory
from tippingpoint.data.events import features
from tippingpoint.data.events.features import Definition
from tippingpoint.data.generators.event_log import EventLog

DATES = [date(2025, 2, 24), date(2025, 3, 31)]
ASKED = f"data.snapshots=[{','.join(map(str, DATES))}]"
MIDNIGHT = -(T0 % DAY)
"""Seconds from T0 to the beginning of its day."""


@pytest.mark.parametrize("outcome", ["conversion", "churn"])
def test_training_and_scoring_features_are_equal_for_every_user_of_every_date(outcome: str, tmp_path: Path) -> None:
    source = drawn(outcome=outcome, profiles=500, subscribing=-6.0, mess=MESS.removeprefix("data.mess="))
    written(source, tmp_path)
    users = events(tmp_path, ASKED, outcome=outcome).load()
    assert users.moment is not None
    for day in DATES:
        written(source, tmp_path, epoch(day))  # what the day itself could know
        then = events(tmp_path, ASKED, outcome=outcome).as_of(day)
        of = users.take(users.moment == np.datetime64(day))
        learnt = pl.from_pandas(of.features.assign(user_id=of.group)).fill_nan(None).sort("user_id")
        assert len(then) > 20
        assert learnt.select(then.drop("cut_off").columns).equals(then.drop("cut_off"))


def test_counts_are_those_of_the_events_by_hand(tmp_path: Path) -> None:
    source = drawn(profiles=600, subscribing=-6.5, mess="{late:0.2,duplicate:0.1,orphan:0,skewed:0.1,merged:0}")
    written(source, tmp_path)
    block, at = next(source.blocks()), epoch(DATES[0])
    there = events(tmp_path, ASKED).as_of(DATES[0])
    known = block.product.filter(pl.col("received") < at).with_columns(at=pl.min_horizontal("time", "received"))
    once = known.sort("received").unique(["distinct_id", "event", "insert_id"], keep="first")
    for days in (1, 7, 28):
        of = once.filter((pl.col("event") == "Playback") & (pl.col("at") >= at - days * DAY))
        counted = of.group_by("distinct_id").agg(n=pl.len().cast(pl.Float64))
        joined = there.join(counted, left_on="user_id", right_on="distinct_id", how="left", maintain_order="left")
        assert joined["n"].fill_null(0).equals(there[f"playbacks_{days}"], check_names=False)
    assert there["playbacks_28"].sum() > 100


def test_who_left_and_came_back_is_a_subscriber_and_who_pays_is_no_free_user() -> None:
    product = [did(who, "Sign Up", 0) for who in ("ann", "bob", "cid")]
    payments = [
        paid("a", "customer.subscription.created", 2 * DAY, user_id="ann"),
        paid("a", "customer.subscription.deleted", 12 * DAY),
        paid("a", "customer.subscription.created", 22 * DAY),
        paid("a", "customer.subscription.deleted", 65 * DAY),
        paid("b", "customer.subscription.created", 40 * DAY, user_id="bob"),
    ]
    product.append(did("cid", "Sign In", 90 * DAY))
    dates = tuple(datetime.fromtimestamp(T0 + MIDNIGHT + k * DAY, UTC).date() for k in (10, 20, 30, 50))
    asked = Definition("churn", 7, 20, WORDS, until=T0 + 90 * DAY, snapshots=dates)

    def told(definition: Definition) -> list[tuple[str, int, int]]:
        table, _ = features.users(memory(**tables(product, payments)), definition)
        day = (table["cut_off"] - T0 - MIDNIGHT) // DAY
        return sorted(zip(table["user_id"], day, table["outcome"], strict=True))

    assert told(asked) == [("ann", 10, 1), ("ann", 30, 0), ("ann", 50, 1), ("bob", 50, 0)]
    free = [row for row in told(replace(asked, outcome="conversion")) if row[0] != "cid"]
    assert free == [("ann", 20, 1), ("bob", 10, 0), ("bob", 20, 0), ("bob", 30, 1)]


def test_dates_whose_outcomes_are_not_due_are_left_out_and_a_user_is_a_group() -> None:
    words = ["data=event_log", "data.snapshots=every:7d", "data.profiles=400", MESS]
    source = Component.model_validate(dict(compose("run", words).data)).build(EventLog, "data")
    users = source.load()
    assert users.moment is not None
    assert users.group is not None
    until = datetime.fromtimestamp(source.definition.until or 0, UTC).replace(tzinfo=None)
    last = users.moment.max().astype("datetime64[s]").item()
    assert until - timedelta(days=source.horizon_days + 7) < last <= until - timedelta(days=source.horizon_days)
    assert len(np.unique(users.moment)) > 10
    assert set(np.diff(np.unique(users.moment)).astype("timedelta64[D]").astype(int)) == {7}
    assert len(set(users.group)) < len(users) == len(set(users.user_id))
    assert users.actions == ("none",)


@pytest.mark.parametrize(
    ("snapshots", "said"),
    [
        ("every:0d", "neither first, nor every:7d"),
        ("[2025-13-01]", "neither first, nor every:7d"),
        ("[2025-12-01]", "outcomes are due"),
        ("[2024-12-01]", "before the first event"),
    ],
)
def test_dates_that_cannot_be_are_refused(snapshots: str, said: str, tmp_path: Path) -> None:
    written(drawn(profiles=100), tmp_path)
    with pytest.raises(InputError) as refused:
        events(tmp_path, f"data.snapshots={snapshots}").load()
    assert refused.value.where == "data.snapshots"
    assert said in refused.value.what


def test_a_log_too_short_for_a_date_says_so(tmp_path: Path) -> None:
    written(drawn(profiles=100), tmp_path, epoch(date(2025, 2, 20)))
    with pytest.raises(InputError, match="no date has 28 of them before and 30 after it"):
        events(tmp_path, "data.snapshots=every:7d").load()


def test_rewritten_sql_is_known_by_the_digest_that_versions_learnt_from() -> None:
    of_first, of_dates = (Definition("conversion", 7, 30, WORDS, snapshots=of) for of in ("first", "every:7d"))
    assert of_first.made_by["sql"] == "df8357dee878bc86"
    assert of_dates.made_by["sql"] == "f628bb7e082ce68a"
