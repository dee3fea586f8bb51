"""Decisions by day, and what came of those who were contacted, as far as it is known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import cast

import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.data.decisions import identified, read, times
from tippingpoint.data.inference import id_column
from tippingpoint.data.outcome import NO, YES
from tippingpoint.data.validation import as_text
from tippingpoint.measurement.join import last
from tippingpoint.measurement.outcomes import OutcomeRule, outcomes_of
from tippingpoint.measurement.post_metrics import happened

DAYS = 30
"""In which an outcome counts."""
NEEDED = ("propensity_score", "segment", "action", "model", "scored_at")
LOGINS = f"logged in within {DAYS} days"
KNOWN = ": users known"


@dataclass(frozen=True)
class History:
    """Decisions with their day, one row a user and moment, and the name of the id column."""

    table: pl.DataFrame
    user_id: str


@dataclass(frozen=True)
class Came:
    """What came of decisions.

    Parameters
    ----------
    table
        One row a version: users of each figure beside it.
    shares
        Columns that hold shares.
    silent
        Columns of the outcomes that say nothing of what came, and why.
    """

    table: pl.DataFrame
    shares: tuple[str, ...]
    silent: dict[str, str]


def history(where: str) -> History:
    """The decisions in a file or a database's table.

    Raises
    ------
    InputError
        When they cannot be read, or hold no decisions.
    """
    made, user_id = identified(read(where, "predictions"), None, NEEDED)
    return History(made.with_columns(pl.col("scored_at").dt.date().alias("day")), user_id)


def due(of: History) -> date:
    """The day on which the first decisions are old enough for what came of them to count."""
    return cast(datetime, of.table["scored_at"].min()).date() + timedelta(days=DAYS)


def by_day(of: History, column: str) -> pl.DataFrame:
    """Users decided for, by day and by one of `segment` and `action`."""
    return of.table.group_by("day", pl.col(column).cast(pl.String)).len("users").sort("day", column)


def came(
    of: History,
    outcomes: pl.DataFrame | None,
    logins: pl.DataFrame | None,
    now: datetime,
    at: str | None = None,
    absent_is_zero: bool = False,
    until: datetime | None = None,
) -> Came:
    """What came of each user's first decision by each version within 30 days, by the rules of `measure`.

    Yes/no columns become the share of yes, numbers their mean, a log of logins the share of users with one; only
    decisions of which the 30 days are over count.

    Parameters
    ----------
    outcomes
        One row a user.
    logins
        A log: an id and a time, one row a login.
    now
        The time, in UTC.
    at, absent_is_zero, until
        As of `OutcomeRule`.

    Raises
    ------
    InputError
        When they do not fit the decisions, or say nothing.
    """
    found: list[tuple[str, pl.DataFrame, bool]] = []
    silent: dict[str, str] = {}
    if outcomes is not None:
        table = outcomes
        key = of.user_id if of.user_id in table.columns else id_column(table)
        came_at = [times(table[at], "at")] if at in table.columns else []
        end = until or last(of.table["scored_at"], *came_at)
        for name in [c for c in table.columns if c not in (key, at)]:
            kind = _kind(table[name])
            decisions = of.table.drop("day", *([name] if name not in (of.user_id, *NEEDED) else []), strict=False)
            shown = f"{name} (outcomes)" if name in decisions.columns else name
            rule = OutcomeRule(shown, at, absent_is_zero, DAYS, None, end)
            renamed = table.rename({name: shown})
            if kind == "yes or no":
                told = outcomes_of(decisions, of.user_id, renamed, key, rule, now).table
                found.append((shown, told, True))
            elif kind == "number":
                rule = replace(rule, at=None, absent_is_zero=False)
                told = outcomes_of(decisions, of.user_id, renamed, key, rule, now).table
                found.append((shown, told, False))
            else:
                silent[name] = kind
    if logins is not None:
        log = logins
        key = of.user_id if of.user_id in log.columns else id_column(log)
        moment = next((c for c in log.columns if c != key and _kind(log[c]) == "a time"), None)
        if moment is None:
            raise InputError("logins", "no column holds times", f"Columns: {', '.join(log.columns[:12])}.")
        rule = OutcomeRule(within=DAYS, until=until or last(of.table["scored_at"], times(log[moment], "logins")))
        told = happened(of.table.drop("day"), of.user_id, log, key, moment, LOGINS, rule, now)
        found.append((LOGINS, told, True))
    return Came(_by_version(found), tuple(name for name, _, share in found if share), silent)


def _by_version(found: Sequence[tuple[str, pl.DataFrame, bool]]) -> pl.DataFrame:
    """One row a version: those who got an action differ from those who did not, so actions are not set side by side."""
    whole: pl.DataFrame | None = None
    for name, table, share in found:
        shown = name if share else f"mean {name}"
        figures = table.group_by("model").agg(pl.col(name).mean().alias(shown), pl.len().alias(f"{shown}{KNOWN}"))
        whole = figures if whole is None else whole.join(figures, on="model", how="full", coalesce=True)
    if whole is None:
        return pl.DataFrame()
    return whole.with_columns(pl.col(f"^.*{KNOWN}$").fill_null(0)).sort("model")


def _kind(values: pl.Series) -> str:
    """What a column of outcomes tells: yes or no, a number; else what it is, in words."""
    text = as_text(values).drop_nulls().str.strip_chars().str.to_lowercase()
    text = text.filter(text != "")
    if not len(text):
        return "empty"
    if values.dtype.is_temporal() or (values.dtype == pl.String and _times(text.head(1000))):
        return "a time"
    if set(text.unique()) <= YES | NO:
        return "yes or no"
    return "number" if values.dtype.is_numeric() else "text"


def _times(text: pl.Series) -> bool:
    try:
        times(text.str.to_uppercase(), "outcomes")
    except InputError:
        return False
    return True
