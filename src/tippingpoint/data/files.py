"""A table of your own: any CSV or Parquet, its columns' roles inferred, shown, and open to correction."""

import gzip
import hashlib
import re
import zlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import numpy as np
import pandas as pd
import polars as pl
from pydantic import BeforeValidator, Field

from tippingpoint.data.contract import TableContract, read_contract
from tippingpoint.data.door import MISSING, NOUN, as_text, check
from tippingpoint.data.source import Source
from tippingpoint.data.users import Column, Contract, Intake, Users
from tippingpoint.errors import InputError, nearest

YES, NO = {"1", "1.0", "yes", "y", "true", "t"}, {"0", "0.0", "no", "n", "false", "f"}
Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float | bool) else value)]
"""A column's name or value; a command line types 1 where a file has the text 1."""
ALMOST = 0.9
"""Share of different values from which on a column named like an id is meant as one."""
SUFFIXES = (".csv", ".csv.gz", ".parquet")
"""Of the files of a folder that are read."""
ID_NAME = re.compile(r"(?i:(^|_)(id|uuid|guid)$)|[a-z](ID|Id)$")
KINDS: dict[str, Literal["number", "category"]] = {"number": "number", "whole": "number", "category": "category"}
"""What a model makes of a contract's types; it never sees the others."""


class Roles(Source):
    """Users from a table: number and category columns, a 0/1 or yes/no target, an id if there is one.

    Constant, id-like and time columns are dropped and named in the contract. Without a logged action all users
    count as having got none.
    """

    target: Text | None
    """The column to predict; null: the contract's outcome."""
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
    costs: list[Text] = Field(default_factory=list)
    """Prices per user, which only economics reads."""
    action: Text | None
    """The column that says what was done to the user."""
    control: Text | None
    """The action's value that means nothing was done."""
    logging_probability: dict[Text, float | str] | Literal["uniform"] | None
    """For each of the action's values, the chance it was taken with: a number, or the column that holds it; or
    `uniform`."""
    name: str | None
    """What is asked, e.g. conversion; null: the target's name."""
    contract: str | None = None
    """A contract of the table (YAML): rows that break it are quarantined, and columns it lacks are no features."""
    quarantine: str = ".tippingpoint/quarantine"
    """Folder of the files that hold such rows."""
    quarantine_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the rows above which the job stops."""

    @property
    def question(self) -> str:
        return re.sub(r"[^a-z0-9_]+", "_", (self.name or self.outcome or "").lower()).strip("_") or "outcome"

    @cached_property
    def terms(self) -> TableContract | None:
        """The contract, read."""
        return None if self.contract is None else read_contract(Path(self.contract))

    @property
    def outcome(self) -> str | None:
        """The column to predict, as the config or else the contract names it."""
        return self.target or (self.terms.outcome if self.terms else None)

    @abstractmethod
    def read(self) -> pl.DataFrame:
        """The table, of at least two rows."""

    def load(self) -> Users:
        return self.users(self.read())

    def users(self, raw: pl.DataFrame) -> Users:
        """The users of a table that was read."""
        target = self.outcome
        if target is None:
            raise InputError("data.target", "not given", f"Type data.target=… {nearest('', raw.columns)}")
        self.require(raw)
        table, rows, intake = self._admit(raw)
        outcome, positive = self.outcomes(table[target])
        user_id = self.find_id(table)
        ids = self._ids(table, user_id, rows)
        actions, action, logging_probability = self._actions(table)
        hidden = self.hidden(user_id)
        columns, frame, dropped = _features(table.drop(list(hidden)), self.terms)
        dropped = {c: why for c, why in hidden.items() if c in self.drop} | dropped
        if not columns:
            raise InputError("data", f"no feature is left in {self.origin}: {_reasons(hidden | dropped)}")
        return Users(
            features=frame,
            outcome=outcome,
            user_id=ids,
            contract=Contract(columns, target, positive, self.good, user_id, dropped),
            actions=actions,
            action=action,
            logging_probability=logging_probability,
            measures=self._numbers(table, "measures"),
            costs=self._numbers(table, "costs"),
            intake=intake,
        )

    def require(self, table: pl.DataFrame) -> None:
        """Refuse a config that names a column the table lacks.

        Raises
        ------
        InputError
            Naming the key, and the nearest column.
        """
        for key in ("target", "id", "action"):
            self._require(table, f"data.{key}", getattr(self, key))
        for key in ("drop", "measures", "costs"):
            for column in getattr(self, key):
                self._require(table, f"data.{key}", column)

    def find_id(self, table: pl.DataFrame) -> str | None:
        """The id column: the config's, else the contract's, else one found by its name."""
        if self.id or self.terms:
            return self.id or (self.terms.id if self.terms else None)
        return _find_id(table.drop(self.outcome) if self.outcome else table)

    def hidden(self, user_id: str | None) -> dict[str, str]:
        """Columns that are no features because of what they are to the config, with the reason."""
        given = self.logging_probability if isinstance(self.logging_probability, dict) else {}
        hidden = {self.outcome: "the outcome"} if self.outcome else {}
        hidden |= {user_id: "the id"} if user_id else {}
        hidden |= {self.action: "the logged action"} if self.action else {}
        hidden |= {c: "a logging probability" for c in given.values() if isinstance(c, str)}
        hidden |= dict.fromkeys(self.measures, "a measure")
        hidden |= dict.fromkeys(self.costs, "a cost")
        return hidden | dict.fromkeys(self.drop, "data.drop")

    def _admit(self, table: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray, Intake]:
        """Hold the table against its contract, if there is one; quarantine what breaks it."""
        if self.terms is None:
            return table, np.arange(len(table)), Intake(len(table))
        checked = check(table, self.terms, datetime.now(UTC).replace(tzinfo=None))
        broken = len(checked.broken)
        if not broken:
            return checked.table, checked.rows, Intake(len(table))
        path = quarantine(checked.broken, Path(self.quarantine), self.origin)
        intake = Intake(len(table), broken, str(path), checked.reasons)
        if broken > self.quarantine_share * len(table) or intake.used < 2:
            allowed = f"more than data.quarantine_share={self.quarantine_share:g}"
            raise InputError(
                f"data.contract={self.contract}",
                f"{broken / len(table):.1%} of {self.origin} breaks it,"
                f" {allowed if broken > self.quarantine_share * len(table) else 'and fewer than two rows are left'}."
                f" {intake}",
                "Mend the table or the contract, or raise data.quarantine_share.",
            )
        return checked.table, checked.rows, intake

    def _require(self, table: pl.DataFrame, where: str, column: str | None) -> None:
        if column is not None and column not in table.columns:
            raise InputError(where, f"no column {column!r} in {self.origin}", nearest(column, table.columns))

    def outcomes(self, target: pl.Series) -> tuple[np.ndarray, str]:
        """(n,) 0/1 of the column to predict, and its value that counts as 1.

        Raises
        ------
        InputError
            When it has missing values, or not two values, or it is not plain which is 1.
        """
        if missing := target.null_count():
            rows = target.is_null().arg_true().head(3) + 1
            raise InputError(
                "data.target",
                f"{target.name!r} is missing in {missing:,} of {len(target):,} rows (first: row"
                f" {', '.join(map(str, rows))})",
                "Leave those rows out of the file: an outcome that is not known yet cannot be learnt from.",
            )
        text = target.cast(pl.String).str.strip_chars()
        values = text.unique().sort().to_list()
        if len(values) == 1:
            raise InputError(
                "data.target",
                f"{target.name!r} has one value only, {values[0]!r}",
                "Two outcomes are needed.",
            )
        if len(values) > 2:
            shown = ", ".join(values[:5]) + ("…" if len(values) > 5 else "")
            raise InputError(
                "data.target",
                f"{target.name!r} has {len(values)} values ({shown}), not two",
                "Name a 0/1 or yes/no column, or make one.",
            )
        if self.positive is not None:
            if self.positive not in values:
                raise InputError("data.positive", f"{target.name!r} is never {self.positive!r}", nearest("", values))
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

    def _ids(self, table: pl.DataFrame, user_id: str | None, rows: np.ndarray) -> np.ndarray:
        if user_id is None:
            return np.array([f"row{i}" for i in rows], dtype=object)
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
        order = [control, *(v for v in values if v != control)]
        codes = {value: k for k, value in enumerate(order)}
        action = taken.replace_strict(codes, return_dtype=pl.Int64).to_numpy()
        actions = ("none", *order[1:])
        chances: Any = self.logging_probability
        if chances is None:
            return actions, action, None
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
        chance = np.empty((len(table), len(order)))
        for k, value in enumerate(order):
            given = chances[value]
            self._require(table, "data.logging_probability", given if isinstance(given, str) else None)
            chance[:, k] = table[given].cast(pl.Float64, strict=False).to_numpy() if isinstance(given, str) else given
        total = chance.sum(axis=1, keepdims=True)
        if not (np.all(chance > 0) and np.all(np.abs(total - 1) < 0.01)):
            raise InputError(
                "data.logging_probability", "must lie in (0, 1] and sum to 1 over the actions, for each user"
            )
        return actions, action, chance / total

    def _numbers(self, table: pl.DataFrame, key: Literal["measures", "costs"]) -> pd.DataFrame | None:
        columns: list[str] = getattr(self, key)
        if not columns:
            return None
        for column in columns:
            if not table[column].dtype.is_numeric() or table[column].null_count():
                raise InputError(f"data.{key}", f"{column!r} is not a number in every row of {self.origin}")
        return pd.DataFrame({c: table[c].cast(pl.Float64).to_numpy() for c in columns})


class Table(Roles):
    """Users read from a file, or from a folder of them."""

    path: str = Field(min_length=1)

    @property
    def origin(self) -> str:
        return Path(self.path).name or Path(self.path).resolve().name

    def read(self) -> pl.DataFrame:
        return read(Path(self.path))


def read(path: Path) -> pl.DataFrame:
    """Read a CSV (gzipped or not) or Parquet file, or all those of a folder, in the order of their names.

    Raises
    ------
    InputError
        When there is no such file, or it is not a table with at least two rows.
    """
    where = f"data.path={path}"
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.name.lower().endswith(SUFFIXES) and not f.name.startswith("."))
        if not files:
            raise InputError(where, "the folder has no table", f"Wanted are files named {', '.join(SUFFIXES)}.")
        table = _stack(where, {file.name: _read(file, f"data.path={file}") for file in files})
    elif path.is_file():
        table = _read(path, where)
    else:
        siblings = sorted(p.name for p in path.parent.glob("*") if p.name.lower().endswith(SUFFIXES))
        raise InputError(where, "no such file", nearest(path.name, siblings) if siblings else "")
    if len(table) < 2:
        raise InputError(where, f"has {'a header only' if not len(table) else 'one row only'}; users are rows")
    return table


def _read(path: Path, where: str) -> pl.DataFrame:
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"\x1f\x8b"):
        head = zlib.decompressobj(wbits=31).decompress(head, 4096)
    if not head.strip():
        raise InputError(where, "the file is empty")
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|head|body)", head, re.IGNORECASE):
        raise InputError(where, "is a web page, not a CSV", "Download the file itself.")
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(where, "is an Excel workbook or an archive, not a CSV", "Save the sheet as CSV (UTF-8).")
    parquet = head[:4] == b"PAR1"
    first_line = head.splitlines()[0] if head else b""
    separator = next((s for s in ";\t|" if s.encode() in first_line and b"," not in first_line), ",")
    try:
        if parquet:
            return pl.read_parquet(path)
        return pl.read_csv(path, separator=separator, infer_schema_length=None, try_parse_dates=True)
    except (pl.exceptions.PolarsError, UnicodeDecodeError, OSError) as error:
        reason = str(error).splitlines()[0]
        if not parquet and ("utf-8" in reason.lower() or "utf8" in reason.lower()):
            raise InputError(where, "is not UTF-8", "Convert it first, e.g. iconv -f latin1 -t utf8.") from error
        raise InputError(where, f"cannot be read as {'Parquet' if parquet else 'CSV'} ({reason})") from error


def _stack(where: str, tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The rows of all files; a column that some hold as numbers and others as text becomes text."""
    first, columns = next((name, table.columns) for name, table in tables.items())
    for name, table in tables.items():
        for column in sorted(set(columns) ^ set(table.columns)):
            has, lacks = (first, name) if column in columns else (name, first)
            raise InputError(where, f"column {column!r} is in {has} but not in {lacks}", "One folder, one table.")
    parts = [table.select(columns) for table in tables.values()]
    for column in columns:
        kinds = {part[column].dtype for part in parts} - {pl.Null}
        if len(kinds) > 1 and not all(kind.is_numeric() for kind in kinds):
            parts = [part.with_columns(as_text(part[column])) for part in parts]
    return pl.concat(parts, how="vertical_relaxed")


def _find_id(table: pl.DataFrame) -> str | None:
    for column in table.columns:
        values = table[column]
        if not ID_NAME.search(column) or values.dtype.is_float() or values.null_count():
            continue
        if (distinct := values.n_unique()) == len(values):
            return column
        if distinct > ALMOST * len(values):
            raise InputError(
                "data.id",
                f"{column!r} looks like the id, but {len(values) - distinct:,} of {len(values):,} rows repeat one",
                f"Keep one row a user; or type data.drop='[{column}]' if it is none.",
            )
    return None


def _features(
    table: pl.DataFrame, contract: TableContract | None
) -> tuple[tuple[Column, ...], pd.DataFrame, dict[str, str]]:
    columns, frame, dropped = [], {}, {}
    for series in table:
        kind, why, values = feature(series, contract)
        if kind is None:
            if not why:
                raise InputError(
                    "data", f"column {series.name!r} has no value in any row", f"Type data.drop='[{series.name}]'."
                )
            dropped[series.name] = why
        elif kind == "number":
            columns.append(Column(series.name, "number"))
            number = values.cast(pl.Float64).to_numpy()
            frame[series.name] = pd.Series(np.where(np.isinf(number), np.nan, number))
        else:
            columns.append(Column(series.name, "category"))
            frame[series.name] = pd.Series(values.cast(pl.String).to_list(), dtype="str")
    return tuple(columns), pd.DataFrame(frame), dropped


def feature(
    series: pl.Series, contract: TableContract | None
) -> tuple[Literal["number", "category"] | None, str, pl.Series]:
    """What a column is to a model.

    Returns
    -------
    "number" or "category" or None, str, polars.Series
        Its kind, or None and the reason why no model sees it (empty: it has no value); and its values.
    """
    if contract is not None and series.name not in contract.columns:
        return None, "not in the contract", series
    if series.dtype.is_nested() or series.dtype in (pl.Binary, pl.Object):
        return None, "neither number nor text", series
    if series.dtype == pl.String:
        series = series.set(series.is_in(MISSING), None)
    if series.null_count() == len(series):
        return None, "", series
    distinct = series.n_unique()
    if distinct == 1:
        return None, "constant", series
    if contract is not None:
        kind = contract.columns[series.name].type
        return KINDS.get(kind), "" if kind in KINDS else NOUN[kind], series
    if series.dtype.is_temporal():
        return None, "a time", series
    number = series if series.dtype.is_numeric() or series.dtype == pl.Boolean else _as_number(series)
    if number is not None:
        if ID_NAME.search(series.name) and not number.dtype.is_float() and distinct == len(series):
            return None, "like an id: all different", number
        return "number", "", number
    if distinct > max(20, len(series) / 2):
        return None, f"like an id: {distinct:,} different values", series
    return "category", "", series


def _as_number(series: pl.Series) -> pl.Series | None:
    if series.dtype != pl.String:
        return None
    text = series.str.strip_chars().replace("", None)
    number = text.cast(pl.Float64, strict=False)
    return number if number.null_count() == text.null_count() < len(text) else None


def _reasons(dropped: dict[str, str]) -> str:
    return "; ".join(f"{column} ({why})" for column, why in dropped.items())


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV; whole numbers without a decimal point. The same table gives the same bytes."""
    write_blocks([table], path)


def write_blocks(blocks: Iterable[pd.DataFrame], path: Path) -> int:
    """Write a table that comes in blocks, as CSV, or as path.csv.gz or path.parquet say; all of it or nothing.

    A column is written without decimal points if the first block holds whole numbers only; a later block that
    does not is written as it is (in Parquet all such columns stay floats).

    Returns
    -------
    int
        Rows written.
    """
    import pyarrow.parquet as pq

    rows, whole, writer = 0, None, None
    with replacing(path) as file:
        packed: Any = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if path.name.endswith(".gz") else None
        for block in blocks:
            whole = whole if whole is not None else {str(name) for name, values in block.items() if _is_whole(values)}
            table = _as_written(block, set() if path.suffix == ".parquet" else whole)
            if path.suffix == ".parquet":
                arrow = table.to_arrow()
                writer = writer or pq.ParquetWriter(file, arrow.schema)
                writer.write_table(arrow)
            else:
                table.write_csv(packed or file, include_header=not rows)
            rows += len(block)
        for end in (writer, packed):
            if end is not None:
                end.close()
    return rows


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes its place only when it is whole.

    Raises
    ------
    InputError
        When the place cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = part.open("wb")
    except OSError as error:
        raise InputError(str(path), f"cannot be written ({error.strerror})") from error
    try:
        with file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def quarantine(broken: pl.DataFrame, folder: Path, origin: str) -> Path:
    """Write rows set aside to a file named for where they come from and what they hold."""
    text = broken.write_csv().encode()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", origin).strip("-.")[:80] or "table"
    path = folder / f"{name}-{hashlib.sha256(text).hexdigest()[:16]}.csv"
    with replacing(path) as file:
        file.write(text)
    return path


def _is_whole(values: pd.Series) -> bool:
    return values.dtype.kind == "f" and bool(np.all(np.mod(values, 1) == 0))


def _as_written(block: pd.DataFrame, whole: set[str]) -> pl.DataFrame:
    columns = {}
    for name, values in block.items():
        short = name in whole and _is_whole(values)
        columns[str(name)] = pl.Series((values.astype(np.int64) if short else values).to_numpy())
    return pl.DataFrame(columns)
