"""What do effect learners reach of the best policy there is, where it is known?

    python -P benchmarks/effect_truth.py [--worlds case_study,streamzone,retention] [--families boosting]
        [--users 10000] [--draws 30] [--rates as_is,rare] [--null 200] [--seed 1000]

Generated users, whose chances given their columns are known under every action. The oracle takes each user's best
action by these. A learner's policy takes each user's best by its predicted effects in money; `response` acts on those
above the cut-off of the score, with the action, that bring most on validation. Their value, over everyone getting none,
is exact on 20,000 further users, and shown as a share of the oracle's: `choice` is of the learner that brings most on
validation, and `everyone` the best single action for all. `rare` lowers log-odds by 3. ± is a Monte-Carlo error.

`--null`: so many worlds where each action moves everyone alike. How often is a learner's policy called better than
everyone and none alike, in a contest with them? Promised: in 5 % at most; exits with 1 beyond two Monte-Carlo errors.
"""

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np

from tippingpoint.data.generators.case_study import CaseStudy
from tippingpoint.data.generators.retention import Retention
from tippingpoint.data.generators.streamzone import StreamZone
from tippingpoint.data.generators.world import World
from tippingpoint.data.model_output import by_action
from tippingpoint.data.users import Users
from tippingpoint.economics import ActionPrice, Economics
from tippingpoint.experiment.evidence import log_of
from tippingpoint.models import calibration
from tippingpoint.models.boosting import Boosting
from tippingpoint.models.effect_models import fit_effects
from tippingpoint.models.family import Family
from tippingpoint.models.learners.dr import DRLearner
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.models.learners.r import RLearner
from tippingpoint.models.learners.s import SLearner
from tippingpoint.models.learners.t import TLearner
from tippingpoint.models.learners.x import XLearner
from tippingpoint.models.logistic import Logistic
from tippingpoint.models.random_forest import RandomForest
from tippingpoint.offpolicy.evidence import Evidence, doubly_robust
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.value import contest_of_values, policy_value

WORLDS: dict[str, Any] = {"case_study": CaseStudy, "streamzone": StreamZone, "retention": Retention}
FAMILIES: dict[str, Any] = {"boosting": Boosting, "logistic": Logistic, "random_forest": RandomForest}
LEARNERS: dict[str, Any] = {"s": SLearner, "t": TLearner, "x": XLearner, "r": RLearner, "dr": DRLearner}
PRICES = ActionPrice(contact_cost=0.5)
"""An action costs something, so that whom to leave alone matters; an outcome is worth 30."""
SHIFT, FRESH, TINY, CUTS, LIFT = -3.0, 20_000, 1e-9, 20, 0.03


def economics(world: World) -> Economics:
    """An outcome is worth 30, an action costs 0.5."""
    actions = {action: PRICES if k else ActionPrice() for k, action in enumerate(world.actions)}
    return Economics(price=30, months=1, ad_revenue=0, actions=actions)


def known(world: World, users: Users) -> np.ndarray:
    """(n, K) chances of the outcome under each action, given what the columns say and nothing else."""
    found = []
    for k in range(len(world.actions)):
        chances = {a: 1 - (len(world.actions) - 1) * TINY if j == k else TINY for j, a in enumerate(world.actions)}
        found.append(world.model_copy(update={"logging": {"chances": chances}}).score(users))
    return np.stack(found, axis=1)


def drawn(name: str, rate: str, users: int, seed: int) -> tuple[World, list[Users]]:
    """A world, and its users in train, validation and fresh ones."""
    world = WORLDS[name](seed=seed, users=users + FRESH)
    if rate == "rare":
        world = world.model_copy(update={"intercept": world.intercept + SHIFT})
    table = world.load()
    ends = [int(0.75 * users), users]
    return world, [table.take(part) for part in np.split(np.arange(len(table)), ends)]


def scores(train: Users, users: Users, seed: int) -> tuple[np.ndarray, Support]:
    """(n, K) doubly robust outcome scores, and what they rest on."""
    log = log_of("experiment", train, users, seed)
    assert log.predicted is not None
    found = doubly_robust(log.outcome, log.action, log.logging_probability, log.predicted)
    return found, Support.of(log.logging_probability, log.predicted, estimated=False).together(
        found - log.predicted, None
    )


def policies(
    family: Family, train: Users, validation: Users, fresh: Users, prices: Economics, seed: int
) -> dict[str, tuple[np.ndarray, np.ndarray, float]]:
    """By learner (n,) actions on validation and on fresh users, and the seconds that it took to fit."""
    intercept, slope = prices.line(train.actions, good=True)
    given = Nuisances(family, train, seed)
    found: dict[str, tuple[np.ndarray, np.ndarray, float]] = {}
    for name, learner in LEARNERS.items():
        start = time.perf_counter()
        model = fit_effects(learner(), given)
        taken = [(intercept + slope * by_action(model.output(u))).argmax(axis=1) for u in (validation, fresh)]
        found[name] = (*taken, time.perf_counter() - start)
    start = time.perf_counter()
    model = calibration.fit(family, train, validation, seed)
    own, new = model.score(validation), model.score(fresh)
    gain = intercept + slope * scores(train, validation, seed)[0]
    gain -= gain[:, :1]
    at = np.quantile(own, np.arange(CUTS) / CUTS)
    brings = np.array([[gain[own >= cut, k].sum() for cut in at] for k in range(1, len(train.actions))])
    k, c = np.unravel_index(brings.argmax(), brings.shape)
    acts = brings.max() > 0
    taken = [np.where((of >= at[c]) & acts, k + 1, 0) for of in (own, new)]
    found["response"] = (*taken, time.perf_counter() - start)
    return found


def shares(name: str, rate: str, family: str, users: int, draws: int, seed: int) -> None:
    """Print what learners reach of the oracle's value, by draw."""
    reached, seconds, base, regret = defaultdict(list), defaultdict(list), [], []
    for draw in range(draws):
        world, (train, validation, fresh) = drawn(name, rate, users, seed + draw)
        prices = economics(world)
        intercept, slope = prices.line(world.actions, good=True)
        money = intercept + slope * known(world, fresh)
        gain = money - money[:, :1]
        best, rows = gain.max(axis=1).mean(), np.arange(len(fresh))
        judged = intercept + slope * scores(train, validation, seed)[0]
        found = policies(FAMILIES[family](), train, validation, fresh, prices, seed)
        on_validation = {
            n: (judged[np.arange(len(validation)), of[0]] - judged[:, 0]).mean() for n, of in found.items()
        }
        value = {n: gain[rows, of[1]].mean() / best for n, of in found.items()}
        value["choice"] = value[max(on_validation, key=on_validation.__getitem__)]
        regret.append(max(value.values()) - value["choice"])
        value["everyone"] = max(gain.mean(axis=0)) / best
        for n, of in value.items():
            reached[n].append(of)
        for n, of in found.items():
            seconds[n].append(of[2])
        base.append(train.outcome.mean())
    error = {n: np.std(of, ddof=1) / np.sqrt(len(of)) if len(of) > 1 else np.nan for n, of in reached.items()}
    told = "  ".join(f"{n} {np.mean(of):.2f} ± {error[n]:.2f}" for n, of in reached.items())
    fits = " ".join(f"{n} {np.mean(of):.1f}" for n, of in seconds.items())
    print(f"{name} {rate} ({np.mean(base):.1%}) {family}, {users:,} users, {draws} draws:\n  {told}")
    print(f"  regret of the choice {np.mean(regret):.3f}; seconds: {fits}", flush=True)


def flat(world: World, users: Users, rng: np.random.Generator) -> Users:
    """The same users where each action adds as much for everyone."""
    assert users.truth is not None
    truth = users.truth[:, :1] * (1 - LIFT) + LIFT * (np.arange(len(world.actions)) > 0)
    return replace(
        users, truth=truth, outcome=(rng.random(len(users)) < truth[np.arange(len(users)), users.action]) * 1
    )


def null(family: str, users: int, worlds: int, seed: int) -> bool:
    """Print how often learners are called better than everyone and none; whether the promise holds."""
    better: dict[str, int] = dict.fromkeys(LEARNERS, 0)
    for draw in range(worlds):
        rng = np.random.default_rng([seed, draw])
        world, parts = drawn("case_study", "as_is", users, seed + draw)
        train, _, fresh = (flat(world, of, rng) for of in parts)
        test = fresh.take(np.arange(users // 3))
        prices = economics(world)
        lines = prices.line(world.actions, good=True)
        outcome_scores, support = scores(train, test, seed)
        evidence = Evidence("experiment", outcome_scores, {"phi": support})
        given = Nuisances(FAMILIES[family](), train, seed)
        decided = {f"everyone {a}": np.full(len(test), k) for k, a in enumerate(world.actions)}
        simple = list(decided)
        for name, learner in LEARNERS.items():
            found = by_action(fit_effects(learner(), given).output(test))
            decided[name] = (lines[0] + lines[1] * found).argmax(axis=1)
        values = {name: policy_value(evidence, *lines, of) for name, of in decided.items()}
        told = {(v.first, v.second): v.verdict for v in contest_of_values(values, rng)}
        for name in LEARNERS:
            better[name] += all(told[other, name] == "worse" for other in simple)
    most = 0.05 + 2 * np.sqrt(0.05 * 0.95 / worlds)
    said = "  ".join(f"{n} {of / worlds:.1%}" for n, of in better.items())
    print(
        f"no heterogeneity, {family}, {users:,} users, {worlds} worlds, better than everyone and none: {said}",
        flush=True,
    )
    return all(of / worlds <= most for of in better.values())


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", default=",".join(WORLDS))
    parser.add_argument("--families", default="boosting")
    parser.add_argument("--rates", default="as_is,rare")
    for name, default in (("users", 10_000), ("draws", 30), ("null", 200), ("seed", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    for family in asked.families.split(","):
        for name in filter(None, asked.worlds.split(",")):
            for rate in asked.rates.split(","):
                shares(name, rate, family, asked.users, asked.draws, asked.seed)
    return 0 if not asked.null or null("logistic", asked.users, asked.null, asked.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
