"""Samplers by name: what each trial of a study draws, whatever was killed before it."""

import json
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import FixedTrial, FrozenTrial, TrialState

from tippingpoint.errors import InputError
from tippingpoint.models.family import Family
from tippingpoint.tuning.objectives import Stopped
from tippingpoint.tuning.trials import is_settled, parameters_of, suggest

STARTUP = 10
"""Trials a sampler draws at random before it learns from them, and before any is pruned."""
CLAIM_SECONDS = 10
"""Between asking for a trial and saying who works on it lie milliseconds."""


def sampler(kind: str, family: Family, points: int, seed: int) -> BaseSampler:
    """A sampler by name, which begins anew with each trial: a study goes on as if it had never stopped.

    Raises
    ------
    InputError
        When it needs a package that is not there.
    """
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # they are what TPE and clearing need
    if kind == "grid":
        return _Grid(grid(family, points), seed)
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
        case "random":
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


class _Grid(BaseSampler):
    """Gives each trial a point that no other has; of several that draw at once, the lower number takes the earlier one.

    Optuna's own takes a trial's number for its point as long as it can: a trial that was killed before it drew loses
    its point, and then two workers may take one at once.
    """

    def __init__(self, points: Sequence[Mapping[str, Any]], seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(points))
        self._points = {_written(points[k]): points[k] for k in order}
        self._drawn: tuple[int, Mapping[str, Any]] | None = None

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, Any]) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: optuna.Study, trial: FrozenTrial, param_name: str, distribution: Any) -> Any:
        if self._drawn is None or self._drawn[0] != trial.number:
            self._drawn = trial.number, self._point(study, trial)
        return self._drawn[1][param_name]

    def _point(self, study: optuna.Study, trial: FrozenTrial) -> Mapping[str, Any]:
        others = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        kept = (t for t in others if t.state != TrialState.FAIL or is_settled(t) or _has_just_failed(t))
        taken = {_written(parameters_of(t)) for t in kept}
        free = [point for written, point in self._points.items() if written not in taken]
        before = [t for t in others if t.state == TrialState.RUNNING and t.number < trial.number]
        drawing = sum(_written(parameters_of(t)) not in self._points for t in before)
        if not free:
            raise Stopped  # the last point was put in line again after this trial was asked for: whoever comes takes it
        return free[min(drawing, len(free) - 1)]


def _has_just_failed(trial: FrozenTrial) -> bool:
    """Whether whoever failed it may be about to put its parameters in line again."""
    assert trial.datetime_complete is not None
    return (datetime.now(trial.datetime_complete.tzinfo) - trial.datetime_complete).total_seconds() < CLAIM_SECONDS


def _written(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True)


def grid(family: Family, points: int) -> list[dict[str, Any]]:
    """Every combination a full grid tries; a hyper-parameter that does not apply in one is not varied there."""
    values = {name: dimension.grid(points) for name, dimension in family.search.items() if not dimension.patience}
    found: dict[str, dict[str, Any]] = {}
    for combination in product(*values.values()):
        point = suggest(FixedTrial(dict(zip(values, combination, strict=True))), family)
        found[_written(point)] = point
    return list(found.values())
