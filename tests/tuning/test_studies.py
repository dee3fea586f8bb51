"""Studies end with exactly as many complete trials as were asked for, whoever dies on the way."""

import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState

from tests.tuning.forests import FAMILY, OWN, complete, go_on, opened
from tippingpoint.core import leases
from tippingpoint.core.errors import InputError
from tippingpoint.tuning import recorded_trials, samplers, storages, studies, worker
from tippingpoint.tuning.grids import Grid, grid
from tippingpoint.tuning.objectives import Found, Stopped


def test_the_familys_own_parameters_come_first(tmp_path: Path) -> None:
    study = opened(tmp_path)
    go_on(study, 1)
    assert complete(study) == [{"max_features": "sqrt", "min_samples_leaf": 20, "max_depth": 5}]


def test_a_parameter_is_drawn_only_where_it_applies(tmp_path: Path) -> None:
    study = opened(tmp_path)
    go_on(study, 15)
    for parameters in complete(study):
        assert ("max_depth" in parameters) == (parameters["max_features"] == "sqrt")


def test_many_claimants_never_complete_more_than_the_target(tmp_path: Path) -> None:
    target, workers = 12, 8
    opened(tmp_path)
    rng = np.random.default_rng(0)
    fates = iter(rng.choice(["complete", "pruned", "failed"], 10_000, p=[0.6, 0.2, 0.2]).tolist())
    broken: list[BaseException] = []

    def worker() -> None:
        try:
            study = opened(tmp_path)
            with leases.lease() as lease:
                while recorded_trials.progress(study).complete < target:
                    if (trial := studies.claim(study, target, (leases.here(), lease), FAMILY)) is None:
                        continue
                    recorded_trials.suggest(trial, FAMILY)
                    match next(fates):
                        case "complete":
                            study.tell(trial, 1.0)
                        case "pruned":
                            study.tell(trial, state=TrialState.PRUNED)
                        case _:
                            study.tell(trial, state=TrialState.FAIL)
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=worker) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not broken
    assert recorded_trials.progress(opened(tmp_path)).complete == target


def test_one_seed_gives_the_same_trials_also_across_a_kill(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, broken = opened(tmp_path / "a"), opened(tmp_path / "b")
    go_on(whole, 16)
    for stop_in in (0, 3, 12):
        go_on(broken, 16, stop_in)
        assert studies.clear(broken, FAMILY, None) == 1
    go_on(broken, 16)
    assert complete(broken) == complete(whole)
    assert recorded_trials.progress(broken).killed == 3


def test_what_is_worked_on_is_not_taken_away(tmp_path: Path) -> None:
    study = opened(tmp_path)
    with leases.lease() as lease:
        studies.claim(study, 5, (leases.here(), lease), FAMILY)
        assert studies.clear(study, FAMILY, None) == 0
    assert studies.clear(study, FAMILY, None) == 1


def test_a_grid_point_of_a_trial_that_another_process_failed_is_dropped_quietly(tmp_path: Path) -> None:
    study, other = opened(tmp_path, first=None), opened(tmp_path, first=None)

    class Overtaken(Grid):
        def belongs_to(self, number: int, trials: Sequence[FrozenTrial]) -> bool:
            other.tell(number, state=TrialState.FAIL)
            return False

    points = Overtaken(grid(FAMILY, 2, 0).points)
    assert studies.claim(study, 5, (leases.here(), "mine"), FAMILY, grid=points) is None
    assert [trial.state for trial in study.get_trials()] == [TrialState.FAIL]


@pytest.mark.parametrize("error", [None, optuna.TrialPruned(), ValueError("no"), Stopped()])
def test_the_result_of_a_trial_that_another_process_failed_is_dropped_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    study, other = opened(tmp_path, first=None), opened(tmp_path, first=None)
    found = Found({"roc_auc": [0.8]}, None, None, 0.1)

    def overtaken(*_: object) -> Found:
        other.tell(0, state=TrialState.FAIL)
        if error is not None:
            raise error
        return found

    monkeypatch.setattr(worker, "cross_validate", overtaken)
    tune = SimpleNamespace(objectives=("roc_auc",), prune=0)
    task = SimpleNamespace(
        families={"forest": FAMILY}, folds=SimpleNamespace(number=3), tune=tune, priced=None, threads=1, learnt={},
        baseline={"forest": found},
    )  # fmt: skip
    worker._answer(task, "forest", study, study.ask(), threading.Event())
    (trial,) = study.get_trials()
    assert (trial.state, trial.values) == (TrialState.FAIL, None)
    assert recorded_trials.REASON not in trial.user_attrs


def test_parameters_that_kill_again_and_again_are_given_up(tmp_path: Path) -> None:
    study = opened(tmp_path)
    for _ in range(recorded_trials.RETRIES + 1):
        go_on(study, 1, stop_in=0)
        studies.clear(study, FAMILY, None)
    count = recorded_trials.progress(study)
    assert (count.killed, count.failed) == (recorded_trials.RETRIES, 1)
    assert "was killed, 3 times" in study.get_trials()[-1].user_attrs[recorded_trials.REASON]
    assert not [t for t in study.get_trials() if t.state == TrialState.WAITING]


def test_a_study_that_asks_something_else_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(InputError, match="asks something else"):
        opened(tmp_path, digest="other")
    with pytest.raises(InputError, match="directions maximize; this asks for minimize, minimize"):
        opened(tmp_path, directions=("minimize", "minimize"))


def test_a_search_in_which_most_trials_fail_ends_with_the_commonest_reason(tmp_path: Path) -> None:
    study = opened(tmp_path)
    since = {"random_forest": recorded_trials.progress(study)}
    for number in range(studies.FAILURES):
        studies.check_failures({"random_forest": study}, since)
        trial = study.ask()
        trial.set_user_attr(recorded_trials.REASON, "ValueError: no" if number else "OSError: full")
        study.tell(trial, state=TrialState.FAIL)
    with pytest.raises(InputError, match="5 of 5 trials failed, 4 of them with: ValueError: no"):
        studies.check_failures({"random_forest": study}, since)
    studies.check_failures({"random_forest": study}, {"random_forest": recorded_trials.progress(study)})  # typed again


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_trials_asked_for_at_once_draw_apart_and_what_failed_is_not_drawn_again(tmp_path: Path, kind: str) -> None:
    study = opened(tmp_path, first=None)
    study.sampler = samplers.sampler(kind, 0)
    leaves = [recorded_trials.suggest(trial, FAMILY)["min_samples_leaf"] for trial in [study.ask() for _ in range(6)]]
    assert len(set(leaves)) > 3
    for trial in study.get_trials():
        study.tell(trial.number, 1.0)
    drawn = []
    for _ in range(6):
        trial = study.ask()
        drawn.append(str(recorded_trials.suggest(trial, FAMILY)))
        trial.set_user_attr(recorded_trials.REASON, "ValueError: no")
        study.tell(trial, state=TrialState.FAIL)
    assert len(set(drawn)) > 3


def test_what_is_put_in_line_meanwhile_is_not_waited_for(tmp_path: Path) -> None:
    study = opened(tmp_path, first=None)
    ask = study.ask

    def late() -> optuna.Trial:
        study.enqueue_trial({"max_features": 0.5, "min_samples_leaf": 9})
        number = study._storage.create_new_trial(study._study_id)
        return optuna.Trial(study, number)

    study.ask = late
    with leases.lease() as lease:
        assert studies.claim(study, 1, (leases.here(), lease), FAMILY) is None
        study.ask = ask
        trial = studies.claim(study, 1, (leases.here(), lease), FAMILY)
    assert recorded_trials.suggest(trial, FAMILY) == {"max_features": 0.5, "min_samples_leaf": 9}


def test_who_waits_for_others_goes_home_when_told(tmp_path: Path) -> None:
    study = opened(tmp_path)
    at_work = study.ask()

    def unaware(**_: object) -> list:  # the first look misses the other one
        study.get_trials = seen
        return []

    seen = study.get_trials
    study.get_trials = unaware
    with leases.lease() as lease:
        assert studies.claim(study, 1, (leases.here(), lease), FAMILY, lambda: True) is None
    assert study.get_trials()[at_work.number].state == TrialState.RUNNING


def test_a_study_whose_maker_was_killed_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studies, "POLL_SECONDS", 0)
    storage = storages.open_storage(str(tmp_path / "study.log"))
    optuna.create_study(storage=storage, study_name="forest", direction="maximize")
    study = opened(tmp_path)
    go_on(study, 1)
    assert complete(study) == [OWN]


@given(st.integers(1, 400), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_the_shares_of_all_families_add_up_to_the_target(target: int, families: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = {f"f{k}": optuna.create_study(direction="maximize") for k in range(families)}
    for _ in range(20):
        wanted = studies.targets(made, target, {})
        assert sum(wanted.values()) <= target
        lacking = {name: wanted[name] - recorded_trials.progress(study).complete for name, study in made.items()}
        if not any(lacking.values()):
            break
        for name, number in lacking.items():
            made[name].add_trials(
                [optuna.trial.create_trial(value=float(name[1]), state=TrialState.COMPLETE) for _ in range(number)]
            )
    assert sum(wanted.values()) == target
    if target > 10 * families:  # the best family gets the most
        assert max(wanted, key=wanted.__getitem__) == f"f{families - 1}"


def test_a_raised_target_is_met_exactly_though_another_family_leads_now() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = {name: optuna.create_study(direction="maximize") for name in "abc"}
    rng = np.random.default_rng(0)
    for target in (20, 31, 47, 80, 200):
        for _ in range(20):
            wanted = studies.targets(made, target, {})
            lacking = {name: wanted[name] - recorded_trials.progress(study).complete for name, study in made.items()}
            if all(number <= 0 for number in lacking.values()):
                break
            for name, number in lacking.items():
                drawn = rng.random(max(0, number)) ** (1 / target)
                made[name].add_trials([optuna.trial.create_trial(value=float(value)) for value in drawn])
        assert sum(recorded_trials.progress(study).complete for study in made.values()) == target
