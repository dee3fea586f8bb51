"""What the service answered can be measured: the log of decisions, the random share, the traces."""

import asyncio
import shutil
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from tests.conftest import working_in
from tests.measurement.measuring import told
from tests.serving.services import PATIENCE, Service, started
from tippingpoint.config.compose import compose
from tippingpoint.data.appending import append
from tippingpoint.data.decisions import read
from tippingpoint.scoring.job import score
from tippingpoint.scoring.settings import ScoreSettings
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.api import application
from tippingpoint.serving.decision_log import DecisionLog, place
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.service import Ready
from tippingpoint.serving.settings import ServeSettings
from tippingpoint.serving.split import Part, Split
from tippingpoint.serving.version import Limits, Served
from tippingpoint.tracking import backend

LIMITS = Limits(1000, 10, 1 << 20)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def store(versions: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the store with three versions, in use."""
    shutil.copy(versions / "mlflow.db", tmp_path)
    with working_in(tmp_path):
        yield tmp_path


def loaded(version: str, *words: str) -> Served:
    settings = ServeSettings.from_config(compose("serve", list(words)))
    return Ready(backend.connect(writing=False), settings, "", Metrics()).version("conversion", version, True)


def people(served: Served, n: int) -> list[dict[str, Any]]:
    """Users who differ, as a caller sends them."""
    (example,) = served.openapi["components"]["schemas"]["User"]["examples"]
    rng = np.random.default_rng(0)
    drawn = zip(rng.integers(0, 30, n).tolist(), rng.uniform(0, 20, n).tolist(), strict=True)
    own = [{"sessions_7d": sessions, "content_hours_7d": hours} for sessions, hours in drawn]
    return [example | {"user_id": f"u{i}"} | of for i, of in enumerate(own)]


def stays(served: Served) -> Follower:
    return Follower(served, None, lambda _: served, Metrics())


def asking(
    served: Served,
    log: DecisionLog,
    asks: Callable[[httpx.AsyncClient], Awaitable[None]],
    split: Split | None = None,
) -> Metrics:
    """Ask a service in this process, and stop it."""
    app = application(stays(served), log.metrics, LIMITS, "", True, log, split)

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            await asks(client)

    log.start()
    asyncio.run(ask())
    log.close()
    return log.metrics


def lost(metrics: Metrics, why: str) -> float:
    return metrics.registry.get_sample_value("tippingpoint_lost_decisions_total", {"why": why}) or 0.0


def test_what_was_answered_is_measured_and_drawn_as_score_draws(store: Path):
    served = loaded("1", "holdout=0.5", "log=decisions")
    users, answers = people(served, 300), []

    async def asks(client: httpx.AsyncClient) -> None:
        for at in (*range(100), 100):
            some = users[at:] if at == 100 else [users[at]]
            answers.extend((await client.post("/score", json={"users": some})).json()["decisions"])
        explained = (await client.post("/explain", json=users[0])).json()["explanations"]
        assert explained[0]["action"] == answers[0]["action"]

    metrics = asking(served, DecisionLog(place("decisions"), Metrics(), seconds=0.05), asks)
    assert metrics.registry.get_sample_value("tippingpoint_logged_decisions_total") == 300
    assert metrics.registry.get_sample_value("tippingpoint_waiting_decisions") == 0
    log = pl.read_parquet("decisions").sort("scored_at")
    answered = pl.DataFrame(answers).select(pl.exclude("expected_gain"))
    assert log.select(answered.columns).equals(answered)
    pl.DataFrame(users).write_parquet("users.parquet")
    words = ["input=users.parquet", "to=scored.parquet", "model=models:/conversion/1", "holdout=0.5"]
    score(ScoreSettings.from_config(compose("score", [*words, "tracking.log=false"])))
    batch = pl.read_parquet("scored.parquet")
    drawn = ["user_id", "action", "explored", "policy_action", "logging_probability", "expected_value"]
    chances = [c for c in batch.columns if c.startswith("logging_probability_")]
    alike = log.join(batch.select(*drawn, *chances), on="user_id", suffix="_batch")
    assert len(alike) == 300
    assert 100 < log["explored"].sum() < 200
    for column in (*drawn[1:5], *chances):
        assert alike[column].cast(pl.String).equals(alike[f"{column}_batch"].cast(pl.String)), column
    assert np.allclose(alike["expected_value"], alike["expected_value_batch"], rtol=1e-9, equal_nan=True)
    outcome = log.select("user_id", converted=(pl.col("propensity_score") > 0.5).cast(pl.Int8))
    outcome.write_csv("outcomes.csv")
    found = told("decisions=decisions", "outcomes=outcomes.csv")
    assert found.decided.counts.used == 300
    assert [of.version for of in found.versions] == ["models:/conversion/1"]


def test_a_request_is_known_by_its_id_from_the_caller_to_the_log(store: Path, capsys: pytest.CaptureFixture):
    served, given = loaded("1", "log=decisions"), {"X-Request-ID": "order-7:1", "traceparent": TRACE}
    (user,) = people(served, 1)
    heads = []

    async def asks(client: httpx.AsyncClient) -> None:
        for headers in (given, {}, {"X-Request-ID": "ann@example.org", "traceparent": TRACE.replace("4", "x")}):
            heads.append((await client.post("/score", json=user, headers=headers)).headers)
        assert (await client.get("/nowhere", headers=given)).headers["x-request-id"] == "order-7:1"

    asking(served, DecisionLog(place("decisions"), Metrics()), asks)
    log = pl.read_parquet("decisions").sort("scored_at")
    assert heads[0]["x-request-id"] == "order-7:1"
    assert log["request_id"].to_list() == [head["x-request-id"] for head in heads]
    assert log["traceparent"].to_list() == [head.get("traceparent") for head in heads] == [TRACE, None, None]
    assert len(set(log["request_id"])) == len(set(log["scored_at"])) == 3
    said = capsys.readouterr().err
    assert "order-7:1" in said
    assert "ann" not in said


def test_no_answer_waits_for_a_log_that_hangs_and_what_is_lost_is_counted(store: Path):
    served = loaded("1")
    users, hangs, written = people(served, 8), threading.Event(), []

    def write(table: pl.DataFrame, _: tuple[str, ...]) -> None:
        assert hangs.wait(PATIENCE)
        written.append(table)

    log = DecisionLog(write, Metrics(), rows=5, seconds=0.01)

    async def asks(client: httpx.AsyncClient) -> None:
        for user in users:
            assert (await client.post("/score", json=user)).status_code == 200
        assert not written
        hangs.set()

    metrics = asking(served, log, asks)
    assert lost(metrics, "full") == 3
    assert pl.concat(written)["user_id"].to_list() == [f"u{i}" for i in range(5)]


def test_what_could_not_be_written_is_tried_again(store: Path, capsys: pytest.CaptureFixture):
    served = loaded("1")
    users = people(served, 4)
    first, second = (Part(served, of, served.decide(of), 1.0) for of in (users[:2], users[2:]))
    Path("place").write_text("a file where the folder should be")
    log = DecisionLog(lambda table, key: place("place/decisions")(table, key), Metrics())
    log.add(first, "one", None)
    log.flush()
    assert "not written" in capsys.readouterr().err
    Path("place").unlink()
    log.add(second, "two", None)
    log.flush()
    assert pl.read_parquet("place/decisions")["request_id"].to_list() == ["one"] * 2 + ["two"] * 2
    assert log.waiting == 0
    broken = DecisionLog(lambda table, key: 1 / 0, Metrics())  # type: ignore[arg-type, return-value]  # it must fail
    broken.start()
    broken.add(first, "three", None)
    broken.close()
    assert lost(broken.metrics, "unwritten") == 2


def test_versions_of_different_actions_share_a_log(tmp_path: Path):
    for name, of in (("a", {"logging_probability_x": 0.5}), ("b", {"logging_probability_y": 1.0})):
        pl.DataFrame({"user_id": [name], **of}).write_parquet(tmp_path / f"{name}.parquet")
    assert read(str(tmp_path), "decisions").to_dicts() == [
        {"user_id": "a", "logging_probability_x": 0.5, "logging_probability_y": None},
        {"user_id": "b", "logging_probability_x": None, "logging_probability_y": 1.0},
    ]


@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_a_batch_sent_twice_stands_once_and_new_columns_are_added(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
):
    url = f"duckdb:///{tmp_path}/app.duckdb" if kind == "duckdb" else request.getfixturevalue("postgres")
    at = pl.Series([1_000_001], dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    rows = pl.DataFrame({"user_id": ["u1"], "scored_at": at, "explored": [True], "value": [None]}).cast(
        {"value": pl.Float64}
    )
    for table in (rows, rows, rows.with_columns(user_id=pl.lit("u2"), trace=pl.lit("t"))):
        append(url, "served_log", table, ("user_id", "scored_at"))
    mark = "&" if "?" in url else "?"
    found = read(f"{url}{mark}table=served_log", "decisions").sort("user_id")
    assert found["user_id"].to_list() == ["u1", "u2"]
    assert found["trace"].to_list() == [None, "t"]
    assert found["scored_at"].dt.epoch("us").to_list() == [1_000_001] * 2


@pytest.mark.programs
def test_a_service_told_to_stop_writes_what_waits(store: Path):
    url = f"duckdb:///{store}/app.duckdb?table=decisions"
    words = ("split={1: 0.5, 3: 0.5}", "shadow=models:/conversion/2", "holdout=0.2", "log_seconds=3600")
    service: Service = started(store, "model=models:/conversion/1", f"log='{url}'", *words)
    answer = service.post("/score", service.example())
    beside = service.get("/metrics").text
    assert 'other_model_info{model="conversion"' in beside
    assert beside.count("tippingpoint_other_model_info{") == 2
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(PATIENCE) == 0
    (row,) = read(url, "decisions").to_dicts()
    assert row["request_id"] == answer.headers["x-request-id"]
    (decision,) = answer.json()["decisions"]
    assert (row["action"], row["model"], row["version_probability"]) == (decision["action"], decision["model"], 0.5)
    (shadow,) = read(f"{url}_shadow", "decisions").to_dicts()
    assert (shadow["model"], shadow["scored_at"]) == ("models:/conversion/2", row["scored_at"])


def test_places_and_shares_that_cannot_be_are_refused(store: Path, refused: Callable[..., str]):
    model = "model=models:/conversion/1"
    assert "Type log=decisions" in refused("serve", model, "log=decisions.parquet")
    assert "?table=decisions" in refused("serve", model, "log='duckdb:///app.duckdb'")
    assert "log=" in refused("serve", model, "log='mysql://host/app?table=x'")
    assert "Nearest: 'none'" in refused("serve", model, "holdout=0.1", "holdout_actions=[non]")
    assert "Type holdout=0.1" in refused("serve", model, "holdout_salt=x")
