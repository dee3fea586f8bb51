"""Decisions as files: whole or not at all."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.refusals import refuses
from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.data.writing import neutralised
from tippingpoint.scoring.writers import File, Quarantine, alone, refuse_other

ROWS = pl.DataFrame({"user_id": ["u1", "u2"], "propensity_score": [0.5, None], "segment": ["low", "high"]})


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz", "d.parquet"])
def test_a_file_written_in_pieces_reads_as_the_whole(tmp_path, name):
    with File(tmp_path / name) as file:
        file.add(ROWS.head(1))
        file.add(ROWS.tail(1))
    read = pl.read_parquet if name.endswith("parquet") else pl.read_csv
    assert read(tmp_path / name).equals(ROWS)
    assert [f.name for f in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz", "d.parquet"])
def test_decisions_are_written_over_and_nothing_else_is(tmp_path, name):
    path = tmp_path / name
    refuse_other(path)
    path.touch()
    refuse_other(path)
    with File(path) as file:
        file.add(ROWS.with_columns(policy_digest=pl.lit("0"), scored_at=pl.lit("2026-01-01")))
    refuse_other(path)
    for users in (ROWS, None):
        if users is None:
            path.write_text("no table at all")
        else:
            with File(path) as file:
                file.add(users)
        with refuses(f"to={path}", "holds no decisions", f"to={tmp_path}/decisions_{name}"):
            refuse_other(path)


@pytest.mark.parametrize("name", ["d.csv", "d.parquet"])
def test_what_fails_leaves_what_was_there(tmp_path, name):
    (tmp_path / name).write_text("before")

    def fail() -> None:
        with File(tmp_path / name) as file:
            file.add(ROWS)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [(name, "before")]


def test_a_place_is_held_by_one_job_which_is_outside_of_another_and_let_go_of_when_that_is_killed(tmp_path):
    path = tmp_path / "d.csv"
    hold = (
        "import sys, time; from pathlib import Path; from tippingpoint.scoring.writers import File, alone\n"
        f"with alone(Path({str(path)!r})), File(Path({str(path)!r})) as f: print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutsideError, match="another job is writing it") as busy, alone(path):
            pass
        assert busy.value.exit_code == 3, "the line is right, and works once the other job is done"
        other.kill()
    with alone(path), File(path) as file:
        file.add(ROWS)
    assert [f.name for f in tmp_path.iterdir()] == ["d.csv"]


@pytest.mark.parametrize(
    ("cell", "written"),
    [("=1+1", "'=1+1"), ("+49", "'+49"), ("-x", "'-x"), ("@SUM(A1)", "'@SUM(A1)"), ("\tx", "'\tx"), ("a=b", "a=b")],
)
def test_cells_that_a_spreadsheet_would_run_are_text(cell, written):
    table, cells = neutralised(pl.DataFrame({"user_id": [cell, None], "score": [-1.0, 1.0]}), ["user_id"])
    assert table["user_id"].to_list() == [written, None]
    assert cells == (cell != written)
    assert table["score"].to_list() == [-1.0, 1.0]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), File(Path(tmp_path / "file/d.csv")):
        pass
    with pytest.raises(InputError, match="is a folder"), File(tmp_path):
        pass


def test_what_a_killed_job_left_of_rows_set_aside_is_swept_by_the_next(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    mine = f".users.csv-{socket.gethostname()}-"
    dead, alive = tmp_path / f"{mine}{gone.pid}.part", tmp_path / f"{mine}{os.getppid()}.part"
    other = tmp_path / f".users.csv-elsewhere-{gone.pid}.part"
    for part in (dead, alive, other):
        part.write_text("row,reason")
    quarantine = Quarantine(tmp_path, "users.csv")
    quarantine.add(pl.DataFrame({"row": [1], "reason": ["x is missing"]}))
    quarantine.close()
    assert not dead.exists()
    assert alive.exists(), "its job is at work"
    assert other.exists(), "it is of another machine"
