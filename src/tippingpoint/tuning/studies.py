"""Studies: opened, asked for exactly as many trials as are wanted, and cleared of what dead workers left."""

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from math import ceil, inf
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FixedTrial, FrozenTrial, Trial, TrialState

from tippingpoint.core import leases
from tippingpoint.core.errors import InputError
from tippingpoint.models.family import Family
from tippingpoint.tuning import optuna_internals
from tippingpoint.tuning.grids import Grid
from tippingpoint.tuning.recorded_trials import (
    KILLED,
    LEASE,
    REASON,
    RETRIES,
    Progress,
    parameters_of,
    progress,
    suggest,
)

Direction = Literal["minimize", "maximize"]

POLL_SECONDS = 0.2
CLAIM_SECONDS = 10
"""Between asking for a trial and saying who works on it lie milliseconds."""
FAILURES = 5
DIGEST, ID = "tippingpoint.digest", "tippingpoint.id"
"""What a study carries: what it asks, and a name no other study has, in whichever folder or database it is."""
BESIDE = "beside the journal"


def open_study(
    storage: BaseStorage, name: str, directions: Sequence[Direction], digest: str, first: Mapping[str, Any] | None
) -> optuna.Study:
    """Return the study of that name, created if it is new; a new one tries the `first` parameters first.

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
    for _ in range(50):  # its creator writes its digest right after creating it
        if (known := study.user_attrs.get(DIGEST)) is not None or _is_foreign(study):
            break
        time.sleep(POLL_SECONDS)
    if known is None and not _is_foreign(study):  # its creator was killed in between
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


def claim(
    study: optuna.Study,
    target: int,
    held: Sequence[str],
    family: Family,
    stopped: Callable[[], bool] = lambda: False,
    grid: Grid | None = None,
) -> Trial | None:
    """Return a trial to work on, or None while others work on the last of `target` complete ones.

    However many ask at once, no more than `target` trials are ever complete: a trial is worked on only when fewer
    than that many of lower number are complete or under way, and numbers are handed out once.

    Parameters
    ----------
    held
        Where the worker's lease is to be looked for, and its name.
    stopped
        True ends the wait for those of lower number.
    grid
        The points to try, where they do not come from the study's sampler.
    """
    trials = study.get_trials(deepcopy=False)
    if sum(t.state in (TrialState.COMPLETE, TrialState.RUNNING) for t in trials) >= target:
        return None
    if grid is not None and not any(t.state == TrialState.WAITING for t in trials):
        if (point := grid.free(trials)) is None:
            return None
        study.enqueue_trial(dict(point))
    trial = study.ask()
    try:
        trial.set_user_attr(LEASE, list(held))
        while True:
            trials = study.get_trials(deepcopy=False)
            if grid is not None and not grid.belongs_to(trial.number, trials):
                study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
                return None
            before = Counter(t.state for t in trials[: trial.number])
            waiting = before[TrialState.WAITING]  # put in line meanwhile
            if before[TrialState.COMPLETE] + before[TrialState.RUNNING] + waiting < target:
                return trial
            if before[TrialState.COMPLETE] >= target or waiting or stopped():  # who waits takes what is in line
                give_back(study, trials[trial.number], family, grid, counts=False)
                return None
            time.sleep(POLL_SECONDS)
    except optuna.exceptions.UpdateFinishedTrialError:
        return None  # another process took this worker for dead and put the trial back


def clear(study: optuna.Study, family: Family, beside: Path | None, grid: Grid | None = None) -> int:
    """Fail the trials that dead workers left RUNNING and put their parameters in line again; returns how many.

    Parameters
    ----------
    beside
        The folder of leases beside a journal; None for a database.
    """
    silent = optuna_internals.silent(study)
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    left = [trial for trial in running if trial.number in silent or _is_dead(trial, beside)]
    return sum(give_back(study, trial, family, grid) for trial in left)


def give_back(
    study: optuna.Study, trial: FrozenTrial, family: Family, grid: Grid | None = None, counts: bool = True
) -> bool:
    """Fail a trial and put its parameters in line again; False where it had ended already.

    One that was killed more than twice is not tried again: it may be what kills. One that was killed between saying
    why it fails and failing has failed; one whose point of a grid is another's leaves it there.
    """
    mine = grid is None or grid.belongs_to(trial.number, study.get_trials(deepcopy=False))
    times = trial.user_attrs.get(KILLED, 0) + counts
    try:
        if mine and times > RETRIES and REASON not in trial.user_attrs:
            optuna_internals.set_attribute(study, trial, REASON, f"whoever worked on it was killed, {times} times")
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, optuna.exceptions.UpdateFinishedTrialError):  # it ended meanwhile
        return False
    failed = study.get_trials(deepcopy=False)[trial.number]  # as it stays: its worker may have gone on meanwhile
    if mine and REASON not in failed.user_attrs:
        parameters = parameters_of(failed)
        with contextlib.suppress(ValueError):  # stopped before all of them were drawn: the same seed draws them again
            suggest(FixedTrial(parameters), family)
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
    """Refuse to go on when most trials since then failed: the cause of earlier failures may have been fixed.

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
            f"Narrow model.{name}.search, or fix the cause and type the same line: the study keeps its trials.",
        )


def targets(studies: Mapping[str, optuna.Study], trials: int, most: Mapping[str, int]) -> dict[str, int]:
    """How many complete trials each family shall have, as far as the results so far decide.

    Successive halving over families (Jamieson & Talwalkar 2016): half of all trials in equal shares, then half of the
    rest among the better half, and so on; the last family gets what is left.

    Parameters
    ----------
    most
        Trials a family's full grid can have, for those that have one: it gets no more.
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
