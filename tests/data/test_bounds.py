"""Files that unpack to far more than they have are refused by name, before they fill memory."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.refusals import refuses
from tippingpoint.core.errors import InputError
from tippingpoint.dashboard.uploads import look
from tippingpoint.data import bounds
from tippingpoint.data.csv_layout import layout
from tippingpoint.data.files import read

HEADER = "user_id,plan,converted\n"
ROWS = HEADER + "a,x,1\nb,y,0\n"


def gzipped(path: Path, first: str, again: str) -> None:
    block = again.encode() * (bounds.BLOCK // len(again))
    with gzip.open(path, "wb", 6) as file:
        file.write(first.encode())
        for _ in range(bounds.UNPACKED // bounds.BLOCK + 2):
            file.write(block)


def long_line(path: Path) -> None:
    path.write_bytes(ROWS.encode() + b"a" * (3 * bounds.BLOCK))


def open_quote(path: Path) -> None:
    path.write_bytes(ROWS.encode() + b'c,"' + b"aaaaaaa\n" * ((bounds.QUOTED + 2 * bounds.BLOCK) // 8))


def repeated_numbers(path: Path) -> None:
    n = bounds.UNPACKED // 8 + 1
    table = pa.table({"user_id": pa.array(np.zeros(n)), "converted": pa.array(np.zeros(n))})
    pq.write_table(table, path, compression="zstd", row_group_size=n)


def long_texts(path: Path) -> None:
    of_one = pa.array(["a" * bounds.BLOCK])
    codes = pa.array(np.zeros(2 * bounds.UNPACKED // bounds.BLOCK, dtype=np.int32))
    pq.write_table(pa.table({"text": pa.DictionaryArray.from_arrays(codes, of_one)}), path)


def wide(path: Path) -> None:
    names = ",".join(f"c{k}" for k in range(bounds.COLUMNS + 1))
    path.write_text(f"{names}\n{',' * bounds.COLUMNS}\n")


def wide_parquet(path: Path) -> None:
    pq.write_table(pa.table({f"c{k}": [1.0] for k in range(bounds.COLUMNS + 1)}), path)


BOMBS = {
    "long_line.csv": (long_line, "line 4 is longer"),
    "open_quote.csv": (open_quote, "line 4 has a quote that is not closed"),
    "rows.csv.gz": (lambda path: gzipped(path, HEADER, "a,x,1\n"), "unpacks to more than"),
    "line.csv.gz": (lambda path: gzipped(path, ROWS, "a"), "line 4 is longer"),
    "numbers.parquet": (repeated_numbers, "unpacks to more than"),
    "texts.parquet": (long_texts, "unpacks to more than"),
    "wide.csv": (wide, "5,001 columns"),
    "wide.parquet": (wide_parquet, "5,001 columns"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_has_no_bounds_is_refused_by_name(tmp_path: Path, name: str) -> None:
    make, said = BOMBS[name]
    make(path := tmp_path / name)
    with refuses(f"data.path={path}", said):
        read(path)
    with pytest.raises(InputError, match=said):
        look(name, path.read_bytes())


@pytest.mark.programs
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    gzipped(path := tmp_path / "rows.csv.gz", HEADER, "a,x,1\n")
    code = """
import resource, sys
from tippingpoint.core.errors import InputError
from tippingpoint.data.files import read
from pathlib import Path
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read(Path(sys.argv[1]))
except InputError:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < 64  # megabytes, of a table of 128


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        HEADER + 'a,"x, ""large""",1\n"b, c",y,0\n',
        HEADER + 'a,12" screen,1\n' + "b,y,0\n" * 2_000_000,
        HEADER + '"a,",x,1\n' + "b,y,0\n" * 2_000_000,
    ],
)
def test_other_tables_are_not(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "users.csv").write_text(text)
    assert layout(path, "data").separator == ","
