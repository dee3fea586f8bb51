"""Users as JSON, held against the contract that a model was deployed with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from types import NoneType
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.core.errors import nearest
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.data.column_rules import (
    ENOUGH,
    IS_MISSING,
    SHIFT,
    ColumnRule,
    is_not,
    is_whole,
    rules,
    shifted_unit,
    stand_ins,
    unit,
)
from tippingpoint.data.contract import ColumnSpec, TableSchema
from tippingpoint.data.days import DAY, start
from tippingpoint.data.times import MISSING_TIMES
from tippingpoint.data.validation import parse

ABSENT = object()
LARGEST = float(np.finfo(np.float32).max)
"""Trees read numbers as float32; what is larger is refused as not finite."""
FEW = 8
"""Users below which looking at each is faster than at all of them as an array."""
MOST = 20
"""Problems named in an answer."""
SHOWN = 40
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Problem:
    """What a user breaks.

    Parameters
    ----------
    user
        Position in the request.
    rule
        `there`, `type`, `missing`, `finite`, `min`, `max`, `category` or `unit`.
    said
        The message, as for tables: `age 200 is above 120`.
    """

    user: int
    field: str
    rule: str
    said: str


class RefusedUsersError(Exception):
    """Users that break the contract."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(problems[0].said)


@dataclass(frozen=True)
class Given:
    """n valid users.

    Parameters
    ----------
    ids
        Their ids as text; None where the contract has none.
    numbers
        (n, k) float64, NaN where missing.
    categories
        Each category column's n values, None where missing.
    """

    ids: list[str | None] | None
    numbers: np.ndarray
    categories: list[list[str | None]]


@dataclass(frozen=True)
class Reader:
    """Reads users by a contract; values are JSON's own types, and null is the only missing value.

    Numbers that are text in the table of training may come as text too, written as there.

    Parameters
    ----------
    columns
        The features a model reads, in order, and whether each is a `number` or a `category`.
    before
        The column that times are counted to, where the contract has it.
    day
        What they are counted to elsewhere; None: today, UTC.
    """

    contract: TableSchema
    columns: dict[str, str]
    before: str | None = None
    day: datetime | None = None

    @property
    def as_of(self) -> datetime:
        """The day that times are counted to, where no column says it; UTC, without a zone."""
        return self.day or start(datetime.now(UTC))

    @property
    def numbers(self) -> list[str]:
        """Names of the number columns."""
        return [name for name, kind in self.columns.items() if kind == "number"]

    @property
    def categories(self) -> list[str]:
        """Names of the category columns."""
        return [name for name, kind in self.columns.items() if kind == "category"]

    @cached_property
    def fields(self) -> list[_Field]:
        """One for each column of the contract."""
        return [
            _Field(name, spec, name == self.contract.id and name not in self.columns)
            for name, spec in self.contract.columns.items()
        ]

    def read(self, users: Sequence[dict[str, Any]]) -> Given:
        """Read n users.

        Raises
        ------
        RefusedUsersError
            Naming the field and the rule of whatever is wrong.
        """
        problems: list[Problem] = []
        read: dict[str, Any] = {}
        ids = None
        for field in self.fields:
            values = [user.get(field.name, ABSENT) for user in users]
            if field.is_id:
                ids = values
                problems += field.problems(values)
            elif field.spec.type == "time":
                read[field.name], broken = field.times(values)
                problems += broken
            elif field.spec.numeric:
                read[field.name], broken = field.numbers(values)
                problems += broken
            else:
                read[field.name], broken = field.categories(values)
                problems += broken
        if problems:
            raise RefusedUsersError(sorted(problems, key=lambda problem: problem.user))
        moments = [self.as_of] * len(users) if self.before is None else read[self.before]
        columns = [
            _days(read[name], moments) if self.contract.columns[name].type == "time" else read[name]
            for name in self.numbers
        ]
        numbers = np.array(columns).T if columns else np.empty((len(users), 0))
        named = None if ids is None else [None if value is None else str(value) for value in ids]
        return Given(named, numbers, [read[name] for name in self.categories])

    def frame(self, given: Given) -> pd.DataFrame:
        """Return the same users as the pipeline takes them."""
        numbers = dict(zip(self.numbers, given.numbers.T, strict=True))
        categories = dict(zip(self.categories, given.categories, strict=True))
        columns = {
            name: numbers[name] if kind == "number" else pd.Series(categories[name], dtype="str")
            for name, kind in self.columns.items()
        }
        return pd.DataFrame(columns)


class _Field:
    """A column of the contract: reads its values of n users."""

    def __init__(self, name: str, spec: ColumnSpec, is_id: bool) -> None:
        self.name, self.spec, self.is_id = name, spec, is_id
        self.rules = [rule for rule in rules(spec) if rule.name != "finite"]
        self.as_text = spec.numeric and bool(spec.written or spec.also_missing)
        if spec.numeric:
            self.types: set[type] = {int, float}
            self.rules.append(ColumnRule("finite", "is not finite", lambda x: abs(x) > LARGEST))
        elif spec.type == "time":
            self.types = {datetime}
        elif is_id:
            self.types, self.rules = {str, int}, []
        else:
            self.types = {str}
            if spec.values is None:
                words = frozenset(stand_ins(None))
                self.rules = [ColumnRule("missing", "stands for a missing value; send null", lambda x: x in words)]

    def numbers(self, values: list[Any]) -> tuple[np.ndarray, list[Problem]]:
        """Return (n,) float64, NaN where missing, and what is wrong."""
        if self.as_text:
            values = [self._number(value) if isinstance(value, str) else value for value in values]
        if len(values) < FEW:
            problems = self.problems(values)
            return np.empty(0) if problems else np.array(values, dtype=np.float64), problems
        try:
            read = np.array(values, dtype=np.float64) if self._typed(values) else None
        except OverflowError:  # an integer larger than any float
            read = None
        if read is None or any(rule.broken(read).any() for rule in self.rules) or not self._whole(read):
            return np.empty(0), self.problems(values)
        return read, self._shifted(read)

    def times(self, values: list[Any]) -> tuple[list[datetime | None], list[Problem]]:
        """Return n times in UTC, without a zone, None where missing, and what is wrong."""
        values = [self._time(value) if isinstance(value, str) else value for value in values]
        problems = self.problems(values)
        return ([] if problems else values), problems

    def categories(self, values: list[Any]) -> tuple[list[str | None], list[Problem]]:
        """Return n texts, None where missing, and what is wrong."""
        if self.spec.values and self._typed(values) and set(values) <= {*self.spec.values, None}:
            return values, []
        problems = self.problems(values)
        return ([] if problems else [v if v is None else v.strip() for v in values]), problems

    def problems(self, values: list[Any]) -> list[Problem]:
        """Return what is wrong, value by value."""
        found = []
        for user, value in enumerate(values):
            if value is ABSENT:
                found.append(Problem(user, self.name, "there", f"{self.name} is not there"))
            elif broken := self._broken(value):
                rule, said = broken
                text = str(value)[:SHOWN]
                if rule == "type" and isinstance(value, str):  # "23" is not 23
                    text = json.dumps(text, ensure_ascii=False)
                shown = "" if value is None else f" {text}"
                found.append(Problem(user, self.name, rule, f"{self.name}{shown} {said}"))
        return found

    def _time(self, text: str) -> Any:
        """The time that a text is, None where it stands for a missing one; the text if it is neither."""
        word = text.strip()
        return None if word in self.spec.also_missing or word.lower() in MISSING_TIMES else _time(word)

    def _number(self, text: str) -> Any:
        """The number that a text is, None where it stands for a missing one; the text if it is neither."""
        typed, readable = parse(pl.Series([text]), "number", spec=self.spec)
        return typed[0] if readable[0] else text

    def _broken(self, value: Any) -> tuple[str, str] | None:
        """The first rule that a value breaks, and its message."""
        if value is None:
            return None if self.spec.missing else ("missing", IS_MISSING)
        if type(value) not in self.types or (self.spec.type == "whole" and not is_whole(value)):
            return "type", is_not(self.spec)
        if type(value) is str:
            value = value.strip()
            if self.is_id and not value and not self.spec.missing:
                return "missing", IS_MISSING
        timed = self.spec.type == "time"
        for rule in rules(self.spec, datetime.now(UTC).replace(tzinfo=None)) if timed else self.rules:
            if rule.broken(value):
                return rule.name, rule.said
        return None

    def _typed(self, values: list[Any]) -> bool:
        allowed: set[type] = {*self.types, NoneType} if self.spec.missing else self.types
        return allowed.issuperset(map(type, values))

    def _whole(self, read: np.ndarray) -> bool:
        return self.spec.type != "whole" or bool((is_whole(read) | np.isnan(read)).all())

    def _shifted(self, read: np.ndarray) -> list[Problem]:
        """Whether the median of many users shows that the unit is shifted."""
        if self.spec.typical is None or len(read) < ENOUGH:
            return []
        middle = float(np.nanmedian(read)) if self.spec.missing else float(np.median(read))
        if 3 / SHIFT < middle / self.spec.typical < SHIFT / 3 or not (
            shifted := shifted_unit(pl.Series(read, nan_to_null=True), self.spec)
        ):
            return []
        return [Problem(0, self.name, "unit", f"{self.name} {unit(shifted)}")]


def _time(text: str) -> Any:
    """The time that a text is, as ISO 8601 has it, in UTC without a zone; the text if it is none."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (ValueError, OverflowError):
        return text


def _days(times: list[datetime | None], moments: list[datetime | None]) -> list[float]:
    """n days from times to moments, NaN where one is missing."""
    pairs = zip(times, moments, strict=True)
    return [np.nan if time is None or moment is None else (moment - time) / DAY for time, moment in pairs]


def limits(spec: ColumnSpec) -> tuple[float, float]:
    """Return the smallest and largest number that is read."""
    low, high = spec.limits
    return max(low, -LARGEST), min(high, LARGEST)


def lacking(name: str, user: dict[str, Any], contract: TableSchema) -> str:
    """Return the nearest of a user's own names to one that is not there."""
    others = [str(key)[:SHOWN] for key in user if key not in contract.columns]
    return nearest(name, others[:12]) if others else ""
