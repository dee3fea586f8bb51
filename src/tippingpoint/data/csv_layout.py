"""What a CSV is written like: separator, encoding, lines above its header; and what is wrong with an unreadable one."""

import codecs
import contextlib
import csv
import gzip
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import polars as pl
import polars.selectors as cs

from tippingpoint.core.errors import InputError
from tippingpoint.data.bounds import refuse_unbounded, refuse_unbounded_parquet
from tippingpoint.data.writing import SUFFIXES

SEPARATORS = (";", "\t", ",", "|")
HEAD = 1 << 16
"""Bytes of a file by which its layout is told."""
LINES = 50
"""Lines of these that are compared."""


class Told(NamedTuple):
    """What is said of CSVs, and need not be found: also the columns that hold ids, and each column's decimal sign."""

    separator: str | None = None
    encoding: str | None = None
    ids: Collection[str] = ()
    decimal: Callable[[str], str | None] = lambda column: None


UNTOLD = Told()
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeDecodeError, OSError)
"""What polars raises of files; its panics are no Exception."""


@dataclass(frozen=True)
class Layout:
    """What a file is: Parquet, or a CSV.

    Parameters
    ----------
    separator
        What stands between its values.
    encoding
        What its text is written in.
    skip
        Lines before its header: comments, blank ones, `sep=;`, a title.
    end
        What ends a line, beside what may stand before it.
    """

    parquet: bool
    separator: str = ","
    encoding: str = "utf-8"
    skip: int = 0
    end: str = "\n"


def layout(path: Path, where: str, told: Told = UNTOLD) -> Layout:
    """Look at the beginning of a file, and whether it has bounds.

    Raises
    ------
    InputError
        When it is empty, certainly no table, or larger than any is meant to be.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if head.startswith(b"\x1f\x8b"):
            head = zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except (OSError, zlib.error) as error:
        raise InputError(where, f"cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if not head.strip():
        raise InputError(where, "the file is empty")
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml|head|body)", head, re.IGNORECASE):
        raise InputError(where, "is a web page, not a CSV", "Download the file itself.")
    if re.match(rb"(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*\"", head):
        raise InputError(where, "is JSON, not a CSV", "Write it as Parquet, as pandas.read_json and to_parquet do.")
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(where, "is an Excel workbook or an archive, not a CSV", "Save the sheet as CSV (UTF-8).")
    if head.startswith(b"PAR1"):
        refuse_unbounded_parquet(path, where)
        return Layout(parquet=True)
    encoding = told.encoding or _encoding(head)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    if sum(char < " " and char not in "\t\n\r\f" for char in text) > len(text) / 50:
        raise InputError(where, "contains binary data, not text", f"Type a file that ends in {', '.join(SUFFIXES)}.")
    if encoding == "utf-8" and "\ufffd" in text and not _is_utf8(head):
        raise _not_utf8(where)
    end = "\n" if "\n" in text else "\r"
    lines = text.split(end)
    skip, separator = _before_header(lines)
    skip += _title_lines(lines[skip : skip + LINES])
    rest = re.sub('"[^"]*"', "", end.join(lines[skip:])).split(end)
    refuse_unbounded(path, where, end)
    return Layout(False, told.separator or separator or _separator(rest[: LINES + 1]), encoding, skip, end)


def _encoding(head: bytes) -> str:
    """UTF-16 where it begins as such, or every second byte of what is mostly Latin is zero; else UTF-8."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    low, high = (half.count(0) > len(half) / 2 for half in (head[1::2], head[::2]))
    return "utf-16-le" if low > high else "utf-16-be" if high > low else "utf-8"


def _before_header(lines: list[str]) -> tuple[int, str | None]:
    """How many lines stand before the header, and the separator if one of them is `sep=;`."""
    separator = None
    for k, line in enumerate(lines):
        if named := re.fullmatch(r'(?i)("?)sep=(.)\1\r?', line):
            separator = named[2]
            continue
        after = lines[k + 1] if k + 1 < len(lines) else ""
        is_header = not line.startswith("#") or any(0 < line.count(s) == after.count(s) for s in SEPARATORS)
        if line.strip() and is_header:
            return k, separator
    return 0, separator


def _title_lines(lines: list[str]) -> int:
    """How many lines stand above the header that have a title or nothing in them: one value at most.

    Where what follows is a header beyond doubt: three words and more, all different, and as many other values below.
    """
    for separator in SEPARATORS:
        rows = [next(csv.reader([line.replace("\r", " ")], delimiter=separator), []) for line in lines]
        k = next((k for k, row in enumerate(rows) if sum(cell.strip() != "" for cell in row) > 1), 0)
        header, below = [cell.strip() for cell in rows[k]] if k else [], rows[k + 1 : -1] or rows[k + 1 :]
        words = [cell for cell in header if re.match(r"[^\W\d]", cell)]
        if len(header) > 2 and len(words) == len(set(header)) == len(header) and below:
            again = any(cell.strip() == word for row in below for word, cell in zip(header, row, strict=False))
            return k if not again and all(len(row) in (0, len(header)) for row in below) else 0
    return 0


def _separator(lines: list[str]) -> str:
    """What parts most of these lines into as many values as the header; of several, what parts it into most."""
    whole = [line for line in (lines[:-1] if len(lines) > 2 else lines) if line.strip()]  # the last may be cut off

    def parted(separator: str) -> tuple[float, int]:
        counts = [line.count(separator) for line in whole]
        wanted = counts[0] if counts else 0
        return (sum(n == wanted for n in counts) / len(counts) if wanted else 0.0), wanted

    best = max(SEPARATORS, key=parted)
    return best if parted(best)[1] else ","


def in_utf8(path: Path, found: Layout, where: str) -> IO[bytes] | None:
    """Return a temporary file of a CSV's text in UTF-8, which is gone once it is closed; None where it is in UTF-8.

    Raises
    ------
    InputError
        When it is written in something else.
    """
    if found.parquet or codecs.lookup(found.encoding).name in ("utf-8", "utf-8-sig"):
        return None
    text = tempfile.NamedTemporaryFile(prefix="tippingpoint-", suffix=".csv")  # noqa: SIM115  # the caller's to close
    try:
        with _opened(path, found) as source:
            shutil.copyfileobj(source, codecs.getwriter("utf-8")(text))
    except (UnicodeError, OSError, EOFError) as error:
        text.close()
        raise InputError(where, f"is not written in {found.encoding} ({error})", "Name another encoding.") from error
    text.flush()
    return text


def unreadable(error: BaseException, path: Path, where: str, found: Layout) -> InputError:
    """What polars says of a file, in our words."""
    reason = str(error).splitlines()[0]
    if not found.parquet and ("utf-8" in reason.lower() or "utf8" in reason.lower()):
        return _not_utf8(where)
    if not found.parquet and (ragged := _ragged(path, found)):
        return InputError(where, ragged, f'Fix this line; a value with {found.separator!r} in it stands in "quotes".')
    if not found.parquet and (line := _odd_quotes(path, found)):
        what = f"line {line:,} has a quote that is not closed"
        return InputError(where, what, 'Close it; a quote that belongs to a value is written twice: "12"" screen".')
    return InputError(where, f"cannot be read as {'Parquet' if found.parquet else 'CSV'} ({reason})")


def _not_utf8(where: str) -> InputError:
    key = "data.encoding" if where.startswith("data.") else "input_encoding"
    remedy = f"In Excel, save it as “CSV UTF-8”; or type {key}=cp1252 if it was written on Windows."
    return InputError(where, "is not UTF-8", remedy)


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut off
    except UnicodeDecodeError:
        return False
    return True


def refuse_repeated(names: list[str], path: Path, where: str, found: Layout) -> None:
    """Refuse a header that has a name twice, as polars would give the second another; several may have none."""
    if any(re.search(r"_duplicated_\d+$", name) for name in names):  # so polars calls the second of a name
        header = pl.read_csv(path, **_options(found), has_header=False, n_rows=1)
        written = header.row(0)
        for name in dict.fromkeys(written):
            if name and written.count(name) > 1:
                what = f"the header has more than one column {name!r}"
                raise InputError(where, what, "Rename or take out all but one.")


def scan_text(path: Path, found: Layout, numbers: Sequence[str] = ()) -> pl.LazyFrame:
    """Return a CSV's cells as text, null where empty; columns of numbers as Float64, which fails where one is none.

    The file is in UTF-8; quotes in names are undone, which polars leaves as written, and the mark is taken away with
    which a file began that was put behind another.
    """
    types = dict.fromkeys(numbers, pl.Float64)
    scan = pl.scan_csv(path, **_options(found), schema_overrides=types, with_column_names=_unquoted)
    return scan.with_columns((cs.first() & cs.string()).str.strip_prefix("\ufeff"))


def _options(found: Layout) -> dict[str, Any]:
    return {"separator": found.separator, "skip_lines": found.skip, "eol_char": found.end, "infer_schema": False}


def _unquoted(names: list[str]) -> list[str]:
    return [name.replace('""', '"') for name in names]


def _opened(path: Path, found: Layout) -> IO[str]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return (gzip.open if packed else open)(path, "rt", encoding=found.encoding, newline="")


def _ragged(path: Path, found: Layout) -> str:
    """The first line with more values than the header has, in words; empty if there is none."""
    try:
        with _opened(path, found) as text:
            for _ in range(found.skip):
                text.readline()
            lines = csv.reader(text, delimiter=found.separator)
            wanted = len(next(lines))
            for line in lines:
                if len(line) > wanted:
                    at = lines.line_num + found.skip
                    return f"line {at:,} has {len(line)} values, the header {wanted}"
    except (csv.Error, OSError, EOFError, UnicodeDecodeError, StopIteration):
        pass
    return ""


def _odd_quotes(path: Path, found: Layout) -> int:
    """The first line with an odd number of quotes; 0 if there is none."""
    with contextlib.suppress(OSError, EOFError, UnicodeDecodeError), _opened(path, found) as text:
        return next((k for k, line in enumerate(text, 1) if line.count('"') % 2), 0)
    return 0
