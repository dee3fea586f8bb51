"""The parts of Optuna that studies need and that are not public: a database's heartbeats, attributes of any trial."""

from collections.abc import Callable
from functools import partial

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState


def silent(study: optuna.Study) -> set[int]:
    """Return the numbers of RUNNING trials whose heartbeat stopped; none where the study is kept in a journal."""
    if (database := _database(study)) is None:
        return set()
    stale = set(database._get_stale_trial_ids(study._study_id))
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return {trial.number for trial in running if trial._trial_id in stale}


def heartbeat(trial: Trial) -> Callable[[], None] | None:
    """Return what tells a database that the trial is worked on; None where the study is kept in a journal."""
    database = _database(trial.study)
    return None if database is None else partial(database.record_heartbeat, trial._trial_id)


def set_attribute(study: optuna.Study, trial: FrozenTrial, key: str, value: str) -> None:
    """Set a user attribute of a trial that another process asked for.

    Raises
    ------
    optuna.exceptions.UpdateFinishedTrialError
        When the trial has ended.
    """
    study._storage.set_trial_user_attr(trial._trial_id, key, value)


def _database(study: optuna.Study) -> RDBStorage | None:
    storage = getattr(study._storage, "_backend", study._storage)  # behind Optuna's cache
    return storage if isinstance(storage, RDBStorage) else None
