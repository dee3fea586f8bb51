"""How fast the dashboard's pages answer: filters, cut-offs and lists for 100,000 users, and the largest upload.

python -P benchmarks/dashboard.py [users]
"""

import io
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import polars as pl

from tippingpoint.dashboard import figures, intake, scenario, segments, subject

T = TypeVar("T")
REPEATS = 9
PROMISED = 0.3
"""Seconds a filter may take."""


def main(users: int) -> None:
    """Print a table."""
    about = subject.demonstration("conversion")
    assert about.users is not None
    drawn = np.random.default_rng(0).integers(0, len(about.users), users)
    table = about.users.drop("action", "converted")[drawn].with_columns(
        user_id=pl.format("v{}", pl.int_range(users)),
        country=pl.Series(np.random.default_rng(1).choice(["US", "DE", "BR", "IN"], users)),
        device=pl.Series(np.random.default_rng(2).choice(["phone", "tv", "web"], users)),
    )
    content = io.BytesIO()
    table.write_csv(content)
    upload, looked = timed(lambda: intake.look("users.csv", content.getvalue()), 1)
    found, decided = timed(lambda: intake.listed(upload, about, {}), 1)
    policy = about.policy

    def segments_page() -> None:
        left = segments.filtered(found.table, {"country": ["US", "DE"], "device": ["phone"]})
        own = segments.numbers(left, ("converted",))
        shown = segments.by_segment(left, policy.segments, policy.actions, own[:2])
        figures.sizes(shown).to_json()
        figures.scores(*segments.histogram(left, policy.segments), "converted").to_json()
        compared = segments.engagement(left, policy.segments, own[:8])
        users_of = dict(shown.select("segment", "users").iter_rows())
        figures.engagement(compared, policy.segments, users_of).to_json()
        segments.by_category(left, "country", policy.segments)
        segments.categories(left, "user_id")

    board = scenario.board(about)
    assert board is not None
    cuts = iter(np.linspace(0.2, 0.6, 1000))
    _, filtering = timed(segments_page, REPEATS)
    _, moving = timed(lambda: board.scenario((float(next(cuts)), 0.7)), REPEATS)
    _, limiting = timed(lambda: board.within(100), REPEATS)
    _, listing = timed(lambda: intake.targets(found, about, ("medium", "high"), False), 3)
    _, why = timed(lambda: intake.targets(found, about, ("medium", "high"), True), 1)
    megabytes = content.tell() / 1e6
    print(f"{users:,} users, {megabytes:.1f} MB of CSV; medians of {REPEATS}, seconds")
    rows = {
        "look at the upload": looked,
        "check and decide it": decided,
        f"everything of Segments under two filters (promised {PROMISED})": filtering,
        "a cut-off moved: value, uplift, spend, contacts": moving,
        "the best cut-offs within a budget": limiting,
        "the target list": listing,
        "the target list with reasons": why,
    }
    for name, seconds in rows.items():
        print(f"{name:66} {seconds:8.4f}")
    if filtering > PROMISED:
        sys.exit(f"filters took {filtering:.2f} s")


def timed(work: Callable[[], T], times: int) -> tuple[T, float]:
    """What it gives, and the median seconds it takes."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        taken.append(time.perf_counter() - start)
    return result, float(np.median(taken))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
