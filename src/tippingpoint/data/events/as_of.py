"""Users as of a day, whose outcome is still to come: the features they would have in training."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.data.events.features import Definition, Engine, Moment, query
from tippingpoint.data.events.snapshots import DAY
from tippingpoint.data.events.sql import ANSWER, LOG

SETTLED = 3_600
"""Seconds before the day in which something must have been received: else the log may end before it."""
BUSY = 100
"""Events of a mean day from which on one without any is a gap."""


def users_as_of(engines: Iterable[Engine], definition: Definition, moment: Moment) -> pl.DataFrame:
    """Return `user_id`, `cut_off` (UTC) and the features of everyone who came to their cut-off before a moment.

    Features see what was received before the user's cut-off, as in training; so what a day gave, the whole log gives.

    Parameters
    ----------
    engines
        What runs the SQL over the parts of a log; no user's events lie in two of them.

    Raises
    ------
    InputError
        When the moment lies before the log, or the log lacks a part that features are made of.
    """
    parts = [(_users(engine, definition, moment), _Log.of(engine)) for engine in engines]
    _refuse_lacking([log for _, log in parts], definition, moment)
    return pl.concat([table for table, _ in parts]).sort("user_id")


def refuse_ahead(day: date) -> None:
    """Refuse a day that has not begun, UTC.

    Raises
    ------
    InputError
        When it lies ahead.
    """
    if day > (today := datetime.now(UTC).date()):
        raise InputError("as_of", f"{day} has not come yet", f"Type as_of={today}, or an earlier day.")


def told(at: int) -> str:
    """A moment as people read it, in UTC.

    >>> told(1_772_668_800), told(1_772_672_400)
    ('2026-03-05', '2026-03-05 01:00 UTC')
    """
    time = datetime.fromtimestamp(at, UTC)
    return time.date().isoformat() if at % DAY == 0 else f"{time:%Y-%m-%d %H:%M} UTC"


def _users(engine: Engine, definition: Definition, moment: Moment) -> pl.DataFrame:
    text, parameters = query(definition, ANSWER, moment)
    table, schema = engine.frame(text, parameters), definition.contract
    return table.select(
        "user_id",
        pl.from_epoch(pl.col("cut_off").cast(pl.Int64), "s").alias("cut_off"),
        *(pl.col(name).cast(pl.Float64) for name in schema.names("number")),
        *(pl.col(name).cast(pl.String) for name in schema.names("category")),
    )


@dataclass(frozen=True)
class _Log:
    """What a part of a log holds: seconds of its first and last event, names of events, and how many each day."""

    first: int | None
    last: int | None
    names: set[str]
    days: dict[int, int]

    @classmethod
    def of(cls, engine: Engine) -> "_Log":
        table = engine.frame(LOG, {}).with_columns(pl.col("day", "events", "first", "last").cast(pl.Int64))
        days = table.group_by("day").agg(pl.col("events").sum())
        return cls(table["first"].min(), table["last"].max(), set(table["event"].drop_nulls()), dict(days.iter_rows()))  # type: ignore[arg-type]  # columns of whole numbers


def _refuse_lacking(logs: list[_Log], definition: Definition, moment: Moment) -> None:
    firsts = [log.first for log in logs if log.first is not None]
    if not firsts:
        raise InputError("data", "the log holds no product event", "Check where it is read from.")
    first, last = min(firsts), max(log.last for log in logs if log.last is not None)
    if moment.at <= first:
        raise InputError(
            "as_of", f"{told(moment.at)} lies before the first event, of {told(first)}", "Take a later day."
        )
    if max(last, definition.until or 0) < moment.at - SETTLED:
        complete = override("data.until", moment.at)
        remedy = f"Bring the rest of it; or type {complete} if it is complete: then nothing happened since."
        raise InputError("data", f"the log ends at {told(last)}, before as_of={told(moment.at)}", remedy)
    names = {name for log in logs for name in log.names}
    vocabulary = definition.vocabulary
    counted = {f"counted.{feature}": event for feature, event in vocabulary.counted.items()}
    for key, event in {"sign_up": vocabulary.sign_up, **counted}.items():
        if event not in names:
            what = f"the log holds no event {event!r}, which the features count"
            without = f", or type ~data.vocabulary.{key} to do without" if key != "sign_up" else ""
            remedy = f"Bring an export that has it{without}. {nearest(event, names)}"
            raise InputError(f"data.vocabulary.{key}", what, remedy)
    _refuse_gap(logs, definition, moment)


def _refuse_gap(logs: list[_Log], definition: Definition, moment: Moment) -> None:
    """Refuse a day without events among those that features count, where a mean day is busy."""
    from_ = (moment.at - moment.reached - definition.reach * DAY) // DAY + 1
    days: Counter[int] = Counter()
    for log in logs:
        days.update(log.days)
    counted = range(max(from_, min(days)), min(moment.at // DAY, max(days) + 1))
    empty = [day for day in counted if not days[day]]
    if empty and days.total() / len(days) >= BUSY:
        what = f"the log holds no event from {told(empty[0] * DAY)} to {told((empty[-1] + 1) * DAY)}"
        raise InputError(
            "data", what, "Add the export of these days: without it, features would count no events in them."
        )
