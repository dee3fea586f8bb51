"""Are effect learners as good and as fast as those of causalml and EconML, on the same users?

    python -P benchmarks/effect.py [--peers /path/to/python] [--hillstrom hillstrom.csv] [--generated 1000000]
        [--learners t,x,r,dr] [--seed 0]

`--peers` names a Python of another environment that has causalml 0.18 and econml 0.17 (`pip install causalml==0.18.0
econml==0.17.0`); without it the environment is made in a temporary folder. Boosting with the same parameters on both
sides, on the same prepared columns, with chances known; 60 % of users to fit, the others to value. Each fit has a
process of its own. Users: MineThatData's e-mail experiment (`--hillstrom`, either e-mail against none, who visits), and
the case study's with two arms.

Of each learner and peer: further outcomes per 1,000 users when the 10, 30 and 50 % with the largest predicted effects
are treated, ours less theirs, paired, with its 95 % interval (doubly robust), and of generated users the true one
± a Monte-Carlo error; processor's seconds to fit with one thread, ours, those of its base learners alone, and the
peer's; megabytes at the peak.
Exits with 1 where an interval lies below 0, a true difference more than three errors below it, fitting takes more than
1.2 times its base learners, or longer than the peer.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.files import Table
from tippingpoint.data.generators.case_study import CaseStudy
from tippingpoint.data.generators.world import Logging
from tippingpoint.data.users import Users
from tippingpoint.experiment.evidence import log_of
from tippingpoint.models.boosting import Boosting
from tippingpoint.models.effect_models import fit_effects
from tippingpoint.models.learners.dr import DRLearner
from tippingpoint.models.learners.effects import output
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.models.learners.r import RLearner
from tippingpoint.models.learners.t import TLearner
from tippingpoint.models.learners.x import XLearner
from tippingpoint.offpolicy.evidence import doubly_robust
from tippingpoint.offpolicy.statistics import mean

LEARNERS: dict[str, Any] = {"t": TLearner, "x": XLearner, "r": RLearner, "dr": DRLearner}
LIBRARIES = {"causalml": "causalml==0.18.0", "econml": "econml==0.17.0"}
TREATED = (0.1, 0.3, 0.5)
MOST = 1.2
"""Times the fits of base learners alone that a fit may take."""


def hillstrom(path: str) -> Users:
    """Either e-mail against none."""
    table = pd.read_csv(path)
    sent = np.where(table["segment"] == "No E-Mail", "none", "email")
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "emails.csv"
        table.drop(columns=["conversion", "spend", "segment"]).assign(sent=sent).to_csv(written, index=False)
        chances: dict[str, float | str] = {
            "none": float((sent == "none").mean()),
            "email": float((sent == "email").mean()),
        }
        return Table(path=str(written), target="visit", action="sent", logging_probability=chances).load()


def generated(n: int, seed: int) -> Users:
    """The case study's users, half of whom got a discount."""
    world = CaseStudy(
        users=n, seed=seed, logging=Logging(chances={"none": 0.5, "discount_10": 0.5}), strength={"discount_10": 0.9}
    )
    return world.load()


def parts(name: str, of: str, seed: int) -> tuple[Users, Users]:
    """Users to fit on, and to value."""
    users = hillstrom(of) if name == "hillstrom" else generated(int(of), seed)
    order = np.random.default_rng(seed).permutation(len(users))
    return tuple(users.take(np.sort(part)) for part in np.split(order, [int(0.6 * len(users))]))  # type: ignore[return-value]  # split gives two parts, not any number


def fit_ours(name: str, of: str, seed: int, learner: str, folder: Path) -> None:
    """Fit one learner and print what `effect_peers.py` prints, with the seconds of its base learners' own fits."""
    train, test = parts(name, of, seed)
    alone: list[float] = []

    class Timed(Nuisances):
        def fitted(self, model: Any, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Any:
            start = time.process_time()
            found = super().fitted(model, x, y, weight)
            alone.append(time.process_time() - start)
            return found

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    model = fit_effects(LEARNERS[learner](), Timed(Boosting(), train, seed, threads=1))
    said = {"fit": time.process_time() - start, "alone": sum(alone)}
    found = output(model.classifier, test.features)
    said |= {"before": before / 1024, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    np.save(folder / "effect.npy", found[:, -1])
    print(json.dumps(said))


def prepare(folder: Path, train: Users, test: Users, seed: int) -> None:
    """Write what peers read."""
    given, family = Nuisances(Boosting(), train, seed), Boosting()
    assert train.logging_probability is not None
    rate = float(train.outcome.mean())
    effect = family.regression(train.contract, seed, rate * (1 - rate))
    ours = {"outcome": given.classifier().get_params(), "effect": effect.get_params()}
    kept = {of: {k: v for k, v in p.items() if v is not None and k != "missing"} for of, p in ours.items()}
    for parameters in kept.values():
        parameters["n_jobs"] = 1
    (folder / "parameters.json").write_text(json.dumps(kept))
    chance = train.logging_probability[:, 1]
    np.savez(folder / "train.npz", x=given.x, action=train.action, outcome=train.outcome, chance=chance)  # type: ignore[arg-type]  # actions were logged
    np.savez(folder / "test.npz", x=np.asarray(given.prepare.transform(test.features)))


def ran(words: list[str], folder: Path) -> tuple[np.ndarray, dict[str, float]]:
    """What a process of its own predicts, and what it took."""
    one = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    said = subprocess.run([*words, str(folder)], capture_output=True, text=True, check=False, env=one)
    if said.returncode:
        raise SystemExit(said.stderr)
    return np.load(folder / "effect.npy"), json.loads(said.stdout.splitlines()[-1])


def treated(effect: np.ndarray, share: float) -> np.ndarray:
    """(n,) 0 or 1: the share with the largest effects; ties are broken by the order of users."""
    found = np.zeros(len(effect))
    found[np.argsort(-effect, kind="stable")[: round(share * len(effect))]] = 1
    return found


def compare(name: str, of: str, asked: argparse.Namespace, peers: str) -> bool:
    """Print the rows of one table of users; whether the promise holds."""
    train, test = parts(name, of, asked.seed)
    log, holds = log_of("experiment", train, test, asked.seed), True
    assert log.predicted is not None
    scores = doubly_robust(log.outcome, log.action, log.logging_probability, log.predicted)
    gain = scores[:, 1] - scores[:, 0]
    true = None if test.truth is None else test.truth[:, 1] - test.truth[:, 0]
    print(f"{name}: {len(train):,} users to fit, {len(test):,} to value, {test.outcome.mean():.1%} with the outcome")
    print("learner peer | ours less theirs, outcomes per 1,000 users, at 10, 30, 50 % | fit: ours, base, theirs s | MB")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, train, test, asked.seed)
        peer = [peers, "-P", str(Path(__file__).with_name("effect_peers.py"))]
        for learner in asked.learners.split(","):
            words = [sys.executable, "-P", __file__, "--of", name, of, str(asked.seed), learner]
            ours, took = ran(words, folder)
            slow = took["fit"] > MOST * took["alone"]
            for library in LIBRARIES:
                theirs, other = ran([*peer, library, learner], folder)
                told, low = [], False
                for share in TREATED:
                    apart = treated(ours, share) - treated(theirs, share)
                    found = mean(1000 * apart * gain, group=test.codes)
                    assert found.high is not None
                    low |= found.high < 0
                    value = mean(1000 * treated(ours, share) * gain).value
                    told.append(f"{value:.1f}: {found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]")
                    if true is not None:
                        of_truth = 1000 * apart * true
                        error = of_truth.std() / np.sqrt(len(true))
                        low |= of_truth.mean() < -3 * error
                        told[-1] += f" true {of_truth.mean():+.2f} ± {error:.2f}"
                holds &= not (low or slow or took["fit"] > other["fit"])
                seconds = f"{took['fit']:.1f}, {took['alone']:.1f}, {other['fit']:.1f}"
                if "bootstrap" in other:
                    seconds += f" and {other['bootstrap']:.1f} a bootstrap"
                print(f"{learner} {library} | {'; '.join(told)} | {seconds} | {took['peak']:.0f}, {other['peak']:.0f}")
                sys.stdout.flush()
    return holds


def environment(folder: Path) -> str:
    """The Python of a new environment that has the peers."""
    venv.create(folder, with_pip=True)
    python = str(folder / "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *LIBRARIES.values()], check=True)
    return python


def main() -> int:
    """Compare, or fit one of ours where asked in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--of", nargs=5, help=argparse.SUPPRESS)
    parser.add_argument("--peers")
    parser.add_argument("--hillstrom")
    parser.add_argument("--generated", default="1000000", help="so many users; 0: none")
    parser.add_argument("--learners", default=",".join(LEARNERS))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.of:
        name, of, seed, learner, folder = asked.of
        fit_ours(name, of, int(seed), learner, Path(folder))
        return 0
    wanted = {"hillstrom": asked.hillstrom, "generated": asked.generated if int(asked.generated) else None}
    with tempfile.TemporaryDirectory() as folder:
        peers = asked.peers or environment(Path(folder) / "peers")
        held = [compare(name, of, asked, peers) for name, of in wanted.items() if of]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
