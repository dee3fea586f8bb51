"""A table of your own in files: any CSV or Parquet, or a folder of them with its subfolders."""

import csv
import gzip
import re
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import polars as pl
from pydantic import Field

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.column_roles import Roles
from tippingpoint.data.inference import typed
from tippingpoint.data.validation import as_text
from tippingpoint.data.writing import SUFFIXES

MISSING_PARTITION = "__HIVE_DEFAULT_PARTITION__"


class Table(Roles):
    """Users read from a file, or from a folder of them with its subfolders; those named key=value are a column."""

    path: str = Field(min_length=1)

    @property
    def origin(self) -> str:
        return Path(self.path).name or Path(self.path).resolve().name

    def read(self) -> pl.DataFrame:
        return read(Path(self.path), self.text_ids)


def read(path: Path, ids: Collection[str] = ()) -> pl.DataFrame:
    """Read a CSV (gzipped or not) or Parquet file, or all those of a folder, in the order of their names.

    Parameters
    ----------
    ids
        Columns that hold ids, whatever they are called.

    Raises
    ------
    InputError
        When there is no such file, or it is not a table with at least two rows.
    """
    where = f"data.path={path}"
    files = files_of(path, where)
    if path.is_dir():
        tables = {str(file.relative_to(path)): _partition(file, path, ids) for file in files}
        table = _stack(where, tables, partition_of(files[0], path), ids)
    else:
        table = _read(path, where, ids)
    if len(table) < 2:
        raise InputError(where, f"has {'a header only' if not len(table) else 'one row only'}; users are rows")
    return table


@dataclass(frozen=True)
class Layout:
    """What a file is: Parquet, or a CSV with this separator."""

    parquet: bool
    separator: str


def files_of(path: Path, where: str) -> list[Path]:
    """The file, or those of a folder and its subfolders in the order of their names.

    Files and folders whose names begin with . or _ are left out, as other tools leave them out.

    Raises
    ------
    InputError
        When there is none.
    """
    if path.is_dir():
        found = [f for f in path.rglob("*") if f.name.lower().endswith(SUFFIXES) and f.is_file()]
        files = sorted(f for f in found if not any(part[0] in "._" for part in f.relative_to(path).parts))
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


def _partition(file: Path, folder: Path, ids: Collection[str]) -> pl.DataFrame:
    table, given = _read(file, f"data.path={file}", ids), partition_of(file, folder)
    refuse_doubled(table.columns, given, f"data.path={file}")
    return table.with_columns(pl.lit(value, pl.String).alias(key) for key, value in given.items())


def refuse_doubled(names: list[str], given: dict[str, str | None], where: str) -> None:
    """Refuse a file with a column that the names of its folders give too."""
    if doubled := [name for name in given if name in names]:
        what = f"column {doubled[0]!r} is in the file, and in the name of its folder"
        raise InputError(where, what, "Rename one of the two.")


def layout(path: Path, where: str) -> Layout:
    """Look at the beginning of a file.

    Raises
    ------
    InputError
        When it is empty, or certainly no table.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(wbits=31).decompress(head, 4096)
    except (OSError, zlib.error) as error:
        raise InputError(where, f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not head.strip():
        raise InputError(where, "the file is empty")
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|head|body)", head, re.IGNORECASE):
        raise InputError(where, "is a web page, not a CSV", "Download the file itself.")
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(where, "is an Excel workbook or an archive, not a CSV", "Save the sheet as CSV (UTF-8).")
    parquet = head.startswith(b"PAR1")
    if not parquet and sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head) > len(head) / 50:
        raise InputError(where, "is no table: it holds what no text does", f"Wanted are {', '.join(SUFFIXES)}.")
    first_line = head.splitlines()[0] if head else b""
    separator = next((s for s in ";\t|" if s.encode() in first_line and b"," not in first_line), ",")
    return Layout(parquet, separator)


def unreadable(error: Exception, path: Path, where: str, found: Layout) -> InputError:
    """What polars says of a file, in our words."""
    reason = str(error).splitlines()[0]
    if not found.parquet and ("utf-8" in reason.lower() or "utf8" in reason.lower()):
        return InputError(
            where, "is not UTF-8", "In Excel, save it as “CSV UTF-8”; elsewhere, type iconv -f latin1 -t utf8."
        )
    if not found.parquet and (ragged := _ragged(path, found.separator)):
        return InputError(where, ragged, f'Mend it; a value with {found.separator!r} in it stands in "quotes".')
    return InputError(where, f"cannot be read as {'Parquet' if found.parquet else 'CSV'} ({reason})")


def refuse_repeated(names: list[str], path: Path, where: str, found: Layout) -> None:
    """Refuse a header that has a name twice; polars would give the second another one."""
    if any(re.search(r"_duplicated_\d+$", name) for name in names):  # so polars calls the second of a name
        written = pl.read_csv(path, separator=found.separator, has_header=False, n_rows=1, infer_schema=False).row(0)
        for name in dict.fromkeys(written):
            if written.count(name) > 1:
                what = f"the header has more than one column {name or ''!r}"
                raise InputError(where, what, "Rename or take out all but one.")


def _read(path: Path, where: str, ids: Collection[str]) -> pl.DataFrame:
    found = layout(path, where)
    try:
        if found.parquet:
            return pl.read_parquet(path)
        text = scan_text(path, found).collect()
    except (pl.exceptions.PolarsError, UnicodeDecodeError, OSError) as error:
        raise unreadable(error, path, where, found) from error
    refuse_repeated(text.columns, path, where, found)
    return typed(_without_headers(text), ids)


def _without_headers(text: pl.DataFrame) -> pl.DataFrame:
    """The header where it stands again, as in files put one behind the other, is made a blank row: it is no value."""
    again = (text.to_series(0) == text.columns[0]).arg_true()
    found = [k for k in again if [cell or "" for cell in text.row(k)] == text.columns]
    if not found:
        return text
    blank = pl.int_range(len(text), eager=True).is_in(found)
    return pl.DataFrame({name: text[name].set(blank, None) for name in text.columns})


def scan_text(path: Path, found: Layout, numbers: Sequence[str] = ()) -> pl.LazyFrame:
    """Return a CSV's cells as text, null where empty; columns of numbers as Float64, which fails where one is none."""
    types = dict.fromkeys(numbers, pl.Float64)
    return pl.scan_csv(path, separator=found.separator, infer_schema=False, schema_overrides=types)


def _ragged(path: Path, separator: str) -> str:
    """The first line with more values than the header has, in words; empty if there is none."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8", newline="") as text:
            lines = csv.reader(text, delimiter=separator)
            wanted = len(next(lines))
            for line in lines:
                if len(line) > wanted:
                    return f"line {lines.line_num:,} has {len(line)} values, the header {wanted}"
    except (csv.Error, OSError, EOFError, UnicodeDecodeError, StopIteration):
        pass
    return ""


def _stack(where: str, tables: dict[str, pl.DataFrame], given: Iterable[str], ids: Collection[str]) -> pl.DataFrame:
    """The rows of all files; a column that some hold as numbers and others as text becomes text.

    Parameters
    ----------
    given
        Columns of text that the names of folders give.
    """
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
    table = pl.concat(parts, how="vertical_relaxed")
    return table.with_columns(typed(table.select(*given), ids))
