"""Users as JSON, held against the contract a model was deployed with, in the door's words."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import NoneType
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from tippingpoint.core.errors import nearest
from tippingpoint.data.contract import KINDS, NOUN, ColumnSpec, TableSchema
from tippingpoint.data.validation import SHIFT, TOLD, shifted_unit, stand_ins

ABSENT = object()
LARGEST = float(np.finfo(np.float32).max)
"""Trees read numbers as float32."""
WHOLE = 2.0**53
"""Beyond it a float does not tell neighbours apart."""
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
        As the door says it: `age 200 is above 120`.
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
    """n users that the contract lets in.

    Parameters
    ----------
    ids
        Their ids as they came; None where the contract has none.
    numbers
        (n, k) float64, NaN where missing.
    categories
        Each category column's n values, None where missing.
    """

    ids: list[Any] | None
    numbers: np.ndarray
    categories: list[list[str | None]]


@dataclass(frozen=True)
class Reader:
    """Reads users by a contract; values are JSON's own types, and null is the only missing value.

    Parameters
    ----------
    columns
        The features a model reads, in order, and whether each is a `number` or a `category`.
    """

    contract: TableSchema
    columns: dict[str, str]

    @property
    def numbers(self) -> list[str]:
        """Names of the number columns."""
        return [name for name, kind in self.columns.items() if kind == "number"]

    @property
    def categories(self) -> list[str]:
        """Names of the category columns."""
        return [name for name, kind in self.columns.items() if kind == "category"]

    def read(self, users: Sequence[dict[str, Any]]) -> Given:
        """Let n users in.

        Raises
        ------
        RefusedUsersError
            Naming the field and the rule of whatever is wrong.
        """
        problems: list[Problem] = []
        numbers, categories, ids = [], [], None
        for name, terms in self.contract.columns.items():
            values = [user.get(name, ABSENT) for user in users]
            if name == self.contract.id and name not in self.columns:
                ids = values
                broken = self._each(name, values, partial(_of_id, terms=terms))
            elif KINDS[terms.type] == "number":
                read, broken = self._number(name, values, terms)
                numbers.append((name, read))
            else:
                read_, broken = self._category(name, values, terms)
                categories.append((name, read_))
            problems += broken
        if problems:
            raise RefusedUsersError(sorted(problems, key=lambda problem: problem.user))
        n, by_name, by_category = len(users), dict(numbers), dict(categories)
        columns = [by_name[name] for name in self.numbers]
        return Given(
            ids, np.array(columns).T if columns else np.empty((n, 0)), [by_category[c] for c in self.categories]
        )

    def frame(self, given: Given) -> pd.DataFrame:
        """The same users as the pipeline takes them."""
        numbers = dict(zip(self.numbers, given.numbers.T, strict=True))
        categories = dict(zip(self.categories, given.categories, strict=True))
        columns = {
            name: numbers[name] if kind == "number" else pd.Series(categories[name], dtype="str")
            for name, kind in self.columns.items()
        }
        return pd.DataFrame(columns)

    def _number(self, name: str, values: list[Any], terms: ColumnSpec) -> tuple[np.ndarray, list[Problem]]:
        kinds = {int, float, NoneType} if terms.missing else {int, float}
        read = np.empty(0)
        if len(values) < FEW:
            broken = self._each(name, values, partial(_of_number, terms=terms))
            return (read if broken else np.array(values, dtype=np.float64)), broken
        if kinds.issuperset(map(type, values)):
            try:
                read = np.array(values, dtype=np.float64)
            except OverflowError:  # an integer larger than any float
                return read, self._each(name, values, partial(_of_number, terms=terms))
            low, high = _bounds(terms)
            gone = np.isnan(read)
            fits = (read >= low) & (read <= high)
            if terms.type == "whole":
                fits &= read == np.floor(read)
            if (fits | gone).all():
                return read, self._unit(name, read, terms)
        return read, self._each(name, values, partial(_of_number, terms=terms))

    def _category(self, name: str, values: list[Any], terms: ColumnSpec) -> tuple[list[str | None], list[Problem]]:
        kinds = {str, NoneType} if terms.missing else {str}
        if terms.values and kinds.issuperset(map(type, values)) and set(values) <= {*terms.values, None}:
            return values, []
        problems = self._each(name, values, partial(_of_category, terms=terms))
        return ([] if problems else [v if v is None else v.strip() for v in values]), problems

    def _unit(self, name: str, read: np.ndarray, terms: ColumnSpec) -> list[Problem]:
        if terms.typical is None or len(read) < TOLD:
            return []
        middle = float(np.nanmedian(read)) if terms.missing else float(np.median(read))
        if 3 / SHIFT < middle / terms.typical < SHIFT / 3 or not (
            shifted := shifted_unit(pl.Series(read, nan_to_null=True), terms)
        ):
            return []
        return [Problem(0, name, "unit", f"{name} has its unit shifted by {SHIFT:,}: {shifted}")]

    def _each(self, name: str, values: list[Any], check: Callable[[Any], tuple[str, str] | None]) -> list[Problem]:
        problems = []
        for user, value in enumerate(values):
            if value is ABSENT:
                problems.append(Problem(user, name, "there", f"{name} is not there"))
            elif broken := check(value):
                rule, said = broken
                text = str(value)[:SHOWN]
                if rule == "type" and isinstance(value, str):  # "23" is not 23
                    text = json.dumps(text, ensure_ascii=False)
                shown = "" if value is None else f" {text}"
                problems.append(Problem(user, name, rule, f"{name}{shown} {said}"))
        return problems


def lacking(name: str, user: dict[str, Any], contract: TableSchema) -> str:
    """The nearest of a user's own names to one that is not there."""
    others = [str(key)[:SHOWN] for key in user if key not in contract.columns]
    return nearest(name, others[:12]) if others else ""


def _bounds(terms: ColumnSpec) -> tuple[float, float]:
    farthest = WHOLE if terms.type == "whole" else LARGEST
    low = -farthest if terms.min is None else max(float(terms.min), -farthest)  # type: ignore[arg-type]  # of a number they are numbers
    high = farthest if terms.max is None else min(float(terms.max), farthest)  # type: ignore[arg-type]  # of a number they are numbers
    return low, high


def _of_number(value: Any, terms: ColumnSpec) -> tuple[str, str] | None:
    if value is None:
        return None if terms.missing else ("missing", "is missing")
    if type(value) not in (int, float):
        return "type", f"is not {NOUN[terms.type]}"
    if terms.type == "whole" and (abs(value) >= WHOLE or value != int(value)):
        return "type", f"is not {NOUN[terms.type]}"
    low, high = _bounds(terms)
    if value < low:
        return ("finite", "is not finite") if terms.min is None else ("min", f"is below {low:,.6g}")
    if value > high:
        return ("finite", "is not finite") if terms.max is None else ("max", f"is above {high:,.6g}")
    return None


def _of_category(value: Any, terms: ColumnSpec) -> tuple[str, str] | None:
    if value is None:
        return None if terms.missing else ("missing", "is missing")
    if type(value) is not str:
        return "type", f"is not {NOUN[terms.type]}"
    text = value.strip()
    if terms.values:
        return None if text in terms.values else ("category", "is an unseen category")
    return ("missing", "stands for a missing value; send null") if text in stand_ins(None) else None


def _of_id(value: Any, terms: ColumnSpec) -> tuple[str, str] | None:
    if terms.type in ("number", "whole"):
        return _of_number(value, terms)
    if value is None or (type(value) is str and not value.strip()):
        return None if terms.missing else ("missing", "is missing")
    return None if type(value) in (str, int) else ("type", f"is not {NOUN[terms.type]}")
