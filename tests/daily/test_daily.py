"""Days on raw events: each is done once, and is the same whatever killed it, and whenever it was typed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import mlflow
import numpy as np
import pytest

from tests.conftest import Once, working_in
from tests.daily.days import ALL, FIRST, LAST, TABLE, decisions, five_days, pages, settings, typed
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.daily import job, steps
from tippingpoint.daily import page as page_of
from tippingpoint.daily.page import KEY, MODEL, Step, find_page
from tippingpoint.daily.settings import DailySettings
from tippingpoint.tracking import backend
from tippingpoint.tracking.runs import LEASE
from tippingpoint.tracking.tags import JOB


class KilledError(BaseException):
    """A process that is gone."""


@pytest.fixture(scope="module")
def folder(once: Once, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The log, the store and five days typed once, in a folder that is worked in."""
    made = once("five_days", five_days)[1]
    with working_in(made):
        yield made


def test_days_decide_and_measure_and_stand_on_a_page_each(folder: Path) -> None:
    there, rows = pages("once"), decisions("once")
    assert sorted(there) == [f"2025-02-{day}" for day in range(10, 15)]
    assert {status for _, _, status in there.values()} == {"FINISHED"}
    for day, (_, metrics, _) in there.items():
        of = rows.filter(rows["scored_on"] == date.fromisoformat(day))
        assert len(of) == metrics["rows/decided"] > 3
    assert "measured/conversion/1/users" not in there[FIRST][1]  # nobody's horizon was over
    assert there[LAST][1]["measured/conversion/1/users"] == len(rows.filter(rows["scored_on"] <= date(2025, 2, 12)))
    assert rows["user_id"].n_unique() == len(rows)


def test_typed_again_it_changes_nothing(folder: Path) -> None:
    before, rows, runs = pages("once"), decisions("once"), _runs()
    found = typed(folder, *ALL)
    assert all(of.before == {"decide", "measure"} for of in found.days)
    assert pages("once") == before
    assert decisions("once").equals(rows)
    assert _runs() == runs


@pytest.mark.soak
def test_killed_between_any_two_writes_and_backfilled_it_is_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these moments kills the process once; the last day is typed when all before it are there."""
    moments = [(steps, "decide", 1), (job, "finish", 0), (job, "finish", 1), (job, "adopt", 0), (job, "_described", 0)]
    days = [10, 11, 13, 12, 14]  # the 12th was forgotten
    words = ("campaign=killed",)
    for moment, day in zip(moments, days, strict=True):
        with monkeypatch.context() as patch:
            _kill(patch, *moment)
            with pytest.raises(KilledError):
                typed(folder, f"as_of=2025-02-{day}", *words)
        typed(folder, f"as_of=2025-02-{day}", *words)
    assert decisions("killed").equals(decisions("once"))
    mine, once = pages("killed"), pages("once")
    until = {"2025-02-10", "2025-02-11", LAST}  # of days between, the 12th was not there yet
    assert {day: mine[day] for day in until} == {day: once[day] for day in until}
    assert {day: mine[day][1]["rows/decided"] for day in mine} == {day: once[day][1]["rows/decided"] for day in once}


def _kill(patch: pytest.MonkeyPatch, where: object, name: str, after: int) -> None:
    real = getattr(where, name)

    def gone(*given: object, **named: object) -> None:
        if after:
            real(*given, **named)
        raise KilledError

    patch.setattr(where, name, gone)


def _runs() -> int:
    return len(mlflow.MlflowClient().search_runs(["0", "1"], max_results=5_000))


def test_what_asks_for_a_person_is_told_and_told_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Step("12 users", "TP501 Drift of everything")
    monkeypatch.setattr(steps, "decide", lambda *_: asked)
    first = typed(folder, f"as_of={FIRST}", "campaign=drifted")
    assert first.refused
    again = typed(folder, f"as_of={FIRST}", "campaign=drifted")
    assert again.refused
    assert again.days[0].steps == first.days[0].steps
    assert "TP501 Drift of everything" in mlflow.get_run(first.days[0].run_id).data.tags["mlflow.note.content"]


def test_a_day_on_which_nobody_comes_to_their_cut_off_is_done_all_the_same(folder: Path) -> None:
    typed(folder, "as_of=2025-03-10", "campaign=quiet")
    (status, figures) = (pages("quiet")["2025-03-10"][k] for k in (2, 1))
    assert (status, figures["rows/decided"]) == ("FINISHED", 0)


def test_a_search_fits_again_once_and_the_gate_says_whether_it_is_let_in(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the search and its page, the search is not done again."""
    words = (f"as_of={LAST}", "campaign=searched", "retrain=tune", "retrain_every=1", "tune.trials=2", "tune.folds=2")
    with monkeypatch.context() as patch:
        patch.setattr(job, "adopt", lambda _, __, runs: _kill_if(bool(runs)))
        with pytest.raises(KilledError):
            typed(folder, *words)
    found = typed(folder, *words).days[0]
    assert found.before == {"decide", "measure"}
    assert list(found.steps) == list(job.STEPS)
    assert found.steps["retrain"].said == "fitted before"
    children = mlflow.MlflowClient().search_runs(["0", "1"], f"tags.`mlflow.parentRunId` = '{found.run_id}'")
    assert [run.data.tags["tippingpoint.job"] for run in children] == ["tune"]
    versions = mlflow.MlflowClient().search_model_versions("name = 'conversion'")
    assert sorted(int(of.version) for of in versions) == [1, 2]
    assert found.steps["promote"].said == "version 2 stays challenger"
    assert found.asks
    with duckdb.connect("app.duckdb") as connection:
        connection.execute("delete from predictions where campaign = 'searched'")


def _kill_if(true: bool) -> None:
    if true:
        raise KilledError


def test_a_day_that_somebody_is_at_is_left_alone(folder: Path) -> None:
    client = backend.connect()
    key = '["conversion", "busy", "2025-02-10"]'
    run = client.create_run("0", tags={"tippingpoint.day": key, "tippingpoint.job": "daily"})
    with pytest.raises(OutsideError, match="another process is at conversion busy 2025-02-10"):
        find_page(client, key)
    client.delete_run(run.info.run_id)


def _process(*words: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.daily.one_day", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


@pytest.mark.soak
def test_processes_that_begin_a_day_at_once_make_one_page_and_one_batch(folder: Path) -> None:
    racing = [_process(folder, FIRST, "raced", "go") for _ in range(3)]
    while len(list(folder.glob("ready-raced-*"))) < len(racing):
        time.sleep(0.05)
    (folder / "go").touch()
    said = [process.communicate()[1].decode() for process in racing]
    (folder / "go").unlink()
    codes = sorted(process.returncode for process in racing)
    assert codes[0] == 0, said  # the others see it at work, or done
    assert set(codes) <= {0, 3}, said
    assert all("another process is at" in text for text, of in zip(said, racing, strict=True) if of.returncode)
    day = date.fromisoformat(FIRST)
    assert list(pages("raced")) == [FIRST]  # `pages` tells of two pages of a day
    once = decisions("once")
    assert decisions("raced").equals(once.filter(once["scored_on"] == day))


def test_of_two_machines_that_begin_a_day_at_once_one_withdraws(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lock of this machine is seen on another: the other's page stands there once this one's is made."""
    client, begin = backend.connect(), page_of.tracked
    made: list[str] = []

    def quicker(*given: Any, **named: Any) -> Any:
        made.append(client.create_run("0", tags=given[3]).info.run_id)
        return begin(*given, **named)

    monkeypatch.setattr(page_of, "tracked", quicker)
    monkeypatch.setattr(steps, "decide", lambda *_: pytest.fail("both machines decided"))
    with pytest.raises(OutsideError, match="another process is at"):
        typed(folder, f"as_of={FIRST}", "campaign=machines")
    assert [of.info.run_id for of in page_of._pages(client, '["conversion", "machines", "2025-02-10"]')] == made
    client.delete_run(made[0])


def test_a_page_that_another_machine_took_up_is_left_to_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client, key = backend.connect(), '["conversion", "taken", "2025-02-10"]'
    tags = {KEY: key, JOB: "daily", MODEL: "models:/conversion/1"}
    run_id = client.create_run("0", tags=tags).info.run_id
    client.set_terminated(run_id, "KILLED")
    monkeypatch.setattr(page_of, "time", SimpleNamespace(sleep=lambda _: client.set_tag(run_id, LEASE, "another's")))
    monkeypatch.setattr(steps, "decide", lambda *_: pytest.fail("both machines decided"))
    with pytest.raises(OutsideError, match="another process is at"):
        typed(folder, f"as_of={FIRST}", "campaign=taken")
    assert client.get_run(run_id).info.status == "RUNNING"  # the other's
    client.delete_run(run_id)


def test_steps_are_plain_functions_that_an_orchestrator_may_call(folder: Path) -> None:
    asked, day = settings(folder, f"as_of={LAST}", "campaign=by_hand"), date.fromisoformat(LAST)
    one, other = (steps.decide(asked, day, "models:/conversion/1") for _ in range(2))
    assert one == other
    assert len(decisions("by_hand")) == one.figures["rows/decided"]
    assert steps.look_back(asked, day)[0].said == steps.NOT_YET
    with duckdb.connect("app.duckdb") as connection:
        connection.execute("delete from predictions where campaign = 'by_hand'")


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["as_of=2199-06-01"], "as_of"),
        ([], "as_of"),
        (["as_of=2025-09-01"], "data"),
        (["as_of=2025-01-20", "campaign=early"], "champion"),  # the version was fitted on 1 February
        ([f"as_of={FIRST}", "predictions=table.csv"], "predictions"),
        ([f"as_of={FIRST}", "predictions=null"], "predictions"),
        ([f"as_of={FIRST}", "champion=models:/nobody/1", "campaign=other"], "model"),
        ([f"as_of={FIRST}", "data.window_days=5", "campaign=other"], "data.window_days"),
    ],
)
def test_what_no_day_can_be_done_with_is_refused_and_leaves_no_page(words: list[str], where: str, folder: Path) -> None:
    before = _runs()
    with pytest.raises(InputError) as refused:
        typed(folder, *words)
    assert refused.value.where == where
    assert _runs() == before


def test_settings_that_contradict_each_other_are_refused() -> None:
    for words in (["since=2025-03-01"], ["since=2025-03-02", "as_of=2025-03-01"], ["as_of=2025-03-01", "test_days=7"]):
        with pytest.raises(InputError):
            DailySettings.from_config(compose("daily", ["data.url=duckdb:///log.duckdb", *words]))
    words = ["data=event_log", "retrain=compare", "as_of=2025-03-01", f"predictions='{TABLE}'"]
    state = ["data.url=null", "data.product=log", "data.payments=log", "data.state=kept", f"predictions='{TABLE}'"]
    with pytest.raises(InputError, match=r"data\.state"):
        steps.refuse_what_no_day_can(DailySettings.from_config(compose("daily", [*state, "as_of=2025-03-01"])))
    with pytest.raises(InputError, match="days to come"):
        steps.refuse_what_no_day_can(DailySettings.from_config(compose("daily", words)))


@pytest.mark.soak
@pytest.mark.skipif("ROUNDS" not in os.environ, reason="thirty days take a quarter of an hour: make test-all")
@pytest.mark.timeout(1_500)
def test_thirty_days_killed_at_random_are_those_typed_once(folder: Path) -> None:
    """Real kills, of processes, at moments that a generator draws; one day is backfilled."""
    rng, days = np.random.default_rng(7), [date(2025, 2, 10) + timedelta(days=k) for k in range(30)]
    typed(folder, f"since={days[0]}", f"as_of={days[-1]}", "campaign=soaked")
    skipped = days[int(rng.integers(5, 25))]
    for day in [*(d for d in days[:-1] if d != skipped), skipped, days[-1]]:
        for _ in range(3):
            process = _process(folder, str(day), "kills")
            try:
                process.wait(timeout=5 + 8 * rng.random())
                break
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        typed(folder, f"as_of={day}", "campaign=kills")
    assert decisions("kills").equals(decisions("soaked"))
    mine, once = pages("kills"), pages("soaked")
    assert mine[str(days[-1])] == once[str(days[-1])]
    assert {day: of[1]["rows/decided"] for day, of in mine.items()} == {
        d: of[1]["rows/decided"] for d, of in once.items()
    }
