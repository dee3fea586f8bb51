"""Do the vetoes of a whole experiment leave sound ones alone, and find broken ones? Drawn experiments, counted.

    python -P benchmarks/diagnostics.py [--experiments 500] [--seed 0] [--largest 50000]

Sound experiments of 2,000 to 50,000 users: two arms and three, equal chances, unequal ones and each user's own, and a
quarter of them assigned by household. TP302 and TP303 may veto 3 of 500. Then lotteries that followed a feature, or
lost users of one arm, at 5,000 users. Exits with 1 if a promise is broken. 500 take some minutes.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd

from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.experiment.diagnostics.balance import Balance
from tippingpoint.experiment.diagnostics.evidence import SURELY, UNBALANCED
from tippingpoint.offpolicy.assignment import sample_ratio

SIZES = (2_000, 5_000, 10_000, 20_000, 50_000)
MOST = 3 / 500
"""Share of sound experiments that may be vetoed."""


def features(n: int, rng: np.random.Generator, household: np.ndarray) -> pd.DataFrame:
    """Long tails, columns that go together, categories, missing numbers, and what a household shares."""
    base = rng.normal(size=n)
    spend = np.exp(base + rng.normal(size=n))
    spend[rng.random(n) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "age": np.round(rng.normal(40, 12, n)),
            "visits": rng.poisson(np.exp(0.5 + 0.6 * base)).astype(np.float64),
            "spend": spend,
            "income": np.round(rng.lognormal(10, 0.5, household.max() + 1))[household],
            "plan": rng.choice(["free", "basic", "gold"], n, p=[0.7, 0.25, 0.05]),
            "region": rng.choice([f"r{k}" for k in range(12)], household.max() + 1)[household],
        }
    )


def experiment(n: int, design: int, rng: np.random.Generator, broken: str = "") -> tuple[Users, np.ndarray | None]:
    """Users assigned with the chances they state, and who was assigned together; `broken` ones otherwise."""
    by_household = design % 4 == 3
    size = rng.integers(1, 5, n) if by_household else np.ones(n, dtype=np.int64)
    household = np.repeat(np.arange(n), size)[:n]
    table = features(n, rng, household)
    if design % 4 == 2:  # each user's own chance, by a score that is no feature's line
        p = 0.2 + 0.6 / (1 + np.exp(-np.log1p(table["visits"].to_numpy()) + 0.05 * table["age"].to_numpy() - 1))
        chances = np.stack([1 - p, p], axis=1)
    else:
        of = ([0.5, 0.5], [0.5, 0.3, 0.2], [], [0.8, 0.2])[design % 4]
        chances = np.tile(of, (n, 1))
    drawn = chances
    if broken == "followed":
        lean = np.where(table["age"].to_numpy() > 45, 0.12, -0.06)[:, None]
        drawn = np.clip(chances + lean * np.array([-1, 1] + [0] * (chances.shape[1] - 2)), 0.01, None)
        drawn = drawn / drawn.sum(axis=1, keepdims=True)
    lot = rng.random(household.max() + 1)[household] if by_household else rng.random(n)
    action = (lot[:, None] > np.cumsum(drawn, axis=1)[:, :-1]).sum(axis=1)
    columns = tuple(Column(str(name), "category" if name in ("plan", "region") else "number") for name in table)
    ids = np.array([f"u{k}" for k in range(n)], dtype=object)
    actions = ("none", "a", "b")[: chances.shape[1]]
    outcome = (rng.random(n) < 0.1).astype(np.int64)
    schema = FeatureSchema(columns, "bought")
    users = Users(table, outcome, ids, schema, actions, action.astype(np.int64), chances)
    if broken == "lost":  # a fifth of those who got an action and did not buy
        kept = (action == 0) | (outcome == 1) | (rng.random(n) > 0.2)
        return users.take(kept), household[kept] if by_household else None
    return users, household if by_household else None


def looked_at(job: tuple[int, int, int, str]) -> tuple[float, float, float]:
    """p of the arms, log e-value of the balance, and the seconds both took."""
    seed, n, design, broken = job
    users, group = experiment(n, design, np.random.default_rng([seed, n, design]), broken)
    assert users.action is not None
    assert users.logging_probability is not None
    start = time.perf_counter()
    if group is not None:
        _, group = np.unique(group, return_inverse=True)
    p = sample_ratio(users.action, users.logging_probability, group).p
    log_e = Balance.of(users, seed, group).log_e()
    return p, log_e, time.perf_counter() - start


def main() -> int:
    """Draw, count, and say what was kept."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--largest", type=int, default=max(SIZES))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    sizes = [n for n in SIZES if n <= given.largest]
    each = [(given.seed + k, sizes[k % len(sizes)], k // len(sizes)) for k in range(given.experiments)]
    kept = True
    with ProcessPoolExecutor(given.workers) as pool:
        run = partial(pool.map, looked_at, chunksize=4)
        p, log_e, seconds = map(np.array, zip(*run([(*job, "") for job in each]), strict=True))
        arms, balance = (p < SURELY), (log_e >= np.log(UNBALANCED))
        vetoed = int((arms | balance).sum())
        print(f"sound: {len(p)} experiments, TP302 vetoes {arms.sum()}, TP303 {balance.sum()}")
        limit = np.log(UNBALANCED)
        print(f"p below 0.05 in {np.mean(p < 0.05):.1%}; largest log e-value {log_e.max():.2f}, limit {limit:.2f}")
        print(f"{seconds.max():.2f} s at most")
        kept &= vetoed <= max(MOST * len(p), 1)
        few = [(given.seed + k, 5_000, k % 3) for k in range(min(60, given.experiments))]
        for broken, finds in (("followed", "TP303"), ("lost", "TP302")):
            p, log_e, _ = map(np.array, zip(*run([(*job, broken) for job in few]), strict=True))
            found = log_e >= np.log(UNBALANCED) if finds == "TP303" else p < SURELY
            print(f"{broken}, 5,000 users: {finds} vetoes {np.mean(found):.0%} of {len(few)}")
    print("kept" if kept else "BROKEN")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
