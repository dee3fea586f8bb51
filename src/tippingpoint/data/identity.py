"""What tells users apart: which columns hold ids or number rows, and the form of an id that lots are drawn by.

Ids are text wherever they are read, and are told by a column's name, never by its values.
"""

from __future__ import annotations

import re

from tippingpoint.core.on_demand import polars as pl

ENOUGH = 30
"""Rows from which on it says something that a whole number differs in every one."""
INDEX = "an index: it numbers the rows"
LIKE_ID = "like an id: all different"
"""Why no model sees such columns."""

_ID = "id|uid|uuid|guid"
_WHO = (
    "user|customer|cust|client|account|acct|member|subscriber|visitor|person|profile|household|player|contact|employee"
    "|patient|passenger"
)
_WHAT = "device|session|order|transaction|subscription|contract|policy|card|lead|loan|company|record|row"
_ID_WORDS = re.compile(
    rf"(^|.*_)({_ID})|({_ID})_.*|(.*_)?({_WHO}|{_WHAT})({_ID})|(.*_)?({_WHO})_?(key|hash|number|num|no|nr)"
)
_PARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+")
_NAMELESS = re.compile(r"(Unnamed: \d+(\.\d+)*)?")
_INDEX_LEVEL = re.compile(r"__index_level_\d+__")
_DIGITS = r"^(-?)0*([0-9]+)(?:\.0)?$"


def names_id(column: str) -> bool:
    """Whether a column is called like an id, in any spelling.

    >>> [names_id(name) for name in ("Customer ID", "user.id", "userid", "UserId", "account_number", "paid", "grid")]
    [True, True, True, True, True, False, False]
    """
    return _ID_WORDS.fullmatch(_PARTS.sub("_", column).strip("_").lower()) is not None


def without_point(ids: pl.Series) -> pl.Series:
    """Return ids as text, 7 for 7.0 where all are whole numbers: pandas writes them so beside missing ones."""
    if not ids.str.ends_with(".0").any() or not ids.str.contains(r"^-?[0-9]+(\.0)?$").all():
        return ids
    return ids.str.strip_suffix(".0")


def number_form(ids: pl.Series) -> pl.Series:
    """Return ids by which lots are drawn: those of digits only without leading zeros and .0, all others as they are.

    So a user has the same lot whether a table holds the id as text or as a number. Two users may have one form.

    >>> number_form(pl.Series(["000450", "450.0", "450", "0", "-07", "u07"])).to_list()
    ['450', '450', '450', '0', '-7', 'u07']
    """
    if not (ids.str.starts_with("0") | ids.str.starts_with("-0") | ids.str.ends_with(".0")).any():
        return ids
    return ids.str.replace(_DIGITS, "$1$2")


def index(values: pl.Series, first: bool) -> bool:
    """Whether a column only numbers the rows: pandas' index, or any counter; `first`: whether it is the table's first.

    A counter holds 0…n−1 or 1…n in any order, or goes on by one step; below `ENOUGH` rows that says nothing. Nobody
    counts in 00000017: what is written so is an id.
    """
    if _INDEX_LEVEL.fullmatch(values.name):
        return True
    number = whole(values)
    if number is None:
        return False
    differ = _differ(number)
    if nameless(values.name):
        return first or differ
    if values.dtype == pl.String and values.str.contains(r"^\s*0[0-9]").any():
        return False
    if not differ or (len(number) < ENOUGH and values.name not in ("index", "level_0")):
        return False
    counts = number.min() in (0, 1) and _span(number) == len(number)
    steps = number.cast(pl.Int128, strict=False).diff().drop_nulls()
    return counts or (len(number) >= ENOUGH and steps.n_unique() == 1)


def like_id(values: pl.Series) -> bool:
    """Whether a feature may be an id, whatever it is called: a whole number that differs in every row."""
    number = whole(values)
    return number is not None and len(number) >= ENOUGH and _differ(number)


def nameless(column: str) -> bool:
    """Whether a column has no name, or the one that pandas gives such."""
    return _NAMELESS.fullmatch(column) is not None


def whole(values: pl.Series) -> pl.Series | None:
    """Return a column's numbers, every digit of them, if all are whole and none is missing."""
    if values.dtype == pl.String:
        if whole(values.head(9).cast(pl.Float64, strict=False)) is None:
            return None
        values = without_point(values.str.strip_chars()).cast(pl.Int128, strict=False)
    if values.null_count() or not len(values):
        return None
    return values if values.dtype.is_integer() or (values.dtype.is_float() and (values % 1 == 0).all()) else None


def _differ(number: pl.Series) -> bool:
    return _span(number) >= len(number) and number.n_unique() == len(number)


def _span(number: pl.Series) -> int:
    low, high = number.min(), number.max()
    return int(high) - int(low) + 1  # type: ignore[arg-type]  # of whole numbers these are some
