"""`score engine=spark`: decisions, quarantine, counts and drift are those of one machine."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.refusals import refuses
from tests.scoring.scoring import decide, quietly
from tippingpoint.config.compose import option
from tippingpoint.core.errors import OutsideError, RefusedError
from tippingpoint.core.strict import Component
from tippingpoint.data.source import Source
from tippingpoint.scoring.readers import Files

pytest.importorskip("pyspark", reason="pyspark is not installed (extra: spark)")

pytestmark = pytest.mark.usefixtures("at_compared", "spark")
WORDS = ("input=table", "chunk=700", "scored_at=2026-01-31T06:00:00", "holdout=0.2")
SPARK = (*WORDS, "engine=spark")


@pytest.fixture(scope="module", autouse=True)
def table(at_compared: tuple) -> pl.DataFrame:
    """4,000 users in three files, whose borders are none of chunks; some rows break the contract, or repeat an id."""
    node = option("data", "case_study") | {"users": 4000, "seed": 11}
    drawn = Component.model_validate(node).build(Source, "data").load()
    users = drawn.features.assign(user_id=drawn.user_id.astype(str))
    users.loc[[3, 1500, 3999], "sessions_7d"] = [-1, np.inf, -7]
    users.loc[20, "country"] = "Nowhere"
    users.loc[[5, 2000], "user_id"] = [None, " "]
    users.loc[[40, 2500, 3600], "user_id"] = users.loc[10, "user_id"]  # in one chunk, and in two later ones
    users.loc[3700, "user_id"] = f" {users.loc[1500, 'user_id']} "  # of a row that is set aside itself
    Path("table").mkdir()
    for k, (start, end) in enumerate([(0, 1000), (1000, 2600), (2600, 4000)]):
        users[start:end].to_parquet(f"table/{k}.parquet", index=False)
    return pl.from_pandas(users)


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but its manifest, which says when and where from."""
    return {
        str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file() and f.suffix != ".json"
    }


def test_decisions_quarantine_counts_and_drift_are_those_of_one_machine(table: pl.DataFrame, tmp_path: Path) -> None:
    here = quietly(*WORDS, "parts=true", f"to={tmp_path / 'here'}", "reasons=true")
    there = decide(*SPARK, f"to={tmp_path / 'spark'}", "reasons=true")
    one, other = here.scored.tally.to_dict(), there.scored.tally.to_dict()
    assert other["rows"] == 4000 == other["decided"] + other["quarantined"]
    assert len(other["reasons"]) >= 4
    assert other["explored"] > 0
    for sums in ("scores", "values"):
        assert other.pop(sums) == pytest.approx(one.pop(sums), rel=1e-12)
    assert other == one
    pd.testing.assert_frame_equal(there.scored.drift, here.scored.drift, rtol=0, atol=1e-12)
    assert there.scored.unseen == here.scored.unseen != {}
    found, want = (pl.read_parquet(tmp_path / f"{name}/*.parquet") for name in ("spark", "here"))
    floats = pl.selectors.float()
    assert_frame_equal(found.select(~floats), want.select(~floats))
    assert_frame_equal(found.select(floats), want.select(floats), check_exact=False, rel_tol=0, abs_tol=1e-12)
    aside = [{k: v for k, v in files(tmp_path / name).items() if "_quarantine" in k} for name in ("spark", "here")]
    assert aside[0] == aside[1]
    assert len(aside[0]) > 2
    assert files(tmp_path / "spark").keys() == files(tmp_path / "here").keys()
    run = mlflow.get_run(there.run_id).data
    assert run.metrics["rows/quarantined"] == other["quarantined"]
    assert run.tags["tippingpoint.job"] == "score"


def test_a_job_that_lost_its_last_parts_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = f"to={tmp_path / 'd'}"
    with pytest.raises(RefusedError, match="not complete"):  # so that all counts stay
        quietly(*SPARK, to, "quarantine_share=0")
    first = files(tmp_path / "d")
    for k in (1, 4):
        (tmp_path / f"d/_tallies/part-{k:05d}.json").unlink()
        (tmp_path / f"d/part-{k:05d}.parquet").unlink()
    kept = (tmp_path / "d/part-00000.parquet").stat().st_mtime_ns
    result = quietly(*SPARK, to)
    assert result.scored.resumed == (4, 6)
    assert (tmp_path / "d/part-00000.parquet").stat().st_mtime_ns == kept
    assert files(tmp_path / "d") == first
    assert quietly(*SPARK, to).scored.resumed == (6, 6)
    with refuses(to, "chunk 700 and not 600"):
        quietly(*SPARK, to, "chunk=600")


def test_a_worker_that_fails_is_told_in_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Files, "absolute", lambda self: _elsewhere(self))
    with refuses("engine", "Spark failed", "nowhere", "parts that are whole", kind=OutsideError):
        quietly(*SPARK, f"to={tmp_path / 'd'}")


def _elsewhere(source: Files) -> Files:
    """Files that no worker sees."""
    source.lengths  # noqa: B018  # read while they are there
    source.paths = [Path("/nowhere") / path.name for path in source.paths]
    return source


def test_what_spark_cannot_read_is_refused(table: pl.DataFrame, tmp_path: Path) -> None:
    table.write_csv("users.csv")
    with refuses("engine", "users.csv is no Parquet"):
        quietly("engine=spark", "input=users.csv", f"to={tmp_path / 'd'}")
    Path("mixed").mkdir()
    table.write_parquet("mixed/a.parquet")
    table.with_columns(pl.col("sessions_7d").cast(pl.Float32)).write_parquet("mixed/b.parquet")
    with refuses("engine", "'sessions_7d'", "Float32"):
        quietly("engine=spark", "input=mixed", f"to={tmp_path / 'd'}")
    table.head(0).write_parquet("empty.parquet")
    with refuses("input", "empty.parquet has no rows"):
        quietly("engine=spark", "input=empty.parquet", f"to={tmp_path / 'd'}")
    assert not (tmp_path / "d").exists()
