"""A search: what is asked, the processes that work on it, and how far they are."""

import hashlib
import json
import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from tippingpoint.core.errors import OutsideError
from tippingpoint.core.threads import cores
from tippingpoint.models.family import Family
from tippingpoint.offpolicy.statistics import normal
from tippingpoint.tuning import recorded_trials, studies
from tippingpoint.tuning.grids import within_reach
from tippingpoint.tuning.objectives import DIRECTIONS
from tippingpoint.tuning.result import Tried
from tippingpoint.tuning.worker import SearchTask, work

REPLACED = 3
"""Workers that may die, for each there is, before the search gives up."""
FORKED = sys.platform == "linux"
"""Elsewhere some libraries do not survive a fork: there each worker is a new interpreter with imports of its own."""
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def digest(asked: Mapping[str, Any]) -> str:
    """12 hex digits of what a study asks: all that changes its answer, and nothing else."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


class Search:
    """The studies of a task, as seen by the process that watches over them."""

    def __init__(self, task: SearchTask, digests: Mapping[str, str]) -> None:
        self.task = task
        self._grids = task.grids()
        storage = task.open()
        ways = [DIRECTIONS[objective] for objective in task.tune.objectives]
        self.studies = {}
        for name, family in task.families.items():
            first = None if task.tune.sampler == "grid" else recorded_trials.defaults(family)
            self.studies[name] = studies.open_study(storage[name], task.names[name], ways, digests[name], first)
        self.labels = {
            name: f"{study.study_name}-{study.user_attrs[studies.ID]}" for name, study in self.studies.items()
        }
        """For each family the name of its study that no other study has, wherever it is kept."""
        self.cleared = 0
        self._began = {name: recorded_trials.progress(study) for name, study in self.studies.items()}
        self._seen: dict[tuple[str, int], Tried] = {}

    @property
    def before(self) -> int:
        """Complete trials there were when this process began."""
        return sum(count.complete for count in self._began.values())

    @property
    def wanted(self) -> dict[str, int]:
        """Complete trials each family shall have, as far as is decided."""
        return studies.targets(self.studies, self.task.tune.trials, within_reach(self._grids, self.studies))

    @property
    def target(self) -> int:
        """Complete trials of all families in the end: those asked for, or all of their grids if these are fewer."""
        asked = self.task.tune.trials
        return min(asked, sum(len(grid.points) for grid in self._grids.values())) if self._grids else asked

    @property
    def complete(self) -> int:
        """Complete trials of all families."""
        return sum(recorded_trials.progress(study).complete for study in self.studies.values())

    @property
    def looked_at(self) -> int:
        """Trials of all families that were judged: complete ones, and those ended early for what they showed."""
        return sum(recorded_trials.progress(study).ended for study in self.studies.values())

    @property
    def reached(self) -> bool:
        """Whether each family has what it shall have."""
        return all(
            recorded_trials.progress(self.studies[name]).complete >= target for name, target in self.wanted.items()
        )

    def clear(self) -> None:
        """Put back what dead workers held, and refuse to go on where most trials since the start failed."""
        for name, study in self.studies.items():
            self.cleared += studies.clear(study, self.task.families[name], self.task.beside, self._grids.get(name))
        studies.check_failures(self.studies, self._began)

    def tried(self) -> list[Tried]:
        """Trials that ended, in the order in which they did."""
        for name, study in self.studies.items():
            for trial in study.get_trials(deepcopy=False, states=tuple(STATES)):
                place = self.labels[name], trial.number
                if place not in self._seen and (told := self._tried(name, self.labels[name], trial)):
                    self._seen[place] = told
        return sorted(self._seen.values(), key=lambda trial: (trial.ended, trial.place))

    def _tried(self, family: str, study: str, trial: FrozenTrial) -> Tried | None:
        reason = trial.user_attrs.get(recorded_trials.REASON, "")
        if trial.state == TrialState.FAIL and not reason:  # killed, stopped, or one too many: it tells nothing
            return None
        found = trial.user_attrs.get(recorded_trials.FOUND, {})
        values = trial.values if trial.state == TrialState.COMPLETE else []  # a pruned one has its last report there
        rounds = {str(self.task.families[family].rounds): found["rounds"]} if found.get("rounds") else {}
        gain = None
        if "gain" in found:
            se = found["gain_se"]
            gain = (
                normal(found["gain"], se)
                if se is not None
                else replace(normal(found["gain"], 0), se=None, low=None, high=None)
            )
        assert trial.datetime_start is not None
        assert trial.datetime_complete is not None
        return Tried(
            study=study,
            family=family,
            number=trial.number,
            state=STATES[trial.state],  # type: ignore[arg-type]  # the values are its literals
            parameters={**trial.params, **rounds},
            values=dict(zip(self.task.tune.objectives, values, strict=False)),
            folds=found.get("values", {}),
            gain=gain,
            started=int(trial.datetime_start.timestamp() * 1000),
            ended=int(trial.datetime_complete.timestamp() * 1000),
            seconds=found.get("seconds", 0.0),
            reason=reason,
        )

    def best(self) -> Tried | None:
        """The best complete trial by the first objective; among equals the first."""
        objective = self.task.tune.objectives[0]
        sign = 1 if DIRECTIONS[objective] == "maximize" else -1
        complete = [trial for trial in self.tried() if trial.values]
        return max(complete, key=lambda trial: sign * trial.values[objective], default=None)


def get_ready(families: Iterable[Family]) -> None:
    """Start the process that workers are forked from: it imports what they need while this one prepares the data."""
    if FORKED:
        forkserver.set_forkserver_preload([work.__module__, *{type(family).__module__ for family in families}])
        forkserver.ensure_running()


@dataclass
class Crew:
    """Worker processes, replaced when they die."""

    task: SearchTask
    deaths: int = 0

    def __post_init__(self) -> None:
        self._context: Any = multiprocessing.get_context("forkserver" if FORKED else "spawn")
        self._stop = self._context.Event()
        self._processes: list[Any] = []

    def start(self) -> None:
        """Start the processes."""
        self._processes = [self._one() for _ in range(self.task.tune.workers)]

    def _one(self) -> Any:
        process = self._context.Process(target=work, args=(self.task, self._stop), daemon=True)
        with _main_unknown():
            process.start()
        return process

    def look(self) -> bool:
        """Replace the dead; False when all have gone home.

        Raises
        ------
        OutsideError
            When too many die.
        """
        for at, process in enumerate(self._processes):
            if process.exitcode in (None, 0) or self._stop.is_set():
                continue
            self.deaths += 1
            if self.deaths > REPLACED * self.task.tune.workers:
                raise OutsideError(
                    "tune.workers",
                    f"{self.deaths} workers died, the last with exit code {process.exitcode}"
                    " (a negative one is a signal: -9 often means that memory ran out)",
                    "Take fewer workers; what was finished is kept, and the same line goes on.",
                )
            self._processes[at] = self._one()
        return any(process.is_alive() for process in self._processes)

    def stop(self) -> None:
        """Ask all to go home after the fold they are at."""
        self._stop.set()

    def kill(self) -> None:
        """End all now; what they held is put back by whoever comes next."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()


@contextmanager
def _main_unknown() -> Iterator[None]:
    """Processes started meanwhile do not import the script that runs here: they need nothing of it, it may take long,
    and one without `if __name__ == "__main__"` would begin its search in each of them."""
    main = vars(sys.modules["__main__"])
    known: dict[str, Any] = {name: main.pop(name) for name in ("__spec__", "__file__") if name in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        del main["__spec__"]
        main |= known


@contextmanager
def crew(task: SearchTask) -> Iterator[Crew]:
    """Worker processes, started; none is left behind."""
    hired = Crew(task)
    hired.start()
    try:
        yield hired
    finally:
        hired.kill()


def threads_each(workers: int) -> int:
    """Threads a worker may use, so that all cores this process may use are busy and none is fought for."""
    return max(1, cores() // workers)
