"""Batch decisions: seconds against a floor of the same run, and the memory they take.

    python -P benchmarks/score.py [ROWS] [csv|parquet]

The floor reads the same chunks with polars, calls the pipeline's predict_proba on them, and writes a table of the
same columns with pyarrow; it checks, decides and counts nothing: all but ids and scores are constants. Users of the
case study, boosting as configured. Floor and job run in a process each, in turns; the median of three each counts (of
one from 5 M rows on). Promised: at most 1.2 times the floor, and 1 GB resident at 10 M rows. Seconds of CPU stand
beside those on the wall, which others at work disturb.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow.parquet as pq

ROWS, CHUNK, MANY, BLOCK = 500_000, 100_000, 5_000_000, 100_000
HERE = Path(__file__).resolve()


def main() -> None:
    """Make a version and a table, then measure."""
    rows = int(float(sys.argv[1])) if len(sys.argv) > 1 else ROWS
    suffix = sys.argv[2] if len(sys.argv) > 2 else "csv"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        run = [sys.executable, "-P", "-m", "tippingpoint", "run", "model=boosting", "data.users=20000", "report=none"]
        subprocess.run(run, check=True, capture_output=True)
        words = ["data", "write", "data=case_study", f"data.users={min(rows, BLOCK)}", "data.seed=7", "to=block.csv"]
        subprocess.run([sys.executable, "-P", "-m", "tippingpoint", *words], check=True, capture_output=True)
        _tile(rows, Path(f"users.{suffix}"))
        times: dict[str, list[float]] = {"floor": [], "score": []}
        spent: dict[str, list[float]] = {"floor": [], "score": []}
        memory: dict[str, float] = {}
        for _ in range(1 if rows >= MANY else 3):
            for what in times:
                call = [sys.executable, "-P", str(HERE), what, f"users.{suffix}"]
                answer = subprocess.run(call, check=True, capture_output=True, text=True, cwd=folder)
                found = json.loads(answer.stdout.splitlines()[-1])
                times[what].append(found["seconds"])
                spent[what].append(found["cpu"])
                memory[what] = max(memory.get(what, 0.0), found["megabytes"])
        floor, score = (statistics.median(times[what]) for what in ("floor", "score"))
        print(f"{rows:,} rows of {suffix}: floor {floor:.2f} s, score {score:.2f} s, ratio {score / floor:.2f}")
        floor, score = (statistics.median(spent[what]) for what in ("floor", "score"))
        print(f"CPU: floor {floor:.2f} s, score {score:.2f} s, ratio {score / floor:.2f}")
        print(f"resident at most: floor {memory['floor']:.0f} MB, score {memory['score']:.0f} MB")


def _tile(rows: int, path: Path) -> None:
    """A table of so many users: those of the block over and over, under ids of their own."""
    block = pl.read_csv("block.csv")
    writer = None
    with path.open("wb") as file:
        for start in range(0, rows, len(block)):
            table = block.head(rows - start)
            table = table.with_columns(pl.format("u{}", pl.int_range(start, start + len(table))).alias("user_id"))
            if path.suffix == ".parquet":
                arrow = table.to_arrow()
                writer = writer or pq.ParquetWriter(file, arrow.schema)
                writer.write_table(arrow)
            else:
                table.write_csv(file, include_header=not start)
        if writer is not None:
            writer.close()


def measured(what: str, path: str) -> None:
    """One side, in a process of its own: its seconds without loading, and its peak."""
    from tippingpoint.config.compose import compose
    from tippingpoint.scoring.job import _write, batch_of
    from tippingpoint.scoring.readers import open_input
    from tippingpoint.scoring.settings import ScoreSettings
    from tippingpoint.tracking import backend
    from tippingpoint.tracking.deciders import load_decider

    words = [f"input={path}", "to=decisions.parquet", f"chunk={CHUNK}"]
    settings = ScoreSettings.from_config(compose("score", words))
    loaded = load_decider(backend.connect(), "models:/conversion/1")
    decider = loaded.decider
    decider.score(_features(pl.DataFrame({name: ["1"] for name in decider.columns}), decider.columns))  # warm
    batch = batch_of(settings, loaded, datetime(2026, 1, 1), "decisions.parquet")
    start, before = time.perf_counter(), time.process_time()
    if what == "score":
        _write(settings, batch, open_input(path, None, {}), "decisions.parquet", lambda rows: None)
    else:
        columns = ["user_id", *decider.columns]
        names = {"segment": "low", "action": "none", "model": decider.reference, "policy_digest": loaded.policy_digest}
        constants = {name: pl.lit(value, pl.Enum([value])) for name, value in names.items()}
        constants |= {"expected_value": pl.lit(0.0), "scored_at": pl.lit(datetime(2026, 1, 1))}
        scan = pl.scan_parquet if path.endswith(".parquet") else pl.scan_csv
        writer = None
        for table in scan(path).select(columns).collect_batches(chunk_size=CHUNK, maintain_order=True):
            score = decider.classifier.predict_proba(_features(table, decider.columns))[:, 1]
            arrow = table.select("user_id").with_columns(pl.Series("propensity_score", score), **constants).to_arrow()
            writer = writer or pq.ParquetWriter("floor.parquet", arrow.schema)
            writer.write_table(arrow)
        if writer is not None:
            writer.close()
    seconds = time.perf_counter() - start
    spent = time.process_time() - before
    print(
        json.dumps(
            {"seconds": seconds, "cpu": spent, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        )
    )


def _features(table: pl.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """What the pipeline takes: float64 and text."""
    return table.select(
        pl.col(name).cast(pl.Float64 if kind == "number" else pl.String) for name, kind in columns.items()
    ).to_pandas()


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in ("floor", "score"):
        measured(sys.argv[1], sys.argv[2])
    else:
        main()
