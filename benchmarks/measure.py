"""Does `measure` say of an experiment what others say, and how fast does it read a large one?

    python -P benchmarks/measure.py --peers /path/to/python [--rows 10000000] [--seed 0] [--record]

`--peers` names a Python of another environment that has tea-tasting 1.14, statsmodels and pyarrow: all values and ends
of intervals must agree to 1e-6 of their size; `--record` files them for `tests/offpolicy/test_arms.py`. Then a table of
so many rows is written as Parquet and read by `measure`, and by DuckDB, which computes the same sums and products; and
`measure` answers, adjusted by one column and tested for balance; each in a process of its own, beyond its start-up.
Exits with 1 where values differ, where reading takes more than 1.5 times DuckDB's seconds, or the answer more than
1 GB. docs/how_to/plan.md has what was measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

REFERENCE = Path(__file__).parents[1] / "tests/reference/arms.json"
SMALL = 600
AGREE = 1e-6
SLOWER, MEMORY = 1.5, 1.0
PRODUCTS = ("retained", "watched", "before")


def table(rows: int, seed: int) -> pl.DataFrame:
    """An experiment of two arms, 60 to 40, in households of up to four who are treated alike."""
    rng = np.random.default_rng(seed)
    household = np.sort(rng.integers(0, max(rows // 2, 1), rows))
    lot = rng.random(household[-1] + 1) < 0.4
    arm = lot[household].astype(np.int64)
    before = rng.gamma(2.0, 30.0, rows)
    sessions = 1 + rng.poisson(3 + before / 40)
    watched = 0.8 * before + 5 * sessions + 4 * arm + rng.gamma(1.0, 40.0, rows)
    retained = (rng.random(rows) < 0.3 + 0.05 * arm + 0.001 * before).astype(np.int64)
    parts = {"arm": arm, "retained": retained, "watched": watched, "sessions": sessions, "before": before}
    return pl.DataFrame(parts | {"household": household})


def measured(path: Path, words: list[str]) -> list[dict[str, Any]]:
    """Rows of `measure`'s table."""
    from tippingpoint.config.compose import compose
    from tippingpoint.measurement.arms_job import measure_arms
    from tippingpoint.measurement.settings import MeasureArmsSettings

    roles = ["data.action=arm", "data.control='0'", "data.logging_probability={0: 0.6, 1: 0.4}", "tracking.log=false"]
    asked = compose("measure_arms", ["data=csv", f"data.path={path}", *roles, *words])
    found = measure_arms(MeasureArmsSettings.from_config(asked))
    return [{str(key): value for key, value in row.items()} for row in found.leaderboard().to_dict("records")]


def ours(path: Path) -> dict[str, dict[str, float]]:
    """The figures that the peers compute too, each by itself, as those that are told at once have wider intervals."""
    accept = "diagnostics.accept={TP302: 'households', TP303: 'households'}"
    asked = {
        "": [accept],
        ", cuped": [accept, "pre=[before]", "adjustment=cuped"],
        ", regression": [accept, "pre=[before]"],
        ", households": ["data.group=household", accept],
    }
    found: dict[str, dict[str, float]] = {}
    for name, words in asked.items():
        for target in ("retained", "watched"):
            rows = measured(path, [*words, f"data.target={target}", "ratios={ratio: [watched, sessions]}"])
            found |= {f"{row['measure']}{name}": row for row in rows}
    return found


def disagreements(path: Path, peers: str, record: bool) -> list[str]:
    """Where values of the peers are not ours."""
    said = subprocess.run(
        [peers, str(Path(__file__).with_name("measure_peers.py")), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs, mine, wrong = json.loads(said.stdout), ours(path), []
    for name, values in theirs.items():
        for key, value in values.items():
            scale = 1000 if name.startswith("retained") and not key.startswith("relative") else 1
            got = mine[name][key] / scale
            if abs(got - value) > AGREE * max(abs(value), 1e-3):
                wrong.append(f"{name} {key}: ours {got!r}, theirs {value!r}")
    if record:
        small = pl.read_parquet(path)
        columns = {c.name: [round(v, 6) if isinstance(v, float) else v for v in c.to_list()] for c in small}
        REFERENCE.write_text(json.dumps({"table": columns, "found": theirs}) + "\n")
    return wrong


def timed(path: Path) -> None:
    """In a process of its own: seconds and memory of `measure` on a file."""
    import tippingpoint.experiment.diagnostics.balance  # as start-up loads it
    import tippingpoint.measurement.arms_job  # noqa: F401  # likewise

    small = path.with_name("small.parquet")
    words = ["data.target=retained", "data.measures=[watched]", "pre=[before]"]
    measured(small, words)
    start = time.perf_counter()
    measured(path, words)
    report(time.perf_counter() - start)


def read(path: Path) -> None:
    """The same for what comes before the test of balance: the table's roles, and its sums."""
    from tippingpoint.data.files import Table
    from tippingpoint.measurement.arms_sums import summed
    from tippingpoint.measurement.arms_table import read_arms
    from tippingpoint.measurement.settings import MeasureArmsSettings

    roles: dict[str, Any] = {"action": "arm", "control": "0", "target": "retained", "measures": ["watched"]}
    roles |= {"logging_probability": {"0": 0.6, "1": 0.4}}

    def sums(of: Path) -> None:
        source = Table(path=str(of), **roles)
        asked = MeasureArmsSettings.model_validate({"data": {"_target_": "tippingpoint.data.files.Table"}})
        summed(read_arms(source, asked), ["before"], {})

    sums(path.with_name("small.parquet"))
    start = time.perf_counter()
    sums(path)
    report(time.perf_counter() - start)


def by_duckdb(path: Path) -> None:
    """The same for DuckDB and the sums and products that the figures are made of."""
    import duckdb

    products = [f"sum({a} * {b})" for k, a in enumerate(PRODUCTS) for b in PRODUCTS[k:]]
    about = [f"sum({c}), count_if({c} <> 0), min({c}), max({c})" for c in PRODUCTS]
    query = f"select arm, count(*), {', '.join([*products, *about])} from '{path}' group by arm"
    connection = duckdb.connect()
    connection.execute("select 1").fetchall()
    start = time.perf_counter()
    connection.execute(query).fetchall()
    report(time.perf_counter() - start)


def report(seconds: float) -> None:
    """Print what the process took, as JSON."""
    status = Path("/proc/self/status").read_text()  # getrusage would count what the parent had when it forked
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "gigabytes": int(kilobytes) / 2**20}))


def best_of(command: str, path: Path, times: int = 5) -> tuple[float, float]:
    """Least seconds and most memory of a few processes."""
    found = []
    for _ in range(times):
        words = [sys.executable, "-P", __file__, command, "--path", str(path)]
        said = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ)
        found.append(json.loads(said.stdout.splitlines()[-1]))
    return min(of["seconds"] for of in found), max(of["gigabytes"] for of in found)


def main() -> int:
    """Compare, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs="?", default="all", choices=("all", "whole", "read", "duckdb"))
    parser.add_argument("--peers")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--path", type=Path)
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    if given.command != "all":
        {"whole": timed, "read": read, "duckdb": by_duckdb}[given.command](given.path)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        small, large = Path(temporary) / "small.parquet", Path(temporary) / "large.parquet"
        table(SMALL, given.seed).with_columns(pl.col("watched", "before").round(4)).write_parquet(small)
        wrong = disagreements(small, given.peers, given.record) if given.peers else []
        print(*(wrong or ["all values agree" if given.peers else "no peers named"]), sep="\n")
        table(given.rows, given.seed).write_parquet(large)
        (mine, _), (whole, memory), (theirs, _) = (best_of(one, large) for one in ("read", "whole", "duckdb"))
    ratio = mine / theirs
    print(f"{given.rows:,} rows: read {mine:.2f} s, {ratio:.2f} times DuckDB's {theirs:.2f} s")
    print(f"the whole answer, with the test of balance: {whole:.2f} s, {memory:.2f} GB")
    return int(bool(wrong) or ratio > SLOWER or memory > MEMORY)


if __name__ == "__main__":
    sys.exit(main())
