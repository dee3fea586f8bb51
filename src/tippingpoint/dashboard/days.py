"""Decisions by day, and what came of those who were contacted, as far as it is known."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from tippingpoint.data.decisions import read, times
from tippingpoint.data.door import as_text
from tippingpoint.data.inference import id_column
from tippingpoint.data.roles import NO, YES
from tippingpoint.errors import InputError, nearest
from tippingpoint.serving.inputs import table_of

DAYS = 30
"""In which an outcome counts."""
NEEDED = ("propensity_score", "segment", "action", "scored_at")


@dataclass(frozen=True)
class History:
    """Decisions with their day, one row a user and moment, and the name of the id column."""

    table: pl.DataFrame
    user_id: str


def history(where: str) -> History:
    """The decisions in a file or a database's table.

    Raises
    ------
    InputError
        When they cannot be read, or hold no decisions.
    """
    table = _table(where, "predictions")
    for column in NEEDED:
        if column not in table.columns:
            raise InputError("predictions", f"no column {column!r}", nearest(column, table.columns))
    user_id = "user_id" if "user_id" in table.columns else table.columns[0]
    at = times(table["scored_at"], "predictions")
    made = table.with_columns(as_text(table[user_id]).alias(user_id), at.alias("scored_at"), at.dt.date().alias("day"))
    return History(made, user_id)


def by_day(of: History, column: str) -> pl.DataFrame:
    """Users decided for, by day and by one of `segment` and `action`."""
    return of.table.group_by("day", pl.col(column).cast(pl.String)).len("users").sort("day", column)


def came(of: History, where: str) -> pl.DataFrame:
    """What came of each user's last decision that is old enough to tell: one row an action.

    Yes/no columns become the share of yes, numbers their mean, times the share of users with one within 30 days.
    What is not known yet counts nowhere; each figure has the users it is of beside it.

    Raises
    ------
    InputError
        When there are no such outcomes.
    """
    outcomes = _table(where, "outcomes")
    key = of.user_id if of.user_id in outcomes.columns else id_column(outcomes)
    if key is None:
        raise InputError("outcomes", f"no column {of.user_id!r}", nearest(of.user_id, outcomes.columns))
    outcomes = outcomes.with_columns(as_text(outcomes[key]).alias(key)).unique(key, keep="last")
    last = of.table["scored_at"].max()
    moments = {c: times(outcomes[c], "outcomes") for c, t in outcomes.schema.items() if t.is_temporal()}
    ends = [m.max() for m in moments.values() if m.len() - m.null_count()]
    until = max([last, *ends])  # type: ignore[type-var]  # all are times
    old = of.table.filter(pl.col("scored_at") + timedelta(days=DAYS) <= until)
    decided = old.sort("scored_at").unique(of.user_id, keep="last", maintain_order=True)
    joined = decided.select(of.user_id, pl.col("action").cast(pl.String), "scored_at").join(
        outcomes.with_columns(**moments), left_on=of.user_id, right_on=key, how="inner", suffix=" (outcomes)"
    )
    figures: list[pl.Expr] = []
    for name in [c for c in outcomes.columns if c != key]:
        column = name if name not in (of.user_id, "action", "scored_at") else f"{name} (outcomes)"
        figures += _figure(joined, column)
    order = pl.col("action") != "none"
    return joined.group_by("action").agg(pl.len().alias("users"), *figures).sort(order, "action")


def _figure(joined: pl.DataFrame, name: str) -> list[pl.Expr]:
    """What is said of a column, and of how many users."""
    values = joined[name]
    if values.dtype.is_temporal():
        later = pl.col(name) - pl.col("scored_at")
        inside = (later >= timedelta(0)) & (later <= timedelta(days=DAYS))
        return [inside.fill_null(False).mean().alias(f"{name} within {DAYS} days")]
    if not (text := as_text(values).drop_nulls().str.to_lowercase()).len():
        return []
    if set(text.unique()) <= YES | NO:
        yes = pl.col(name).cast(pl.String).str.to_lowercase().is_in(list(YES))
        return [yes.mean().alias(name), pl.col(name).is_not_null().sum().alias(f"{name}: users known")]
    if values.dtype.is_numeric():
        known = pl.col(name).is_not_null().sum().alias(f"{name}: users known")
        return [pl.col(name).mean().alias(f"mean {name}"), known]
    return []


def _table(where: str, key: str) -> pl.DataFrame:
    url, table = table_of(where) if "://" in where else (where, None)
    return read(url, table, key)
