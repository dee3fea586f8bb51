"""A process that works on trials: claims one, cross-validates it, and records the result, until there are enough."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import NopPruner
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState

from tippingpoint.core import leases
from tippingpoint.core.foreign import as_theirs
from tippingpoint.core.redaction import masked
from tippingpoint.models.family import Family
from tippingpoint.tuning import optuna_internals, recorded_trials, samplers, storages, studies
from tippingpoint.tuning.effects import LearntEffects
from tippingpoint.tuning.folds import Folds, Priced
from tippingpoint.tuning.grids import Grid, grid, within_reach
from tippingpoint.tuning.objectives import DIRECTIONS, Found, Stopped, cross_validate
from tippingpoint.tuning.pruners import WorstShare
from tippingpoint.tuning.settings import Tune

ROUNDS_A_REPORT = 50
BY_SCORE = ("roc_auc", "pr_auc", "log_loss", "brier")
"""Objectives that a log loss after so many rounds tells something about."""
FIRST_ROUNDS = 200
"""Before so many rounds no fit is called slow: a low rate starts slowly and ends best."""
FOLD = 1_000_000
"""Steps of a trial's reports: rounds of its first fold below this, folds at its multiples."""
IDLE_SECONDS = 0.3


@dataclass(frozen=True)
class SearchTask:
    """What workers share; it travels to each of them once.

    Parameters
    ----------
    names
        The study of each family.
    storage
        A database URL; None for a journal file a study.
    journals
        The folder of the journal files.
    baseline
        What cross-validation finds of each family's own parameters.
    learnt
        The learner of those families that are the base of one.
    """

    families: Mapping[str, Family]
    names: Mapping[str, str]
    storage: str | None
    tune: Tune
    folds: Folds
    priced: Priced | None
    baseline: Mapping[str, Found]
    seed: int
    threads: int
    journals: str = storages.STUDIES
    learnt: Mapping[str, LearntEffects] = field(default_factory=dict)

    def grids(self) -> dict[str, Grid]:
        """The points of each family, where a grid is asked for."""
        if self.tune.sampler != "grid":
            return {}
        return {name: grid(family, self.tune.grid_points, self.seed) for name, family in self.families.items()}

    @property
    def kept(self) -> str:
        """Where all studies are kept, passwords left out."""
        return str(masked(self.storage)) if self.storage else self.journals

    def place(self, family: str) -> str:
        """Where the study of a family is kept, passwords left out."""
        return self.kept if self.storage else str(Path(self.kept, f"{self.names[family]}.log"))

    @property
    def beside(self) -> Path | None:
        """The folder of the workers' leases beside a journal: it outlives a container; None for a database."""
        return None if self.storage else Path(self.kept, "leases")

    def open(self) -> dict[str, BaseStorage]:
        """The storage of each family's study."""
        if self.storage:
            return dict.fromkeys(self.families, storages.open_storage(self.storage))
        return {family: storages.open_storage(self.place(family)) for family in self.families}

    def load(self) -> dict[str, optuna.Study]:
        """The studies, each with its sampler and pruner."""
        return {
            name: optuna.load_study(
                study_name=self.names[name],
                storage=storage,
                sampler=samplers.sampler(self.tune.sampler, self.seed),
                pruner=self._pruner(),
            )
            for name, storage in self.open().items()
        }

    def _pruner(self) -> optuna.pruners.BasePruner:
        if not self.tune.prune or len(self.tune.objectives) > 1:
            return NopPruner()
        return WorstShare(self.tune.prune)


class Silent:
    """Watches nothing, for a baseline."""

    def round(self, fold: int, number: int, loss: float) -> bool:
        return False

    def fold(self, fold: int, value: Callable[[], float] | None) -> None:
        return None


def work(task: SearchTask, stop: Event) -> None:
    """Work on trials until the target is reached or `stop` is set; the entry point of a worker process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent hears them, and says when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _work(task, stop)
    except storages.STORAGE_ERRORS as error:  # who comes instead tries again; what this one held is put back
        raise SystemExit(3) from error


def _work(task: SearchTask, stop: Event) -> None:
    by_family, grids = task.load(), task.grids()
    with leases.lease(task.beside or leases.FOLDER) as lease:
        held = (leases.here() if task.beside is None else studies.BESIDE), lease
        while not stop.is_set():
            wanted = studies.targets(by_family, task.tune.trials, within_reach(grids, by_family))
            found = _next(task, by_family, grids, wanted, held, stop)
            if found is not None:
                name, trial = found
                with _beating(trial):
                    _answer(task, name, by_family[name], trial, stop)
            elif all(recorded_trials.progress(by_family[name]).complete >= target for name, target in wanted.items()):
                return
            else:
                time.sleep(IDLE_SECONDS)


def _next(
    task: SearchTask,
    by_family: Mapping[str, optuna.Study],
    grids: Mapping[str, Grid],
    wanted: Mapping[str, int],
    held: tuple[str, str],
    stop: Event,
) -> tuple[str, Trial] | None:
    """A trial of the family that is furthest from its share."""
    behind = sorted(by_family, key=lambda name: recorded_trials.progress(by_family[name]).complete - wanted[name])
    for name in behind:
        if recorded_trials.progress(by_family[name]).complete >= wanted[name]:
            continue
        trial = studies.claim(by_family[name], wanted[name], held, task.families[name], stop.is_set, grids.get(name))
        if trial is not None:
            return name, trial
    return None


def _answer(task: SearchTask, name: str, study: optuna.Study, trial: Trial, stop: Event) -> None:
    """Work on a trial and tell what became of it.

    Where another process took this worker for dead meanwhile and put the trial back, the result is dropped.
    """
    with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
        try:
            study.tell(trial, _found(task, name, trial, stop).objectives(), skip_if_finished=True)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        except storages.STORAGE_ERRORS:
            raise
        except optuna.exceptions.UpdateFinishedTrialError:
            raise
        except Stopped:
            studies.give_back(study, study.get_trials(deepcopy=False)[trial.number], task.families[name], counts=False)
        except Exception as error:  # whatever a library raises: one failing trial does not end a study
            theirs = as_theirs(error)
            told = f"{theirs.where} {theirs.what}" if theirs else f"{type(error).__name__}: {error}"
            trial.set_user_attr(recorded_trials.REASON, " ".join(told.split())[:300])
            study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)


def _found(task: SearchTask, name: str, trial: Trial, stop: Event) -> Found:
    """Cross-validate a trial's parameters and keep what was found with the trial."""
    family = task.families[name].having(recorded_trials.suggest(trial, task.families[name]))
    given = task.folds, task.tune.objectives, task.priced, task.threads, _Watching(task, trial, stop)
    found = cross_validate(family, name, *given, task.learnt.get(name))
    if not np.isfinite(found.objectives()).all():
        raise ValueError(f"an objective is not a number: {found.values}")
    trial.set_user_attr(recorded_trials.FOUND, _told(found, task.baseline[name]))
    return found


def _told(found: Found, baseline: Found) -> dict[str, Any]:
    gain = found.gain(baseline)
    return {
        "values": found.values,
        "rounds": found.rounds,
        "seconds": found.seconds,
        "gain": gain.value,
        "gain_se": gain.se,
    }


class _Watching:
    """Reports to the study, prunes, and hears that the search shall stop: after a fold, never inside it."""

    def __init__(self, task: SearchTask, trial: Trial, stop: Event) -> None:
        self.trial, self.stop = trial, stop
        self.prunes = len(task.tune.objectives) == 1 and task.tune.prune > 0  # Optuna prunes by one objective only
        self.sign = 1 if DIRECTIONS[task.tune.objectives[0]] == "minimize" else -1
        self.last = task.folds.number - 1
        self.by_rounds = self.prunes and task.tune.objectives[0] in BY_SCORE
        self.lowest = np.inf
        self.pruned = False
        self.values: list[float] = []

    def round(self, fold: int, number: int, loss: float) -> bool:
        if not self.by_rounds or fold:
            return False
        self.lowest = min(self.lowest, loss)  # a fit is judged after its best round
        if number % ROUNDS_A_REPORT or number < FIRST_ROUNDS:
            return False
        self.trial.report(self.sign * self.lowest, number)
        self.pruned = self.trial.should_prune()
        return self.pruned

    def fold(self, fold: int, value: Callable[[], float] | None) -> None:
        if self.pruned:
            raise optuna.TrialPruned
        if fold == self.last:
            return
        if self.prunes and value is not None:
            self.values.append(value())
            self.trial.report(float(np.mean(self.values)), FOLD * (fold + 1))
            if self.trial.should_prune():
                raise optuna.TrialPruned
        if self.stop.is_set():
            raise Stopped


@contextlib.contextmanager
def _beating(trial: Trial) -> Iterator[None]:
    """Tell a database every few seconds that the trial is worked on, for other machines to see."""
    record = optuna_internals.heartbeat(trial)
    if record is None:
        yield
        return

    def beat() -> None:
        with contextlib.suppress(Exception):  # a beat that is missed is no reason to lose the trial
            record()

    beat()
    with leases.beating(beat, storages.BEAT_SECONDS):
        yield


def _end_with_parent() -> None:
    """A parent that was killed leaves no workers behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
