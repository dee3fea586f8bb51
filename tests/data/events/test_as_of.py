"""Users as of a day: the features of training, from what was received by then, and refusals of what lacks."""

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.events.source import Events
from tippingpoint.data.generators.event_log import EventLog

DAY = date(2025, 2, 10)
MESS = "data.mess={late:0.3,duplicate:0.05,orphan:0.01,skewed:0.05,merged:0.3}"


def epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def written(source: EventLog, folder: Path, until: int | None = None) -> None:
    """The tables of a log, up to a moment by the clock of the server."""
    blocks = list(source.blocks())
    product = pl.concat([b.product for b in blocks])
    payments = pl.concat([b.payments for b in blocks])
    if until is not None:
        product = product.filter(pl.col("received") < until)
        payments = payments.filter(pl.col("created") < until)
    (folder / "log.duckdb").unlink(missing_ok=True)
    with duckdb.connect(str(folder / "log.duckdb")) as connection:
        for name, table in {"product_events": product, "payment_events": payments}.items():
            connection.register("table_", table)
            connection.execute(f"create table {name} as select * from table_")


def log(outcome: str) -> EventLog:
    words = ["data=event_log", f"data.outcome={outcome}", "data.profiles=1500", "data.subscribing=-7", MESS]
    return Component.model_validate(dict(compose("run", words).data)).build(EventLog, "data")


def events(folder: Path, *words: str, outcome: str = "conversion") -> Events:
    given = ["data=events", f"data.url=duckdb:///{folder / 'log.duckdb'}", f"data.outcome={outcome}", *words]
    return Component.model_validate(dict(compose("run", given).data)).build(Events, "data")


@pytest.mark.parametrize(("outcome", "days"), [("conversion", 7), ("churn", 30)])
def test_what_a_day_gave_the_whole_log_gives_and_training_learns_from(outcome: str, days: int, tmp_path: Path) -> None:
    source = log(outcome)
    written(source, tmp_path, epoch(DAY))
    then = events(tmp_path, outcome=outcome).as_of(DAY, days)
    written(source, tmp_path)
    later = events(tmp_path, outcome=outcome)
    assert len(then) > 5
    assert later.as_of(DAY, days).equals(then)
    users = later.load()
    learnt = pl.from_pandas(users.features.assign(user_id=users.user_id)).fill_nan(None)
    both = then.drop("cut_off").join(learnt.select(then.drop("cut_off").columns), on="user_id", how="inner")
    assert 0.7 < len(both) / len(then) <= 1  # of those that were given an action
    mine = then.filter(pl.col("user_id").is_in(both["user_id"].implode())).drop("cut_off")
    assert learnt.filter(pl.col("user_id").is_in(both["user_id"].implode())).select(mine.columns).equals(mine)


def test_each_user_comes_to_their_cut_off_on_one_day(tmp_path: Path) -> None:
    written(log("conversion"), tmp_path)
    source = events(tmp_path)
    week = pl.concat([source.as_of(date(2025, 2, day), 1) for day in range(4, 11)])
    assert week["user_id"].n_unique() == len(week)
    assert set(source.as_of(DAY, 7)["user_id"]) <= set(week["user_id"])
    days = week["cut_off"].dt.date()
    assert (days >= date(2025, 2, 3)).all()
    assert (days < DAY).all()


@pytest.mark.parametrize(
    ("day", "words", "where", "said"),
    [
        (date(2024, 12, 1), [], "as_of", "before the first event"),
        (date(2026, 9, 1), [], "data", "the log ends at"),
        (DAY, ["data.vocabulary.counted.searches=Find"], "data.vocabulary.counted.searches", "no event 'Find'"),
        (DAY, ["data.vocabulary.sign_up=Joined"], "data.vocabulary.sign_up", "no event 'Joined'"),
    ],
)
def test_a_log_that_lacks_what_features_are_made_of_is_refused(
    day: date, words: list[str], where: str, said: str, tmp_path: Path
) -> None:
    written(log("conversion"), tmp_path)
    with pytest.raises(InputError) as refused:
        events(tmp_path, *words).as_of(day)
    assert refused.value.where == where
    assert said in refused.value.what


def test_days_without_an_event_in_a_busy_log_are_refused_and_a_stated_end_is_believed(tmp_path: Path) -> None:
    written(log("conversion"), tmp_path)
    with duckdb.connect(str(tmp_path / "log.duckdb")) as connection:
        of = [epoch(date(2025, 2, day)) for day in (5, 7)]
        connection.execute(f"delete from product_events where least(time, received) >= {of[0]} and time < {of[1]}")
    with pytest.raises(InputError, match="no event from 2025-02-05 to 2025-02-07"):
        events(tmp_path).as_of(DAY)
    later = date(2025, 12, 1)
    assert events(tmp_path, f"data.until={epoch(later)}").as_of(later).is_empty()
