"""A signal whose exception is lost stops the job all the same, before its next step and before each write."""

import os
import signal
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from mlflow import MlflowClient

from tippingpoint.cli import launched_job
from tippingpoint.comparison import run as verb
from tippingpoint.core import stopping
from tippingpoint.measurement.tracked import note
from tippingpoint.promotion import job as promotion
from tippingpoint.promotion import rollback
from tippingpoint.scoring.tables import upsert
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.connections import Room
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.server import server
from tippingpoint.tracking import runs
from tippingpoint.tracking.backend import named
from tippingpoint.tracking.journal import CHAMPION, read
from tippingpoint.tracking.promotion import aliases, copied, make_environment
from tippingpoint.tracking.registry import Version, challenge

WORDS = ["run", "model=logistic", "data.users=500", "explain_rows=5", "report=none"]
CHECKS = ("quality", "better", "value", "calibration", "slices", "explanation", "reload", "speed")
LENIENT = [f"gate.{check}=null" for check in CHECKS]
LOST = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    stopping.came.clear()


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

    def done(*given: Any, **named: Any) -> Any:
        found = step(*given, **named)
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

    launched_job.stop_cleanly()
    monkeypatch.setattr(launched_job, "import_module", cut)
    assert call(*words) == 143
    assert "Traceback" not in capsys.readouterr().err


@LOST
def test_a_signal_that_is_lost_stops_a_promotion_before_each_write_and_it_goes_on(
    client: MlflowClient, call: Callable[..., int]
) -> None:
    def ended(words: list[str], module: Any, step: str, nth: int = 1, number: int = signal.SIGTERM) -> tuple:
        """Exit code, entries and champion of a line whose signal comes at the end of a step's nth call."""
        whole, calls = getattr(module, step), iter(range(1, 100))

        def done(*given: Any, **more: Any) -> Any:
            found = whole(*given, **more)
            if next(calls) == nth:
                Dropped(number)
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, step, done)
            return call(*words), [entry.kind for entry in read(client, "conversion").entries], champion()

    def champion() -> str:
        return aliases(client, "conversion").get(CHAMPION, "")

    promote = ["promote", "1", *LENIENT]
    assert ended(promote, promotion, "identity", 1) == (143, [], "")
    assert ended(promote, promotion, "identity", 2, signal.SIGINT) == (130, ["look"], "")
    assert ended(promote, promotion, "append", 2) == (143, ["look", "look", "promote"], "")
    assert call("promote", "resume", "3") == 0
    assert champion() == "1"
    refused = ["promote", "2", *LENIENT[1:], "gate.quality.floor=0.99"]
    assert ended(refused, promotion, "judge")[::2] == (143, "1")
    assert ended(refused, promotion, "judged")[::2] == (143, "1")
    assert "gate" not in client.get_model_version("conversion", "2").tags
    assert call("promote", "2", *LENIENT) == 0
    assert ended(["rollback"], rollback, "identity")[::2] == (143, "2")
    assert call("rollback") == 0
    assert champion() == "1"


def filed(client: MlflowClient) -> None:
    with runs.run(client, "1", "another", {}):
        pass


def measured(client: MlflowClient) -> None:
    (run, *_) = client.search_runs(["1"], max_results=1)
    runs.Run(client, "1", run.info.run_id).metrics({"another": 1.0})


WRITES: dict[str, Callable[[MlflowClient], Any]] = {
    "run": filed,
    "metric": measured,
    "registered model": lambda client: named(client, "another"),
    "alias": lambda client: challenge(client, Version("conversion", "2")),
    "environment": lambda client: make_environment(client, "conversion", "conversion-prod"),
    "copy": lambda client: copied(client, client.get_model_version("conversion", "1"), "conversion"),
    "note": lambda client: note(client, "models:/conversion/1", {"measured_run": "a"}, "so much"),
}


def everything(client: MlflowClient) -> list:
    models = [(model.name, model.aliases) for model in client.search_registered_models()]
    versions = [(version.version, version.tags) for version in client.search_model_versions()]
    return [models, versions, [(run.info.run_id, run.data.metrics) for run in client.search_runs(["1"])]]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_nothing_is_written_to_the_store_once_the_process_was_told_to_stop(
    write: Callable[[MlflowClient], Any], client: MlflowClient
) -> None:
    before = everything(client)
    stopping.note(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        write(client)
    assert everything(client) == before
    stopping.came.clear()
    write(client)
    assert everything(client) != before


def test_a_database_and_a_service_keep_what_they_have_once_told_to_stop(tmp_path: Path) -> None:
    rows = {"user_id": ["a"], "propensity_score": [0.5], "action": ["none"], "scored_at": ["2026-11-30T00:00:00"]}
    pl.DataFrame(rows).with_columns(pl.col("scored_at").str.to_datetime()).write_parquet(tmp_path / "decided.parquet")
    decided = (f"duckdb:///{tmp_path}/app.duckdb", "decided", tmp_path / "decided.parquet", "user_id")
    old, new = (types.SimpleNamespace(name="conversion", version=v, policy_digest="", reference=v) for v in "12")
    service: Any = Follower(old, lambda: "2", lambda _: new, Metrics())  # type: ignore[arg-type]  # stand-ins
    server(None, Room(1, lambda _: None)).handle_exit(signal.SIGTERM, None)  # type: ignore[arg-type]  # it serves nobody
    with pytest.raises(SystemExit):
        upsert(*decided, "conversion")
    with pytest.raises(SystemExit):
        service.look()
    with duckdb.connect(f"{tmp_path}/app.duckdb") as database:
        assert database.execute("show tables").fetchall() == []
    assert service.current is old
    stopping.came.clear()
    assert upsert(*decided, "conversion") == 1
