"""Reading a CSV of users, and describing it: seconds of CPU against plain `polars.read_csv` of the same file.

    python -P benchmarks/read.py [millions of rows …]

Twelve columns, as a warehouse exports them: an id, whole numbers, money, shares, a date, a time, categories, true and
false, and gaps. Peer and job run in a process each, in turns; the median of three counts. Promised at 1 M rows: reading
at most 3 times polars; `data describe` at most 15 s of CPU, 1 GB resident.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

MILLIONS, TURNS = (0.1, 1, 5), 3


def main() -> None:
    """Write a file of each size, and measure."""
    print("rows, and seconds of CPU   polars      read             describe   GB resident")
    with tempfile.TemporaryDirectory() as folder:
        for millions in map(float, sys.argv[1:] or MILLIONS):
            path = Path(folder) / "users.csv"
            users(int(millions * 1e6)).write_csv(path)
            found = [[measured(what, path) for what in JOBS] for _ in range(TURNS)]
            peer, read, describe = (statistics.median(turn[k][0] for turn in found) for k in range(3))
            gigabytes = max(turn[2][1] for turn in found)
            ratio = f"({read / peer:.2f} ×)"
            print(f"{millions:>6g} M {peer:>25.2f}  {read:>8.2f} {ratio}  {describe:>12.2f}  {gigabytes:>10.2f}")


def users(rows: int) -> pl.DataFrame:
    """Draw a table."""
    rng = np.random.default_rng(rows)
    days = np.datetime64("2025-01-01") + rng.integers(0, 365, rows)
    spend = np.where(rng.random(rows) < 0.2, np.nan, rng.gamma(2, 20, rows).round(2))
    return pl.DataFrame(
        {
            "user_id": np.char.add("u", np.arange(rows).astype(str)),
            "sessions": rng.poisson(9, rows),
            "minutes": rng.gamma(2, 60, rows).round(1),
            "spend": pl.Series(spend).fill_nan(None),
            "share_mobile": rng.random(rows).round(4),
            "age": rng.integers(16, 90, rows),
            "signup": days,
            "last_seen": (days + np.timedelta64(20, "D")).astype("datetime64[ms]"),
            "country": rng.choice(["DE", "FR", "US", "IN", "BR"], rows),
            "plan": rng.choice(["free", "trial"], rows),
            "newsletter": rng.random(rows) < 0.3,
            "adopter": rng.integers(0, 2, rows),
        }
    )


def peer(path: Path) -> None:
    """Read as polars does by itself."""
    pl.read_csv(path)


def read(path: Path) -> None:
    """Read as every verb that trains does."""
    from tippingpoint.data.files import read

    read(path)


def describe(path: Path) -> None:
    """Read and describe."""
    from tippingpoint.config.compose import compose
    from tippingpoint.exploration.describe import describe
    from tippingpoint.exploration.settings import TableSettings

    words = ["data=csv", f"data.path={path}", "data.target=adopter"]
    describe(TableSettings.from_config(compose("table", words)))


JOBS: dict[str, Callable[[Path], None]] = {"peer": peer, "read": read, "describe": describe}


def measured(what: str, path: Path) -> tuple[float, float]:
    """Seconds of CPU and gigabytes a job takes in a process of its own, imports aside."""
    done = subprocess.run([sys.executable, "-P", __file__, what, path], check=True, capture_output=True, text=True)
    seconds, gigabytes = json.loads(done.stdout.splitlines()[-1])
    return seconds, gigabytes


def job(what: str, path: Path) -> None:
    """Run one job, and print what it took."""
    import tippingpoint.config.compose  # what the jobs import is not timed
    import tippingpoint.exploration.describe  # noqa: F401

    began = time.process_time()
    JOBS[what](path)
    print(json.dumps([time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))


if __name__ == "__main__":
    job(sys.argv[1], Path(sys.argv[2])) if sys.argv[1:2] and sys.argv[1] in JOBS else main()
