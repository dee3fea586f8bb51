"""What does a store's own history cost? Each verb in a store with years of runs, against the same store without.

    python -P benchmarks/store.py [--runs 50000] [--versions 2000] [--entries 5000] [--repeats 3] [--verbs compare,tune]

Makes a store by typing each verb once, copies it, and fills the copy: what was filed is filed again and again, under
ids and at times of its own, by SQL into MLflow's tables. Then it types each verb in turn in both stores, and prints
the least CPU and time of a whole process, start and imports included. Exits with 1 above 1.3. Takes half an hour.
"""

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

MOST = 1.3
SMALL = ["data.users=2000", "explain_rows=20", "report=none"]
SEARCH = ["model=logistic", *SMALL, "tune.trials=36"]
GATE = [f"gate.{check}=null" for check in ("better", "value", "calibration", "slices", "explanation", "speed")]
TEMPLATE = (
    ["data", "write", "data.users=500", "to=users.csv"],
    ["compare", *SMALL],
    ["tune", *SEARCH],
    ["simulate"],
    ["promote", "1", *GATE],
    ["promote", "2", *GATE],
    ["score", "input=users.csv", "to=scored.csv"],
    ["promote", "1", *GATE, "--dry-run"],
)
VERBS = {
    "compare": ["compare", *SMALL],
    "run": ["run", "model=logistic", *SMALL],
    "tune": ["tune", *SEARCH, "force=true"],
    "simulate": ["simulate"],
    "score": ["score", "input=users.csv", "to=scored.csv"],
    "promote --dry-run": ["promote", "1", *GATE, "--dry-run"],
    "promote": ["promote", "1", *GATE],
    "rollback": ["rollback"],
    "status": ["status"],
    "history": ["history"],
    "doctor": ["doctor"],
    "policy lint": ["policy", "lint", "model=models:/conversion@champion"],
}
MAPPED = """
CREATE TEMP TABLE ids (old TEXT PRIMARY KEY, new TEXT);
INSERT INTO ids SELECT run_uuid, lower(hex(randomblob(16))) FROM template.runs;
INSERT INTO ids SELECT model_id, 'm-' || lower(hex(randomblob(16))) FROM template.logged_models;
INSERT INTO ids SELECT DISTINCT value, value || ':n' FROM template.tags WHERE key IN ('study', 'config_digest');
INSERT INTO ids SELECT input_uuid, lower(hex(randomblob(16))) FROM template.inputs;
"""
IDS = ("run_uuid", "run_id", "source_run_id", "model_id", "source_id", "destination_id", "input_uuid")
"""Columns that hold what each copy has of its own."""
TIMES = ("start_time", "end_time", "timestamp", "creation_timestamp_ms", "last_updated_timestamp_ms")
TABLES = (
    *("runs", "metrics", "latest_metrics", "params", "tags", "inputs", "input_tags"),
    *("logged_models", "logged_model_params", "logged_model_tags", "logged_model_metrics"),
)
APART = 600_000
"""Milliseconds between two copies."""


def typed(folder: Path, words: list[str]) -> tuple[float, float]:
    """Seconds of CPU, children included, and of time that the command line takes with these words."""
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    start = time.perf_counter()
    command = [sys.executable, "-m", "tippingpoint", *words]
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):  # a gate may refuse
        raise SystemExit(f"{' '.join(words)} ended with {status}:\n{(folder / 'said').read_text()}")
    return used.ru_utime + used.ru_stime, time.perf_counter() - start


def grow(path: Path, runs: int, versions: int, entries: int) -> None:
    """Fill a store until it holds so many runs, versions of its one question and entries of its journal."""
    shutil.copy(path, small := path.with_suffix(".template"))
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.executescript(f"PRAGMA synchronous=OFF; PRAGMA cache_size=-400000; ATTACH '{small}' AS template;")
        store.execute("BEGIN")
        (each,) = store.execute("SELECT count(*) FROM template.runs").fetchone()
        for turn in range(1, runs // each):
            _copy(store, turn)
        for name, wanted in {"conversion": versions, "conversion.journal": entries}.items():
            _register(store, name, wanted)
        store.execute("COMMIT")
        store.execute("ANALYZE")
    small.unlink()


def _copy(store: sqlite3.Connection, turn: int) -> None:
    """File all runs of the template once more, so many turns ago."""
    store.execute("DROP TABLE IF EXISTS temp.ids")
    for statement in MAPPED.split(";"):
        store.execute(statement.replace(":n", str(turn)))
    for table in TABLES:
        of = {}
        for (column,) in store.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall():
            of[column] = f't."{column}"'
            if column in IDS or (table == "tags" and column == "value"):
                own = f"(SELECT new FROM temp.ids WHERE old = t.{column})"
                of[column] = f"COALESCE({own}, t.{column})"
            elif column in TIMES:
                of[column] = f"t.{column} - {turn * APART}"
        names = ", ".join(f'"{name}"' for name in of)
        store.execute(f"INSERT INTO main.{table} ({names}) SELECT {', '.join(of.values())} FROM template.{table} t")


def _register(store: sqlite3.Connection, name: str, wanted: int) -> None:
    """Repeat the versions of a registered model; of a journal those that move no champion."""
    kept = "version NOT IN (SELECT version FROM template.model_version_tags WHERE name = ? AND key = 'kind'"
    kept += " AND value IN ('promote', 'rollback'))"
    of = "SELECT version FROM template.model_versions WHERE name = ? AND " + kept
    old = [number for (number,) in store.execute(of, (name, name)).fetchall()]
    runs = [run for (run,) in store.execute("SELECT source_run_id FROM main.logged_models").fetchall()]
    (first,) = store.execute("SELECT max(version) + 1 FROM model_versions WHERE name = ?", (name,)).fetchone()
    for number in range(first, wanted + 1):
        like = old[number % len(old)]
        for table in ("model_versions", "model_version_tags"):
            columns = [c for (c,) in store.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall()]
            # Each champion was looked at on some test sets; claims are never the same.
            value = (
                "CASE key WHEN 'test' THEN value || (:number / 20) WHEN 'claim' THEN value || :number ELSE value END"
            )
            own = {"version": ":number", "value": value} | ({"run_id": ":run"} if name == "conversion" else {})
            values = [own.get(column, f'"{column}"') for column in columns]
            store.execute(
                f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM template.{table}"
                " WHERE name = :name AND version = :like",
                {"number": number, "name": name, "like": like, "run": runs[number % len(runs)]},
            )


def measured(small: Path, large: Path, verbs: Sequence[str], repeats: int) -> Table:
    """Type the verbs in both stores in turn; a table of the least CPU and time, and their ratios."""
    table = Table("verb", "CPU s", "grown", "ratio", "time s", "grown", "ratio", title="A store's own history")
    found: dict[tuple[str, Path], list[tuple[float, float]]] = {}
    for _ in range(repeats):  # promote and rollback in turn
        for verb in verbs:
            for folder in (small, large):
                found.setdefault((verb, folder), []).append(typed(folder, VERBS[verb]))
            print(verb, *(found[verb, folder][-1] for folder in (small, large)), file=sys.stderr, flush=True)
    worst = 0.0
    for verb in verbs:
        (cpu, wall), (cpu_grown, wall_grown) = (map(min, zip(*found[verb, of], strict=True)) for of in (small, large))
        numbers = (cpu, cpu_grown, cpu_grown / cpu, wall, wall_grown, wall_grown / wall)
        worst = max(worst, cpu_grown / cpu)
        table.add_row(verb, *(f"{number:.2f}" for number in numbers))
    table.caption = f"largest ratio of CPU {worst:.2f}, at most {MOST}"
    table.show_footer = worst > MOST
    return table


def main() -> None:
    """Make both stores, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in {"runs": 50_000, "versions": 2_000, "entries": 5_000, "repeats": 3}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--verbs", default=",".join(VERBS))
    parser.add_argument("--folder", type=Path, help="keep the stores here, and take those that are there")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp())
    small, large = folder / "small", folder / "large"
    if not large.exists():
        small.mkdir(parents=True)
        for words in TEMPLATE:
            typed(small, words)
        shutil.copytree(small, large)
        grow(large / "mlflow.db", asked.runs, asked.versions, asked.entries)
    table = measured(small, large, asked.verbs.split(","), asked.repeats)
    Console().print(table)
    if asked.folder is None:
        shutil.rmtree(folder)
    sys.exit(table.show_footer)


if __name__ == "__main__":
    main()
