"""How fast events are generated and turned into features; how much the features cost above DuckDB itself.

Run from the top of the checkout: `python -P benchmarks/events.py [profiles] [churn|conversion]`.
300,000 profiles give 7.5 million events.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from tippingpoint.config.compose import compose
from tippingpoint.core.strict import Component
from tippingpoint.data.database import DuckDB, memory
from tippingpoint.data.events import features
from tippingpoint.data.events.as_of import users_as_of
from tippingpoint.data.events.features import Definition, Moment, Vocabulary
from tippingpoint.data.events.mapping import EventColumns, PaymentColumns
from tippingpoint.data.events.snapshots import DAY, query, settled
from tippingpoint.data.events.source import Events
from tippingpoint.data.events.sql import ANSWER
from tippingpoint.data.generators.event_log import START, EventLog

OWN = {name: name for name in ("time", "received", "seconds", "platform", "country")} | {"other_id": "alias"}
"""Columns of the log that are called as the settings call them, and the one that joins ids."""
VOCABULARY_ALONE = Vocabulary()
"""Without the actions, so that everyone is there."""

EIGHT = [
    "Sign Up",
    "Sign In",
    "Playback",
    "Search",
    "Download",
    "Pricing Page",
    "Limit Notification",
    "Account Page",
]


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one run."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def peak() -> float:
    """Most memory this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(profiles: int = 300_000, outcome: str = "conversion", rounds: int = 3) -> None:
    """Measure, and print one figure a line."""
    overrides = ["data=event_log", f"data.profiles={profiles}", f"data.outcome={outcome}"]
    source = Component.model_validate(dict(compose("run", overrides).data)).build(EventLog, "data")
    held = peak()
    counted = 0
    started = time.perf_counter()
    for block in source.blocks():
        counted += len(block.product) + len(block.payments)
    took = time.perf_counter() - started
    print(f"generated  {counted:,} events in {took:.1f} s: {counted / took * 60 / 1e6:.0f} M a minute")
    print(f"memory     {peak() - held:.0f} MB more than before, a block at a time")
    took = seconds(source.load)
    print(f"load       {took:.1f} s from nothing to users, truth included")

    blocks = list(source.blocks())
    product = pl.concat([block.product for block in blocks]).rechunk()
    payments = pl.concat([block.payments for block in blocks]).rechunk()
    customers = (payments["type"] == "customer.created").sum()
    print(f"log        {profiles:,} profiles, {len(product):,} product events, {customers:,} customers created")
    engine = memory(product_events=product, payment_events=payments)
    connection = engine.connection
    text, parameters = features.query(source.definition)
    counts = ", ".join(f"count(*) filter (where event = '{name}')" for name in EIGHT)

    def bare() -> object:
        return connection.sql(text, params=parameters).to_arrow_table()

    def whole() -> object:
        table, quality = features.users(engine, source.definition)
        actions = tuple(source.logging.chances)
        return features.as_users(table, source.definition, quality, actions)

    def eight() -> object:
        return connection.sql(f"select distinct_id, {counts} from product_events group by 1").to_arrow_table()

    # Turn by turn, so that whatever else the machine does falls on all of them.
    runs = {"bare": bare, "whole": whole, "eight": eight}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(seconds(run))
    best = {name: min(times) for name, times in taken.items()}
    ratio = sorted(w / b for w, b in zip(taken["whole"], taken["bare"], strict=True))[rounds // 2]
    print(f"bare       {best['bare']:.2f} s: the SQL of the features, run by DuckDB alone")
    print(f"users      {best['whole']:.2f} s: the same, quality counted, as Users; ratio {ratio:.2f} (median)")
    print(f"eight      {best['eight']:.2f} s: for scale, eight counts a raw id, duplicates and all")
    as_of_a_day(engine, source.definition, rounds)
    day_by_day(product, payments, rounds)
    print(f"memory     {peak():.0f} MB so far, the log among it")
    by_date(engine, source.definition, rounds, best["whole"])
    print(f"memory     {peak():.0f} MB at most, the log among it")


def as_of_a_day(engine: DuckDB, definition: Definition, rounds: int) -> None:
    """What the users of a day cost above the bare query, and whether training learns from the same features."""
    day = Moment((START + 45 * DAY) // DAY * DAY)
    text, parameters = features.query(definition, moment=day)
    runs: dict[str, list[float]] = {"bare": [], "users": []}
    for _ in range(rounds):
        runs["bare"].append(seconds(lambda: engine.connection.sql(text, params=parameters).to_arrow_table()))
        runs["users"].append(seconds(lambda: users_as_of([engine], definition, day)))
    best = {name: min(times) for name, times in runs.items()}
    ratio = sorted(u / b for u, b in zip(runs["users"], runs["bare"], strict=True))[rounds // 2]
    print(f"as of      {best['users']:.2f} s for a day's users, the log looked through; bare {best['bare']:.2f} s;")
    print(f"           ratio {ratio:.2f} (median)")
    everyone = Moment(day.at, 400 * DAY)
    then = users_as_of([engine], replace(definition, until=day.at), everyone).drop("cut_off")
    learnt, _ = features.users(engine, replace(definition, horizon_days=1, vocabulary=VOCABULARY_ALONE))
    both = then.join(learnt.select(then.columns), on="user_id", suffix="_learnt")
    same = pl.all_horizontal(pl.col(c).eq_missing(pl.col(f"{c}_learnt")) for c in then.columns[1:])
    print(
        f"equal      {both.select(same.sum()).item():,} of {len(both):,} users have in training what they had that day"
    )


def day_by_day(product: pl.DataFrame, payments: pl.DataFrame, rounds: int) -> None:
    """What a day costs from files: of the whole log, and of what the day before kept and the day's own events."""
    at = (START + 90 * DAY) // DAY * DAY
    day = datetime.fromtimestamp(at, UTC).date()
    users = payments.select("customer", "user_id").drop_nulls().unique("customer")
    payments = payments.drop("user_id").join(users, on="customer")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, since, until in (("before", 0, at - DAY), ("one", at - DAY, at), ("all", 0, at)):
            (folder / name).mkdir()
            received, created = (
                pl.col(column).is_between(since, until, closed="left") for column in ("received", "created")
            )
            product.filter(received).write_parquet(folder / name / "product.parquet")
            payments.filter(created).write_parquet(folder / name / "payments.parquet")

        def source(name: str, state: str | None) -> Events:
            return Events(
                product=str(folder / name / "product.parquet"),
                payments=str(folder / name / "payments.parquet"),
                events=EventColumns.model_validate({"user": "distinct_id", "name": "event", "id": "insert_id"} | OWN),
                billing=PaymentColumns(
                    user="user_id", time="created", name="type", id="event_id", amount="amount", cents=True
                ),
                state=state,
            )

        kept = str(folder / "state")
        source("before", kept).as_of(day - timedelta(days=1))
        taken: dict[str, list[float]] = {"all": [], "one": []}
        for _ in range(rounds):
            taken["all"].append(seconds(lambda: source("all", None).as_of(day)))
            taken["one"].append(seconds(lambda: source("one", kept).as_of(day)))
        same = source("one", kept).as_of(day).equals(source("all", None).as_of(day))
        ratio = sorted(one / whole for one, whole in zip(taken["one"], taken["all"], strict=True))[rounds // 2]
    print(f"a day      {min(taken['one']):.2f} s from the state of the day before, and a new one kept, of files;")
    print(f"           the whole log {min(taken['all']):.2f} s; ratio {ratio:.2f} (median); equal: {same}")


def by_date(engine: DuckDB, definition: Definition, rounds: int, whole: float) -> None:
    """What snapshots cost: of one date, and of each further one, as a share of the whole pass over users."""
    asked = replace(definition, snapshots="every:7d", vocabulary=VOCABULARY_ALONE)
    dates = settled(asked.snapshots, START, definition.until or 0, definition.horizon_days)
    taken = {}
    for count in (1, len(dates)):
        text, parameters = query(asked.vocabulary.counted, definition.outcome == "churn", 30, "Sign Up", dates[-count:])
        text += ANSWER
        taken[count] = min(
            seconds(lambda t=text, p=parameters: engine.connection.sql(t, params=p).to_arrow_table())  # type: ignore[misc]  # bound as it is
            for _ in range(max(1, rounds // 2))
        )
    each = (taken[len(dates)] - taken[1]) / (len(dates) - 1)
    print(f"snapshots  {taken[1]:.2f} s for one date, {taken[len(dates)]:.2f} s for {len(dates)} weekly ones:")
    print(f"           {each:.3f} s each further one, {each / whole:.2f} of the whole pass ({whole:.2f} s)")


if __name__ == "__main__":
    main(*(int(a) if a.isdigit() else a for a in sys.argv[1:]))  # type: ignore[arg-type]  # words of the command line, digits as numbers
