"""Do intervals on all users hold what they promise, where the policies of folds were fitted on each other's users?

    python -P benchmarks/crossfit.py [--worlds 2000] [--seed 0] [--users 3000]

Own worlds: a known lottery of three actions, by user or by household of 1 to 8; effects that differ by user, or none;
a linear model of the outcome, fitted anew in each fold. Policies: `written` cut-offs; `shares` of users, fixed on
validation; `best action` by a linear model of each arm; `chosen`, the pair of cut-offs that brought most on the users
it was fitted on. What is covered is the mean value of the policies that the folds came to. `all others`: each fold's
policy is fitted on all other folds; `in turn`: on the four of nine that are not fitted on it themselves, which is what
compare does for policies that choose by outcomes. Exits with 1 if a promise is broken by more than two Monte-Carlo
errors.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import expit

from tippingpoint.comparison.crossfit import Folds
from tippingpoint.data.splits import roles
from tippingpoint.offpolicy.evidence import Evidence, doubly_robust
from tippingpoint.offpolicy.statistics import Estimate, mean
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.value import policy_value
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.best_action import BestAction

CHANCES = np.array([0.5, 0.3, 0.2])
INTERCEPT, SLOPE = np.array([0.0, -0.01, -0.01]), np.ones(3)
"""Prices: an outcome is worth 1, an action costs 0.01."""
CUTS, SHARES, STEPS = (0.2, 0.35), (0.6, 0.85), 25
POPULATION, HELD_OUT = 20_000, 0.2
ALL, TURN = Folds.of(Bands()), Folds.of(BestAction())
CELLS = (
    *(("written", ALL, True), ("shares", ALL, True)),
    *(("best action", ALL, False), ("best action", TURN, True)),
    *(("chosen", ALL, False), ("chosen", TURN, True)),
)
"""Each kind of policy, its folds, and whether its interval is a promise."""
LEAST = 0.935
Decide = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class World:
    """Users of five columns; with `households` outcomes and the lottery are shared by those who live together."""

    effect: float
    households: bool

    def users(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n, 6) a constant and columns, (n, 3) chances of the outcome under each action, (n,) household."""
        home = np.repeat(np.arange(n), rng.integers(1, 9, n) if self.households else 1)[:n]
        shared = np.sqrt(0.5) if self.households else 0.0
        x = np.sqrt(1 - shared**2) * rng.normal(size=(n, 5)) + shared * rng.normal(size=(n, 5))[home]
        odds = -1.2 + 0.8 * x[:, 0] + 0.4 * x[:, 1] + shared * rng.normal(size=n)[home]
        moved = self.effect * np.stack([np.zeros(n), 0.25 + 0.5 * x[:, 2], 0.5 * x[:, 3]], axis=1)
        return np.column_stack([np.ones(n), x]), expit(odds[:, None] + moved), home


@dataclass(frozen=True)
class Drawn:
    """One experiment."""

    x: np.ndarray
    action: np.ndarray
    outcome: np.ndarray

    def take(self, rows: np.ndarray) -> "Drawn":
        """Some of its users."""
        return Drawn(self.x[rows], self.action[rows], self.outcome[rows])

    def arms(self) -> np.ndarray:
        """(6, 3) coefficients of the outcome under each action."""
        got = [self.action == k for k in range(3)]
        return np.stack([_fitted(self.x[rows], self.outcome[rows]) for rows in got], axis=1)

    def scores(self, predicted: np.ndarray) -> np.ndarray:
        """(n, 3) doubly robust outcome scores."""
        return doubly_robust(self.outcome, self.action, np.tile(CHANCES, (len(self.x), 1)), predicted)


def _fitted(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ y)


def policy(kind: str, train: Drawn, validation: Drawn) -> Decide:
    """Fit a policy of a kind, from (n, 6) columns to (n,) actions."""
    if kind == "best action":
        arms = train.arms()
        return lambda x: np.asarray((INTERCEPT + x @ arms).argmax(axis=1))
    weights, cuts = _fitted(train.x, train.outcome), np.array(CUTS)
    if kind == "shares":
        cuts = np.quantile(validation.x @ weights, SHARES)
    elif kind == "chosen":
        both = Drawn(
            *(np.concatenate(pair) for pair in zip(vars(train).values(), vars(validation).values(), strict=True))
        )
        cuts = _best(both.x @ weights, INTERCEPT + both.scores(both.x @ train.arms()))
    return lambda x: np.searchsorted(cuts, x @ weights, side="right")


def _best(score: np.ndarray, money: np.ndarray) -> np.ndarray:
    """The pair of cut-offs of the largest value on these very users."""
    edges = np.append(np.quantile(score, np.linspace(0.02, 0.98, STEPS)), np.inf)
    cell = np.searchsorted(edges[:-1], score, side="right")
    none, low, high = (np.cumsum(np.bincount(cell, column, STEPS + 1)) for column in money.T)
    value = (none - low)[:, None] + (low - high)
    return edges[list(np.unravel_index(np.where(np.triu(np.ones_like(value)), value, -np.inf).argmax(), value.shape))]


@dataclass(frozen=True)
class Found:
    """An interval, what it estimates, and the standard error of a fifth of the users over that of all."""

    uplift: Estimate
    target: float
    ratio: float


def draw(
    world: World, kind: str, folds: Folds, n: int, seed: list[int], population: tuple[np.ndarray, np.ndarray]
) -> Found:
    """One experiment valued on all users."""
    rng = np.random.default_rng(seed)
    x, chance, home = world.users(rng, n)
    action = (rng.random((n, 1)) > np.cumsum(CHANCES)[:2]).sum(axis=1)[home]
    drawn = Drawn(x, action, (rng.random(n) < chance[np.arange(n), action]).astype(np.float64))
    fold = rng.integers(0, folds.number, n)[home]
    predicted, decision, target = np.empty((n, 3)), np.empty(n, dtype=np.int64), 0.0
    for held in range(folds.number):
        train, validation, rows = roles(fold, held, folds.number, folds.others)
        fitted = policy(kind, drawn.take(train), drawn.take(validation))
        predicted[rows] = x[rows] @ drawn.take(train).arms()
        decision[rows] = fitted(x[rows])
        target += rows.mean() * _value(population, fitted)
    known = np.tile(CHANCES, (n, 1))
    support = {"phi": Support.of(known, predicted, estimated=False)}
    group = home if world.households else None
    everyone = Evidence("experiment", drawn.scores(predicted), support, group)
    value = policy_value(everyone, INTERCEPT, SLOPE, decision)
    fifth = rng.random(n)[home] < HELD_OUT
    errors = [
        mean(value.contribution[of], group=None if group is None else group[of]).se for of in (fifth, slice(None))
    ]
    return Found(value.uplift, target, float(errors[0] or np.nan) / float(errors[1] or np.nan))


def _value(population: tuple[np.ndarray, np.ndarray], decide: Decide) -> float:
    """What a policy brings over none, with the chances known."""
    x, chance = population
    money, rows = INTERCEPT + SLOPE * chance, np.arange(len(x))
    return float((money[rows, decide(x)] - money[:, 0]).mean())


def study(world: World, kind: str, folds: Folds, n: int, seed: int, worlds: range) -> np.ndarray:
    """(worlds, 5): covered, too low, too high, the ratio of standard errors, whether there was an interval."""
    x, chance, _ = world.users(np.random.default_rng([seed, 1]), POPULATION)
    rows = []
    for number in worlds:
        of = draw(world, kind, folds, n, [seed, number, n], (x, chance))
        low, high = of.uplift.low, of.uplift.high
        if low is None or high is None or not of.uplift.se:  # none too where no fold acts on anyone
            rows.append([0, 0, 0, np.nan, 0])
        else:
            sides = low <= of.target <= high, high < of.target, low > of.target
            rows.append([*map(float, sides), of.ratio, 1])
    return np.array(rows)


def broken(found: np.ndarray) -> bool:
    """Whether coverage is below what is promised by more than two Monte-Carlo errors."""
    intervals = found[:, 4].sum()
    return bool(found[:, 0].sum() / intervals < LEAST - 2 * np.sqrt(LEAST * (1 - LEAST) / intervals))


def main() -> int:
    """Run every world and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--users", type=int, default=3000)
    asked = parser.parse_args()
    began, failed = time.perf_counter(), False
    error = 100 * np.sqrt(0.05 * 0.95 / asked.worlds)
    print(
        f"{asked.worlds:,} worlds of {asked.users:,} users; Monte-Carlo error of a coverage of 95 %: {error:.1f} points"
    )
    print("effect  households  policy       fitted on    covers  too low  too high  error of a fifth / of all  promise")
    workers = os.cpu_count() or 1
    chunks = [range(first, asked.worlds, workers) for first in range(workers)]
    with ProcessPoolExecutor(workers) as pool:
        for world in (World(effect, households) for effect in (0.0, 0.6) for households in (False, True)):
            for kind, folds, promised in CELLS:
                each = pool.map(partial(study, world, kind, folds, asked.users, asked.seed), chunks)
                found = np.concatenate(list(each))
                covers, low, high = 100 * found[:, :3].sum(axis=0) / found[:, 4].sum()
                wrong = promised and broken(found)
                failed |= wrong
                print(
                    f"{world.effect:<7} {'1 to 8' if world.households else 'none':<11} {kind:<12}"
                    f" {'all others' if folds == ALL else 'in turn':<12} {covers:5.1f}   {low:5.1f}    {high:5.1f}"
                    f"     {np.nanmedian(found[:, 3]):13.2f}            "
                    f" {'none' if not promised else 'BROKEN' if wrong else 'holds'}",
                    flush=True,
                )
    print(f"{time.perf_counter() - began:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
