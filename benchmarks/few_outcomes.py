"""Do intervals hold where outcomes are few? Heavy-tailed users, arms of 70, 20 and 10 %, effects that differ by user.

Every user alone; and in households of 1 to 8 who are alike, are treated alike, and whose outcomes go together.

    python -P benchmarks/few_outcomes.py [--worlds 2000] [--seed 0] [--largest 20000] [--workers 2]

One row a base rate, kind of group and number of test users: how often there was an interval at all; how often those
that there were cover the uplift of a policy of bands, and on which side the others miss; how often the band covers
every pair of cut-offs it is given for; how often a contest tells any two of seven policies apart whose action does
nothing. `±` is the Monte-Carlo error of a coverage of 95 %, by the number of intervals; `plain` is the coverage of an
interval that knows of no expected outcomes, nor of groups. Exits with 1 if a promise is broken by more than two
Monte-Carlo errors; what has fewer than 400 intervals promises nothing. docs/explanation/few_outcomes.md has what was
measured.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from itertools import product

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from tippingpoint.offpolicy.cells import gather, grid, outcomes
from tippingpoint.offpolicy.evidence import Evidence, doubly_robust
from tippingpoint.offpolicy.statistics import Estimate, mean
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.surface import mean_and_changed, sheet
from tippingpoint.offpolicy.value import contest_of_values, policy_value

CHANCES = np.array([0.7, 0.2, 0.1])
SHARES = (0.7, 0.9)
"""Of users below each cut-off of the policy."""
BASES, SIZES = (0.30, 0.04, 0.016), (1_000, 2_000, 5_000, 20_000)
POPULATION = 400_000
CUTS = 25
BANDS = (0, 1, 2)
JUDGED = 400
LINE = outcomes(3)
PRICES = LINE.reward_intercept, LINE.reward_slope
STEP = 100
LARGEST = 8
"""Users of the largest household; sizes from 1 on are equally frequent."""
TOGETHER = 0.4
"""Chance that a user's outcome is drawn with the household's lot: outcomes of two correlate by about its square."""
REPORTED = {(0.016, 20_000): 0.80} | {(base, n): 0.99 for base in (0.30, 0.04) for n in (5_000, 20_000)}
"""Least share of worlds that have an interval, where users are alone."""
COUNTED = ("worlds", "plain", "intervals", "covered", "too_low", "too_high", "bands", "band_covered", "apart")
EQUAL = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
"""Shares of users below the cut-offs of seven policies that give an action without any effect."""


@dataclass(frozen=True)
class World:
    """Users at a base rate; `at` is the intercept of their log-odds."""

    base: float
    at: float

    @classmethod
    def of(cls, base: float) -> "World":
        """The world in which a share `base` of users has the outcome under none."""
        odds = _odds(np.random.default_rng(0).standard_t(3, (POPULATION, 3)))
        return cls(base, float(brentq(lambda at: expit(odds + at).mean() - base, -9, 3)))

    def users(
        self, rng: np.random.Generator, n: int, group: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n,) scores, (n, 3) chances of the outcome under each action, (n,) log-odds less the intercept.

        Users of one of the (n,) groups have the same features.
        """
        x = rng.standard_t(3, (n, 3))
        x = x if group is None else x[group]
        odds = _odds(x)
        none = expit(odds + self.at)
        chance = np.stack([none, none * (1 + 0.3 * (x[:, 2] > 0)), none * (0.9 + 0.6 * (x[:, 0] > 0))], axis=1)
        return expit(odds + self.at + rng.normal(0, 0.5, n)), np.minimum(chance, 0.99), odds

    def evidence(
        self, rng: np.random.Generator, chance: np.ndarray, odds: np.ndarray, group: np.ndarray | None
    ) -> Evidence:
        """What an experiment on users of (n, 3) chances of the outcome tells; (n,) groups are treated alike.

        The outcome model is wrong as one is that was fitted on three times as many others: its slope and the level of
        each arm by as much as so many outcomes leave open.
        """
        n = len(chance)
        whose = np.arange(n) if group is None else group
        action = (rng.random((n, 1)) > np.cumsum(CHANCES)[:2]).sum(axis=1)[whose]
        lot = rng.random(n)
        lot = np.where(rng.random(n) < TOGETHER, lot[whose], rng.random(n))
        outcome = (lot < chance[np.arange(n), action]).astype(np.float64)
        error = 1 / np.sqrt(np.maximum(3 * n * CHANCES * chance.mean(axis=0), 1))
        predicted = expit(self.at + odds[:, None] * (1 + rng.normal(0, 0.8 * error)) + rng.normal(0, error))
        known = np.tile(CHANCES, (n, 1))
        scores = doubly_robust(outcome, action, known, predicted)
        support = Support.of(known, predicted, estimated=False).together(scores - predicted, group)
        return Evidence("experiment", scores, {"phi": support}, group)


def _odds(x: np.ndarray) -> np.ndarray:
    return np.asarray(1.4 * np.tanh(x[:, 0] / 2) + 0.4 * np.arcsinh(x[:, 1]))


def households(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n,) numbers of the households users live in."""
    return np.repeat(np.arange(n), rng.integers(1, LARGEST + 1, n))[:n]


def study(base: float, grouped: bool, n: int, seed: int, worlds: range) -> dict[str, int]:
    """Draw worlds and count what came of each."""
    world, found = World.of(base), dict.fromkeys(COUNTED, 0)
    score, chance, _ = world.users(np.random.default_rng([seed, 1]), POPULATION)
    where, cuts = grid(score, CUTS), np.quantile(score, SHARES)
    true, none = gather(where, score, Evidence("truth", chance)), np.zeros(len(where) + 1, dtype=np.int64)
    targets, _ = mean_and_changed(true, BANDS, LINE, none)
    decided = np.searchsorted(cuts, score, side="right")
    target = float((chance[np.arange(POPULATION), decided] - chance[:, 0]).mean())
    for number in worlds:
        rng = np.random.default_rng([seed, number, n])
        group = households(rng, n) if grouped else None
        score, chance, odds = world.users(rng, n, group)
        evidence = world.evidence(rng, chance, odds, group)
        value = policy_value(evidence, *PRICES, np.searchsorted(cuts, score, side="right"))
        found["worlds"] += 1
        found["plain"] += inside(mean(value.contribution), target)
        if value.uplift.low is not None and value.uplift.high is not None:
            found["intervals"] += 1
            found["covered"] += inside(value.uplift, target)
            found["too_low"] += value.uplift.high < target
            found["too_high"] += value.uplift.low > target
        of_pairs = sheet(gather(where, score, evidence), BANDS, LINE, none, rng)
        if of_pairs.supported.any():
            found["bands"] += 1
            away = np.abs(of_pairs.value - targets)[of_pairs.supported] / of_pairs.se[of_pairs.supported]
            found["band_covered"] += bool((away <= of_pairs.critical).all())
        idle = world.evidence(rng, np.repeat(chance[:, :1], 3, axis=1), odds, group)
        equal = {share: 2 * (score >= np.quantile(score, share)).astype(np.int64) for share in EQUAL}
        verdicts = contest_of_values({str(k): policy_value(idle, *PRICES, d) for k, d in equal.items()}, rng)
        found["apart"] += any(verdict.verdict != "inconclusive" for verdict in verdicts)
    return found


def inside(estimate: Estimate, target: float) -> bool:
    """Whether an interval covers; one that is not there does not."""
    return estimate.low is not None and estimate.high is not None and estimate.low <= target <= estimate.high


def broken(found: dict[str, int], base: float, n: int, grouped: bool) -> list[str]:
    """Names of the promises that do not hold, each by more than two of its Monte-Carlo errors."""

    def beyond(count: int, of: int, least: float) -> bool:
        return of >= JUDGED and count / of < least - 2 * np.sqrt(least * (1 - least) / of)

    wrong = {
        "intervals cover": beyond(found["covered"], found["intervals"], 0.935),
        "misses below": beyond(found["intervals"] - found["too_low"], found["intervals"], 0.955),
        "misses above": beyond(found["intervals"] - found["too_high"], found["intervals"], 0.955),
        "band": beyond(found["band_covered"], found["bands"], 0.935),
        "contest": beyond(found["worlds"] - found["apart"], found["worlds"], 0.935),
        "reported": beyond(found["intervals"], found["worlds"], 0.0 if grouped else REPORTED.get((base, n), 0.0)),
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]


def row(found: dict[str, int], base: float, grouped: bool, n: int, wrong: list[str]) -> str:
    """A line of the table."""
    some, bands, worlds = max(found["intervals"], 1), max(found["bands"], 1), found["worlds"]
    return (
        f"{base:>8.1%} {f'1 to {LARGEST}' if grouped else '':>7} {n:>7,} {n * base * CHANCES[2]:>9.1f}"
        f" {found['intervals'] / worlds:>9.1%}"
        f" {found['covered'] / some:>7.1%} {np.sqrt(0.05 * 0.95 / some):>5.1%}"
        f" {found['too_low'] / some:>5.1%} {found['too_high'] / some:>5.1%}"
        f" {found['plain'] / worlds:>6.1%} {found['band_covered'] / bands:>6.1%}"
        f" {found['apart'] / worlds:>6.1%}   {', '.join(wrong)}"
    )


def main() -> int:
    """Run every world and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--largest", type=int, default=max(SIZES), help="test users of the largest worlds")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    start, failed = time.perf_counter(), False
    print("outcomes  groups   users  expected  reported  covers     ±   low  high  plain   band  apart   broken")
    with ProcessPoolExecutor(asked.workers) as pool:
        sizes = [n for n in SIZES if n <= asked.largest]
        for base, grouped, n in product(BASES, (False, True), sizes):
            steps = range(0, asked.worlds, STEP)
            ranges = [range(first, min(first + STEP, asked.worlds)) for first in steps]
            parts = pool.map(partial(study, base, grouped, n, asked.seed), ranges)
            found = reduce(lambda a, b: {name: a[name] + b[name] for name in a}, parts)
            wrong = broken(found, base, n, grouped)
            failed |= bool(wrong)
            print(row(found, base, grouped, n, wrong), flush=True)
    print(f"{asked.worlds} worlds a row, seed {asked.seed}, {time.perf_counter() - start:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
