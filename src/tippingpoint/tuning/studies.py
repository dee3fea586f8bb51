"""Studies: opened on any storage, asked for exactly as many trials as are wanted, cleared of what killed ones left."""

import contextlib
import re
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, inf
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import sqlalchemy
from filelock import FileLock
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, fail_stale_trials
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState

from tippingpoint import leases
from tippingpoint.errors import InputError, OutsideError
from tippingpoint.models.family import Family
from tippingpoint.settings import masked

Direction = Literal["minimize", "maximize"]

BEAT_SECONDS, GRACE_SECONDS = 10, 40
CLAIM_SECONDS = 10
"""Between asking for a trial and saying who works on it lie milliseconds."""
COLD_STARTS = 10
POLL_SECONDS = 0.2
RETRIES = 2
STARTUP = 10
"""Trials a sampler draws at random before it learns from them, and before any is pruned."""
FAILURES = 5
DIGEST = "tippingpoint.digest"
LEASE, FOUND, REASON, KILLED = "lease", "found", "reason", "killed"
"""What a trial carries: machine and lease of who works on it, what was found, why it failed, and how often those before
it with the same parameters were killed."""


class _KernelLock(BaseJournalFileLock):
    """The journal's lock as the kernel keeps it: a killed holder has none, where Optuna's own waits half a minute."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(f"{path}.lock", thread_local=False)

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()


def open_storage(place: str) -> BaseStorage:
    """A journal file, or a database by its URL; several may start on a new one at once.

    Raises
    ------
    OutsideError
        When it cannot be reached or written.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if "://" not in place:
            path = Path(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(str(path), lock_obj=_KernelLock(path)))
        return _database(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", place))
    except (
        OSError,
        ImportError,
        ValueError,
        sqlalchemy.exc.SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
    ) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise OutsideError(
            f"tune.storage {masked(place)}",
            f"cannot be used ({reason[:200]})",
            "Give a postgresql:// URL that answers, or leave it out for a file beside the runs.",
        ) from error


def _database(url: str) -> BaseStorage:
    for attempt in range(COLD_STARTS):
        try:
            return RDBStorage(
                url,
                heartbeat_interval=BEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=_try_again,
                engine_kwargs={"pool_pre_ping": True},
            )
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError, RuntimeError):
            if attempt == COLD_STARTS - 1:  # another process makes the same tables at this moment
                raise
            time.sleep(0.2 * (attempt + 1))
    raise AssertionError


def open_study(
    storage: BaseStorage, name: str, directions: Sequence[Direction], digest: str, first: Mapping[str, Any] | None
) -> optuna.Study:
    """The study of that name, made if it is new; whoever makes it has the `first` parameters tried first.

    Raises
    ------
    InputError
        When it is there and asks something else.
    """
    with contextlib.suppress(optuna.exceptions.DuplicatedStudyError):
        made = optuna.create_study(storage=storage, study_name=name, directions=list(directions))
        if first is not None:
            made.enqueue_trial(dict(first))
        made.set_user_attr(DIGEST, digest)
        return made
    study = optuna.load_study(study_name=name, storage=storage)
    theirs = [direction.name.lower() for direction in study.directions]
    if theirs != list(directions):
        raise InputError(
            "tune.study",
            f"study {name!r} is there with directions {', '.join(theirs)}; this asks for {', '.join(directions)}",
            "Choose another tune.study.",
        )
    for _ in range(50):  # whoever made it says what it asks right after
        if (known := study.user_attrs.get(DIGEST)) is not None or _is_foreign(study):
            break
        time.sleep(POLL_SECONDS)
    if known != digest:
        raise InputError(
            "tune.study",
            f"study {name!r} is there and asks something else (other data, folds, family or objectives)",
            "Choose another tune.study.",
        )
    return study


def _is_foreign(study: optuna.Study) -> bool:
    return any(LEASE not in trial.user_attrs for trial in study.get_trials(deepcopy=False) if trial.state.is_finished())


def suggest(trial: Any, family: Family) -> dict[str, Any]:
    """Parameters of a trial for the family's search space; of those that do not apply, none."""
    parameters = family.parameters()
    chosen: dict[str, Any] = {}
    for name, dimension in family.search.items():
        if dimension.patience or not dimension.applies(parameters):
            continue
        if dimension.choices is not None:
            chosen[name] = trial.suggest_categorical(name, dimension.choices)
        elif dimension.whole:
            step = dimension.step or 1
            chosen[name] = trial.suggest_int(name, dimension.low, dimension.high, step=step, log=dimension.log)
        else:
            chosen[name] = trial.suggest_float(
                name, dimension.low, dimension.high, step=dimension.step, log=dimension.log
            )
        parameters[name] = chosen[name]
    return chosen


def sampler(kind: str, family: Family, points: int, seed: Sequence[int]) -> BaseSampler:
    """A sampler by name, with a seed for the one trial it is made for: a study goes on as if it had never stopped.

    Raises
    ------
    InputError
        When it needs a package that is not there.
    """
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # they are what TPE and clearing need
    drawn = int(np.random.SeedSequence(list(seed)).generate_state(1)[0])
    match kind:
        case "random":
            return optuna.samplers.RandomSampler(seed=drawn)
        case "grid":
            return _Grid(grid(family, points), seed=seed[0])  # it numbers its points by its seed
        case "cmaes" | "gp":
            try:
                __import__("cmaes" if kind == "cmaes" else "torch")
            except ImportError as error:
                raise InputError(
                    "tune.sampler",
                    f"{kind} needs a package",
                    f"pip install 'tippingpoint[{'samplers' if kind == 'cmaes' else 'gp'}]'",
                ) from error
            if kind == "cmaes":
                return optuna.samplers.CmaEsSampler(
                    seed=drawn, n_startup_trials=STARTUP, warn_independent_sampling=False
                )
            return optuna.samplers.GPSampler(seed=drawn, n_startup_trials=STARTUP)
    return optuna.samplers.TPESampler(
        seed=drawn, n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True
    )


class _Grid(optuna.samplers.GridSampler):
    def after_trial(self, *_: object) -> None:
        """Optuna's own would end Optuna's loop when the grid is done; the target does that here."""


def grid(family: Family, points: int) -> dict[str, list[Any]]:
    """The values of each hyper-parameter a full grid tries."""
    return {name: list(dimension.grid(points)) for name, dimension in family.search.items() if not dimension.patience}


def grid_size(family: Family, points: int) -> int:
    """Trials of a full grid."""
    return int(np.prod([len(values) for values in grid(family, points).values()]))


def defaults(family: Family) -> dict[str, Any]:
    """The family's own values of what is searched, where the space has them."""
    own = family.parameters()
    return {name: own[name] for name, d in family.search.items() if d.applies(own) and d.holds(own[name])}


@dataclass(frozen=True)
class Progress:
    """How far a study is."""

    complete: int
    pruned: int
    failed: int
    killed: int
    running: int

    @property
    def ended(self) -> int:
        """Trials that told something."""
        return self.complete + self.pruned


def progress(study: optuna.Study) -> Progress:
    """Count the trials of a study by what became of them."""
    trials = study.get_trials(deepcopy=False)
    state = Counter(trial.state for trial in trials)
    failed = sum(1 for t in trials if t.state == TrialState.FAIL and REASON in t.user_attrs)
    return Progress(
        state[TrialState.COMPLETE],
        state[TrialState.PRUNED],
        failed,
        state[TrialState.FAIL] - failed,
        state[TrialState.RUNNING],
    )


def claim(study: optuna.Study, target: int, lease: str) -> Trial | None:
    """A trial to work on, or None while others are at work on the last of `target` complete ones.

    However many ask at once, no more than `target` trials are ever complete: a trial is worked on only when fewer
    than that many of lower number are complete or under way, and numbers are handed out once.
    """
    trials = study.get_trials(deepcopy=False)
    if sum(t.state in (TrialState.COMPLETE, TrialState.RUNNING) for t in trials) >= target:
        return None
    trial = study.ask()
    trial.set_user_attr(LEASE, [leases.here(), lease])
    while True:
        before = [t.state for t in study.get_trials(deepcopy=False) if t.number < trial.number]
        complete = before.count(TrialState.COMPLETE)
        if complete >= target:
            study.tell(trial, state=TrialState.FAIL)
            return None
        if complete + before.count(TrialState.RUNNING) + before.count(TrialState.WAITING) < target:
            return trial
        time.sleep(POLL_SECONDS)


def clear(study: optuna.Study, family: Family) -> int:
    """Fail the trials that dead workers left RUNNING and put their parameters in line again; returns how many."""
    fail_stale_trials(study)  # of other machines, where the storage is a database: by their heartbeat
    cleared = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_dead(trial):
            cleared += give_back(study, trial, family)
    return cleared


def give_back(study: optuna.Study, trial: FrozenTrial, family: Family, counts: bool = True) -> bool:
    """Fail a trial and put its parameters in line again; False where another process did.

    One that was killed more than twice is not tried again: it may be what kills.
    """
    try:
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, RuntimeError, optuna.exceptions.UpdateFinishedTrialError):
        return False
    with contextlib.suppress(ValueError):  # stopped before all of them were drawn: the same seed draws them again
        suggest(FixedTrial(trial.params), family)
        _try_again(study, trial, counts)
    return True


def _try_again(study: optuna.Study, trial: FrozenTrial, counts: bool = True) -> None:
    if (times := trial.user_attrs.get(KILLED, 0) + counts) <= RETRIES:
        study.enqueue_trial(trial.params, user_attrs={KILLED: times})


def _is_dead(trial: FrozenTrial) -> bool:
    """Whether a RUNNING trial's worker is gone: its lease is free, or it never came to say which it has."""
    if (held := trial.user_attrs.get(LEASE)) is None:
        assert trial.datetime_start is not None
        return (datetime.now(trial.datetime_start.tzinfo) - trial.datetime_start).total_seconds() > CLAIM_SECONDS
    host, lease = held
    return bool(host == leases.here() and leases.is_free(lease))


def check_failures(studies: Mapping[str, optuna.Study]) -> None:
    """Refuse to go on when most trials fail.

    Raises
    ------
    InputError
        With the commonest reason.
    """
    for name, study in studies.items():
        count = progress(study)
        if count.failed < FAILURES or count.failed <= count.ended:
            continue
        reasons = Counter(t.user_attrs[REASON] for t in study.get_trials(deepcopy=False) if REASON in t.user_attrs)
        reason, times = reasons.most_common(1)[0]
        raise InputError(
            f"model.{name}",
            f"{count.failed} of {count.failed + count.ended} trials failed, {times} of them with: {reason}",
            "Narrow model." + name + ".search; the study keeps what it has.",
        )


def targets(studies: Mapping[str, optuna.Study], trials: int, most: Mapping[str, int]) -> dict[str, int]:
    """How many complete trials each family shall have, as far as the results so far decide.

    Successive halving over families (Jamieson & Talwalkar 2016): half of all trials in equal shares, then half of the
    rest among the better half, and so on; the last family gets what is left.

    Parameters
    ----------
    most
        Trials of each family's full grid, for those that have one: it gets no more.
    """
    left, wanted = list(studies), dict.fromkeys(studies, 0)
    remaining = trials
    while remaining:
        budget = remaining if len(left) == 1 else max(len(left), ceil(remaining / 2))
        share, extra = divmod(min(budget, remaining), len(left))
        for place, name in enumerate(left):
            wanted[name] = min(wanted[name] + share + (place < extra), most.get(name, trials))
        remaining -= min(budget, remaining)
        if len(left) == 1:
            break
        best = {}
        for name in left:
            done = studies[name].get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if len(done) < wanted[name]:
                return wanted
            sign = 1 if studies[name].directions[0].name == "MAXIMIZE" else -1
            best[name] = max((sign * t.values[0] for t in done[: wanted[name]]), default=-inf)
        left = sorted(left, key=lambda name: -best[name])[: ceil(len(left) / 2)]
    return wanted
