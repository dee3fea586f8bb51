"""Decisions meet what came of them, user by user: by ids that are written alike, and no moment later than now."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.data.decisions import some, written_ids
from tippingpoint.data.identity import number_form
from tippingpoint.data.inference import id_column
from tippingpoint.data.validation import as_text

LEAST_DECIDED = 0.5
"""Share of a column's values, all different, that are ids of decisions, from which on it is advised as the id."""
AT = "__at"
"""When something came, in a join under way."""


def first_by_version(decisions: pl.DataFrame, user_id: str) -> pl.DataFrame:
    """Each user's first decision by each version, in the order they were made."""
    of = [user_id, "model"]
    return decisions.sort("scored_at", maintain_order=True).unique(of, keep="first", maintain_order=True)


def match_outcomes(
    decisions: pl.DataFrame, first: pl.DataFrame, user_id: str, came: pl.DataFrame, outcomes: pl.DataFrame
) -> tuple[pl.DataFrame, int]:
    """First decisions with what came of them, and how many that came are of strangers; none of `came` twice."""
    joined = first.join(came, left_on=user_id, right_on="__id", how="left", maintain_order="left")
    unmatched = came.join(decisions, left_on="__id", right_on=user_id, how="anti")["__id"]
    if len(unmatched) == len(came):
        raise InputError(
            "outcomes_id",
            f"none of the {len(came):,} ids of the outcomes ({some(came['__id'].to_list())}) is among the decisions"
            f" ({some(decisions[user_id].unique(maintain_order=True).to_list())})",
            better_id(outcomes, decisions[user_id], "outcomes"),
        )
    _check_alike(joined.filter(pl.col("__there").is_null())[user_id], unmatched)
    return joined, len(unmatched)


def one_row(outcomes: pl.DataFrame, key: str) -> pl.DataFrame:
    """The ids, of which none may be missing or stand twice."""
    ids = written_ids(outcomes[key])
    if missing := ids.null_count():
        raise InputError("outcomes", f"{key!r} is missing in {missing:,} rows")
    if repeated := ids.filter(ids.is_duplicated()).unique(maintain_order=True).to_list():
        what = f"{key!r} is not unique: {len(repeated):,} ids stand more than once ({some(repeated)})"
        raise InputError("outcomes", what, "Keep one row a user.")
    return pl.DataFrame({"__id": ids})


def spelled_as(known: pl.Series, ids: pl.Series) -> tuple[pl.Series, str]:
    """Ids as the decisions write them, where both mean one number: `7` for `007`, where neither side has it twice.

    What stands in both as it is stays; where a number is not plain, the ids stay too, as strangers.

    Parameters
    ----------
    known, ids
        The decisions' ids, and those to write likewise.

    Returns
    -------
    polars.Series, str
        The ids, and how both are written, with examples; empty if none is written otherwise.
    """
    sides = []
    for side in (known.alias("known"), ids.alias("ids")):
        unique = side.drop_nulls().unique(maintain_order=True)
        sides.append(unique.to_frame().with_columns(number_form(unique).alias("form")))
    left = [
        side.filter(~pl.col("form").is_duplicated()).join(
            other, left_on=side.columns[0], right_on=other.columns[0], how="anti"
        )
        for side, other in (sides, sides[::-1])
    ]
    pairs = left[0].join(left[1], on="form", maintain_order="left")
    if not len(pairs):
        return ids, ""
    one, other, _ = pairs.select("known", "ids", "form").row(0)
    said = f"{len(pairs):,} ids are written differently: {one!r} in the decisions, {other!r} here"
    return ids.replace(pairs["ids"], pairs["known"]), said


def _check_alike(absent: pl.Series, strangers: pl.Series) -> None:
    """Refuse where users without an outcome stand among the outcomes of strangers, but for how the id is written."""

    def bare(ids: pl.Series, name: str) -> pl.DataFrame:
        text = ids.str.strip_chars(" \t'\"").str.to_lowercase().str.replace(r"\.0+$", "").str.replace(r"^0+(.)", "$1")
        return pl.DataFrame({"bare": text, name: ids}).unique("bare", keep="first", maintain_order=True)

    same = bare(absent, "absent").join(bare(strangers, "stranger"), on="bare", maintain_order="left")
    if len(same):
        one, other = same.row(0)[1:]
        raise InputError(
            "outcomes",
            f"{len(same):,} ids are written otherwise than in the decisions (there {one!r}, here {other!r})",
            "Write them the same way in both: else these users count as having no outcome.",
        )


def refuse_future(came: pl.DataFrame, now: datetime | None, where: str) -> None:
    """Refuse what is dated a day and more after now."""
    if now is not None and len(ahead := came.filter(pl.col(AT) > now + timedelta(days=1))):
        example = f"{ahead['__id'][0]!r} is dated {ahead[AT][0]}"
        what = f"{len(ahead):,} outcomes have not come yet: {example}, now is {now:%Y-%m-%d %H:%M}"
        raise InputError(where, what, "Fix these rows or leave them out; times without a zone are UTC.")


def last(*moments: pl.Series) -> Any:
    """The last of all times: until then all is known, where nobody says otherwise."""
    return pl.concat([m.rename("at") for m in moments]).max()


def complete_until(said: Any, now: datetime | None) -> Any:
    """Until when outcomes are complete: never later than now."""
    return said if now is None else min(said, now)


def id_of(table: pl.DataFrame, given: str | None, user_id: str, ids: pl.Series, what: str) -> str:
    """The id column of outcomes or users."""
    if given is not None:
        if given not in table.columns:
            raise InputError(
                f"{what}_id", f"no column {given!r} in the {what}", nearest(given, table.columns, f"{what}_id")
            )
        return given
    if user_id in table.columns:
        return user_id
    try:
        found = id_column(table)
    except InputError as error:
        raise InputError(f"{what}_id", error.what, better_id(table, ids, what)) from error
    if found is not None:
        return found
    raise InputError(f"{what}_id", f"the {what} have no column {user_id!r}", better_id(table, ids, what))


def better_id(table: pl.DataFrame, ids: pl.Series, what: str) -> str:
    """Which column is the id, in words: one value a row, as ids are, and most of them decided for."""
    known = ids.unique().implode()
    for column in table.columns:
        values = as_text(table[column])
        if values.n_unique() == len(values) > 2 and (values.is_in(known).sum() or 0) > LEAST_DECIDED * len(values):
            return f"Those of {column!r} are: type {override(f'{what}_id', column)}."
    return f"Columns: {', '.join(table.columns[:12])}. Write ids the same way in both."
