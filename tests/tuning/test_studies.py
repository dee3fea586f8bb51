"""Studies end with exactly as many complete trials as were asked for, whoever dies on the way."""

import contextlib
import json
import threading
from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from tippingpoint import leases
from tippingpoint.errors import InputError, OutsideError
from tippingpoint.models.random_forest import RandomForest
from tippingpoint.tuning import samplers, storages, studies, trials
from tippingpoint.tuning.grids import Grid, grid

SPACE = {
    "max_features": {"choices": ["sqrt", 0.5]},
    "min_samples_leaf": {"low": 5, "high": 100, "log": True},
    "max_depth": {"low": 2, "high": 12, "when": {"max_features": ["sqrt"]}},
}
FAMILY = RandomForest(
    n_estimators=10, max_depth=5, min_samples_leaf=20, max_features="sqrt", calibrate=False, search=SPACE
)


OWN = trials.defaults(FAMILY)


def opened(
    folder: Path, digest: str = "d", directions: tuple = ("maximize",), first: dict | None = OWN
) -> optuna.Study:
    storage = storages.open_storage(str(folder / "study.log"))
    return studies.open_study(storage, "forest", directions, digest, first)


def value(parameters: dict) -> float:
    return -abs(np.log(parameters["min_samples_leaf"] / 30)) - 0.1 * parameters.get("max_depth", 12)


def go_on(study: optuna.Study, target: int, stop_in: int | None = None) -> None:
    """One worker; at trial `stop_in` it is killed right after its parameters were drawn."""
    with leases.lease() as lease:
        study.sampler = samplers.sampler("tpe", 0)
        while (count := trials.progress(study)).complete < target:
            trial = studies.claim(study, target, (leases.here(), lease), FAMILY)
            if trial is None:
                return
            chosen = trials.suggest(trial, FAMILY)
            if stop_in is not None and count.complete == stop_in:
                return
            study.tell(trial, value(chosen))


def complete(study: optuna.Study) -> list[dict]:
    return [t.params for t in study.get_trials() if t.state == TrialState.COMPLETE]


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
                while trials.progress(study).complete < target:
                    if (trial := studies.claim(study, target, (leases.here(), lease), FAMILY)) is None:
                        continue
                    trials.suggest(trial, FAMILY)
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
    assert trials.progress(opened(tmp_path)).complete == target


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
    assert trials.progress(broken).killed == 3


def test_what_is_worked_on_is_not_taken_away(tmp_path: Path) -> None:
    study = opened(tmp_path)
    with leases.lease() as lease:
        studies.claim(study, 5, (leases.here(), lease), FAMILY)
        assert studies.clear(study, FAMILY, None) == 0
    assert studies.clear(study, FAMILY, None) == 1


def test_parameters_that_kill_again_and_again_are_given_up(tmp_path: Path) -> None:
    study = opened(tmp_path)
    for _ in range(trials.RETRIES + 1):
        go_on(study, 1, stop_in=0)
        studies.clear(study, FAMILY, None)
    count = trials.progress(study)
    assert (count.killed, count.failed) == (trials.RETRIES, 1)
    assert "was killed, 3 times" in study.get_trials()[-1].user_attrs[trials.REASON]
    assert not [t for t in study.get_trials() if t.state == TrialState.WAITING]


def test_a_study_that_asks_something_else_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(InputError, match="asks something else"):
        opened(tmp_path, digest="other")
    with pytest.raises(InputError, match="directions maximize; this asks for minimize, minimize"):
        opened(tmp_path, directions=("minimize", "minimize"))


def test_a_storage_that_does_not_answer_is_said() -> None:
    with pytest.raises(OutsideError, match=r"tune\.storage"):
        storages.open_storage("postgresql://nobody:secret@127.0.0.1:1/none")
    with pytest.raises(OutsideError) as caught:
        storages.open_storage("postgresql://nobody:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("tail", [b'{"op_code":4,"worker_id":"x', b"\0\0\0\0", b'{"op_code":\n'])
def test_a_journal_whose_last_line_is_torn_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture, tail: bytes) -> None:
    go_on(opened(tmp_path), 3)
    journal = tmp_path / "study.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + tail)
    study = opened(tmp_path)
    assert "its last line was torn; it is set aside in study.torn" in capsys.readouterr().err
    assert journal.read_bytes().startswith(whole)
    assert (tmp_path / "study.torn").read_bytes() == tail + b"\n"
    go_on(study, 5)
    assert len(complete(opened(tmp_path))) == 5
    assert not capsys.readouterr().err


def test_a_storage_that_goes_away_is_said_too() -> None:
    with (
        pytest.raises(OutsideError, match=r"tune\.storage here: cannot be used \(gone\)"),
        storages.storage_errors("here"),
    ):
        raise optuna.exceptions.StorageInternalError("gone")


def test_a_search_in_which_most_trials_fail_ends_with_the_commonest_reason(tmp_path: Path) -> None:
    study = opened(tmp_path)
    since = {"random_forest": trials.progress(study)}
    for number in range(studies.FAILURES):
        studies.check_failures({"random_forest": study}, since)
        trial = study.ask()
        trial.set_user_attr(trials.REASON, "ValueError: no" if number else "OSError: full")
        study.tell(trial, state=TrialState.FAIL)
    with pytest.raises(InputError, match="5 of 5 trials failed, 4 of them with: ValueError: no"):
        studies.check_failures({"random_forest": study}, since)
    studies.check_failures({"random_forest": study}, {"random_forest": trials.progress(study)})  # typed again


class Killed(BaseException):
    """A worker is gone, as if by kill -9."""


class Deadly(JournalFileBackend):
    """Kills who writes, right before it is written or right after."""

    def __init__(self, path: Path, seed: list[int]) -> None:
        super().__init__(str(path), lock_obj=storages._KernelLock(path))
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
        while (count := trials.progress(study)).complete < points.within_reach(study.get_trials(deepcopy=False)):
            assert count.complete + count.killed < 50 * len(points.points), "it does not end"
            target = points.within_reach(study.get_trials(deepcopy=False))
            studies.clear(study, FAMILY, None, points)
            trial = studies.claim(study, target, (leases.here(), lease), FAMILY, lambda: rng.random() < 0.1, points)
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):  # it was taken for dead
                if trial is not None and rng.random() < 0.05:
                    trial.set_user_attr(trials.REASON, "ValueError: no")
                    study.tell(trial, state=TrialState.FAIL)
                elif trial is not None:
                    trials.suggest(trial, FAMILY)
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
    ended = [t for t in opened(tmp_path, first=None).get_trials() if trials.is_settled(t)]
    tried = [json.dumps(trials.parameters_of(trial), sort_keys=True) for trial in ended]
    assert sorted(tried) == sorted(points.points)


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_trials_asked_for_at_once_draw_apart_and_what_failed_is_not_drawn_again(tmp_path: Path, kind: str) -> None:
    study = opened(tmp_path, first=None)
    study.sampler = samplers.sampler(kind, 0)
    leaves = [trials.suggest(trial, FAMILY)["min_samples_leaf"] for trial in [study.ask() for _ in range(6)]]
    assert len(set(leaves)) > 3
    for trial in study.get_trials():
        study.tell(trial.number, 1.0)
    drawn = []
    for _ in range(6):
        trial = study.ask()
        drawn.append(str(trials.suggest(trial, FAMILY)))
        trial.set_user_attr(trials.REASON, "ValueError: no")
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
    assert trials.suggest(trial, FAMILY) == {"max_features": 0.5, "min_samples_leaf": 9}


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
        lacking = {name: wanted[name] - trials.progress(study).complete for name, study in made.items()}
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
            lacking = {name: wanted[name] - trials.progress(study).complete for name, study in made.items()}
            if all(number <= 0 for number in lacking.values()):
                break
            for name, number in lacking.items():
                drawn = rng.random(max(0, number)) ** (1 / target)
                made[name].add_trials([optuna.trial.create_trial(value=float(value)) for value in drawn])
        assert sum(trials.progress(study).complete for study in made.values()) == target
