"""A disk that is full is said to be, and leaves nothing half written."""

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.refusals import refuses
from tippingpoint.core.errors import OutsideError
from tippingpoint.data.writing import replacing
from tippingpoint.scoring.writers import File
from tippingpoint.tracking.deciders import load_decider
from tippingpoint.tracking.reload import files

TABLE = pl.DataFrame({"user_id": [f"user {k}" for k in range(20_000)]})


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder in which files may have 4 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_model_for_whose_files_there_is_no_room_is_not_said_to_be_lost(
    client: Any, request: pytest.FixtureRequest
) -> None:
    loaded = load_decider(client, "models:/conversion/1")
    request.getfixturevalue("full")
    with pytest.raises(OutsideError, match=r"a disk is full .*TMPDIR"):
        load_decider(client, "models:/conversion/1")
    with pytest.raises(OutsideError, match=r"a disk is full .*TMPDIR"), files(client, loaded.model):
        pass


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
