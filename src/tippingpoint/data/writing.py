"""Tables as files: whole or not at all, and the same bytes for the same table."""

from __future__ import annotations

import errno
import gzip
import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, unwritable
from tippingpoint.core.on_demand import polars as pl

SUFFIXES = (".csv", ".csv.gz", ".parquet")
"""Of the tables that are written, and of the files of a folder that are read."""
FORMULA = r"^[=+\-@\t\r]"
"""How a cell begins that a spreadsheet would run (OWASP, CSV injection); what is written as CSV gets a ' in front."""
NUMBER = r"^[+-]?\d+([.,]\d+)?$"
"""A plain number, which no spreadsheet runs, though it begins like a formula."""


def write_blocks(blocks: Iterable[pd.DataFrame], path: Path) -> int:
    """Write a table that comes in blocks, as CSV, or as path.csv.gz or path.parquet say; all of it or nothing.

    The same table in the same blocks gives the same bytes. A column is written without decimal points if the first
    block holds whole numbers only; a later block that does not is written as it is (in Parquet all such columns stay
    floats).

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    InputError
        For a name of another kind of file, or a place that cannot be written.
    """
    if not (path.is_dir() or path.name.lower().endswith(SUFFIXES)):
        raise InputError(f"to={path}", "is the name of no table", f"Type a name that ends in {' or '.join(SUFFIXES)}.")
    import pyarrow.parquet as pq

    rows, whole, writer = 0, None, None
    with replacing(path) as file:
        packed: Any = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if path.name.lower().endswith(".gz") else None
        for block in blocks:
            whole = whole if whole is not None else {str(name) for name, values in block.items() if _is_whole(values)}
            table = _as_written(block, set() if path.name.lower().endswith(".parquet") else whole)
            if path.name.lower().endswith(".parquet"):
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
    """A file to write that takes its place only when it is whole; several processes may write the same one.

    Raises
    ------
    InputError
        When the place cannot be written.
    """
    part = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
        stopping.check()
        part.replace(path)
    except OSError as error:
        raise unwritable(str(path), error) from error
    finally:
        with suppress(OSError):
            part.unlink()


def neutralised(table: pl.DataFrame, columns: list[str]) -> tuple[pl.DataFrame, int]:
    """Text that a spreadsheet would run as a formula, with a ' in front; and how many cells that were."""
    hits = table.select(pl.col(columns).str.contains(FORMULA).fill_null(False).sum()).row(0) if columns else ()
    named = [name for name, n in zip(columns, hits, strict=True) if n]
    if not named:
        return table, 0
    cell = pl.col(named)
    return table.with_columns(
        pl.when(cell.str.contains(FORMULA)).then(pl.lit("'") + cell).otherwise(cell).name.keep()
    ), int(sum(hits))


def for_spreadsheets(broken: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return quarantined rows so that no spreadsheet runs a cell of them, and how many it would have run.

    A plain number, as -4, stays one: mended rows come back.
    """
    texts = [name for name, type_ in broken.schema.items() if type_ == pl.String]
    others = [pl.when(~pl.col(c).str.contains(NUMBER)).then(pl.col(c)).alias(c) for c in texts]
    table, cells = neutralised(broken.with_columns(others), texts)
    return table.with_columns(pl.coalesce(pl.col(c), broken[c]).alias(c) for c in texts), cells


def quarantine(broken: pl.DataFrame, folder: Path, origin: str) -> Path:
    """Write quarantined rows to a file named for where they come from and what they hold, safe for spreadsheets."""
    text = for_spreadsheets(broken)[0].write_csv().encode()
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
        if isinstance(values.dtype, pd.StringDtype):  # one without a value is text too
            columns[str(name)] = pl.from_pandas(values)
            continue
        short = name in whole and _is_whole(values)
        columns[str(name)] = pl.Series((values.astype(np.int64) if short else values).to_numpy())
    return pl.DataFrame(columns)
