"""Samplers by name: what each trial of a study draws, whatever was killed before it."""

import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from tippingpoint.core.errors import InputError
from tippingpoint.tuning.recorded_trials import is_settled

STARTUP = 10
"""Trials a sampler draws at random before it learns from them, and before any is pruned."""


def sampler(kind: str, seed: int) -> BaseSampler:
    """A sampler by name, which begins anew with each trial: a study goes on as if it had never stopped.

    Raises
    ------
    InputError
        When it needs a package that is not there.
    """
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # they are what TPE and clearing need
    if package := {"cmaes": "cmaes", "gp": "torch"}.get(kind):
        try:
            import_module(package)
        except ImportError as error:
            extra = "samplers" if kind == "cmaes" else "gp"
            raise InputError(
                "tune.sampler", f"{kind} needs a package", f"pip install 'tippingpoint[{extra}]'"
            ) from error
    return _Anew(kind, seed)


def _one_trial(kind: str, seed: int) -> BaseSampler:
    match kind:
        case "random" | "grid":  # a grid's trials are made with their point
            return optuna.samplers.RandomSampler(seed=seed)
        case "cmaes":
            return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=STARTUP, warn_independent_sampling=False)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=STARTUP)
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True
    )


class _Anew(BaseSampler):
    """Makes a sampler for each trial, seeded by what is settled before it and how many of lower number are under way.

    So a killed trial leaves no trace in what follows, one that failed is not drawn again, and two that are asked for at
    once draw apart, since a storage numbers them one after the other.
    """

    def __init__(self, kind: str, seed: int) -> None:
        self._kind, self._seed = kind, seed
        self._now = _one_trial(kind, seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        lower = [t for t in study.get_trials(deepcopy=False) if t.number < trial.number]
        running = sum(t.state == TrialState.RUNNING for t in lower)
        state = np.random.SeedSequence([self._seed, sum(map(is_settled, lower)), running]).generate_state(1)
        self._now = _one_trial(self._kind, int(state[0]))
        self._now.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        return self._now.infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        return self._now.sample_relative(study, trial, search_space)

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, param_name: str, distribution: Any) -> Any:
        return self._now.sample_independent(study, trial, param_name, distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._now.after_trial(study, trial, state, values)
