"""Which trials end early, by what they showed last."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial

from tippingpoint.tuning.pruners import WorstShare
from tippingpoint.tuning.worker import FIRST_ROUNDS, FOLD, ROUNDS_A_REPORT, _Watching


def study(direction: str, reports: list[dict[int, float]]) -> optuna.Study:
    made = optuna.create_study(direction=direction, pruner=WorstShare(0.25))
    for each in reports:
        made.add_trial(create_trial(value=0.0, intermediate_values=each))
    return made


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_trial_that_was_lucky_in_its_first_fold_ends_after_the_second(direction: str) -> None:
    sign = 1 if direction == "maximize" else -1
    others = [{FOLD: sign * 0.8, 2 * FOLD: sign * (0.8 + k / 1000)} for k in range(12)]
    trial = study(direction, others).ask()
    trial.report(sign * 0.852, FOLD)
    assert not trial.should_prune()
    trial.report(sign * 0.55, 2 * FOLD)
    assert trial.should_prune()


def test_about_the_worst_share_ends() -> None:
    of = study("maximize", [{FOLD: k / 100} for k in range(100)])
    ended = 0
    for value in np.random.default_rng(0).random(200):
        trial = of.ask()
        trial.report(float(value), FOLD)
        ended += trial.should_prune()
    assert 35 <= ended <= 65


def test_without_enough_that_came_as_far_none_ends() -> None:
    for reports in ([{FOLD: 0.8}] * 9, [{FOLD: 0.8}] * 4 + [{2 * FOLD: 0.8}] * 20):
        trial = study("maximize", reports).ask()
        assert not trial.should_prune()
        trial.report(0.1, FOLD)
        assert not trial.should_prune()


def watching(trial: Any, objective: str) -> _Watching:
    tune = SimpleNamespace(objectives=[objective], prune=0.25)
    task = SimpleNamespace(tune=tune, folds=SimpleNamespace(number=3))
    return _Watching(task, trial, SimpleNamespace(is_set=lambda: False))  # type: ignore[arg-type]  # a stand-in, as the test needs it


@pytest.mark.parametrize("objective", ["value", "spend", "features", "nodes"])
def test_rounds_are_judged_by_log_loss_only_where_the_objective_is_about_the_score(objective: str) -> None:
    trial = study("maximize", [{FIRST_ROUNDS: -0.1}] * 20).ask()
    assert not watching(trial, objective).round(0, FIRST_ROUNDS, 0.5)
    assert trial.study.trials[-1].intermediate_values == {}
    assert watching(trial, "roc_auc").round(0, FIRST_ROUNDS, 0.5)


def test_rounds_are_judged_by_the_best_of_them() -> None:
    trial = study("minimize", [{FIRST_ROUNDS + ROUNDS_A_REPORT: 0.5}] * 20).ask()
    watch = watching(trial, "log_loss")
    assert not watch.round(0, 120, 0.4)
    assert not watch.round(0, FIRST_ROUNDS + ROUNDS_A_REPORT, 0.6), "past its best round, which the fit keeps"
