"""What else came of decisions within days of them: events of a log."""

from datetime import datetime, timedelta

import polars as pl

from tippingpoint.data.decisions import times, written_ids
from tippingpoint.measurement.join import (
    AT,
    complete_until,
    first_by_version,
    id_of,
    last,
    match_outcomes,
    refuse_future,
    spelled_as,
)
from tippingpoint.measurement.outcomes import OutcomeRule


def happened(
    decisions: pl.DataFrame,
    user_id: str,
    events: pl.DataFrame,
    events_id: str | None,
    at: str,
    name: str,
    rule: OutcomeRule,
    now: datetime | None = None,
) -> pl.DataFrame:
    """Whether each user's first decision by each version was followed by an event within `within` days.

    Parameters
    ----------
    events, at
        A log, one row an event, and its column of times; who is not in it had none.
    name
        Of the 0/1 column of the answer.
    decisions, user_id, events_id, rule, now
        As of `outcomes_of`.

    Returns
    -------
    polars.DataFrame
        The decisions whose days are over.

    Raises
    ------
    InputError
        As `outcomes_of` does.
    """
    key = id_of(events, events_id, user_id, decisions[user_id], "events")
    log = pl.DataFrame(
        {"__id": spelled_as(decisions[user_id], written_ids(events[key]))[0], AT: times(events[at], at)}
    ).drop_nulls()
    refuse_future(log, now, at)
    first = first_by_version(decisions, user_id)
    there = log.select("__id").unique(maintain_order=True).with_columns(pl.lit(True).alias("__there"))
    match_outcomes(decisions, first, user_id, there, events)
    until = complete_until(rule.until or last(first["scored_at"], log[AT]), now)
    old = _over(first, rule, until).with_row_index("__row")
    end = pl.col("scored_at") + timedelta(days=rule.within or 0)
    inside = (pl.col(AT) > pl.col("scored_at")) & (pl.col(AT) <= end)
    rows = old.join(log, left_on=user_id, right_on="__id").filter(inside)["__row"].unique()
    return old.with_columns(pl.col("__row").is_in(rows.implode()).cast(pl.Int64).alias(name)).drop("__row")


def _over(decisions: pl.DataFrame, rule: OutcomeRule, until: datetime) -> pl.DataFrame:
    """Those whose days were over at a time."""
    return decisions.filter(pl.col("scored_at") + timedelta(days=rule.within or 0) <= until)
