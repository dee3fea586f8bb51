"""Is an experiment told as often as `plan` says? Worlds of users whose rates and effects are known.

    python -P benchmarks/plan.py [--worlds 2000] [--seed 0]

One row a kind of experiment: two arms and unequal ones, three arms held at once, households who are treated alike,
adjustment by a column known before, and a policy beside a hold-out at one look and at a look every day. `told` is the
share of worlds in which the effect that `plan` calls the smallest told with 80 % is told, and `stated` what `plan` says
of it; `wrongly` is the share in which anything is told where there is no effect. Rates, deviations and what groups and
adjustment change are those of the worlds; all variances that `measure` uses are estimated. Exits with 1 where `told`
differs from `stated` by more than three Monte-Carlo errors, or `wrongly` exceeds 5 % by more. What was measured
stands in docs/how_to/plan.md.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tippingpoint.offpolicy.arm_sums import ArmSums
from tippingpoint.offpolicy.arms import Figure, arm_figures, differences
from tippingpoint.offpolicy.confidence_sequence import confidence_sequence
from tippingpoint.offpolicy.power import Design, Stratum, arms_design, held_out
from tippingpoint.offpolicy.statistics import pointwise

POWER = 0.8
TOGETHER = 0.4
"""Chance that a user's outcome is drawn with the household's lot."""
SIZE = 2
R2 = 0.6
"""Share of the variance of a number that the column known before explains."""


@dataclass(frozen=True)
class Kind:
    """One experiment.

    Parameters
    ----------
    told
        Takes a generator and whether there is an effect; returns whether one was told.
    stated
        What `plan` says of it.
    """

    name: str
    stated: float
    told: Callable[[np.random.Generator, bool], bool]


def means(arms: int, columns: int = 2) -> Figure:
    """The mean of column 1 in each arm."""
    row = np.eye(columns)[1]
    return Figure("y", "", np.tile(row, (arms, 1)), np.eye(columns)[0], 1.0, (1,) if columns == 2 else ())


def any_told(sums: ArmSums, pre: tuple[int, ...], rng: np.random.Generator) -> tuple[bool, bool]:
    """Whether the last arm is told to be more than the first, and whether any pair is told apart."""
    found = differences(arm_figures(sums, [means(sums.arms, sums.total.shape[1])], pre), [[0]], rng)
    apart = [of.difference.low is not None and not of.difference.low <= 0 <= (of.difference.high or 0) for of in found]
    last = next(of for of in found if of.against == 0 and of.arm == sums.arms - 1)
    return last.difference.low is not None and last.difference.low > 0, any(apart)


def yes_no(rate: float, chances: tuple[float, ...], users: int) -> Kind:
    """Arms at a rate; the last one adds the effect."""
    design = arms_design(chances, rate, None, 1.0, np.random.default_rng(1))[-1]
    effect = design.smallest(users) or 0.0

    def told(rng: np.random.Generator, there: bool) -> bool:
        arm = rng.choice(len(chances), users, p=chances)
        y = rng.random(users) < rate + effect * there * (arm == len(chances) - 1)
        more, apart = any_told(ArmSums.of(arm, np.column_stack([np.ones(users), y]), len(chances)), (), rng)
        return more if there else apart

    return Kind(f"{rate:.1%}, arms {chances}, {users:,} users", design.power(effect, users), told)


def households(rate: float, users: int) -> Kind:
    """Households of two who are treated alike, and whose outcomes go together."""
    correlation = TOGETHER**2
    design_effect = 1 + (SIZE - 1) * correlation
    (design,) = arms_design((0.5, 0.5), rate, None, design_effect, np.random.default_rng(1), 1 / SIZE)
    effect = design.smallest(users) or 0.0

    def told(rng: np.random.Generator, there: bool) -> bool:
        group = np.arange(users) // SIZE
        arm = (rng.random(users // SIZE) < 0.5).astype(int)[group]
        lot = np.where(rng.random(users) < TOGETHER, rng.random(users // SIZE)[group], rng.random(users))
        y = lot < rate + effect * there * arm
        more, apart = any_told(ArmSums.of(arm, np.column_stack([np.ones(users), y]), 2, group), (), rng)
        return more if there else apart

    return Kind(f"{rate:.1%}, households of {SIZE}, {users:,} users", design.power(effect, users), told)


def adjusted(users: int) -> Kind:
    """A number of which a column known before explains a part."""
    (design,) = arms_design((0.7, 0.3), 0.0, 1.0, 1 - R2, np.random.default_rng(1))
    effect = design.smallest(users) or 0.0

    def told(rng: np.random.Generator, there: bool) -> bool:
        arm, before = (rng.random(users) < 0.3).astype(int), rng.standard_normal(users)
        y = np.sqrt(R2) * before + np.sqrt(1 - R2) * rng.standard_normal(users) + effect * there * arm
        more, apart = any_told(ArmSums.of(arm, np.column_stack([np.ones(users), y, before]), 2), (2,), rng)
        return more if there else apart

    return Kind(f"a number adjusted (R² {R2}), {users:,} users", design.power(effect, users), told)


def policy(rate: float, share: float, only_none: bool, users: int, days: int) -> list[Kind]:
    """A policy that acts on some, beside a share that is drawn from three actions or left alone."""
    chance, reference = held_out(share, 3, only_none)
    design = Design((Stratum(0.4, rate, chance, reference),))
    looks = np.linspace(users / days, users, days).astype(int)
    once, often = design.smallest(users), design.smallest_of_many(looks.tolist(), np.random.default_rng(1))[-1]
    start = looks[looks >= design.first]

    def scores(rng: np.random.Generator, effect: float) -> np.ndarray:
        acted, lot = rng.random(users) < 0.4, rng.random(users)
        got, none = acted & (lot < chance), acted & (lot >= 1 - reference)
        y = rng.random(users) < rate + effect * got
        return np.asarray(got * (y - rate) / chance - none * (y - rate) / reference)

    def one_look(rng: np.random.Generator, there: bool) -> bool:
        found = scores(rng, (once or 0.0) * there)
        t = found.mean() / (found.std(ddof=1) / np.sqrt(users))
        return bool(t > pointwise() if there else abs(t) > pointwise())

    def many_looks(rng: np.random.Generator, there: bool) -> bool:
        found = confidence_sequence(scores(rng, (often or 0.0) * there), start)
        return bool((found.low > 0).any() or (not there and (found.high < 0).any()))

    name = f"{rate:.1%}, policy beside {share:.0%}{' left alone' if only_none else ''}, {users:,} users"
    kinds = [Kind(f"{name}, one look", design.power(once, users), one_look)] if once is not None else []
    return kinds + ([Kind(f"{name}, {days} looks", POWER, many_looks)] if often is not None else [])


def main() -> int:
    """Print a row a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    kinds = [
        yes_no(0.3, (0.5, 0.5), 4_000),
        yes_no(0.04, (0.5, 0.5), 10_000),
        yes_no(0.016, (0.5, 0.5), 20_000),
        yes_no(0.3, (0.9, 0.1), 4_000),
        yes_no(0.04, (0.8, 0.2), 10_000),
        yes_no(0.016, (0.8, 0.2), 20_000),
        yes_no(0.3, (0.4, 0.3, 0.3), 6_000),
        households(0.3, 6_000),
        households(0.04, 12_000),
        adjusted(3_000),
        *policy(0.3, 0.3, False, 10_000, 20),
        *policy(0.3, 0.2, True, 10_000, 20),
        *policy(0.04, 0.3, True, 30_000, 20),
    ]
    broken = False
    print(f"{'experiment':58} stated   told  wrongly")
    for k, kind in enumerate(kinds):
        rng = np.random.default_rng([given.seed, k])
        told, wrongly = (np.mean([kind.told(rng, there) for _ in range(given.worlds)]) for there in (True, False))
        error = np.sqrt(kind.stated * (1 - kind.stated) / given.worlds)
        off = abs(told - kind.stated) > 3 * error
        false = wrongly > 0.05 + 3 * np.sqrt(0.05 * 0.95 / given.worlds)
        broken |= bool(off or false)
        print(
            f"{kind.name:58} {kind.stated:6.3f} {told:6.3f} {wrongly:8.3f}{'  *' if off or false else ''}", flush=True
        )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
