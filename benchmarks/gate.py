"""Does the gate promise what it holds? Small worlds in which models are equal, or one is better by a known amount.

    python -P benchmarks/gate.py [--worlds 400] [--seed 0]

Prints one row a promise and exits with 1 if one is broken. `reported` rows promise nothing. Takes minutes.
"""

import argparse
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from tippingpoint.config.compose import option
from tippingpoint.config.gate_settings import Gate
from tippingpoint.core.strict import validate
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.promotion import quality_checks, soundness_checks
from tippingpoint.promotion.alpha_spending import level, power
from tippingpoint.promotion.verdict import Judgement

LOOKS = 10
NOISE, LESS = 1.0, 0.75
"""Noise on the log-odds of the champion, and of the model that is truly better."""
POPULATION = 4_000_000


@dataclass(frozen=True)
class World:
    """Test users of a size at a base rate, by the intercept of their log-odds."""

    name: str
    users: int
    intercept: float

    def draw(self, rng: np.random.Generator, users: int, noises: list[float]) -> tuple[np.ndarray, list[np.ndarray]]:
        """(n,) chances, and for each noise the (n,) scores of a model that sees the log-odds through it."""
        x = rng.normal(0, 1.2, users)
        scores = []
        for noise in noises:
            seen = x + rng.normal(0, noise, users)
            mean, left = seen * 1.2**2 / (1.2**2 + noise**2), 1 / (1 / 1.2**2 + 1 / noise**2)
            scores.append(expit((mean + self.intercept) / np.sqrt(1 + left * np.pi / 8)))  # nearly what it can know
        return expit(x + self.intercept), scores


def expected_area(chance: np.ndarray, score: np.ndarray) -> float:
    """ROC AUC of (n,) scores over all outcomes that users of these chances may have."""
    chance = chance[np.argsort(score)]
    below = np.cumsum(1 - chance) - (1 - chance)
    return float(chance @ below / (chance.sum() * (1 - chance).sum()))


WORLDS = (World("30 % outcomes, 2,000 users", 2_000, -1.05), World("4 % outcomes, 10,000 users", 10_000, -3.75))


def told_better(
    outcome: np.ndarray, score: np.ndarray, champion: np.ndarray, look: int, gate: Gate
) -> tuple[bool, float]:
    """Whether the one check of ranking passes at this look, and the error its difference has."""
    assert gate.better is not None
    found = quality_checks.better(outcome, score, champion, gate.better.margin, 0.01, level(look, gate.alpha))
    return found.verdict == "passes", found.figures["se"]


def promoted(
    outcome: np.ndarray, score: np.ndarray, champion: np.ndarray, gate: Gate, rng: np.random.Generator
) -> bool:
    """Whether all checks of scores let it through at a first look, as conf/gate has them."""
    assert gate.quality
    assert gate.better
    assert gate.calibration
    assert gate.slices
    assert gate.looks
    sure = level(1, gate.alpha)
    names = {name: rng.choice(["a", "b", "c"], len(outcome)) for name in ("tier", "device")}
    contract = FeatureSchema(tuple(Column(name, "category") for name in names), "converted")
    users = Users(
        pd.DataFrame(names, dtype="str"), outcome, np.arange(len(outcome)).astype(str).astype(object), contract
    )
    checks = (
        quality_checks.floor(outcome, score, gate.quality.floor, sure).when_inconclusive(gate.quality.inconclusive),
        quality_checks.better(outcome, score, champion, gate.better.margin, 0.01, sure).when_inconclusive(
            gate.better.inconclusive
        ),
        quality_checks.calibrated(outcome, score, gate.calibration.slope, gate.calibration.intercept).when_inconclusive(
            gate.calibration.inconclusive
        ),
        quality_checks.slices(users, score, champion, gate.alpha).when_inconclusive(gate.slices.inconclusive),
        soundness_checks.test_set_looks(1, 2, False, sure, gate.looks.most),
    )
    return Judgement("", "", "", "", len(outcome), 1, sure, checks).passed


def measure(world: World, worlds: int, seed: int, gate: Gate) -> list[tuple[str, float, str, bool | None]]:
    """Rows of what was measured in one kind of world: what, share, promise, kept."""
    rng = np.random.default_rng(seed)
    chance, (true, champion) = world.draw(rng, POPULATION, [LESS, NOISE])
    difference = expected_area(chance, true) - expected_area(chance, champion)
    equal = spent = plain = better = whole_equal = whole_better = 0
    predicted = []
    for _ in range(worlds):
        chance, (champion, candidate, *others) = world.draw(rng, world.users, [NOISE, LESS, *[NOISE] * LOOKS])
        outcome = (rng.random(world.users) < chance).astype(np.int64)
        first = told_better(outcome, others[0], champion, 1, gate)[0]
        equal += first
        spent += any(told_better(outcome, one, champion, k + 1, gate)[0] for k, one in enumerate(others))
        plain += any(told_better(outcome, one, champion, 1, gate)[0] for one in others)
        word, se = told_better(outcome, candidate, champion, 1, gate)
        better += word
        predicted.append(power(difference, se, level(1, gate.alpha)))
        whole_equal += promoted(outcome, others[0], champion, gate, rng)
        whole_better += promoted(outcome, candidate, champion, gate, rng)
    share, expected = better / worlds, float(np.mean(predicted))

    def room(p: float) -> float:
        return 3 * float(np.sqrt(p * (1 - p) / worlds))

    most = gate.alpha + room(gate.alpha)
    return [
        ("an equal model is promoted, first look", equal / worlds, "≤ 5 %", equal / worlds <= most),
        (f"any of {LOOKS} equal models is, one look after the other", spent / worlds, "≤ 5 %", spent / worlds <= most),
        (f"any of {LOOKS} equal models, were every look the first", plain / worlds, "reported", None),
        (f"the check better tells one better by {difference:.4f} ROC AUC", share, f"{expected:.1%} predicted",
         abs(share - expected) <= room(expected)),
        ("an equal model passes all checks of scores", whole_equal / worlds, "≤ 5 %", whole_equal / worlds <= most),
        ("the better one passes all checks of scores", whole_better / worlds, "reported", None),
    ]  # fmt: skip


def main() -> int:
    """Measure, print, and say whether all promises were kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    gate = validate(Gate, option("gate", "standard"), "gate")
    broken = 0
    for world in WORLDS:
        print(f"{world.name}; {asked.worlds} worlds")
        for what, share, promise, kept in measure(world, asked.worlds, asked.seed, gate):
            word = "" if kept is None else "kept" if kept else "BROKEN"
            print(f"  {what:58} {share:7.1%}  {promise:16} {word}")
            broken += kept is False
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
