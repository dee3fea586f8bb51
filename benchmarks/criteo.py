"""Seven contestants on a twin of the Criteo uplift set, scored and valued as a stream: seconds and memory by size.

    python -P benchmarks/criteo.py [--millions 1,4,14] [--sample 1000000] [--seed 0]

All are fitted on the same sample; then users are drawn block by block, scored by each, and their doubly robust outcomes
gathered in cells along what it ranks by, from which value by share treated and its band are read. Drawing the users is
timed apart: of a real table it would be reading. Memory is the process's largest, fits included.
"""

import argparse
import resource
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from tippingpoint.data.generators.criteo_like import CriteoLike
from tippingpoint.data.generators.world import BLOCK
from tippingpoint.data.users import Users
from tippingpoint.experiment.evidence import fit_rewards
from tippingpoint.models import calibration
from tippingpoint.models.boosting import Boosting
from tippingpoint.models.calibration import Model
from tippingpoint.models.effect_models import fit_effects
from tippingpoint.models.learners.dr import DRLearner
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.models.learners.r import RLearner
from tippingpoint.models.learners.s import SLearner
from tippingpoint.models.learners.t import TLearner
from tippingpoint.models.learners.x import XLearner
from tippingpoint.models.logistic import Logistic
from tippingpoint.offpolicy.cells import Cells, gather, grid, outcomes
from tippingpoint.offpolicy.evidence import Evidence, Log, doubly_robust
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.surface import sheet

LEARNERS = {"s": SLearner(), "t": TLearner(), "x": XLearner(), "r": RLearner(), "dr": DRLearner()}
Rank = Callable[[Users], np.ndarray]


def effect(model: Model, users: Users) -> np.ndarray:
    """(n,) predicted effect of the advertisement."""
    return np.asarray(model.output(users)[:, 2])


def contestants(sample: Users, seed: int) -> dict[str, Rank]:
    """What ranks users, by name; prints how long each fit took."""
    validation = sample.take(np.arange(len(sample)) % 5 == 0)
    train, given = sample.take(np.arange(len(sample)) % 5 > 0), Nuisances(Boosting(), sample, seed)
    found: dict[str, Rank] = {}
    for name, family in {"boosting": Boosting(), "logistic": Logistic()}.items():
        start = time.perf_counter()
        found[name] = calibration.fit(family, train, validation, seed).score
        print(f"fit {name} {time.perf_counter() - start:.1f} s", flush=True)
    for name, learner in LEARNERS.items():
        start = time.perf_counter()
        found[f"boosting_{name}"] = partial(effect, fit_effects(learner, given))
        print(
            f"fit boosting_{name} {time.perf_counter() - start:.1f} s (what learners share is with the first)",
            flush=True,
        )
    return found


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", default="1,4,14")
    parser.add_argument("--sample", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sizes = sorted(round(float(m) * 1e6) for m in asked.millions.split(","))
    sample = CriteoLike(users=asked.sample, seed=asked.seed + 1).load()
    ranks, predict = contestants(sample, asked.seed), fit_rewards(sample, asked.seed)
    few = sample.take(np.arange(min(len(sample), 50_000)))
    cuts = {name: grid(rank(few)) for name, rank in ranks.items()}
    world, cells = CriteoLike(users=sizes[-1], seed=asked.seed), dict[str, Cells]()
    drawing = scoring = gathering = 0.0
    users, rng = 0, np.random.default_rng(asked.seed)
    for first in range(0, sizes[-1], BLOCK):
        begun = time.perf_counter()
        block = world.block(first // BLOCK)
        drawn = time.perf_counter()
        scores = {name: rank(block) for name, rank in ranks.items()}
        scored = time.perf_counter()
        assert block.action is not None
        assert block.logging_probability is not None
        predicted = predict(block.features)
        log = Log(block.outcome, block.action, block.logging_probability, predicted)
        phi = doubly_robust(log.outcome, log.action, log.logging_probability, predicted)
        support = Support.of(log.logging_probability, predicted, estimated=False).together(phi - predicted, None)
        evidence = Evidence("experiment", phi, {"phi": support})
        for name, score in scores.items():
            more = gather(cuts[name], score, evidence)
            cells[name] = cells[name] + more if name in cells else more
        gathered = time.perf_counter()
        drawing, scoring, gathering = drawing + drawn - begun, scoring + scored - drawn, gathering + gathered - scored
        users += len(block)
        while sizes and users >= sizes[0]:
            size, start = sizes.pop(0), time.perf_counter()
            sheets = {n: sheet(c, (0, 1), outcomes(2), np.zeros(len(c.count), int), rng) for n, c in cells.items()}
            bands, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            each = (scoring + gathering + bands) / size * 1e6
            print(
                f"{size:,} users: scored in {scoring:.0f} s, valued in {gathering:.0f} s, bands {bands:.1f} s,"
                f" {each:.1f} s a million; drawn in {drawing:.0f} s; {peak:.1f} GB",
                flush=True,
            )
    for name, of in sheets.items():
        at = int(np.abs(of.changed / cells[name].users - 0.3).argmin())
        e = of.scaled(1000).at((at,))
        print(f"{name}: visits per 1,000 with 30 % treated {e.value:.2f} ± {1.96 * (e.se or 0):.2f}")


if __name__ == "__main__":
    main()
