"""Studies end with exactly as many complete trials as were asked for, whoever dies on the way."""

import threading
from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from tippingpoint import leases
from tippingpoint.errors import InputError, OutsideError
from tippingpoint.models.random_forest import RandomForest
from tippingpoint.tuning import studies

SPACE = {
    "max_features": {"choices": ["sqrt", 0.5]},
    "min_samples_leaf": {"low": 5, "high": 100, "log": True},
    "max_depth": {"low": 2, "high": 12, "when": {"max_features": ["sqrt"]}},
}
FAMILY = RandomForest(
    n_estimators=10, max_depth=5, min_samples_leaf=20, max_features="sqrt", calibrate=False, search=SPACE
)


OWN = studies.defaults(FAMILY)


def opened(
    folder: Path, digest: str = "d", directions: tuple = ("maximize",), first: dict | None = OWN
) -> optuna.Study:
    storage = studies.open_storage(str(folder / "study.log"))
    return studies.open_study(storage, "forest", directions, digest, first)


def value(parameters: dict) -> float:
    return -abs(np.log(parameters["min_samples_leaf"] / 30)) - 0.1 * parameters.get("max_depth", 12)


def go_on(study: optuna.Study, target: int, stop_in: int | None = None) -> None:
    """One worker; at trial `stop_in` it is killed right after its parameters were drawn."""
    with leases.lease() as lease:
        while (count := studies.progress(study)).complete < target:
            study.sampler = studies.sampler("tpe", FAMILY, 3, (0, count.ended, count.running))
            trial = studies.claim(study, target, lease)
            if trial is None:
                return
            chosen = studies.suggest(trial, FAMILY)
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
                while studies.progress(study).complete < target:
                    if (trial := studies.claim(study, target, lease)) is None:
                        continue
                    studies.suggest(trial, FAMILY)
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
    assert studies.progress(opened(tmp_path)).complete == target


def test_one_seed_gives_the_same_trials_also_across_a_kill(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, broken = opened(tmp_path / "a"), opened(tmp_path / "b")
    go_on(whole, 16)
    for stop_in in (0, 3, 12):
        go_on(broken, 16, stop_in)
        assert studies.clear(broken, FAMILY) == 1
    go_on(broken, 16)
    assert complete(broken) == complete(whole)
    assert studies.progress(broken).killed == 3


def test_what_is_worked_on_is_not_taken_away(tmp_path: Path) -> None:
    study = opened(tmp_path)
    with leases.lease() as lease:
        studies.claim(study, 5, lease)
        assert studies.clear(study, FAMILY) == 0
    assert studies.clear(study, FAMILY) == 1


def test_parameters_that_kill_again_and_again_are_given_up(tmp_path: Path) -> None:
    study = opened(tmp_path)
    for _ in range(studies.RETRIES + 1):
        go_on(study, 1, stop_in=0)
        studies.clear(study, FAMILY)
    assert studies.progress(study).killed == studies.RETRIES + 1
    assert not [t for t in study.get_trials() if t.state == TrialState.WAITING]


def test_a_study_that_asks_something_else_is_refused(tmp_path: Path) -> None:
    opened(tmp_path)
    with pytest.raises(InputError, match="asks something else"):
        opened(tmp_path, digest="other")
    with pytest.raises(InputError, match="directions maximize; this asks for minimize, minimize"):
        opened(tmp_path, directions=("minimize", "minimize"))


def test_a_storage_that_does_not_answer_is_said() -> None:
    with pytest.raises(OutsideError, match=r"tune\.storage"):
        studies.open_storage("postgresql://nobody:secret@127.0.0.1:1/none")
    with pytest.raises(OutsideError) as caught:
        studies.open_storage("postgresql://nobody:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)


def test_a_search_in_which_most_trials_fail_ends_with_the_commonest_reason(tmp_path: Path) -> None:
    study = opened(tmp_path)
    for number in range(studies.FAILURES):
        studies.check_failures({"random_forest": study})
        trial = study.ask()
        trial.set_user_attr(studies.REASON, "ValueError: no" if number else "OSError: full")
        study.tell(trial, state=TrialState.FAIL)
    with pytest.raises(InputError, match="5 of 5 trials failed, 4 of them with: ValueError: no"):
        studies.check_failures({"random_forest": study})


def test_every_combination_of_a_grid_is_tried(tmp_path: Path) -> None:
    study = opened(tmp_path, first=None)
    size = studies.grid_size(FAMILY, 3)
    assert size == 2 * 3 * 3
    with leases.lease() as lease:
        for _ in range(size):
            study.sampler = studies.sampler("grid", FAMILY, 3, (0, studies.progress(study).ended, 0))
            trial = studies.claim(study, size, lease)
            studies.suggest(trial, FAMILY)
            study.tell(trial, 0.0)
    tried = {str(sorted(parameters.items())) for parameters in complete(study)}
    assert len(tried) == 3 + 3 * 3  # without a depth where there is none to choose


@given(st.integers(1, 400), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_the_shares_of_all_families_add_up_to_the_target(trials: int, families: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = {f"f{k}": optuna.create_study(direction="maximize") for k in range(families)}
    for _ in range(20):
        wanted = studies.targets(made, trials, {})
        assert sum(wanted.values()) <= trials
        lacking = {name: wanted[name] - studies.progress(study).complete for name, study in made.items()}
        if not any(lacking.values()):
            break
        for name, number in lacking.items():
            made[name].add_trials(
                [optuna.trial.create_trial(value=float(name[1]), state=TrialState.COMPLETE) for _ in range(number)]
            )
    assert sum(wanted.values()) == trials
    if trials > 10 * families:  # the best family gets the most
        assert max(wanted, key=wanted.__getitem__) == f"f{families - 1}"
