"""`score` killed: run again, its output is complete and nothing is in it twice."""

import json
import signal
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from tests.conftest import ROUNDS
from tests.processes import Forked
from tests.scoring import dying
from tests.scoring.scoring import CHALLENGER, quietly

pytestmark = [pytest.mark.usefixtures("at_compared", "users"), pytest.mark.programs]


def killed_and_again(folder: Path, parts: bool, moments: list[float]) -> None:
    """Kill a job at these shares of its chunks, then let it end: its output is that of a job nobody killed."""
    table = pl.read_csv("users.csv")
    many = pl.concat([table.with_columns(user_id=pl.format("{}-{}", "user_id", pl.lit(k))) for k in range(40)])
    many.write_csv(folder / "many.csv")
    to = folder / ("parts" if parts else "d.parquet")
    words = [f"input={folder / 'many.csv'}", f"to={to}", "chunk=500", f"parts={str(parts).lower()}"]
    for moment in moments:
        after = max(1, int(moment * len(many) / 500 / (len(moments) if parts else 1)))
        given = (after, moment % 0.01, CHALLENGER, "tracking.log=false", *words)
        job = Forked(dying.after_chunks, *given, folder=Path.cwd())
        _, error = job.communicate()
        assert job.returncode == -signal.SIGKILL, error
        assert parts or not to.exists()
    quietly(*words)
    found = pl.read_parquet(to / "*.parquet" if parts else to)
    assert found["user_id"].to_list() == many["user_id"].to_list()
    assert not list(folder.glob(".*"))


@pytest.mark.soak
@pytest.mark.parametrize("parts", [False, True])
def test_killed_at_random_moments_the_output_is_whole(tmp_path, parts):
    killed_and_again(tmp_path, parts, np.random.default_rng(int(parts)).uniform(0.05, 0.9, ROUNDS).tolist())


@pytest.mark.parametrize(
    ("point", "time", "name"),
    [
        ("fsync", 1, "d.parquet"),
        ("replace", 1, "d.parquet"),
        ("quarantine", 1, "d.parquet"),
        ("sorting", 1, "d.csv"),
        ("replace", 2, "parts"),
        ("counting", 2, "parts"),
        ("manifest", 2, "parts"),
        ("commit", 1, "d.duckdb"),
    ],
)
def test_killed_where_it_hurts_most_and_run_again_it_is_complete_and_nothing_is_there_twice(
    users, tmp_path, point, time, name
):
    table = users.astype({"sessions_7d": object})
    table.loc[3, "sessions_7d"] = "many"
    table.to_csv(tmp_path / "in.csv", index=False)
    to, database = tmp_path / name, name.endswith(".duckdb")
    words = [f"input={tmp_path / 'in.csv'}", "chunk=90", f"parts={str(name == 'parts').lower()}"]
    words += ["only=[high,medium]"] if point == "sorting" else []
    words += [f"to='duckdb:///{to}?table=decisions'" if database else f"to={to}", "scored_at=2026-01-31T06:00:00"]
    job = Forked(dying.before, point, time, CHALLENGER, "tracking.log=false", *words, folder=Path.cwd())
    _, error = job.communicate()
    assert job.returncode == -signal.SIGKILL, error
    if name == "parts":
        assert not json.loads((to / "_manifest.json").read_text())["complete"]
    else:
        assert database or not to.exists()
    result = quietly(*words)
    if database:
        with duckdb.connect(str(to)) as connection:
            found = pl.from_pandas(connection.execute("select * from decisions").df())
    else:
        found = pl.read_csv(to) if name.endswith(".csv") else pl.read_parquet(to / "*.parquet" if to.is_dir() else to)
    assert len(found) == found["user_id"].n_unique() == result.scored.tally.kept
    assert result.scored.tally.decided == len(users) - 1
    if point != "sorting":
        assert sorted(found["user_id"]) == sorted(users["user_id"].drop(3))
    assert not list(tmp_path.glob(".*"))
