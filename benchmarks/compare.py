"""When `compare` shows its decision and when all is filed, beside what it cannot do without; ratios within one run.

    python -P benchmarks/compare.py [--users 1000000] [--repeats 3]

What it cannot do without: to import mlflow, sklearn and xgboost, and to fit the three families. `--users 0` leaves the
large table out.

Promised on 2 idle cores: the decision within 3 times the fits and once the imports, a million users within 1.3 times
the fits and 1.5 GB. Seen so far on 2 cores shared with a load of 6 only: the decision after 41 s of the 90 s until all
was filed, where it was said last before; ratios are to be measured on an idle machine.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

IMPORTS = "import mlflow, sklearn, xgboost"


@dataclass(frozen=True)
class Timed:
    """Seconds from the start of a command: its decision said, all filed, and those inside the fits."""

    decision: float
    filed: float
    fits: float


def imports() -> float:
    """Seconds a process takes that only imports."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-P", "-c", IMPORTS], check=True)
    return time.perf_counter() - start


def compared(*words: str) -> Timed:
    """One comparison in a folder and a store of its own."""
    command = [sys.executable, "-P", "-m", "tippingpoint", "compare", "output=json", *words]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as answer:
        own = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        start = time.perf_counter()
        with subprocess.Popen(command, cwd=folder, env=own, stdout=answer, stderr=subprocess.PIPE, text=True) as job:
            assert job.stderr is not None
            said = [time.perf_counter() - start for line in job.stderr if line.startswith("decided: ")]
        filed = time.perf_counter() - start
        answer.seek(0)
        rows = json.load(answer)["leaderboard"]
    return Timed(said[0], filed, sum(row["seconds"]["fit"] for row in rows if "seconds" in row))


def main() -> None:
    """Print a line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    imports()  # the first reads the packages from the disk
    for _ in range(asked.repeats):
        alone, found = imports(), compared()
        without = compared("report=none")
        print(f"imports {alone:.1f} s, fits {found.fits:.1f} s")
        least = 3 * found.fits + alone
        print(f"decision {found.decision:.1f} s: {found.decision / least:.2f} of 3 times the fits and once the imports")
        print(f"all filed {found.filed:.1f} s; with report=none {without.filed:.1f} s", flush=True)
    if asked.users:
        found = compared(f"data.users={asked.users}")
        print(f"{asked.users:,} users: decision {found.decision:.0f} s, filed {found.filed:.0f} s")
        print(f"{found.filed / found.fits:.2f} times the fits ({found.fits:.0f} s)")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"largest process: {peak / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
