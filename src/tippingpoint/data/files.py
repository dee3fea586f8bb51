"""A table of your own: any CSV or Parquet, its columns' roles inferred, shown, and open to correction."""

import re
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import polars as pl
from pydantic import BeforeValidator, Field

from tippingpoint.data.source import Source
from tippingpoint.data.users import Column, Contract, Users
from tippingpoint.errors import InputError, nearest

YES, NO = {"1", "1.0", "yes", "y", "true", "t"}, {"0", "0.0", "no", "n", "false", "f"}
ID_NAME = re.compile(r"(?i:(^|_)(id|uuid|guid)$)|[a-z](ID|Id)$")
MISSING = ["", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None"]
"""What stands for a missing value: pandas' list, so that a file read with pandas scores as it was learnt from."""

Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float | bool) else value)]
"""A column's name or value; a command line types 1 where a file has the text 1."""


class Roles(Source):
    """Users from a table: number and category columns, a 0/1 or yes/no target, an id if there is one.

    Constant, id-like and time columns are dropped and named in the contract. Without a logged action all users
    count as having got none.
    """

    target: Text
    """The column to predict."""
    positive: Text | None
    """The target's value that counts as outcome 1, where that is not plain from yes/no or 0/1."""
    good: bool
    """Whether outcome 1 is wanted."""
    id: Text | None
    """The id column; null: found by its name, or rows are numbered."""
    drop: list[Text]
    """Columns no model may see."""
    measures: list[Text]
    """Further numeric outcomes, which no model may see either."""
    action: Text | None
    """The column that says what was done to the user."""
    control: Text | None
    """The action's value that means nothing was done."""
    logging_probability: dict[Text, float | str] | Literal["uniform"] | None
    """For each of the action's values, the chance it was taken with: a number, or the column that holds it; or
    `uniform`."""
    name: str | None
    """What is asked, e.g. conversion; null: the target's name."""

    @property
    def question(self) -> str:
        return re.sub(r"[^a-z0-9_]+", "_", (self.name or self.target).lower()).strip("_") or "outcome"

    @abstractmethod
    def read(self) -> pl.DataFrame:
        """The table, of at least two rows."""

    def load(self) -> Users:
        table = self.read()
        for key in ("target", "id", "action"):
            self._require(table, f"data.{key}", getattr(self, key))
        for key in ("drop", "measures"):
            for column in getattr(self, key):
                self._require(table, f"data.{key}", column)
        outcome, positive = self._outcome(table[self.target])
        user_id = self.id or _find_id(table.drop(self.target))
        ids = self._ids(table, user_id)
        actions, action, logging_probability = self._actions(table)
        given = self.logging_probability if isinstance(self.logging_probability, dict) else {}
        chances = [c for c in given.values() if isinstance(c, str)]

        hidden = {self.target: "the outcome"}
        hidden |= {user_id: "the id"} if user_id else {}
        hidden |= {self.action: "the logged action"} if self.action else {}
        hidden |= dict.fromkeys(chances, "a logging probability")
        hidden |= dict.fromkeys(self.measures, "a measure")
        hidden |= dict.fromkeys(self.drop, "data.drop")
        columns, frame, dropped = _features(table.drop(list(hidden)))
        dropped = {c: why for c, why in hidden.items() if c in self.drop} | dropped
        if not columns:
            raise InputError("data", f"no feature is left in {self.origin}: {_reasons(hidden | dropped)}")
        return Users(
            features=frame,
            outcome=outcome,
            user_id=ids,
            contract=Contract(columns, self.target, positive, self.good, user_id, dropped),
            actions=actions,
            action=action,
            logging_probability=logging_probability,
            measures=self._measures(table),
        )

    def _require(self, table: pl.DataFrame, where: str, column: str | None) -> None:
        if column is not None and column not in table.columns:
            raise InputError(where, f"no column {column!r} in {self.origin}", nearest(column, table.columns))

    def _outcome(self, target: pl.Series) -> tuple[np.ndarray, str]:
        if missing := target.null_count():
            rows = target.is_null().arg_true().head(3) + 1
            raise InputError(
                "data.target",
                f"{self.target!r} is missing in {missing:,} of {len(target):,} rows (first: row"
                f" {', '.join(map(str, rows))})",
                "Leave those rows out of the file: an outcome that is not known yet cannot be learnt from.",
            )
        text = target.cast(pl.String).str.strip_chars()
        values = text.unique().sort().to_list()
        if len(values) == 1:
            raise InputError(
                "data.target",
                f"{self.target!r} has one value only, {values[0]!r}",
                "Two outcomes are needed.",
            )
        if len(values) > 2:
            shown = ", ".join(values[:5]) + ("…" if len(values) > 5 else "")
            raise InputError(
                "data.target",
                f"{self.target!r} has {len(values)} values ({shown}), not two",
                "Name a 0/1 or yes/no column, or make one.",
            )
        if self.positive is not None:
            if self.positive not in values:
                raise InputError("data.positive", f"{self.target!r} is never {self.positive!r}", nearest("", values))
            positive = self.positive
        else:
            yes = [v for v in values if v.lower() in YES]
            if len(yes) != 1 or next(v for v in values if v != yes[0]).lower() not in NO:
                raise InputError(
                    "data.target",
                    f"cannot tell which of {values[0]!r} and {values[1]!r} is outcome 1",
                    f"Type data.positive={values[0]!r} or data.positive={values[1]!r}.",
                )
            positive = yes[0]
        return (text == positive).to_numpy().astype(np.int64), positive

    def _ids(self, table: pl.DataFrame, user_id: str | None) -> np.ndarray:
        if user_id is None:
            return np.array([f"row{i}" for i in range(len(table))], dtype=object)
        ids = table[user_id].cast(pl.String)
        if missing := ids.null_count():
            raise InputError("data.id", f"{user_id!r} is missing in {missing:,} rows of {self.origin}")
        if repeated := ids.filter(ids.is_duplicated()).unique(maintain_order=True).to_list():
            raise InputError(
                "data.id",
                f"{user_id!r} is not unique in {self.origin}: {len(repeated):,} ids stand more than once"
                f" ({', '.join(repeated[:3])}{'…' if len(repeated) > 3 else ''})",
                "Keep one row a user, or name another id column.",
            )
        return ids.to_numpy().astype(object)

    def _actions(self, table: pl.DataFrame) -> tuple[tuple[str, ...], np.ndarray | None, np.ndarray | None]:
        if self.action is None:
            if self.logging_probability or self.control:
                raise InputError("data.action", "not given, but data.control or data.logging_probability is")
            return ("none",), None, None
        if table[self.action].null_count():
            raise InputError("data.action", f"{self.action!r} is missing in some rows of {self.origin}")
        taken = table[self.action].cast(pl.String).str.strip_chars()
        values = taken.unique().sort().to_list()
        control = self.control if self.control is not None else "none"
        if control not in values:
            raise InputError("data.control", f"{self.action!r} is never {control!r}", nearest(control, values))
        chances: Any = self.logging_probability
        if chances == "uniform":
            chances = dict.fromkeys(values, 1 / len(values))
        if not isinstance(chances, dict) or set(chances) != set(values):
            raise InputError(
                "data.logging_probability",
                f"needs the chance of each of {', '.join(map(repr, values))}",
                "Type data.logging_probability=uniform, or ='{"
                + ", ".join(f"{v}: {1 / len(values):.4f}" for v in values)
                + "}', or name the columns that hold them.",
            )
        order = [control, *(v for v in values if v != control)]
        chance = np.empty((len(table), len(order)))
        for k, value in enumerate(order):
            given = chances[value]
            self._require(table, "data.logging_probability", given if isinstance(given, str) else None)
            chance[:, k] = table[given].cast(pl.Float64).to_numpy() if isinstance(given, str) else given
        total = chance.sum(axis=1, keepdims=True)
        if not (np.all(chance > 0) and np.all(np.abs(total - 1) < 0.01)):
            raise InputError(
                "data.logging_probability", "must lie in (0, 1] and sum to 1 over the actions, for each user"
            )
        codes = {value: k for k, value in enumerate(order)}
        action = taken.replace_strict(codes, return_dtype=pl.Int64).to_numpy()
        return ("none", *order[1:]), action, chance / total

    def _measures(self, table: pl.DataFrame) -> pd.DataFrame | None:
        if not self.measures:
            return None
        for column in self.measures:
            if not table[column].dtype.is_numeric() or table[column].null_count():
                raise InputError("data.measures", f"{column!r} is not a number in every row of {self.origin}")
        return pd.DataFrame({c: table[c].cast(pl.Float64).to_numpy() for c in self.measures})


class Table(Roles):
    """Users read from a file."""

    path: str = Field(min_length=1)

    @property
    def origin(self) -> str:
        return Path(self.path).name

    def read(self) -> pl.DataFrame:
        return read(Path(self.path))


def read(path: Path) -> pl.DataFrame:
    """Read a CSV (gzipped or not) or Parquet file; blanks and the usual words for it become missing.

    Raises
    ------
    InputError
        When there is no such file, or it is not a table with at least two rows.
    """
    where = f"data.path={path}"
    if not path.is_file():
        siblings = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        raise InputError(where, "no such file", nearest(path.name, siblings) if siblings else "")
    head = path.open("rb").read(512)
    if not head.strip():
        raise InputError(where, "the file is empty")
    if head[:4] == b"PAR1":
        table = pl.read_parquet(path)
    else:
        if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|head|body)", head, re.IGNORECASE):
            raise InputError(where, "is a web page, not a CSV", "Download the file itself.")
        try:
            table = pl.read_csv(path, infer_schema_length=None, try_parse_dates=True)
        except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            if "utf-8" in reason.lower() or "utf8" in reason.lower():
                raise InputError(
                    where,
                    "is not UTF-8",
                    "Convert it first, e.g. iconv -f latin1 -t utf8.",
                ) from error
            raise InputError(where, f"cannot be read as CSV ({reason})") from error
    if len(table) < 2:
        raise InputError(where, f"has {'a header only' if not len(table) else 'one row only'}; users are rows")
    return table


def _find_id(table: pl.DataFrame) -> str | None:
    for column in table.columns:
        values = table[column]
        if ID_NAME.search(column) and not values.dtype.is_float() and values.n_unique() == len(values):
            return column if not values.null_count() else None
    return None


def _features(table: pl.DataFrame) -> tuple[tuple[Column, ...], pd.DataFrame, dict[str, str]]:
    columns, frame, dropped = [], {}, {}
    for series in table:
        if series.dtype == pl.String:
            series = series.str.strip_chars().replace("", None)
        name, distinct = series.name, series.n_unique()
        if series.null_count() == len(series):
            raise InputError("data", f"column {name!r} has no value in any row", f"Type data.drop='[{name}]'.")
        number = series if series.dtype.is_numeric() or series.dtype == pl.Boolean else _as_number(series)
        if distinct == 1:
            dropped[name] = "constant"
        elif series.dtype.is_temporal():
            dropped[name] = "a time"
        elif number is not None:
            if ID_NAME.search(name) and not number.dtype.is_float() and distinct == len(series):
                dropped[name] = "like an id: all different"
                continue
            columns.append(Column(name, "number"))
            values = number.cast(pl.Float64).to_numpy()
            frame[name] = pd.Series(np.where(np.isinf(values), np.nan, values))
        elif distinct > max(20, len(series) / 2):
            dropped[name] = f"like an id: {distinct:,} different values"
        else:
            columns.append(Column(name, "category"))
            frame[name] = pd.Series(series.cast(pl.String).to_list(), dtype="str")
    return tuple(columns), pd.DataFrame(frame), dropped


def _as_number(series: pl.Series) -> pl.Series | None:
    if series.dtype != pl.String:
        return None
    text = series.set(series.is_in(MISSING), None)
    number = text.cast(pl.Float64, strict=False)
    return number if number.null_count() == text.null_count() < len(text) else None


def _reasons(dropped: dict[str, str]) -> str:
    return "; ".join(f"{column} ({why})" for column, why in dropped.items())


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV; whole numbers without a decimal point. The same table gives the same bytes."""
    columns = {}
    for name, values in table.items():
        whole = values.dtype.kind == "f" and bool(np.all(np.mod(values, 1) == 0))
        columns[str(name)] = values.astype(np.int64) if whole else values
    pl.DataFrame({name: pl.Series(values.to_numpy()) for name, values in columns.items()}).write_csv(path)
