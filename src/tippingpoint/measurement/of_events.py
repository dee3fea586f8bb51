"""Outcomes of decisions told from raw events, as a table of them would have it."""

import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.data.decisions import identified
from tippingpoint.data.events.outcomes import CAME_AT, outcomes_after
from tippingpoint.data.events.source import EventSource
from tippingpoint.data.source import Source
from tippingpoint.measurement.settings import MeasureSettings


def outcomes_of_events(settings: MeasureSettings, decisions: pl.DataFrame) -> tuple[pl.DataFrame, MeasureSettings]:
    """Return what came of each user from their first decision on, and the settings as they are of such a table.

    An outcome counts for `within` days, or the horizon of the data; it came until the log ends.

    Raises
    ------
    InputError
        When the data are no raw events, or hold no such event.
    """
    assert settings.data is not None
    source = settings.data.build(Source, "data")
    if not isinstance(source, EventSource):
        raise InputError("data", f"{source.origin} is no log of raw events", "Type outcomes=… for a table.")
    table, key = identified(
        decisions, settings.decisions_id, ("propensity_score", "segment", "action", "model", "scored_at")
    )
    taken = table.filter(pl.col("scored_at") >= settings.since) if settings.since else table
    first = taken.group_by(key, maintain_order=True).agg(pl.col("scored_at").min())
    (event,) = settings.named
    since = first.select(pl.col(key).alias("user_id"), pl.col("scored_at").alias("since"))
    found, until = outcomes_after(source.engines(), source.definition, since, event, settings.until)
    name = next(column for column in found.columns if column not in ("user_id", CAME_AT))
    as_table = {
        "outcomes_id": "user_id",
        "outcome": name,
        "at": CAME_AT,
        "within": settings.within or float(source.horizon_days),
        "until": until,
    }
    return found, settings.model_copy(update=as_table)
