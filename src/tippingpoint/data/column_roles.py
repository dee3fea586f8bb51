"""Users from a table: its columns' roles as the config says, else inferred, and open to correction."""

from __future__ import annotations

import re
from abc import abstractmethod
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import BeforeValidator, model_validator

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.core.overrides import override
from tippingpoint.core.signs import Decimal, Sign
from tippingpoint.data.column_rules import MISSING
from tippingpoint.data.days import Days, day, days_of, times_of
from tippingpoint.data.inference import ALMOST, features, id_column, odd_words, remarks
from tippingpoint.data.logged_action import arms, in_all, stated
from tippingpoint.data.number_format import OTHER, Marks, recognised
from tippingpoint.data.outcome import Positive, ones, told, words, yes_as_one
from tippingpoint.data.shared_values import assigned_together
from tippingpoint.data.source import Source
from tippingpoint.data.unused_rows import BLANK, TOTAL_ROW, is_blank, is_total, outcome_missing
from tippingpoint.data.users import Column, FeatureSchema, Users, unseen
from tippingpoint.data.validation import as_ids, as_text, parse

LEAVING = re.compile(r"(?i)churn|cancel|unsubscri|attrit|lapse|(^|[^a-z])(left|leaves?|leaving|exited|quit)([^a-z]|$)")
"""Names of outcomes that are seldom wanted."""


def _typed(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_typed)]
"""A column's name or value; a command line types 1 where a file has the text 1, or the number 1.0."""


class Roles(Source):
    """Users from a table: number and category columns, a 0/1 or yes/no target, an id if there is one.

    Constant, id-like and time columns are dropped and named in the contract; so are columns that a contract given
    lacks. Without a logged action all users count as having got none.
    """

    target: Text | None = None
    """The column to predict; null: the contract's outcome."""
    positive: Text | list[Text] | None = None
    """What of the target counts as outcome 1, where that is not plain from yes/no or 0/1: a value, a list of values, or
    a bound of a number, such as `>0`."""
    good: bool | None = None
    """Whether outcome 1 is wanted; null: yes, unless its name says that users leave: then it must be said."""
    id: Text | None = None
    """The id column, read as text; null: found by its name, or rows are numbered."""
    group: Text | None = None
    """The column of what several users share whose outcomes hang together, such as a household; or, where a user has
    several rows, the id itself. Splits and folds keep a group whole, and every variance is over groups."""
    drop: list[Text] = []
    """Columns no model may see."""
    after: list[Text] = []
    """Columns that were measured after the action, and may be its consequences: no features, and no part of the test of
    balance."""
    measures: list[Text] = []
    """Further numeric outcomes, beside those of the contract, which no model may see either."""
    costs: list[Text] = []
    """Prices per user, which only economics reads."""
    action: Text | None = None
    """The column that says what was done to the user; null: the contract's, if that is not dropped."""
    control: Text | None = None
    """The action's value that means nothing was done."""
    logging_probability: dict[Text, float | str] | Literal["uniform"] | None = None
    """For each of the action's values, the chance it was taken with: a number, or the column that holds it; or
    `uniform`."""
    as_of: Text | None = None
    """A day (2026-03-01), or the column that holds each user's: times become features, the days before it; null: no
    model sees times."""
    decimal: Decimal | None = None
    """The decimal sign of numbers that are text, `.` or `,`; null: found in each column."""
    thousands: Sign | None = None
    """The sign that parts their thousands, `,`, `.`, `'` or a blank; null: found in each column."""
    name: str | None = None
    """What is asked, e.g. conversion; null: the target's name."""

    @property
    def question(self) -> str:
        return re.sub(r"[^a-z0-9_]+", "_", (self.name or self.outcome or "").lower()).strip("_") or "outcome"

    @property
    def wanted(self) -> bool:
        return self.good is not False

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError("decimal and thousands must differ")
        return self

    @property
    def marks(self) -> Marks:
        """Decimal and thousands signs, where the config gives them."""
        return self.decimal or OTHER.get(self.thousands or ""), self.thousands

    @property
    def outcome(self) -> str | None:
        """The column to predict, as the config or else the contract names it."""
        return self.target or (self.terms.outcome if self.terms else None)

    @property
    def text_ids(self) -> list[str]:
        """Columns that the config or the contract names as the id: text, whatever they hold."""
        return [name for name in (self.id, self.terms.id if self.terms else None) if name is not None]

    @property
    def logged(self) -> str | None:
        """The column that says what was done, as the config or else the contract names it."""
        named = self.terms.action if self.terms else None
        return self.action or (named if named not in self.drop else None)

    @property
    def measured(self) -> list[str]:
        """Further numeric outcomes, of the config and the contract."""
        named = self.terms.measures if self.terms else []
        return [*self.measures, *(c for c in named if c not in (self.outcome, *self.measures, *self.drop))]

    @abstractmethod
    def read(self) -> pl.DataFrame:
        """The table, of at least two rows."""

    def scan(self) -> pl.LazyFrame | None:
        """The table where it can be gone through without being in memory; else None."""
        return None

    def load(self) -> Users:
        return self.users(self.read())

    def users(self, raw: pl.DataFrame) -> Users:
        """The users of a table that was read."""
        target = self.outcome
        if target is None:
            two = [c.name for c in raw if c.drop_nulls().n_unique() == 2]
            of_two = f"Columns of two values: {', '.join(two[:12])}. " if two else ""
            raise InputError("data.target", "not given", f"Type data.target=… {of_two}{nearest('', raw.columns)}")
        self.require(raw)
        aside = self.unused(raw)
        self._require_known(raw, aside)
        table, rows, intake = self.validated(raw, aside)
        outcome, positive = self.outcomes(table[target], sum(int(rows.sum()) for rows in aside.values()))
        good = self.is_wanted(target, positive)
        user_id = self.find_id(table)
        ids = self._ids(table, user_id, rows)
        actions, action, logging_probability = self._actions(table)
        hidden = self.hidden(user_id)
        days = self.days(table, user_id)
        columns, frame, dropped, odd = features(table.drop(list(hidden)), self.terms, self.marks, days)
        if self.terms:
            odd = odd_words(raw[rows], table.select(c.name for c in columns))
        dropped = {c: why for c, why in hidden.items() if c in (*self.drop, *self.after)} | dropped
        if not columns:
            raise InputError("data", f"no feature is left in {self.origin}: {'; '.join(unseen(hidden | dropped))}")
        return Users(
            features=frame,
            outcome=outcome,
            user_id=ids,
            contract=FeatureSchema(
                columns,
                target,
                positive,
                good,
                user_id,
                dropped,
                remarks(table, {c.name: c.kind for c in columns}, {c.name: c.written for c in columns})
                | (days.remarks if days else {}),
                odd=odd,
                together=self._together(table.drop(list(hidden)), columns, action),
                labels=self.terms.labels if self.terms else {},
            ),
            actions=actions,
            action=action,
            logging_probability=logging_probability,
            measures=self._numbers(table, self.measured, "measures"),
            costs=self._numbers(table, self.costs, "costs"),
            intake=intake,
            times=_newest(table),
            group=self._groups(table),
            moment=self._moment(table),
        )

    def _together(self, seen: pl.DataFrame, columns: tuple[Column, ...], action: np.ndarray | None) -> dict[str, int]:
        """Columns whose users were assigned together; a number that a model may see is no group."""
        if action is None or self.group is not None:
            return {}
        numbers = [c.name for c in columns if c.kind == "number"]
        return assigned_together(seen.drop(numbers, strict=False), action)

    def require(self, table: pl.DataFrame) -> None:
        """Refuse a config that names a column the table lacks.

        Raises
        ------
        InputError
            Naming the key, and the nearest column.
        """
        for key in ("target", "id", "group", "action"):
            self.require_column(table, f"data.{key}", getattr(self, key))
        for key in ("drop", "after", "measures", "costs"):
            for column in getattr(self, key):
                self.require_column(table, f"data.{key}", column, getattr(self, key))
        if self.outcome in self.drop:
            others = [column for column in self.drop if column != self.outcome]
            raise InputError("data.drop", f"{self.outcome!r} is the outcome", f"Type {override('data.drop', others)}.")
        if roles := [column for column in self.after if column in (self.outcome, self.logged, *self.text_ids)]:
            raise InputError("data.after", f"{roles[0]!r} is outcome, action or id", "Name features only.")
        if self.as_of is not None and day(self.as_of) is None and self.as_of not in table.columns:
            what = f"{self.as_of!r} is neither a day nor a column of {self.origin}"
            near = nearest(self.as_of, table.columns, "data.as_of")
            raise InputError("data.as_of", what, f"Type data.as_of=2026-03-01, or a column. {near}")

    def unused(self, table: pl.DataFrame) -> dict[str, np.ndarray]:
        """(n,) rows that say nothing of a user, or not what came of one, by the reason they are quarantined for."""
        blank = is_blank(table)
        found = {BLANK: blank, TOTAL_ROW: is_total(table, blank)}
        if self.outcome:
            found[f"{self.outcome} is missing"] = self._without_outcome(table[self.outcome])
        taken = np.zeros(len(table), dtype=bool)
        for reason, rows in found.items():
            found[reason] = rows & ~taken
            taken |= rows
        known = table.filter(~taken) if taken.any() else table
        key = self.find_id(known) if len(known) else None
        if key in table.columns and known[key].null_count() <= (1 - ALMOST) * len(known):
            found[f"{key} is missing"] = table[key].is_null().to_numpy() & ~taken
        return found

    def _without_outcome(self, outcome: pl.Series) -> np.ndarray:
        """(n,) whether an outcome is missing; none is where `positive` names the only value: the others are 0."""
        missing = outcome_missing(outcome, self.terms)
        values = as_text(outcome).str.strip_chars().filter(~missing).unique().to_list()
        return missing if values != [self.positive] else np.zeros(len(outcome), dtype=bool)

    def _require_known(self, table: pl.DataFrame, aside: dict[str, np.ndarray]) -> None:
        left = len(table) - sum(int(rows.sum()) for rows in aside.values())
        if left < 2:
            what = f"{self.outcome!r} has a value in {left or 'none'} of {len(table):,} rows"
            raise InputError("data.target", what, "At least two are needed, and both outcomes.")

    def find_id(self, table: pl.DataFrame) -> str | None:
        """The id column: the config's, else the contract's, else one found by its name."""
        if self.id or self.terms:
            return self.id or (self.terms.id if self.terms else None)
        others = [name for name in self.hidden(None) if name not in self.drop]
        return id_column(table.drop(others, strict=False), self.drop)

    def days(self, table: pl.DataFrame, user_id: str | None) -> Days | None:
        """The features that are made of times; None where `as_of` is not given.

        Raises
        ------
        InputError
            When that is a column without times, or no other column holds times.
        """
        if self.as_of is None:
            return None
        if (moment := day(self.as_of)) is not None:
            moments: pl.Series | None = pl.repeat(moment, len(table), dtype=pl.Datetime("us"), eager=True)
        else:
            named = self.terms is not None and self.as_of in self.terms.columns
            moments = times_of(table[self.as_of], self.terms if named else None)
        if moments is None:
            what = f"{self.as_of!r} holds no times in {self.origin}"
            raise InputError("data.as_of", what, "Type a day, data.as_of=2026-03-01, or a column of times.")
        found = days_of(table.drop(list(self.hidden(user_id))), self.as_of, moments, self.terms, self.drop)
        if not found.columns and day(self.as_of) is not None:
            what = f"no column of {self.origin} that a model may see holds times"
            raise InputError("data.as_of", what, "Leave data.as_of out.")
        return found

    def _moment(self, table: pl.DataFrame) -> np.ndarray | None:
        """(n,) the day of each row, where a column holds it."""
        if self.as_of is None or day(self.as_of) is not None:
            return None
        times = times_of(table[self.as_of], self.terms if self.terms and self.as_of in self.terms.columns else None)
        return None if times is None else times.to_numpy()

    def hidden(self, user_id: str | None) -> dict[str, str]:
        """Columns that are no features because of what they are to the config, with the reason."""
        given = self.logging_probability if isinstance(self.logging_probability, dict) else {}
        hidden = {self.terms.outcome: "another outcome"} if self.terms and self.terms.outcome else {}
        hidden |= {self.outcome: "the outcome"} if self.outcome else {}
        hidden |= {self.as_of: "the as-of day"} if self.as_of and day(self.as_of) is None else {}
        hidden |= {user_id: "the id"} if user_id else {}
        hidden |= {self.group: "the group"} if self.group and self.group != user_id else {}
        hidden |= {self.logged: "the logged action"} if self.logged else {}
        hidden |= {c: "a logging probability" for c in given.values() if isinstance(c, str)}
        hidden |= dict.fromkeys(self.measured, "a measure")
        hidden |= dict.fromkeys(self.costs, "a cost")
        hidden |= dict.fromkeys(self.after, "measured after the action")
        return hidden | dict.fromkeys(self.drop, "data.drop")

    def require_column(
        self, table: pl.DataFrame, where: str, column: str | None, among: list[str] | None = None
    ) -> None:
        """Refuse a column that the table lacks.

        Raises
        ------
        InputError
            Naming the nearest.
        """
        if column is not None and column not in table.columns:
            remedy = nearest(column, table.columns, where, among)
            raise InputError(where, f"no column {column!r} in {self.origin}", remedy)

    def outcomes(self, target: pl.Series, missing: int = 0) -> tuple[np.ndarray, Positive]:
        """(n,) 0/1 of the column to predict, and what of it counts as 1; `missing`: rows set aside for want of one.

        Raises
        ------
        InputError
            When it has not two outcomes, or it is not plain which is 1.
        """
        text = as_text(target).str.strip_chars().fill_null("")
        positive = told(text, self.positive, missing)
        return ones(text, positive).to_numpy().astype(np.int64), positive

    def is_wanted(self, target: str, positive: Positive) -> bool:
        """Whether outcome 1 is wanted.

        Raises
        ------
        InputError
            When nothing says it, and the outcome is called as one that is not.
        """
        if self.good is None and (found := LEAVING.search(target) or LEAVING.search(self.name or "")):
            raise InputError(
                "data.good",
                f"not given, and {found.string!r} reads as if outcome 1 ({target}={words(positive)}) were not wanted",
                "Type data.good=false if it is not, or data.good=true if it is.",
            )
        return self.wanted

    def _ids(self, table: pl.DataFrame, user_id: str | None, rows: np.ndarray) -> np.ndarray:
        if user_id is None or user_id == self.group:  # several rows a user: each is one by its number
            return np.array([f"row{i}" for i in rows], dtype=object)
        ids = as_ids(table[user_id])
        if missing := ids.null_count():
            what = f"{user_id!r} is missing in {missing:,} of {len(ids):,} rows of {self.origin}"
            raise InputError("data.id", what, "Name another id column, or give each user one.")
        if repeated := ids.filter(ids.is_duplicated()).unique(maintain_order=True).to_list():
            raise InputError(
                "data.id",
                f"{user_id!r} is not unique in {self.origin}: {len(repeated):,} ids stand more than once"
                f" ({', '.join(repeated[:3])}{'…' if len(repeated) > 3 else ''})",
                f"Keep one row a user, name another id column, or type {override('data.group', user_id)} if a user has"
                " several rows.",
            )
        return ids.to_numpy().astype(object)

    def _groups(self, table: pl.DataFrame) -> np.ndarray | None:
        if self.group is None:
            return None
        groups = as_ids(table[self.group])
        if missing := groups.null_count():
            what = f"{self.group!r} is missing in {missing:,} of {len(groups):,} rows of {self.origin}"
            raise InputError("data.group", what, "Give each user a group; one who is alone is a group of one.")
        return groups.to_numpy().astype(object)

    def _actions(self, table: pl.DataFrame) -> tuple[tuple[str, ...], np.ndarray | None, np.ndarray | None]:
        if self.logged is None:
            if self.logging_probability or self.control:
                raise InputError("data.action", "not given, but data.control or data.logging_probability is")
            return ("none",), None, None
        if table[self.logged].null_count():
            raise InputError("data.action", f"{self.logged!r} is missing in some rows of {self.origin}")
        taken = as_text(table[self.logged]).str.strip_chars()
        values = taken.unique().sort().to_list()
        order = arms(values, self.control, self.logged)
        action = taken.replace_strict({value: k for k, value in enumerate(order)}, return_dtype=pl.Int64).to_numpy()
        actions = ("none", *order[1:])
        if (chances := stated(values, self.logging_probability)) is None:
            return actions, action, None
        chance = np.empty((len(table), len(order)))
        for k, value in enumerate(order):
            given = chances[value]
            self.require_column(table, "data.logging_probability", given if isinstance(given, str) else None)
            chance[:, k] = table[given].cast(pl.Float64, strict=False).to_numpy() if isinstance(given, str) else given
        return actions, action, in_all(chance, values)

    def _numbers(
        self, table: pl.DataFrame, columns: list[str], key: Literal["measures", "costs"]
    ) -> pd.DataFrame | None:
        if not columns:
            return None
        found = {}
        for column in columns:
            values = yes_as_one(table[column])
            if values.dtype == pl.String and (reading := recognised(values, MISSING, self.marks)):
                values = reading.numbers
            if not (values.dtype.is_numeric() or values.dtype == pl.Boolean) or values.null_count():
                raise InputError(f"data.{key}", f"{column!r} is not a number in every row of {self.origin}")
            found[column] = values.cast(pl.Float64).to_numpy()
        return pd.DataFrame(found)


def at_least_two(table: pl.DataFrame, where: str) -> pl.DataFrame:
    """Return a table of users; refuse one of fewer than two."""
    if len(table) < 2:
        raise InputError(where, f"has {'one row' if len(table) else 'no row'}", "At least two users are needed.")
    return table


def _newest(table: pl.DataFrame) -> dict[str, datetime]:
    read = {c.name: parse(c, "time")[0].max() for c in table if c.dtype == pl.Date or c.dtype == pl.Datetime}
    return {name: newest for name, newest in read.items() if isinstance(newest, datetime)}
