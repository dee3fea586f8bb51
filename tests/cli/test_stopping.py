"""A signal whose exception is lost stops the job all the same, before its next step."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tippingpoint.cli import launch
from tippingpoint.comparison import run as verb

WORDS = ["run", "model=logistic", "data.users=500", "explain_rows=5", "report=none"]
LOST = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Dropped:
    """What the signal meets: an exception raised here goes nowhere."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)


@LOST
@pytest.mark.parametrize(
    ("after", "number"),
    [("answer", signal.SIGTERM), ("record", signal.SIGINT), ("register_candidate", signal.SIGTERM)],
)
def test_a_signal_that_is_lost_stops_the_run_before_its_next_step(
    after: str, number: int, stored: Path, call: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = getattr(verb, after)

    def done(*given: Any) -> Any:
        found = step(*given)
        Dropped(number)
        return found

    monkeypatch.setattr(verb, after, done)
    assert call(*WORDS) == 128 + number
    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("conversion").experiment_id])
    assert run.info.status == "KILLED"
    assert len(client.search_model_versions()) == (after == "register_candidate")


@LOST
@pytest.mark.parametrize("words", [WORDS, [*WORDS, "-m", "seed=1,2"]])
def test_an_import_that_a_signal_cuts_short_is_no_error_of_its_own(
    words: list[str], stored: Path, call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def cut(name: str) -> Any:
        Dropped(signal.SIGTERM)
        raise ImportError(f"cannot import name 'x' from partially initialized module {name}")

    launch.stop_cleanly()
    monkeypatch.setattr(launch, "import_module", cut)
    assert call(*words) == 143
    assert "Traceback" not in capsys.readouterr().err
