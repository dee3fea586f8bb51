"""How much a file of a table may hold: what is packed without bounds is refused before it is read into memory."""

import gzip
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tippingpoint.core.errors import InputError

BLOCK = 1 << 20
"""Bytes that are looked at together; a line is shorter."""
COLUMNS = 5_000
"""Of one table."""
UNPACKED, RATIO = 128 << 20, 100
"""Bytes that any file may unpack to, and how many times its own size a file may: text packs to a twentieth at best."""
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT96": 12}
"""Bytes of a value in Parquet; of others 8, and of text what refers to it."""
REFERENCE, TEXTS = 16, ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
QUOTED, BEFORE = 8 << 20, (b"", b",", b";", b"\t", b"|")
"""Bytes that a value in quotes may have without another quote, and what may stand before the one that opens it."""


def refuse_unbounded(path: Path, where: str, end: str | None = "\n") -> None:
    """Look through a text: no line may be longer than a block, and what is gzipped not far larger than the file.

    Parameters
    ----------
    end
        What ends a line; None: lines may be of any length.

    Raises
    ------
    InputError
        Naming the file and what of it is too large.
    """
    seen, size, most = _Lines((end or "").encode(), where), 0, _most(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with (gzip.open if packed else open)(path, "rb") as file, suppress(OSError, EOFError, zlib.error):  # reading says
        while block := file.read(BLOCK):
            size += len(block)
            if packed and size > most:
                raise _bomb(where, most)
            if end is not None:
                seen.add(block)


@dataclass
class _Lines:
    """How far a text is from its last line end, and from its last quote where that opens a value."""

    end: bytes
    where: str
    line: int = 1
    since: int = 0
    opened: int = 0
    """The line in which a value opens with a quote; 0 where none does."""
    quiet: int = 0
    """Bytes since the last quote."""

    def add(self, block: bytes) -> None:
        """Look at more of the text.

        Raises
        ------
        InputError
            When a line, or a value in quotes, has no end.
        """
        if (at := block.rfind(b'"')) >= 0:
            start = block.rfind(self.end, 0, at) + len(self.end)
            opens = block.count(b'"', start, at + 1) % 2 == 1 and block[max(start, at - 1) : at] in BEFORE
            self.opened = self.line + block.count(self.end, 0, at) if opens else 0
        self.quiet = len(block) - at if at >= 0 else self.quiet + len(block)
        found = block.count(self.end)
        self.since = len(block) - block.rfind(self.end) - 1 if found else self.since + len(block)
        self.line += found
        if self.since > BLOCK:
            what = f"line {self.line:,} is longer than {BLOCK:,} bytes"
            raise InputError(self.where, what, "A table has one row a line; look whether line ends are missing.")
        if self.opened and self.quiet > QUOTED:
            what = f"line {self.opened:,} has a quote that is not closed"
            raise InputError(self.where, what, 'A quote that belongs to a value is written twice: "12"" screen".')


def refuse_unbounded_parquet(path: Path, where: str) -> None:
    """Look at what a Parquet file says of itself: how many columns it has, and how large they are once read.

    Raises
    ------
    InputError
        Naming the file and what of it is too large.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.read_metadata(path)
    except (pa.ArrowException, OSError):  # reading it says what is wrong
        return
    refuse_columns(about.num_columns, where)
    size, most = 0, _most(path)
    for k in range(about.num_row_groups):
        for column in (about.row_group(k).column(j) for j in range(about.num_columns)):
            values, packed = column.num_values, column.total_uncompressed_size
            if column.physical_type in TEXTS:
                shared = column.has_dictionary_page and packed <= most < values * packed
                longest = _longest(path, k, column.path_in_schema) if shared else 0
                size += max(values * max(REFERENCE, longest), packed)
            else:
                size += max(values * WIDTHS.get(column.physical_type, 8), packed)
            if size > most:
                raise _bomb(where, most)


def _longest(path: Path, row_group: int, column: str) -> int:
    """Bytes of the longest text that a Parquet column refers to in many rows; 0 where each row has its own."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, read_dictionary=[column]) as file:
            first = next(file.iter_batches(1, row_groups=[row_group], columns=[column])).column(0)
    except (pa.ArrowException, OSError, StopIteration):
        return 0
    return pc.max(pc.binary_length(first.dictionary)).as_py() or 0 if pa.types.is_dictionary(first.type) else 0


def refuse_columns(number: int, where: str) -> None:
    """Refuse a table of more columns than any is meant to have.

    Raises
    ------
    InputError
        Saying how many it has.
    """
    if number > COLUMNS:
        what = f"has {number:,} columns; a table may have {COLUMNS:,}"
        raise InputError(where, what, "Take out those no model needs.")


def _most(path: Path) -> int:
    """Bytes that a file may unpack to."""
    return max(UNPACKED, RATIO * path.stat().st_size)


def _bomb(where: str, most: int) -> InputError:
    what = f"unpacks to more than {most:,} bytes, far more than the file has"
    return InputError(where, what, "Unpack it yourself if it is meant, and give the parts as a folder.")
