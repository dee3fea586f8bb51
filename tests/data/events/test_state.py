"""A day's users from what the days before kept and the events of one day: those of the whole log, to the last digit."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from tests.data.events.logs import log
from tests.data.events.test_as_of import MESS, epoch
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.events.source import Events
from tippingpoint.data.events.state import KEPT

FIRST, DAYS = date(2025, 2, 5), 7
SAME = ("time", "received", "seconds", "platform", "country")
COLUMNS = {
    "user": "distinct_id",
    "name": "event",
    "id": "insert_id",
    "other_id": "alias",
    **{name: name for name in SAME},
}
BILLED = {"user": "user_id", "time": "created", "name": "type", "id": "event_id", "amount": "amount", "cents": "true"}


def source(folder: Path, *words: str) -> Events:
    shape = [
        f"+data.{table}.{k}={v}" for table, of in (("events", COLUMNS), ("billing", BILLED)) for k, v in of.items()
    ]
    given = ["data=events", f"data.product={folder}/product", f"data.payments={folder}/payments", *shape, *words]
    return Component.model_validate(dict(compose("run", given).data)).build(Events, "data")


def bring(folder: Path, product: pl.DataFrame, payments: pl.DataFrame) -> None:
    for name, table in (("product", product), ("payments", payments)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        table.write_parquet(folder / name / "events.parquet")


@pytest.mark.parametrize("words", [(), ("data.outcome=churn",), ("data.snapshots=every:7d",)])
def test_day_by_day_it_is_what_the_whole_log_gives(words: tuple[str, ...], tmp_path: Path) -> None:
    """Late, doubled and orphaned events, and ids that are joined later, among them."""
    outcome = "churn" if "data.outcome=churn" in words else "conversion"
    block = next(log(profiles=1_500, outcome=outcome, subscribing=-6, mess=MESS.removeprefix("data.mess=")).blocks())
    users = block.payments.select("customer", "user_id").drop_nulls().unique("customer")
    payments = block.payments.drop("user_id").join(users, on="customer")
    seen = 0
    for k in range(DAYS):
        day = FIRST + timedelta(days=k)
        since, until = (epoch(day - timedelta(days=1)) if k else 0), epoch(day)
        bring(
            tmp_path / "one",
            block.product.filter(pl.col("received").is_between(since, until, closed="left")),
            payments.filter(pl.col("created").is_between(since, until, closed="left")),
        )
        bring(
            tmp_path / "all",
            block.product.filter(pl.col("received") < until),
            payments.filter(pl.col("created") < until),
        )
        one = source(tmp_path / "one", *words, f"data.state={tmp_path}/state")
        whole = source(tmp_path / "all", *words).as_of(day)
        assert one.as_of(day).equals(whole)
        if k == 4:
            assert one.as_of(day).equals(whole)  # done again it is the same
        seen += len(whole)
    assert seen > 15
    assert len(list((tmp_path / "state").iterdir())) == KEPT
    kept = pl.read_parquet(tmp_path / f"state/{day}/product.parquet")
    assert len(kept) < block.product.filter(pl.col("received") < until).height


def test_what_a_state_is_not_for_is_refused(tmp_path: Path) -> None:
    block = next(log(profiles=300).blocks())
    payments = block.payments.with_columns(user_id=pl.col("customer"))
    bring(tmp_path, block.product.filter(pl.col("received") < epoch(FIRST)), payments)
    there = source(tmp_path, f"data.state={tmp_path}/state", f"data.until={epoch(FIRST) + 86_400 * 30}")
    with pytest.raises(InputError, match="keeps of a log only what features"):
        there.load()
    there.as_of(FIRST)
    with pytest.raises(InputError, match="or for days that come sooner"):
        there.as_of(FIRST + timedelta(days=1), 30)
    with pytest.raises(InputError, match=r"data\.events\.id"):
        source(tmp_path, f"data.state={tmp_path}/state", "data.events.id=null")
    with pytest.raises(InputError):  # what is refused leaves no state
        there.as_of(date(2024, 1, 1))
    assert [of.name for of in (tmp_path / "state").iterdir()] == [str(FIRST)]
