"""A disk that is full is said to be, and leaves nothing half written."""

import resource
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.refusals import refuses
from tippingpoint.core.errors import OutsideError
from tippingpoint.data.writing import replacing
from tippingpoint.scoring.writers import File

TABLE = pl.DataFrame({"user_id": [f"user {k}" for k in range(20_000)]})


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder in which files may have 4 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz", "d.parquet"])
def test_decisions_are_there_whole_or_not_at_all(full: Path, name: str) -> None:
    path = full / name
    with refuses(f"to={path}", "cannot be written", kind=OutsideError), File(path) as file:
        file.add(TABLE)
    assert list(full.iterdir()) == []


def test_a_file_is_replaced_whole_or_not_at_all(full: Path) -> None:
    (path := full / "d.csv").write_text("before")
    with refuses(str(path), "cannot be written", kind=OutsideError), replacing(path) as file:
        TABLE.write_csv(file)
    assert path.read_text() == "before"
    assert list(full.iterdir()) == [path]
