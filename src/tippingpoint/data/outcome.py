"""Which values of a column count as outcome 1: yes, one value, several, or a bound of a number."""

from __future__ import annotations

import operator
import re
import shlex
from collections.abc import Sequence

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.core.overrides import override
from tippingpoint.data.number_format import recognised

YES = {*("1", "1.0", "yes", "y", "true", "t"), *("ja", "j", "oui", "si", "sí", "wahr", "vrai")}
NO = {*("0", "0.0", "no", "n", "false", "f"), *("nein", "non", "falsch", "faux")}
BOUND = re.compile(r"(>=|<=|>|<)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
"""A bound of a number."""
COMPARED = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
Positive = str | tuple[str, ...]
"""A value, several, or a bound such as `>0`; a value that is written like a bound is a value where it occurs."""


def words(positive: Positive) -> str:
    """Return what counts as outcome 1 as a reader's words.

    >>> words(("gold", "premium"))
    'gold or premium'
    """
    return positive if isinstance(positive, str) else " or ".join(positive)


def ones(text: pl.Series, positive: Positive) -> pl.Series:
    """(n,) whether each value of a column of stripped text counts as outcome 1.

    Raises
    ------
    InputError
        Where a bound is given, and a value is no number.
    """
    bound = BOUND.fullmatch(positive) if isinstance(positive, str) else None
    if bound is None or (text == positive).any():
        return text.is_in([positive] if isinstance(positive, str) else list(positive))
    number = numbers(text)
    if len(odd := text.filter(number.is_null()).drop_nulls()):
        what = f"{positive!r} compares numbers, and {text.name!r} holds {odd[0]!r}"
        raise InputError("data.positive", what, propose(text))
    return pl.Series(text.name, COMPARED[bound[1]](number, float(bound[2])))


def numbers(text: pl.Series) -> pl.Series:
    """(n,) the numbers of a column of stripped text, written in any one way; null where a value is none."""
    number = text.cast(pl.Float64, strict=False)
    if number.null_count() > text.null_count() and (reading := recognised(text, ())) and not reading.odd:
        return reading.numbers
    return number


def yes_as_one(values: pl.Series) -> pl.Series:
    """Return 1.0 for yes and 0.0 for no where a text says nothing else, in any of their words; else what was given."""
    if values.dtype != pl.String:
        return values
    lower = values.str.strip_chars().str.to_lowercase()
    said = lower.is_in(YES).cast(pl.Float64)
    return said if lower.is_in(YES | NO).all() else values


def told(text: pl.Series, given: str | Sequence[str] | None, missing: int = 0) -> Positive:
    """Return what counts as outcome 1 in a column of stripped text: what is given, or plain yes.

    Parameters
    ----------
    missing
        Rows without an outcome, which the column lacks.

    Raises
    ------
    InputError
        When there are not two outcomes, or it is not plain which is 1.
    """
    values = text.unique().sort().to_list()
    if len(values) == 1:
        what = f"{text.name!r} has one value only, {values[0]!r}"
        if not missing:
            raise InputError("data.target", what, "Two outcomes are needed.")
        what += f", and is missing in {missing:,} rows"
        raise InputError("data.target", what, f"Type {_typed(values[0])} if the others are outcome 0.")
    if given is not None:
        positive: Positive = given if isinstance(given, str) else tuple(given)
        bound = isinstance(given, str) and BOUND.fullmatch(given)
        among = None if isinstance(given, str) else given
        for value in () if bound and given not in values else (given,) if isinstance(given, str) else given:
            if value not in values:
                raise InputError(
                    "data.positive", f"{text.name!r} is never {value!r}", nearest(value, values, "data.positive", among)
                )
        one = ones(text, positive)
        if one.all() or not one.any():
            what = f"{text.name!r} is {words(positive)} in {'every' if one.all() else 'no'} row"
            raise InputError("data.positive", what, propose(text))
        return positive
    yes = [v for v in values if v.lower() in YES]
    if 0 < len(yes) < len(values) and all(v.lower() in YES | NO for v in values):
        return yes[0] if len(yes) == 1 else tuple(yes)
    if len(values) > 2:
        shown = ", ".join(values[:5]) + ("…" if len(values) > 5 else "")
        what = f"{text.name!r} has {len(values)} values ({shown}), not two"
        raise InputError("data.target", what, propose(text))
    raise InputError(
        "data.target",
        f"cannot tell which of {values[0]!r} and {values[1]!r} is outcome 1",
        f"Type {_typed(values[0])} or {_typed(values[1])}.",
    )


def propose(text: pl.Series) -> str:
    """Return what to type so that a column of two values or more has two outcomes."""
    number = numbers(text)
    if not number.null_count():
        least = float(number.min())  # type: ignore[arg-type]  # of a column of numbers this is a number
        bound = 0.0 if least <= 0 < float(number.max()) else least  # type: ignore[arg-type]  # likewise
        typed = _typed(f">{bound!r}".removesuffix(".0"))
        return f"Name a 0/1 or yes/no column; or, as it is a number, type {typed}, for example."
    counts = text.alias("value").value_counts(name="n").sort("n", "value", descending=[True, False])
    values = counts["value"].to_list()
    some = [v for v in values if v.lower() in YES] or sorted(values[1:][-2:])
    typed = _typed(some) if len(values) > 2 else " or ".join(map(_typed, values))
    return f"Name a 0/1 or yes/no column; or type the values that count as 1: {typed}, for example."


def _typed(positive: str | list[str]) -> str:
    """What is typed in a shell for it."""
    if isinstance(positive, str) and BOUND.fullmatch(positive):
        return f"data.positive={shlex.quote(positive)}"  # as it is documented: the command line takes it for text
    return override("data.positive", positive)
