"""Do the intervals hold what they promise? Many small worlds whose truth is known, counted.

    python -P benchmarks/coverage.py [--worlds 2000] [--seed 0]

Prints one row a promise and exits with 1 if one is broken. `reported` rows promise nothing. Takes minutes.
docs/explanation/few_outcomes.md has what was measured.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from tippingpoint.offpolicy.cells import Cells, Line, contrast, gather, grid
from tippingpoint.offpolicy.choice import choose, inconclusive
from tippingpoint.offpolicy.contest import contest
from tippingpoint.offpolicy.effect_line import effect_line
from tippingpoint.offpolicy.estimators import ESTIMATORS, truth
from tippingpoint.offpolicy.evidence import Evidence, Log, doubly_robust
from tippingpoint.offpolicy.score_groups import score_groups
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, Estimate
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.surface import mean_and_changed, sheet

BASES = (0.30, 0.04)
LEVELS = 1000
BANDS = (0, 2, 1)


@dataclass(frozen=True)
class Row:
    """One measured number beside what was promised of it."""

    base: float
    what: str
    measured: float
    error: float
    """Monte-Carlo standard error; of a coverage, of the one promised."""
    promise: str
    kept: bool | None
    """None where nothing was promised."""


def line(base: float) -> Line:
    """Prices under which the actions nearly break even, so that choosing among cut-offs is mostly noise."""
    return Line(base * np.array([0.1, -0.25, -0.35]), np.array([10.0, 9.5, 10.0]))


def probabilities(score: np.ndarray, hidden: np.ndarray, base: float) -> np.ndarray:
    """(n, 3) P(outcome | action) of users with a score in (0, 1) and a hidden trait of -1 or 1."""
    none = base * (0.4 + 1.2 * score) * (1 + 0.3 * hidden)
    effect = [np.ones_like(score), 1 + 0.25 * (score - 0.3), 1 + 0.3 * (score - 0.4) + 0.1 * hidden]
    return np.stack([none * times for times in effect], axis=1)


def population(base: float) -> tuple[np.ndarray, np.ndarray]:
    """Every kind of user, equally frequent: scores and P(outcome | action); its means are the truth."""
    score = np.repeat((np.arange(LEVELS) + 0.5) / LEVELS, 2)
    return score, probabilities(score, np.tile([-1.0, 1.0], LEVELS), base)


def draw(rng: np.random.Generator, n: int, base: float) -> tuple[np.ndarray, np.ndarray, Log]:
    """Scores, true probabilities and a log with each user's own logging probabilities and a crude outcome
    model."""
    score = (rng.integers(0, LEVELS, n) + 0.5) / LEVELS
    p = probabilities(score, rng.choice([-1.0, 1.0], n), base)
    e = np.stack([0.5 - 0.2 * score, np.full(n, 0.3), 0.2 + 0.2 * score], axis=1)
    action = (rng.random((n, 1)) > e.cumsum(axis=1)[:, :-1]).sum(axis=1)
    outcome = (rng.random(n) < p[np.arange(n), action]).astype(np.float64)
    predicted = (base * (0.6 + 0.8 * score))[:, None] * np.array([1.0, 1.1, 1.2])
    return score, p, Log(outcome, action, e, predicted)


def scores_of(log: Log) -> Evidence:
    """Doubly robust scores of a log."""
    assert log.predicted is not None
    return Evidence("experiment", doubly_robust(log.outcome, log.action, log.logging_probability, log.predicted))


def covers(hits: int, worlds: int, base: float, what: str, promise: str) -> Row:
    """Compare a share of worlds with 95 %."""
    share, error = hits / worlds, float(np.sqrt(0.95 * 0.05 / worlds))
    kept = {
        "= 95 %": abs(share - 0.95) <= 3 * error,
        ">= 95 %": share >= 0.95 - 3 * error,
        "< 95 %": share < 0.95 - 3 * error,
        "reported": None,
    }[promise]
    return Row(base, what, share, error, promise, kept)


def pointwise(worlds: int, seed: int, base: float, users: int = 8000) -> list[Row]:
    """Coverage of each estimator's interval of a policy's value and of its uplift."""
    prices = line(base)

    def decide(score: np.ndarray) -> np.ndarray:
        return np.take(BANDS, (score >= 0.4).astype(int) + (score >= 0.7))

    score, p = population(base)
    money = prices.reward_intercept + prices.reward_slope * p
    value = float(truth(money, decide(score)).value)
    target = {"value": value, "uplift": value - float(money[:, 0].mean())}
    names = ["truth", "ipw", "snipw", "dr", "sndr", "dm", "dr, estimated logging"]
    hits = {(name, quantity): 0 for name in names for quantity in target}
    for world in range(worlds):
        score, p, log = draw(np.random.default_rng([seed, world]), users, base)
        decision, none = decide(score), np.zeros(users, dtype=np.int64)
        priced = log.priced(prices.reward_intercept, prices.reward_slope)
        decile = np.minimum((score * 10).astype(np.int64), 9)
        counts = np.zeros((10, 3))
        np.add.at(counts, (decile, log.action), 1)
        estimated = (counts / counts.sum(axis=1, keepdims=True))[decile]
        guessed = Log(priced.outcome, log.action, estimated, priced.predicted)
        found = {name: (f(priced, decision), f(priced, none)) for name, f in ESTIMATORS.items()}
        money = prices.reward_intercept + prices.reward_slope * p
        found["truth"] = truth(money, decision), truth(money, none)
        found["dr, estimated logging"] = ESTIMATORS["dr"](guessed, decision), ESTIMATORS["dr"](guessed, none)
        for name, (of_policy, of_none) in found.items():
            for quantity, estimate in (("value", of_policy), ("uplift", of_policy - of_none)):
                interval = estimate.estimate
                assert interval.low is not None
                assert interval.high is not None
                hits[name, quantity] += interval.low <= target[quantity] <= interval.high
    promised = ("truth", "ipw", "snipw", "dr", "sndr")
    return [
        covers(count, worlds, base, f"{quantity}, {name}", "= 95 %" if name in promised else "reported")
        for (name, quantity), count in hits.items()
    ]


def band(worlds: int, seed: int, base: float, users: int = 20_000, cuts: int = 50) -> list[Row]:
    """Coverage of all supported pairs of cut-offs at once, and of them one at a time."""
    score, p = population(base)
    where = grid(score, cuts)
    true = gather(where, score, Evidence("truth", p))
    none = np.zeros(len(where) + 1, dtype=np.int64)
    target, _ = mean_and_changed(true, BANDS, line(base), none)
    together, apart = 0, 0.0
    for world in range(worlds):
        rng = np.random.default_rng([seed, world])
        score, _, log = draw(rng, users, base)
        found = sheet(gather(where, score, scores_of(log)), BANDS, line(base), none, rng)
        t = np.abs(found.value - target)[found.supported] / found.se[found.supported]
        together += bool((t <= found.critical).all())
        apart += float((t <= 1.959964).mean())
    return [
        covers(together, worlds, base, "uplift at every pair, band", ">= 95 %"),
        covers(round(apart), worlds, base, "uplift at one pair, interval", "reported"),
    ]


def choice(worlds: int, seed: int, base: float, users: int = 4000, cuts: int = 25) -> list[Row]:
    """Bias and coverage of the uplift of chosen cut-offs, honest and apparent."""
    score, p = population(base)
    where = grid(score, cuts)
    true, none = gather(where, score, Evidence("truth", p)), np.zeros(len(where) + 1, dtype=np.int64)
    target, acted = mean_and_changed(true, BANDS, line(base), none)
    kept, candidates = 0, acted * users / true.users >= 2 * LEAST_CHANGED
    errors: dict[str, list[float]] = {"honest": [], "apparent": []}
    hits = dict.fromkeys(errors, 0)
    for world in range(worlds):
        rng = np.random.default_rng([seed, world])
        halves: list[Cells] = []
        for _ in range(2):
            score, _, log = draw(rng, users, base)
            halves.append(gather(where, score, scores_of(log)))
        validation, test = halves
        found = choose(validation, test, BANDS, line(base))
        stays, _ = inconclusive(test, BANDS, line(base), found.honest.at, rng)
        as_good = target >= (0 if found.honest.at is None else target[found.honest.at])
        kept += not (as_good & candidates & ~stays).any()
        for name, chosen in (("honest", found.honest), ("apparent", found.apparent)):
            if chosen.at is None:
                continue  # exactly 0, and known to be
            value = contrast(true, line(base), true.decision(BANDS, chosen.at), none).value
            assert chosen.uplift.low is not None
            assert chosen.uplift.high is not None
            errors[name].append(chosen.uplift.value - value)
            hits[name] += chosen.uplift.low <= value <= chosen.uplift.high
    rows = [covers(kept, worlds, base, "none as good is told from the chosen", ">= 95 %")]
    for name, promise in (("honest", "= 95 %"), ("apparent", "< 95 %")):
        bias, made = float(np.mean(errors[name])), len(errors[name])
        error = float(np.std(errors[name], ddof=1) / np.sqrt(made))
        unbiased = abs(bias) <= 3 * error
        rows += [
            Row(
                base,
                f"bias of the {name} uplift",
                bias,
                error,
                "= 0" if name == "honest" else "> 0",
                unbiased if name == "honest" else bias > 3 * error,
            ),
            covers(hits[name], made, base, f"{name} uplift, interval", promise),
        ]
    return rows


def family(worlds: int, seed: int, base: float, users: int = 6000, contestants: int = 8) -> list[Row]:
    """How often any pair of equally good contestants is told apart.

    Once they toss coins between two actions; once they act from different cut-offs on, as policies do, and the action
    does nothing: neighbours then differ for few users, and the last one acts on no one.
    """
    wrong = {f"any of {contestants} equals told apart": 0, f"any of {contestants} idle cut-offs told apart": 0}
    tossed, nested = wrong
    for world in range(worlds):
        rng = np.random.default_rng([seed, world])
        score, p, log = draw(rng, users, base)
        money = line(base).reward_intercept + line(base).reward_slope * scores_of(log).outcome_scores
        toss = {
            f"{k}": np.where(rng.random(users) < 0.5, money[:, 1], money[:, 2]) - money[:, 0]
            for k in range(contestants)
        }
        assert log.predicted is not None
        outcome = (rng.random(users) < p[:, 0]).astype(np.float64)
        idle = scores_of(
            replace(log, outcome=outcome, predicted=np.repeat(log.predicted[:, :1], 3, axis=1))
        ).outcome_scores
        cuts = np.linspace(0.3, 1, contestants)
        acts = {f"{cut:g}": np.where(score >= cut, idle[:, 2] - idle[:, 0], 0) for cut in cuts}
        for name, each in ((tossed, toss), (nested, acts)):
            wrong[name] += any(v.verdict != "inconclusive" for v in contest(each, rng))
    error = float(np.sqrt(0.05 * 0.95 / worlds))
    return [
        Row(base, what, count / worlds, error, "<= 5 %", count / worlds <= 0.05 + 3 * error)
        for what, count in wrong.items()
    ]


def effects(worlds: int, seed: int, base: float, users: int = 8000) -> list[Row]:
    """Coverage of the effect's slope along the score and of sorted groups at once; and what is said where none differs.

    The score is one of outcomes, and a hidden trait moves effects too; in idle worlds no action does anything.
    """
    kinds, p = population(base)
    true, apart = p[:, 2] - p[:, 0], kinds - kinds.mean()
    slope = float(apart @ true / (apart @ apart))
    names = (
        "effect's slope, interval",
        "five sorted groups at once",
        "idle: slope says nothing",
        "idle: groups say nothing",
    )
    hits = dict.fromkeys(names, 0)
    for world in range(worlds):
        rng = np.random.default_rng([seed, world])
        score, p, log = draw(rng, users, base)
        idle = replace(log, outcome=(rng.random(users) < p[:, 0]).astype(np.float64))
        for of in (log, idle):
            assert of.predicted is not None
            gain = scores_of(of).outcome_scores @ [-1.0, 0.0, 1.0]
            support = Support.of(of.logging_probability, of.predicted, estimated=False)
            basis = support.behind(np.tile([-1.0, 0.0, 1.0], (users, 1)))
            along, groups = effect_line(score, gain, basis=basis), score_groups(score, gain, basis=basis)
            if of is idle:
                hits[names[2]] += along.direction == "inconclusive"
                hits[names[3]] += groups.direction == "inconclusive"
                continue
            hits[names[0]] += _holds(along.slope, slope)
            ranges = zip(groups.low, groups.high, groups.effects, strict=True)
            hits[names[1]] += all(_holds(e, float(true[(kinds >= a) & (kinds <= b)].mean())) for a, b, e in ranges)
    promises = ("= 95 %", "= 95 %", ">= 95 %", ">= 95 %")
    return [covers(hits[name], worlds, base, name, said) for name, said in zip(names, promises, strict=True)]


def _holds(interval: Estimate, value: float) -> bool:
    return interval.low is not None and interval.high is not None and interval.low <= value <= interval.high


STUDIES: tuple[Callable[[int, int, float], list[Row]], ...] = (pointwise, band, choice, family, effects)


def main() -> int:
    """Run every study at every base rate and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        tasks = [pool.submit(study, arguments.worlds, arguments.seed, base) for study in STUDIES for base in BASES]
        rows = [row for task in tasks for row in task.result()]
    print(f"{'base rate':>9}  {'what':<38} {'measured':>9} {'± MC':>8}  {'promise':<9} kept")
    for row in rows:
        kept = {True: "yes", False: "NO", None: ""}[row.kept]
        measured = f"{row.measured:>9.4f} {row.error:>8.4f}"
        print(f"{row.base:>9.0%}  {row.what:<38} {measured}  {row.promise:<9} {kept}")
    print(f"{arguments.worlds} worlds, seed {arguments.seed}, {time.perf_counter() - start:.0f} s")
    return int(any(row.kept is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
