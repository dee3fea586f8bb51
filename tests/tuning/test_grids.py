"""Every combination of a grid is tried once, whoever dies on the way."""

import contextlib
import json
import threading
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.trial import TrialState

from tests.tuning.forests import FAMILY, opened
from tippingpoint.core import leases
from tippingpoint.tuning import recorded_trials, samplers, storages, studies
from tippingpoint.tuning.grids import Grid, grid


class Killed(BaseException):
    """A worker is gone, as if by kill -9."""


class Deadly(storages.Journal):
    """Kills who writes, right before it is written or right after."""

    def __init__(self, path: Path, seed: list[int]) -> None:
        super().__init__(path)
        self.rng = np.random.default_rng(seed)

    def append_logs(self, logs: list) -> None:
        if (fate := self.rng.random()) < 0.06:
            raise Killed
        super().append_logs(logs)
        if fate < 0.12:
            raise Killed


def run_grid(folder: Path, workers: int, seed: int, points: Grid) -> None:
    """Workers who go through a grid, each killed again and again at random moments and come back."""
    opened(folder, first=None)
    broken: list[BaseException] = []

    def live(rng: np.random.Generator, lease: str, life: list[int]) -> None:
        storage = JournalStorage(Deadly(folder / "study.log", life))
        study = optuna.load_study(study_name="forest", storage=storage, sampler=samplers.sampler("grid", 0))
        while (count := recorded_trials.progress(study)).complete < points.within_reach(
            study.get_trials(deepcopy=False)
        ):
            assert count.complete + count.killed < 50 * len(points.points), "it does not end"
            target = points.within_reach(study.get_trials(deepcopy=False))
            studies.clear(study, FAMILY, None, points)
            trial = studies.claim(study, target, (leases.here(), lease), FAMILY, lambda: rng.random() < 0.1, points)
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):  # it was taken for dead
                if trial is not None and rng.random() < 0.05:
                    trial.set_user_attr(recorded_trials.REASON, "ValueError: no")
                    study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
                elif trial is not None:
                    recorded_trials.suggest(trial, FAMILY)
                    study.tell(trial, 0.0, skip_if_finished=True)

    def worker(number: int) -> None:
        try:
            for life in range(10_000):
                with leases.lease() as lease, contextlib.suppress(Killed):
                    live(np.random.default_rng([seed, number, life, 1]), lease, [seed, number, life])
                    return
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not broken
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("seed", range(4))
def test_every_combination_of_a_grid_is_tried_once_over_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(studies, "CLAIM_SECONDS", 0.05)
    monkeypatch.setattr(studies, "POLL_SECONDS", 0.01)
    points = grid(FAMILY, 3, 0)
    assert len(points.points) == 3 + 3 * 3, "without a depth where there is none to choose"
    run_grid(tmp_path, 4, seed, points)
    ended = [t for t in opened(tmp_path, first=None).get_trials() if recorded_trials.is_settled(t)]
    tried = [json.dumps(recorded_trials.parameters_of(trial), sort_keys=True) for trial in ended]
    assert sorted(tried) == sorted(points.points)
