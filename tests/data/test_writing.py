"""Files are there whole or not at all, and whoever cannot write one is told so in words."""

from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.data.writing import replacing, write_blocks


@pytest.mark.parametrize("place", [".", "folder", "file/below.csv"])
def test_a_place_that_cannot_be_written_is_refused_and_nothing_is_left(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("kept")
    with pytest.raises(InputError, match="cannot be written"):
        write_blocks([pd.DataFrame({"x": [1.0]})], Path(place))
    assert sorted(str(p) for p in Path().rglob("*")) == ["file", "folder"]


def test_two_that_write_the_same_file_at_once_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    with replacing(path) as one:
        one.write(b"one")
        with replacing(path) as two:
            two.write(b"two")
        assert path.read_bytes() == b"two"
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_midway_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    path.write_text("before")

    def blocks():  # type: ignore[no-untyped-def]  # what write_blocks takes is said there
        yield pd.DataFrame({"x": [1.0]})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_blocks(blocks(), path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_that_are_whole_in_the_first_block_and_not_later_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "u.csv"
    assert write_blocks([pd.DataFrame({"x": [1.0, 2.0]}), pd.DataFrame({"x": [2.5]})], path) == 3
    assert path.read_text() == "x\n1\n2\n2.5\n"
    assert pl.read_csv(path)["x"].to_list() == [1.0, 2.0, 2.5]
