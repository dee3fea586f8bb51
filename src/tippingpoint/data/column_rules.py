"""The rules of a contract's column, each stated once.

Tables, users sent as JSON and the OpenAPI document are held to the same rules: a rule is a comparison that works for
one value, a NumPy array and a Polars Series alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tippingpoint.core.on_demand import polars as pl
from tippingpoint.data.contract import NOUN, ColumnSpec

MISSING = [
    *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "?"),
    *(r"\N", "(null)", "(NULL)", "[NULL]", "<null>", "NaT"),
    *("#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!"),
]
"""What stands for a missing value: pandas' list and ?, so that a file read with pandas scores as it was learnt from;
what databases write for one; and a spreadsheet's errors."""
INFINITE = "inf"
"""What a column's `also_missing` calls infinite numbers, of either sign and however they are written."""
CHANCE = "logging_probability_"
"""Beginning of the names of the columns that hold each action's chance; no model sees them."""
IS_MISSING = "is missing"
CLOCKS = timedelta(hours=14)
"""How far ahead of UTC a local clock can be; later times lie in the future."""
SHIFT = 1000
"""Factor between units that are often confused, as seconds and milliseconds."""
ENOUGH = 20
"""Values from which on a median is compared with the typical one."""


@dataclass(frozen=True)
class ColumnRule:
    """One way to break the contract of a column.

    Parameters
    ----------
    name
        `finite`, `future`, `category`, `unit`, `min` or `max`.
    said
        The end of the message: `is above 120`.
    broken
        Whether a value breaks the rule; of an array or a Series, an array or a Series of answers.
    """

    name: str
    said: str
    broken: Callable[[Any], Any]

    @property
    def of_ends(self) -> bool:
        """Whether no value breaks the rule unless the least or the largest does."""
        return self.name in ("finite", "future", "min", "max")


def rules(spec: ColumnSpec, now: datetime | None = None, shifted: str = "") -> list[ColumnRule]:
    """Return what values of the column's type that are not missing must not break, in the order of messages.

    Parameters
    ----------
    now
        The time in UTC, without a zone; None where times are not checked.
    shifted
        The answer of `shifted_unit` for the whole column; if not empty, each value breaks the rule `unit`.
    """
    found = []
    if spec.numeric:
        found.append(ColumnRule("finite", "is not finite", lambda x: (x == math.inf) | (x == -math.inf)))
    if spec.type == "time" and now is not None and not spec.future:
        found.append(ColumnRule("future", "lies in the future", lambda x: x > now + CLOCKS))
    if spec.values is not None:
        found.append(ColumnRule("category", "is an unseen category", lambda x: _unseen(x, spec.values or [])))
    if shifted:
        found.append(ColumnRule("unit", unit(shifted), lambda x: x.is_not_null()))
    if spec.min is not None:
        found.append(ColumnRule("min", f"is below {_written(spec.min)}", lambda x: x < spec.min))
    if spec.max is not None:
        found.append(ColumnRule("max", f"is above {_written(spec.max)}", lambda x: x > spec.max))
    return found


def is_whole(numbers: Any) -> Any:
    """Whether numbers are whole, and below 2^53, up to where a float tells neighbours apart."""
    return (numbers // 1 == numbers) & (abs(numbers) < ColumnSpec.WHOLE)


def is_not(spec: ColumnSpec) -> str:
    """Return the message for a value of another type."""
    return f"is not {NOUN[spec.type]}"


def unit(shifted: str) -> str:
    """Return the message for a column whose unit is shifted."""
    return f"has its unit shifted by {SHIFT:,}: {shifted}"


def stand_ins(listed: Sequence[str] | None) -> list[str]:
    """Return what stands for a missing category, but for what a contract lists as one: NA may be Namibia."""
    return [word for word in MISSING if word not in (listed or ())]


def shifted_unit(numbers: pl.Series, spec: ColumnSpec) -> str:
    """Return how the median shows that the unit is shifted; empty if it does not.

    The median is compared with the typical value. Without one, it must lie far outside the range, and inside after
    it is divided or multiplied by `SHIFT`.
    """
    if not spec.numeric or spec.typical is spec.min is spec.max is None:
        return ""
    low, high = spec.limits
    least, most = numbers.min(), numbers.max()
    if spec.typical is None and (least is None or (low <= least and most <= high)):  # type: ignore[operator]  # numbers
        return ""
    finite = numbers.drop_nulls()
    finite = finite.filter(finite.is_finite())
    median = float(finite.median() or 0)  # type: ignore[arg-type]  # of a column of numbers these are numbers
    if spec.typical is not None:
        ratio = median / spec.typical
        off = len(finite) >= ENOUGH and any(SHIFT / 3 <= r <= SHIFT * 3 for r in (ratio, 1 / ratio if ratio else 0))
        return f"the median is {median:,.6g}, not about {spec.typical:,.6g}" if off else ""
    far = median > 10 * high > 0 or 0 < median < low / 10
    back = low <= median / SHIFT <= high or low <= median * SHIFT <= high
    return f"the median is {median:,.6g}, not within {_written(low)} to {_written(high)}" if far and back else ""


def _unseen(texts: Any, values: list[str]) -> Any:
    return texts not in values if isinstance(texts, str) else ~texts.is_in(values)


def _written(bound: object) -> str:
    return f"{bound:,.6g}" if isinstance(bound, float) else str(bound)
