"""Heartbeats of trials in a database, and attributes of trials that another process asked for."""

import time
from pathlib import Path

import optuna
import pytest

from tests.tuning.forests import opened
from tippingpoint.tuning import optuna_internals, storages


def beat(trial: optuna.Trial) -> None:
    record = optuna_internals.heartbeat(trial)
    assert record is not None
    record()


def test_a_trial_whose_heartbeat_stops_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages, "GRACE_SECONDS", 1)
    study = optuna.create_study(storage=storages.open_storage(f"sqlite:///{tmp_path}/studies.db"))
    beating, other = study.ask(), study.ask()
    for trial in (beating, other):
        beat(trial)
    assert optuna_internals.silent(study) == set()
    time.sleep(2.1)
    beat(beating)
    assert optuna_internals.silent(study) == {other.number}


def test_a_journal_has_no_heartbeats(tmp_path: Path) -> None:
    study = opened(tmp_path, first=None)
    assert optuna_internals.heartbeat(study.ask()) is None
    assert optuna_internals.silent(study) == set()


def test_an_attribute_is_set_on_a_trial_of_another_process(tmp_path: Path) -> None:
    theirs, mine = opened(tmp_path, first=None), opened(tmp_path, first=None)
    trial = theirs.ask()
    optuna_internals.set_attribute(mine, mine.get_trials()[0], "reason", "killed")
    assert theirs.get_trials()[0].user_attrs["reason"] == "killed"
    theirs.tell(trial, 1.0)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        optuna_internals.set_attribute(mine, mine.get_trials()[0], "reason", "again")
