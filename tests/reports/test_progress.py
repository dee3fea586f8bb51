"""How far a search is: on the one live line of a terminal, or in a few lines of a log."""

import time
from io import StringIO

import pytest
from rich.console import Console
from rich.progress import Progress

from tippingpoint.reports.progress import Searching, Steps


@pytest.mark.parametrize("workers", [1, 4])
def test_the_time_left_is_right_from_the_second_round_of_trials_on(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(width=130, file=StringIO(), force_terminal=True)
    now = [0.0]
    with Progress(console=console) as bar:
        line = Searching(console, bar, bar.add_task(""))
        monkeypatch.setattr("tippingpoint.reports.progress.time.monotonic", lambda: now[0])
        said = {}
        for second in range(181):  # trials of 60 seconds, polled each second
            now[0] = float(second)
            done = second // 60 * workers
            line.update(done, 101 * workers, ["best"], workers)
            said[second] = bar.tasks[0].description
    assert "left" not in said[60]
    assert "left" not in said[119]
    assert "99:00 left" in said[120]
    assert "98:00 left" in said[180]


@pytest.mark.parametrize("width", [80, 130])
def test_the_live_line_drops_the_interval_before_the_target_and_the_time_left(width: int) -> None:
    console = Console(width=width, file=StringIO(), force_terminal=True)
    with Progress(console=console) as bar:
        line = Searching(console, bar, bar.add_task(""))
        line.had, line.began = 3, (time.monotonic() - 60, 3)
        found = "boosting roc_auc 0.8123"
        line.update(33, 200, [f"{found}, over its defaults +0.0045 [-0.0012, +0.0101]", f"{found} (+0.0045)", found])
        said = bar.tasks[0].description
    assert said.startswith("33/200 trials, 5:34 left, boosting roc_auc 0.8123")
    assert ("[-0.0012" in said) == (width == 130)
    assert len(said) < width - 20


def test_where_there_is_no_terminal_it_says_so_at_its_start_at_tenths_that_are_30_seconds_apart_and_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console = Console(width=40, file=StringIO())
    line = Searching(console, None, None)
    now = [1000.0]
    monkeypatch.setattr("tippingpoint.reports.progress.time.monotonic", lambda: now[0])
    line.begin(0, 200)
    said = {0: console.file.getvalue()}
    for second in range(1, 401):  # a trial each second for 100 seconds, then one in three, polled each second
        now[0] += 1
        done = second if second <= 100 else 100 + (second - 100) // 3
        before = len(console.file.getvalue())
        line.update(done, 200, [f"the best of {done}, and more than fits into a narrow window", "the best"])
        if new := console.file.getvalue()[before:]:
            said[second] = new
    line.update(200, 200, ["the best of all", "the best"], ended=True)
    assert said.pop(0) == "searching: 0/200 trials\n"
    assert list(said) == [30, 60, 90, 120, 160, 220, 280, 340]
    assert said[60].startswith("60/200 trials, 2:20 left, the best of 60, and more than fits into a narrow window\n")
    assert console.file.getvalue().endswith("\n200/200 trials, the best of all\n")


def test_a_decision_is_one_line_of_a_log_whatever_its_width() -> None:
    console = Console(width=40, file=(said := StringIO()))
    step = Steps(console)
    step("comparing")
    step.decided(["Do not ship: logistic under intent_bands.", "Without a model everyone ad brings [bold] more."])
    assert said.getvalue().splitlines() == [
        "comparing",
        "decided: Do not ship: logistic under intent_bands. Without a model everyone ad brings [bold] more.",
    ]
