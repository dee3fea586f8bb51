"""A table of your own in files: any CSV or Parquet, or a folder of them with its subfolders."""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

import polars as pl
from pydantic import Field

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.core.signs import Encoding, Separator
from tippingpoint.data.bounds import refuse_columns
from tippingpoint.data.column_roles import Roles, at_least_two
from tippingpoint.data.column_rules import MISSING
from tippingpoint.data.csv_layout import (
    UNREADABLE,
    UNTOLD,
    Told,
    in_utf8,
    layout,
    refuse_repeated,
    scan_text,
    unreadable,
)
from tippingpoint.data.identity import names_id
from tippingpoint.data.inference import typed
from tippingpoint.data.number_format import recognised
from tippingpoint.data.validation import as_text
from tippingpoint.data.writing import SUFFIXES

MISSING_PARTITION = "__HIVE_DEFAULT_PARTITION__"


class Table(Roles):
    """Users read from a file, or from a folder of them with its subfolders; those named key=value are a column."""

    path: str = Field(min_length=1)
    separator: Separator | None = None
    """What stands between a CSV's values; null: found in each file."""
    encoding: Encoding | None = None
    """What a CSV's text is written in, such as cp1252; null: UTF-8, or UTF-16 if it begins as such."""

    @property
    def origin(self) -> str:
        return Path(self.path).name or Path(self.path).resolve().name

    def read(self) -> pl.DataFrame:
        told = Told(self.separator, self.encoding, self.text_ids, self._decimal)
        return at_least_two(read(Path(self.path), told), f"data.path={self.path}")

    def scan(self) -> pl.LazyFrame | None:
        where = f"data.path={self.path}"
        files = files_of(Path(self.path), where)
        told = Told(self.separator, self.encoding, self.text_ids, self._decimal)
        if len(files) > 1 or Path(self.path).is_dir() or not layout(files[0], where, told).parquet:
            return None
        return pl.scan_parquet(files[0])

    def content(self) -> str | None:
        return self.content_of(files_of(Path(self.path), f"data.path={self.path}"))

    def require(self, table: pl.DataFrame) -> None:
        header = table.columns[0]
        if table.width == 1 and header != self.outcome and (signs := re.findall(r"[^\w.'\"-]", header)):
            sign = max(signs, key=signs.count)
            what = f"nothing that usually does parts the values of {self.origin}: its header is {header!r}"
            raise InputError("data.separator", what, f"Type {override('data.separator', sign)} if that sign does.")
        super().require(table)

    def _decimal(self, column: str) -> str | None:
        if self.terms is None or column not in self.terms.columns:
            return self.marks[0]
        written = self.terms.columns[column].written
        return written.decimal if written else None


def read(path: Path, told: Told = UNTOLD, optional: str | None = None) -> pl.DataFrame:
    """Read a CSV (gzipped or not) or Parquet file, or all those of a folder, in the order of their names.

    Parameters
    ----------
    optional
        How columns begin that files of a folder may lack; they are missing there.

    Raises
    ------
    InputError
        When there is no such file, or it is no table.
    """
    where = f"data.path={path}"
    files = files_of(path, where)
    if path.is_dir():
        tables = {str(file.relative_to(path)): _partition(file, path, told) for file in files}
        tables = tables if optional is None else _filled(tables, optional)
        table = _stack(where, tables, partition_of(files[0], path), told)
    else:
        table, is_text = _read(path, where, told)
        table = typed(table, told.ids, told.decimal) if is_text else table
    return table


def files_of(path: Path, where: str) -> list[Path]:
    """The file, or those of a folder and its subfolders in the order of their names.

    Files and folders whose names begin with . or _ are left out, as other tools leave them out, and files without any
    byte, which Spark writes for parts without rows.

    Raises
    ------
    InputError
        When there is none.
    """
    if path.is_dir():
        found = [f for f in path.rglob("*") if f.name.lower().endswith(SUFFIXES) and f.is_file()]
        named = [f for f in found if not any(part[0] in "._" for part in f.relative_to(path).parts)]
        files = sorted(f for f in named if f.stat().st_size)
        if not files:
            raise InputError(where, "the folder has no table", f"Wanted are files named {', '.join(SUFFIXES)}.")
        return files
    if not path.is_file():
        siblings = sorted(p.name for p in path.parent.glob("*") if p.name.lower().endswith(SUFFIXES))
        raise InputError(where, "no such file", nearest(path.name, siblings) if siblings else "")
    return [path]


def partition_of(file: Path, folder: Path) -> dict[str, str | None]:
    """Return what the names of a file's folders, below `folder`, say of its rows: `month=2026-02` is a column.

    They are written as Hive, Spark and Polars write them: a percent sign before what no name may hold, and a name of
    its own for a missing value.
    """
    named = [part.partition("=") for part in file.relative_to(folder).parts[:-1] if "=" in part[1:]]
    return {unquote(key): None if value == MISSING_PARTITION else unquote(value) for key, _, value in named}


def _partition(file: Path, folder: Path, told: Told) -> tuple[pl.DataFrame, bool]:
    (table, is_text), given = _read(file, f"data.path={file}", told), partition_of(file, folder)
    refuse_doubled(table.columns, given, f"data.path={file}")
    return table.with_columns(pl.lit(value, pl.String).alias(key) for key, value in given.items()), is_text


def refuse_doubled(names: list[str], given: dict[str, str | None], where: str) -> None:
    """Refuse a file with a column that the names of its folders give too."""
    if doubled := [name for name in given if name in names]:
        what = f"column {doubled[0]!r} is in the file, and in the name of its folder"
        raise InputError(where, what, "Rename one of the two.")


def _read(path: Path, where: str, told: Told) -> tuple[pl.DataFrame, bool]:
    """A file's table, and whether it is a CSV's text, of which no column has a type yet."""
    found = layout(path, where, told)
    text = in_utf8(path, found, where)
    readable = Path(text.name) if text else path
    try:
        if found.parquet:
            return pl.read_parquet(path), False
        scan = scan_text(readable, found)
        refuse_columns(len(scan.collect_schema()), where)
        cells = scan.collect()
        refuse_repeated(cells.columns, readable, where, found)
    except UNREADABLE as error:
        raise unreadable(error, path, where, found) from error
    finally:
        if text:
            text.close()
    return _without_headers(_without_nameless(cells, where)), True


def _without_nameless(text: pl.DataFrame, where: str) -> pl.DataFrame:
    """All but the first of the columns without a name go, if they have no value either."""
    others = [name for name in text.columns if re.fullmatch(r"_duplicated_\d+", name)]
    for name in others:
        if text[name].null_count() < len(text):
            what = f"column {text.columns.index(name) + 1} has no name, nor has an earlier one"
            raise InputError(where, what, "Name them in the header, or take out all but one.")
    return text.drop(others)


def _without_headers(text: pl.DataFrame) -> pl.DataFrame:
    """The header where it stands again, as in files put one behind the other, is made a blank row: it is no value."""
    again = (text.to_series(0) == text.columns[0]).arg_true()
    found = [k for k in again if [cell or "" for cell in text.row(k)] == text.columns]
    if not found:
        return text
    blank = pl.int_range(len(text), eager=True).is_in(found)
    return pl.DataFrame({name: text[name].set(blank, None) for name in text.columns})


def _filled(tables: dict[str, tuple[pl.DataFrame, bool]], optional: str) -> dict[str, tuple[pl.DataFrame, bool]]:
    """The same with missing values for what a file lacks of the columns that begin so."""
    names = dict.fromkeys(c for table, _ in tables.values() for c in table.columns if c.startswith(optional))
    return {
        file: (
            table.with_columns(
                pl.lit(None, pl.String if is_text else pl.Null).alias(c) for c in names if c not in table.columns
            ),
            is_text,
        )
        for file, (table, is_text) in tables.items()
    }


def _stack(where: str, tables: dict[str, tuple[pl.DataFrame, bool]], given: Iterable[str], told: Told) -> pl.DataFrame:
    """The rows of all files, the text of CSVs typed together; a column that is number here and text there becomes text.

    Parameters
    ----------
    tables
        By the file's name, as `_read` gives them.
    given
        Columns of text that the names of folders give.

    Raises
    ------
    InputError
        When files lack columns, or write the numbers of one in ways that do not go together.
    """
    first, columns = next((name, table.columns) for name, (table, _) in tables.items())
    for name, (table, _) in tables.items():
        for column in sorted(set(columns) ^ set(table.columns)):
            has, lacks = (first, name) if column in columns else (name, first)
            raise InputError(where, f"column {column!r} is in {has} but not in {lacks}", "One folder, one table.")
    parts = [table.select(columns) for table, _ in tables.values()]
    texts = [k for k, (_, is_text) in enumerate(tables.values()) if is_text]
    if texts:
        together, start = typed(pl.concat([parts[k] for k in texts]), told.ids, told.decimal), 0
        for k in texts:
            parts[k] = together.slice(start, len(parts[k]))
            start += len(parts[k])
    for column in columns:
        _refuse_written_otherwise(where, column, dict(zip(tables, (part[column] for part in parts), strict=True)))
        kinds = {part[column].dtype for part in parts} - {pl.Null}
        if len(kinds) > 1 and not all(kind.is_numeric() for kind in kinds):
            parts = [part.with_columns(as_text(part[column])) for part in parts]
    table = pl.concat(parts, how="vertical_relaxed")
    return table.with_columns(typed(table.select(*given), told.ids, told.decimal))


def _refuse_written_otherwise(where: str, column: str, parts: dict[str, pl.Series]) -> None:
    """Refuse a column of which each file holds numbers, and all together do not: one has 1.5, another 1,5."""
    if names_id(column) or all(part.dtype != pl.String for part in parts.values()):
        return
    ways: dict[str, str] = {}
    for name, part in parts.items():
        reading = recognised(part, MISSING) if part.dtype == pl.String else None
        if not part.dtype.is_numeric() and reading is None:
            return
        ways.setdefault(str((reading and reading.written) or "1568.43"), name)
    if len(ways) > 1 and recognised(pl.concat(map(as_text, parts.values())), MISSING) is None:
        (way, one), (other_way, other) = list(ways.items())[:2]
        what = f"column {column!r} has its numbers as {way} in {one}, and as {other_way} in {other}"
        raise InputError(where, what, "Write them alike, or read one at a time.")
