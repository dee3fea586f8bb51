"""What a search costs beside the fits themselves, and beside doing the same with other means.

    python -P benchmarks/tuning.py [--trials 200] [--users xyz.csv]          overhead, peers, the figure
    python -P benchmarks/tuning.py nested [--users xyz.csv] [--trials 30]    tuned against default, five outer folds

On the case study, or on a CSV of users (with --target). All times are of the same run; a ratio is what counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import loguniform, randint, uniform
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold

from tippingpoint.config.compose import compose
from tippingpoint.data.splits import development
from tippingpoint.data.users import Users
from tippingpoint.evaluation import auc_contributions
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.statistics import mean
from tippingpoint.tuning.job import tune
from tippingpoint.tuning.result import Tried
from tippingpoint.tuning.search import Search, crew, get_ready
from tippingpoint.tuning.settings import TuneSettings
from tippingpoint.tuning.task import digests, prepared

PEER_TRIALS, RUN_TRIALS = 20, 6
FAMILIES = ("logistic", "random_forest", "boosting")


def data_words(arguments: argparse.Namespace) -> list[str]:
    """Overrides that name the asked users."""
    return [f"data.path={arguments.users}", f"data.target={arguments.target}", "data=csv"] if arguments.users else []


def settings_of(arguments: argparse.Namespace, *words: str) -> TuneSettings:
    """Settings of a search on the asked users."""
    return TuneSettings.from_config(compose("tune", [*data_words(arguments), *words]))


def searched(settings: TuneSettings, question: ExperimentSpec) -> tuple[Search, float]:
    """A finished search on all users of a question, and its wall time, start of its worker and all."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        get_ready(question.families.values())
        task = prepared(settings, question, question.users, Path(folder))
        search = Search(task, digests(settings, question))
        with crew(task) as hired:
            while hired.look():
                time.sleep(0.02)
        return search, time.perf_counter() - start


def overhead(arguments: argparse.Namespace) -> None:
    """Wall time over time inside fit and predict; scikit-learn and a multirun of `run` for the same trials."""
    settings = settings_of(arguments, "model=boosting", f"tune.trials={arguments.trials}", "tune.prune=0")
    asked = ask(settings)
    users = development(asked.users, settings.split)
    search, wall = searched(settings, replace(asked, users=users))
    tried = search.tried()
    inside = sum(trial.seconds for trial in tried) + search.task.baseline["boosting"].seconds
    ratio = wall / inside
    print(f"{len(users):,} users; {len(tried)} trials of boosting: {wall:.1f} s, {ratio:.3f} times fit and predict")

    blocked, span = between(tried)
    print(f"between fits: {blocked:.1f} ms a trial, for sampler and journal; nothing is filed meanwhile")
    print(f"before the first trial and after the last: {wall - span:.1f} s, the defaults' folds among it")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        filed, _ = between(tune(settings.model_copy(update={"seed": settings.seed + 1})).tuned.tried)
    print(f"between fits while another process files each trial in MLflow: {filed:.1f} ms, {filed - blocked:+.1f} ms")

    family = search.task.families["boosting"]
    pipeline = family.pipeline(users.contract, 0)
    space = {
        "model__max_depth": randint(2, 9),
        "model__learning_rate": loguniform(0.01, 0.3),
        "model__subsample": uniform(0.5, 0.5),
        "model__colsample_bytree": uniform(0.3, 0.7),
        "model__min_child_weight": loguniform(1, 50),
        "model__reg_lambda": loguniform(0.01, 100),
    }
    kept = StratifiedKFold(settings.tune.folds, shuffle=True, random_state=settings.seed)  # the search's own folds
    found = []
    start = time.perf_counter()
    for trial in range(PEER_TRIALS):
        peer = RandomizedSearchCV(
            pipeline, space, n_iter=1, cv=kept, scoring="roc_auc", refit=False, random_state=trial
        )
        peer.fit(users.features, users.outcome)
        found.append((time.perf_counter() - start, float(peer.best_score_)))
    each = (time.perf_counter() - start) / PEER_TRIALS
    mine = wall / len(tried)
    rounds = family.parameters()["n_estimators"]
    print(f"a trial: {mine:.2f} s; RandomizedSearchCV, {rounds} rounds: {each:.2f} s, {each / mine:.2f} times")

    start = time.perf_counter()
    rates = ",".join(f"{rate:.4f}" for rate in np.geomspace(0.01, 0.3, RUN_TRIALS))
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
        words = [
            "run",
            "-m",
            "model=boosting",
            f"model.boosting.learning_rate={rates}",
            *data_words(arguments),
            "output=json",
        ]
        subprocess.run(
            [sys.executable, "-m", "tippingpoint", *words], cwd=folder, env=environment, check=True, capture_output=True
        )
    run = (time.perf_counter() - start) / RUN_TRIALS
    print(f"a Hydra multirun of run (one fit, not {settings.tune.folds}): {run:.2f} s a trial, {run / mine:.2f} times")
    if arguments.figure:
        draw(search, found, arguments.figure, users)


def between(tried: Sequence[Tried]) -> tuple[float, float]:
    """Milliseconds a trial outside fit and predict, and seconds from the first trial's start to the last's end."""
    span = max(trial.ended for trial in tried) - min(trial.started for trial in tried)
    return (span - 1000 * sum(trial.seconds for trial in tried)) / len(tried), span / 1000


def draw(search: Search, peer: list[tuple[float, float]], path: str, users: Users) -> None:
    """Best cross-validated AUC against seconds: the search, and RandomizedSearchCV's trials on the same folds."""
    tried = search.tried()
    first = min(trial.started for trial in tried)
    rounds = search.task.families["boosting"].parameters()["n_estimators"]
    curves = {
        f"tippingpoint tune, {len(tried)} trials, rounds by early stopping": [
            ((trial.ended - first) / 1000, trial.values["roc_auc"]) for trial in tried
        ],
        f"RandomizedSearchCV, {len(peer)} trials, {rounds} rounds each": peer,
    }
    figure = Figure(figsize=(7, 4), dpi=90)
    axes = figure.add_subplot()
    for label, found in curves.items():
        seconds, values = np.array(found).T
        axes.step(seconds, np.maximum.accumulate(values), where="post", marker=".", label=label)
    own = search.task.baseline["boosting"].objectives()[0]
    axes.axhline(own, color="#666666", linestyle=":", label=f"the shipped defaults, {rounds} rounds")
    axes.set(
        xlabel="seconds since the first trial began",
        ylabel=f"best {search.task.folds.number}-fold ROC AUC so far",
        title=f"Boosting on {len(users):,} users, the same folds",
    )
    axes.legend(loc="lower right", frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def nested(arguments: argparse.Namespace) -> None:
    """Five outer folds; inside each a search of all its own; the winner and the defaults on the fold held out."""
    rows = []
    for name in arguments.families:
        settings = settings_of(
            arguments, f"model={name}", f"tune.trials={arguments.trials}", "tune.prune=0", *arguments.set
        )
        asked = ask(settings)
        whole = asked.users
        tuned, plain = np.empty(len(whole)), np.empty(len(whole))
        outer = StratifiedKFold(5, shuffle=True, random_state=0)
        for fit, held in outer.split(whole.outcome, whole.outcome):
            users = whole.take(fit)
            search, _ = searched(settings, replace(asked, users=users))
            best = search.best()
            assert best is not None
            family = search.task.families[name]
            for label, of in (("default", family), ("tuned", family.having(best.parameters))):
                pipeline = of.pipeline(users.contract, 0).fit(users.features, users.outcome)
                score = pipeline.predict_proba(whole.features.iloc[held])[:, 1]
                (plain if label == "default" else tuned)[held] = auc_contributions(whole.outcome[held], score)
        for label, found_of in (("default", plain), ("tuned", tuned), ("gain", tuned - plain)):
            found = mean(found_of)
            rows.append({"family": name, "ROC AUC": label, "value": found.value, "low": found.low, "high": found.high})
            print(json.dumps(rows[-1]), flush=True)
    print(pd.DataFrame(rows).round(4).to_string(index=False))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("overhead", "nested"), default="overhead")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--users", help="a CSV of users instead of the case study")
    parser.add_argument("--target", default="adopter")
    parser.add_argument("--families", nargs="+", default=FAMILIES, help="for nested: which of them")
    parser.add_argument("--set", nargs="+", default=[], help="overrides, e.g. model.random_forest.n_estimators=100")
    parser.add_argument("--figure", help="where to draw AUC against seconds, as PNG")
    arguments = parser.parse_args()
    for name in ("users", "figure"):
        if getattr(arguments, name):
            setattr(arguments, name, str(Path(getattr(arguments, name)).resolve()))
    arguments.trials = arguments.trials or (200 if arguments.what == "overhead" else 30)
    with tempfile.TemporaryDirectory() as folder:  # where the studies stand
        os.chdir(folder)
        overhead(arguments) if arguments.what == "overhead" else nested(arguments)
        os.chdir("/")


if __name__ == "__main__":
    main()
