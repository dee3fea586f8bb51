"""Decisions of which a share was drawn at random: read and checked."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data import database, files
from tippingpoint.data.column_rules import CHANCE
from tippingpoint.data.csv_layout import Told
from tippingpoint.data.identity import without_point
from tippingpoint.data.validation import as_text
from tippingpoint.data.writing import FORMULA

CAMPAIGN = "campaign"
"""The column of a database's table that tells what decisions were for."""
NEEDED = ("propensity_score", "segment", "action", "policy_action", "model", "scored_at")


def read(path: str, key: str, user_id: str | None = None) -> pl.DataFrame:
    """A CSV, a Parquet file or a folder of them; or the table that the URL of a database names (`?table=`).

    Parameters
    ----------
    user_id
        The id column, if the config names it.

    Raises
    ------
    InputError
        Under the name `key`, when it cannot be read.
    """
    try:
        if "://" not in path:
            # versions that choose among different actions have different chances
            return files.read(Path(path), Told(ids=[user_id] if user_id else []), CHANCE)
        url, table = database.table_of(path)
        if table is None:
            what = f"{database.shown(path)} names no table"
            raise InputError(key, what, f"Type {key}='duckdb:///app.duckdb?table=…'.")
        with database.connect(url) as connection:
            return connection.frame(f"select * from {database.quoted_table(table)}", {})
    except InputError as error:
        remedy = "Save it as UTF-8." if "data.encoding" in error.remedy else error.remedy  # there is no such key here
        raise InputError(re.sub(r"^data\.(path|url|query)", key, error.where), error.what, remedy) from error


def checked(table: pl.DataFrame, user_id: str | None = None) -> tuple[pl.DataFrame, str]:
    """Decisions with ids as text, times in UTC and chances as numbers; and the name of the id column.

    Raises
    ------
    InputError
        When columns are missing, no share was drawn at random, chances are none, or a user stands twice at one time.
    """
    where, columns = "decisions", table.columns
    chances = [c for c in columns if c.startswith(CHANCE)]
    if not chances or "policy_action" not in columns:
        raise InputError(
            where,
            f"hold no random share: the columns policy_action and {CHANCE}… are missing, and without them the effect of"
            " the policy cannot be told from what would have happened anyway",
            "Type tippingpoint score … holdout=0.1, and measure what comes of those decisions.",
        )
    table, key = identified(table, user_id, NEEDED)
    table = table.with_columns(
        as_written(table["policy_action"]).str.strip_chars().alias("policy_action"),
        *(table[c].cast(pl.Float64, strict=False) for c in chances),
    )
    _check_chances(table, chances)
    return table, key


def identified(table: pl.DataFrame, user_id: str | None, needed: Sequence[str]) -> tuple[pl.DataFrame, str]:
    """Decisions with ids and names as text and times in UTC; and the name of the id column.

    Raises
    ------
    InputError
        When needed columns are missing or hold gaps, or a version decides for a user twice at one time.
    """
    where, columns = "decisions", table.columns
    for column in needed:
        if column not in columns:
            raise InputError(where, f"no column {column!r}", nearest(column, columns))
    if user_id is not None and user_id not in columns:
        raise InputError(
            "decisions_id", f"no column {user_id!r} in the decisions", nearest(user_id, columns, "decisions_id")
        )
    key = user_id or ("user_id" if "user_id" in columns else columns[0])
    for column in (key, *needed):
        if missing := table[column].null_count():
            raise InputError(where, f"{column!r} is missing in {missing:,} of {len(table):,} rows")
    table = table.with_columns(
        written_ids(table[key]).alias(key),
        times(table["scored_at"], where).alias("scored_at"),
        *(as_written(table[c]).str.strip_chars().alias(c) for c in ("action", "segment", "model")),
        table["propensity_score"].cast(pl.Float64, strict=False),
    )
    twice = table.select(pl.struct(key, "model", "scored_at").is_duplicated()).to_series()
    if repeated := table.filter(twice)[key].unique(maintain_order=True).to_list():
        what = f"{len(repeated):,} ids stand more than once at the same scored_at ({some(repeated)})"
        raise InputError(where, what, "Keep one decision a user and time.")
    return table, key


def _check_chances(table: pl.DataFrame, chances: list[str]) -> None:
    names = [c.removeprefix(CHANCE) for c in chances]
    if "none" not in names:
        what = f"none was never possible (there is no {CHANCE}none): an uplift over none cannot be measured"
        raise InputError("decisions", what, "Type tippingpoint score … holdout=0.1.")
    for column in ("action", "policy_action"):
        if odd := sorted(set(table[column].unique()) - set(names)):
            what = f"{column} {odd[0]!r} has no chance: there is no {CHANCE}{odd[0]}"
            raise InputError("decisions", what, nearest(odd[0], names))
    chance = table.select(chances).to_numpy()
    rows = np.arange(len(table))
    needed = (
        [names.index("none")] * len(table),
        *([names.index(a) for a in table[c]] for c in ("action", "policy_action")),
    )
    there = np.all([chance[rows, column] > 0 for column in needed], axis=0)
    bad = ~(there & (np.abs(np.nansum(chance, axis=1) - 1) < 1e-6) & ~(chance < 0).any(axis=1))
    if bad.any():
        raise InputError(
            "decisions",
            f"the chances of the actions do not sum to 1, or none, the action taken or the policy's own had none, in"
            f" {int(bad.sum()):,} rows (first: row {int(bad.argmax()) + 1:,})",
            "Type tippingpoint score … holdout=0.1, and leave these columns as they are.",
        )


def as_written(values: pl.Series) -> pl.Series:
    """Values as text, without the ' that keeps a spreadsheet from running them.

    >>> as_written(pl.Series(["'-x", "'x", "-x"])).to_list()
    ['-x', "'x", '-x']
    """
    return as_text(values).str.replace(rf"^'({FORMULA[1:]})", "$1")


def written_ids(values: pl.Series) -> pl.Series:
    """Ids as text, likewise."""
    return without_point(as_written(values))


def times(values: pl.Series, where: str) -> pl.Series:
    """Times in UTC, without a zone; what has none is taken as UTC.

    Raises
    ------
    InputError
        When some are no times.
    """
    if values.dtype == pl.String:
        found = values.str.strip_chars().str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    elif values.dtype == pl.Date or isinstance(values.dtype, pl.Datetime):
        found = values.cast(pl.Datetime("us", getattr(values.dtype, "time_zone", None)))
    else:
        raise InputError(where, f"{values.name!r} holds no times, but e.g. {values[0]!r}", "Write 2026-11-01T09:00:00.")
    if getattr(found.dtype, "time_zone", None):
        found = found.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if (broken := values.filter(found.is_null() & values.is_not_null())).len():
        raise InputError(where, f"{values.name!r} holds no times, but e.g. {broken[0]!r}", "Write 2026-11-01T09:00:00.")
    return found


def some(ids: Sequence[str]) -> str:
    """The first three, for a message."""
    return ", ".join(map(repr, ids[:3])) + ("…" if len(ids) > 3 else "")
