"""How long a simulation takes, beside what it must at least and what is usually done instead. Ratios within
one run.

    python -P benchmarks/simulate.py [--users 1000000] [--growth 1 3 10 30] [--stream 100]

Growth and stream are in millions of users; the stream is drawn in chunks and never held whole.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np

import tippingpoint as tp
from tippingpoint.experiment.revaluation import price
from tippingpoint.offpolicy.cells import Cells, Line, gather, grid
from tippingpoint.offpolicy.choice import choose
from tippingpoint.offpolicy.contest import contest
from tippingpoint.offpolicy.evidence import Evidence
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.surface import DRAWS, sheet, surface
from tippingpoint.offpolicy.value import policy_value

CUTS, BANDS, REPLICATES, CONTESTANTS = 200, (0, 2, 1), 200, 12
CHUNK = 1_000_000
LINE = Line(np.array([0.1, -0.3, -0.4]), np.array([10.0, 9.0, 10.0]))


def users(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and doubly robust scores of three actions, as they come from an experiment with 30 %
    outcomes."""
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    p = 0.3 + 0.2 * (score - 0.5)
    outcome_scores = np.repeat(p[:, None], 3, axis=1)
    action = rng.integers(0, 3, n)
    outcome_scores[np.arange(n), action] += 3 * ((rng.random(n) < p) - p)
    return score, outcome_scores


def timed(work: Callable[[], object], repeats: int = 3) -> np.ndarray:
    """Seconds of a few runs: the least and the median on the clock, then of CPU in all threads.

    The machine may be shared: then the clock says what others took.
    """
    spent = []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        work()
        spent.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return np.stack([np.min(spent, axis=0), np.median(spent, axis=0)]).T.ravel()


def peak() -> float:
    """Largest resident memory of this process so far, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def evidence(score: np.ndarray, outcome_scores: np.ndarray, group: np.ndarray | None = None) -> Evidence:
    """What an experiment with equal chances tells, with what its intervals rest on."""
    predicted = np.repeat((0.3 + 0.2 * (score - 0.5))[:, None], 3, axis=1)
    support = Support.of(np.full_like(predicted, 1 / 3), predicted, estimated=False)
    return Evidence("experiment", outcome_scores, {"phi": support}, group)


def band(score: np.ndarray, of: Evidence, cuts: np.ndarray) -> None:
    """From users to uplift, SE and simultaneous band at every pair of cut-offs."""
    cells = gather(cuts, score, of)
    sheet(cells, BANDS, LINE, np.zeros(len(cells.count), dtype=np.int64), np.random.default_rng(0))


def bootstrap(contribution: np.ndarray, replicates: int) -> float:
    """The plain one: draw users with replacement, average, again and again, for a single policy."""
    rng, n = np.random.default_rng(0), len(contribution)
    return float(np.std([contribution[rng.integers(0, n, n)].mean() for _ in range(replicates)]))


def qini_interval(score: np.ndarray, outcome_scores: np.ndarray) -> np.ndarray | None:
    """Seconds of a bootstrap of causalml's Qini score, one curve; None where it is not installed."""
    try:
        import pandas as pd
        from causalml.metrics import qini_score  # type: ignore[import-not-found]  # no dependency
    except ImportError:
        return None
    rng, n = np.random.default_rng(0), len(score)
    table = pd.DataFrame({"score": score, "y": (outcome_scores[:, 1] > 0.5) * 1, "w": rng.integers(0, 2, n)})
    rows = rng.integers(0, n, n)
    return REPLICATES * timed(lambda: qini_score(table.iloc[rows], outcome_col="y", treatment_col="w"))


def priced_anew() -> tuple[str, np.ndarray]:
    """Three models under three policies, simulated on 10,000 users and priced anew: its name and seconds."""
    policies = ["intent_bands", "intent_shares", "top_fraction"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.chdir(folder)
        found = tp.compare(tp.generate("case_study", users=10_000), report="none", explain_rows=1)
        simulation = tp.simulate(found, policies=policies).simulation
        os.chdir("/")
    return "three models under three policies, priced anew", timed(lambda: price(simulation.gathered, simulation.asked))


def stream(total: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Users in chunks, one at a time."""
    for first in range(0, total, CHUNK):
        yield users(min(CHUNK, total - first), seed=first)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--growth", type=int, nargs="*", default=[1, 3, 10, 30])
    parser.add_argument("--stream", type=int, default=100)
    arguments = parser.parse_args()
    n = arguments.users

    if arguments.stream:  # first, while this process is small
        cuts = grid(users(CHUNK, seed=0)[0], CUTS)
        cells: Cells | None = None
        spent, start = 0.0, time.perf_counter()
        for score, outcome_scores in stream(arguments.stream * 1_000_000):
            began = time.perf_counter()
            chunk = gather(cuts, score, Evidence("experiment", outcome_scores))
            cells = chunk if cells is None else cells + chunk
            spent += time.perf_counter() - began
        assert cells is not None
        surface(cells, BANDS, LINE, np.random.default_rng(0))
        whole = time.perf_counter() - start
        print(f"stream: {cells.users:,} users in chunks of {CHUNK:,}")
        print(f"  {spent:.1f} s gathering ({whole:.0f} s with drawing them), peak {peak():.2f} GB resident")

    score, outcome_scores = users(n, seed=0)
    cuts, alone = grid(score, CUTS), evidence(score, outcome_scores)
    in_groups = evidence(score, outcome_scores, np.arange(n) // 2)
    cells, pairs = gather(cuts, score, alone), CUTS * (CUTS + 1) // 2
    decision = np.array(BANDS)[(score >= 0.4).astype(int) + (score >= 0.7)]
    contribution = policy_value(
        Evidence("experiment", outcome_scores), LINE.reward_intercept, LINE.reward_slope, decision
    ).contribution
    rng = np.random.default_rng(1)
    each = {str(k): np.where(score > rng.random(), contribution, 0.0) for k in range(CONTESTANTS)}

    seconds = {
        "floor: one pass over phi": timed(lambda: outcome_scores.sum(), 10),
        f"uplift, SE and band ({DRAWS} draws) of all {pairs:,} pairs": timed(lambda: band(score, alone, cuts), 9),
        "... of users in groups of 2": timed(lambda: band(score, in_groups, cuts), 5),
        "... of which after the cells: a new price": timed(
            lambda: sheet(cells, BANDS, LINE, np.zeros(CUTS + 1, dtype=np.int64), np.random.default_rng(0)), 5
        ),
        "whole surface from cells: value, uplift, outcomes": timed(
            lambda: surface(cells, BANDS, LINE, np.random.default_rng(0)), 5
        ),
        "choice, honest and apparent, from cells": timed(lambda: choose(cells, cells, BANDS, LINE), 5),
        f"contest of {CONTESTANTS}, {CONTESTANTS * (CONTESTANTS - 1) // 2} pairs": timed(lambda: contest(each, rng)),
        f"plain bootstrap of one policy's value, {REPLICATES} replicates": timed(lambda: bootstrap(contribution, 10), 1)
        * REPLICATES
        / 10,
    }
    if (of_qini := qini_interval(score, outcome_scores)) is not None:
        seconds[f"causalml's Qini, {REPLICATES} replicates"] = of_qini
    seconds |= dict([priced_anew()])
    ours = list(seconds.values())[1][0]
    print(f"{n:,} users, {outcome_scores.shape[1]} actions, {CUTS} cut-offs; seconds on the clock and of CPU")
    print(f"  {'':<79} {'least':>8} {'median':>8} {'least':>8} {'median':>8}")
    for what, took in seconds.items():
        print(f"  {what:<79} {' '.join(f'{of:>8.4f}' for of in took)}  {took[0] / ours:>8.2f} ×")

    print("growth: users, seconds, seconds per million")
    for millions in arguments.growth:
        score, outcome_scores = users(millions * 1_000_000, seed=0)
        of = evidence(score, outcome_scores)
        spent, *_ = timed(lambda score=score, of=of: band(score, of, cuts))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
        print(f"  {millions:>4} M {spent:>9.3f} {spent / millions:>9.4f}")


if __name__ == "__main__":
    main()
