"""A study of a random forest as tests open it, and a worker on it."""

from pathlib import Path

import numpy as np
import optuna
from optuna.trial import TrialState

from tippingpoint.core import leases
from tippingpoint.models.random_forest import RandomForest
from tippingpoint.tuning import recorded_trials, samplers, storages, studies

SPACE = {
    "max_features": {"choices": ["sqrt", 0.5]},
    "min_samples_leaf": {"low": 5, "high": 100, "log": True},
    "max_depth": {"low": 2, "high": 12, "when": {"max_features": ["sqrt"]}},
}
FAMILY = RandomForest(
    n_estimators=10, max_depth=5, min_samples_leaf=20, max_features="sqrt", calibrate=False, search=SPACE
)
OWN = recorded_trials.defaults(FAMILY)


def opened(
    folder: Path, digest: str = "d", directions: tuple = ("maximize",), first: dict | None = OWN
) -> optuna.Study:
    storage = storages.open_storage(str(folder / "study.log"))
    return studies.open_study(storage, "forest", directions, digest, first)


def value(parameters: dict) -> float:
    return -abs(np.log(parameters["min_samples_leaf"] / 30)) - 0.1 * parameters.get("max_depth", 12)


def go_on(study: optuna.Study, target: int, stop_in: int | None = None) -> None:
    """One worker; at trial `stop_in` it is killed right after its parameters were drawn."""
    with leases.lease() as lease:
        study.sampler = samplers.sampler("tpe", 0)
        while (count := recorded_trials.progress(study)).complete < target:
            trial = studies.claim(study, target, (leases.here(), lease), FAMILY)
            if trial is None:
                return
            chosen = recorded_trials.suggest(trial, FAMILY)
            if stop_in is not None and count.complete == stop_in:
                return
            study.tell(trial, value(chosen))


def complete(study: optuna.Study) -> list[dict]:
    return [t.params for t in study.get_trials() if t.state == TrialState.COMPLETE]
