"""Studies: opened on any storage, asked for exactly as many trials as are wanted, cleared of what killed ones left."""

import contextlib
import json
import re
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from itertools import product
from math import ceil, inf
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import sqlalchemy
from filelock import FileLock
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages._heartbeat import BaseHeartbeat, is_heartbeat_enabled
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState

from tippingpoint import leases
from tippingpoint.errors import InputError, OutsideError
from tippingpoint.masking import masked
from tippingpoint.models.family import Family
from tippingpoint.tuning.objectives import Stopped

Direction = Literal["minimize", "maximize"]

BEAT_SECONDS, GRACE_SECONDS = 10, 40
CLAIM_SECONDS = 10
"""Between asking for a trial and saying who works on it lie milliseconds."""
COLD_STARTS = 10
STORAGE_ERRORS: tuple[type[Exception], ...] = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)
POLL_SECONDS = 0.2
RETRIES = 2
STARTUP = 10
"""Trials a sampler draws at random before it learns from them, and before any is pruned."""
FAILURES = 5
DIGEST, ID = "tippingpoint.digest", "tippingpoint.id"
"""What a study carries: what it asks, and a name no other study has, in whichever folder or database it is."""
BESIDE = "beside the journal"
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
    with storage_errors(place, (OSError, ImportError, ValueError)):
        if "://" not in place:
            path = Path(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            return JournalStorage(JournalFileBackend(str(path), lock_obj=_KernelLock(path)))
        return _database(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", place))


@contextlib.contextmanager
def storage_errors(place: str, more: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Say what the storage answers in our form.

    Raises
    ------
    OutsideError
        For what it refuses, and for `more`.
    """
    try:
        yield
    except STORAGE_ERRORS + more as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise OutsideError(
            f"tune.storage {masked(place)}",
            f"cannot be used ({reason[:200]})",
            "Give a postgresql:// URL that answers, or leave it out for a file beside the runs; what is there is kept.",
        ) from error


def _database(url: str) -> BaseStorage:
    for attempt in range(COLD_STARTS):
        try:
            return RDBStorage(
                url,
                heartbeat_interval=BEAT_SECONDS,
                grace_period=GRACE_SECONDS,
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
        return _begin(optuna.create_study(storage=storage, study_name=name, directions=list(directions)), digest, first)
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
    if known is None and not _is_foreign(study):  # who made it was killed before it said so
        return _begin(study, digest, first)
    if known != digest:
        raise InputError(
            "tune.study",
            f"study {name!r} is there and asks something else (other data, folds, family or objectives)",
            "Choose another tune.study.",
        )
    return study


def _begin(study: optuna.Study, digest: str, first: Mapping[str, Any] | None) -> optuna.Study:
    if first is not None and not study.get_trials(deepcopy=False):
        study.enqueue_trial(dict(first))
    study.set_user_attr(ID, uuid.uuid4().hex[:8])
    study.set_user_attr(DIGEST, digest)  # last: what has it is ready
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
        state = np.random.SeedSequence([self._seed, sum(map(_is_settled, lower)), running]).generate_state(1)
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
        kept = (t for t in others if t.state != TrialState.FAIL or _is_settled(t) or _has_just_failed(t))
        taken = {_written(_parameters(t)) for t in kept}
        free = [point for written, point in self._points.items() if written not in taken]
        before = [t for t in others if t.state == TrialState.RUNNING and t.number < trial.number]
        drawing = sum(_written(_parameters(t)) not in self._points for t in before)
        if not free:
            raise Stopped  # the last point was put in line again after this trial was asked for: whoever comes takes it
        return free[min(drawing, len(free) - 1)]


def _has_just_failed(trial: FrozenTrial) -> bool:
    """Whether whoever failed it may be about to put its parameters in line again."""
    assert trial.datetime_complete is not None
    return (datetime.now(trial.datetime_complete.tzinfo) - trial.datetime_complete).total_seconds() < CLAIM_SECONDS


def _parameters(trial: FrozenTrial) -> dict[str, Any]:
    return dict(trial.system_attrs.get("fixed_params", trial.params))


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


def _is_settled(trial: FrozenTrial) -> bool:
    """Whether a trial's parameters are done with: found good or bad, failing, or given up because they kill."""
    if trial.state == TrialState.FAIL:
        return REASON in trial.user_attrs or trial.user_attrs.get(KILLED, 0) >= RETRIES
    return trial.state.is_finished()


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


def claim(
    study: optuna.Study,
    target: int,
    held: Sequence[str],
    family: Family,
    stopped: Callable[[], bool] = lambda: False,
) -> Trial | None:
    """A trial to work on, or None while others are at work on the last of `target` complete ones.

    However many ask at once, no more than `target` trials are ever complete: a trial is worked on only when fewer
    than that many of lower number are complete or under way, and numbers are handed out once.

    Parameters
    ----------
    held
        Where the worker's lease is to be looked for, and its name; see `watched`.
    stopped
        True ends the wait for those of lower number.
    """
    trials = study.get_trials(deepcopy=False)
    if sum(t.state in (TrialState.COMPLETE, TrialState.RUNNING) for t in trials) >= target:
        return None
    trial = study.ask()
    trial.set_user_attr(LEASE, list(held))
    while True:
        before = Counter(t.state for t in study.get_trials(deepcopy=False) if t.number < trial.number)
        waiting = before[TrialState.WAITING]  # put in line meanwhile
        if before[TrialState.COMPLETE] + before[TrialState.RUNNING] + waiting < target:
            return trial
        if before[TrialState.COMPLETE] >= target or waiting or stopped():  # who waits takes what is in line
            give_back(study, study.get_trials(deepcopy=False)[trial.number], family, counts=False)
            return None
        time.sleep(POLL_SECONDS)


def clear(study: optuna.Study, family: Family, beside: Path | None) -> int:
    """Fail the trials that dead workers left RUNNING and put their parameters in line again; returns how many.

    Parameters
    ----------
    beside
        The folder of leases beside a journal; None for a database.
    """
    storage, silent = study._storage, set()
    if isinstance(storage, BaseHeartbeat) and is_heartbeat_enabled(storage):  # a database, which other machines share
        silent = set(storage._get_stale_trial_ids(study._study_id))
    cleared = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial._trial_id in silent or _is_dead(trial, beside):
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
    parameters, times = _parameters(trial), trial.user_attrs.get(KILLED, 0) + counts
    with contextlib.suppress(ValueError):  # stopped before all of them were drawn: the same seed draws them again
        suggest(FixedTrial(parameters), family)
        if times <= RETRIES:
            study.enqueue_trial(parameters, user_attrs={KILLED: times})
    return True


def _is_dead(trial: FrozenTrial, beside: Path | None) -> bool:
    """Whether a RUNNING trial's worker is gone: its lease is free, or it never came to say which it has."""
    if (held := trial.user_attrs.get(LEASE)) is None:
        assert trial.datetime_start is not None
        return (datetime.now(trial.datetime_start.tzinfo) - trial.datetime_start).total_seconds() > CLAIM_SECONDS
    where, lease = held
    if where == leases.here():
        return leases.is_free(lease)
    return where == BESIDE and beside is not None and leases.is_free(lease, beside)


def check_failures(studies: Mapping[str, optuna.Study], since: Mapping[str, Progress]) -> None:
    """Refuse to go on when most trials since then failed: what failed earlier may have been mended.

    Raises
    ------
    InputError
        With the commonest reason.
    """
    for name, study in studies.items():
        count = progress(study)
        failed, ended = count.failed - since[name].failed, count.ended - since[name].ended
        if failed < FAILURES or failed <= ended:
            continue
        reasons = [t.user_attrs[REASON] for t in study.get_trials(deepcopy=False) if REASON in t.user_attrs]
        reason, times = Counter(reasons[-failed:]).most_common(1)[0]
        raise InputError(
            f"model.{name}",
            f"{failed} of {failed + ended} trials failed, {times} of them with: {reason}",
            f"Narrow model.{name}.search, or mend the cause and type the same line: the study keeps what it has.",
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
    while remaining > 0:
        budget = remaining if len(left) == 1 else min(remaining, max(len(left), ceil(remaining / 2)))
        share, extra = divmod(budget, len(left))
        for place, name in enumerate(left):
            wanted[name] = min(wanted[name] + share + (place < extra), most.get(name, trials))
        remaining -= budget
        if len(left) == 1:
            break
        best, done = {}, {}
        for name in left:
            done[name] = studies[name].get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if len(done[name]) < wanted[name]:
                return wanted
            sign = 1 if studies[name].directions[0].name == "MAXIMIZE" else -1
            best[name] = max((sign * t.values[0] for t in done[name][: wanted[name]]), default=-inf)
        ranked = sorted(left, key=lambda name: -best[name])
        left = ranked[: ceil(len(left) / 2)]
        # A smaller target may have given a family more than its share of this one.
        remaining -= sum(len(done[name]) - wanted[name] for name in ranked[len(left) :])
    return wanted
