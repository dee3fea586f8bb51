"""What came of users after a time, told from raw events: payments, or any product event."""

from collections.abc import Iterable
from datetime import UTC, datetime

import polars as pl

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.events.features import Definition, Engine
from tippingpoint.data.events.mapping import PAYMENT_TYPES
from tippingpoint.data.events.sql import HAPPENED, LAST_EVENT, NAMES, OWNERS, read

CAME_AT = "came_at"
"""The column that says when the outcome came."""
SQL = f"WITH{OWNERS},{read('outcomes')}"


def outcomes_after(
    engines: Iterable[Engine], definition: Definition, since: pl.DataFrame, event: str | None, until: datetime | None
) -> tuple[pl.DataFrame, datetime]:
    """Return each user's outcome since a time of their own, and until when the log is complete.

    Parameters
    ----------
    engines
        What runs the SQL over the parts of a log.
    since
        `user_id`, each once, and `since` (UTC): what came earlier is no outcome.
    event
        A product event or a type of payment event; None: the one that the definition's outcome is told by.
    until
        When the log ends (UTC); None: as the definition says, else with its last event.

    Returns
    -------
    polars.DataFrame, datetime
        `user_id`, the outcome (1 or 0) under the name that the definition gives it, or else the event's, and `came_at`
        (UTC, null without); one row a user of `since`.

    Raises
    ------
    InputError
        When the log holds no such event.
    """
    wanted, parts, ends, names = event or HAPPENED[definition.outcome], [], [], set[str]()
    for engine in engines:
        last = engine.frame(f"SELECT {LAST_EVENT} AS last", {})["last"][0] or 0
        end = int(until.replace(tzinfo=UTC).timestamp()) if until else definition.until or last
        given = {"sign_up": definition.vocabulary.sign_up, "event": wanted, "until": end + 1}
        parts.append(engine.frame(SQL, given).select("user_id", pl.col("moment").cast(pl.Int64)))
        names |= set(engine.frame(NAMES, {})["event"].drop_nulls())
        ends.append(end)
    known = PAYMENT_TYPES.values()
    if wanted not in names and wanted not in known:
        remedy = nearest(wanted, [*sorted(names), *known], "outcome")
        raise InputError("outcome", f"the log holds no event {wanted!r}", remedy)
    came = pl.concat(parts).with_columns(pl.from_epoch("moment", "s").cast(pl.Datetime("us")).alias(CAME_AT))
    first = (
        since.join(came, on="user_id")
        .filter(pl.col(CAME_AT) >= pl.col("since"))
        .group_by("user_id")
        .agg(pl.col(CAME_AT).min())
    )
    name = definition.contract.outcome if event is None else event
    table = since.select("user_id").join(first, on="user_id", how="left", maintain_order="left")
    told = table.select("user_id", pl.col(CAME_AT).is_not_null().cast(pl.Int64).alias(name), CAME_AT)
    return told, datetime.fromtimestamp(max(ends), UTC).replace(tzinfo=None)
