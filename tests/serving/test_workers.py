"""Several workers: one port, one alias, one log; one that is killed is replaced."""

import os
import signal
import socket
from pathlib import Path

import httpx
import polars as pl
import pytest

from tests.processes import typed
from tests.serving.services import PATIENCE, Service, crown, serving
from tippingpoint.tracking import backend


def workers(service: Service, asks: int = 60) -> set[int]:
    """Numbers of the workers that answer; each request is a connection of its own."""
    return {service.get("/health").json()["worker"] for _ in range(asks)}


def counted(service: Service, name: str) -> float:
    lines = service.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def process_of(service: Service, number: int) -> int:
    """The process of a worker, by the order in which the service started them."""
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    return int(children[number - 1])


def versions_now(service: Service, asks: int = 40) -> set[str]:
    return {service.get("/ready").json()["version"] for _ in range(asks)}


@pytest.mark.programs
@pytest.mark.timeout(1200)
def test_workers_share_a_port_follow_the_alias_and_are_replaced(at_versions: Path) -> None:
    crown(backend.connect(), "2")
    with serving(at_versions, "workers=2", "log=kept", "log_seconds=3600") as service:
        assert workers(service) == {1, 2}
        example = service.example()
        for k in range(40):
            assert service.post("/score", {**example, "user_id": f"u{k}"}).status_code == 200
        assert counted(service, "tippingpoint_decisions_total") == 40
        assert counted(service, "tippingpoint_waiting_decisions") == 40

        os.kill(process_of(service, 1), signal.SIGKILL)
        answered = 0
        for _ in range(40):  # the other one goes on; what waits for the first is answered by its successor
            try:
                answered += service.get("/health").status_code == 200
            except httpx.TransportError:  # its connection was one of the killed worker's
                continue
        assert answered >= 38
        assert workers(service) == {1, 2}
        (ended,) = service.lines("worker ended")
        (lost,) = service.lines("decisions lost")
        waits = counted(service, "tippingpoint_waiting_decisions")
        assert ended["worker"] == 1
        assert (
            0 < lost["decisions"] == 40 - waits == counted(service, 'tippingpoint_lost_decisions_total{why="killed"}')
        )

        crown(backend.connect(), "1")
        service.until(lambda ready: ready["version"] == "1")
        while versions_now(service) != {"1"}:
            pass
    written = pl.read_parquet("kept/*.parquet")
    assert len(written) == waits  # the rest was written when the service ended
    assert written["scored_at"].n_unique() == len(written)


def refused(folder: Path, *words: str) -> str:
    """What a service that does not start says; it ends with 2 or 3."""
    log = folder / "refused.log"
    process = typed("serve", "workers=2", *words, folder=folder, files=(folder / "refused.out", log))
    assert process.wait(PATIENCE) in (2, 3)
    return log.read_text()


@pytest.mark.programs
def test_a_version_that_no_worker_can_serve_is_refused_once(at_versions: Path) -> None:
    said = refused(at_versions, "model=models:/conversion@nobody", "port=0")
    assert said.count("there is no models:/conversion@nobody") == 1
    assert "Traceback" not in said


@pytest.mark.programs
def test_a_port_that_others_use_is_not_shared_with_them(at_versions: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert "cannot be served" in refused(at_versions, f"port={other.getsockname()[1]}")


@pytest.mark.programs
@pytest.mark.timeout(1200)
def test_two_workers_write_one_database_and_lose_nothing(at_versions: Path, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path}/app.duckdb"
    with serving(at_versions, "workers=2", f"log={url}?table=decisions", "log_seconds=0.05") as service:
        example = service.example()
        for k in range(200):
            service.post("/score", {**example, "user_id": f"u{k}"})
    import duckdb

    with duckdb.connect(f"{tmp_path}/app.duckdb") as database:
        found = database.execute("select count(*), count(distinct user_id) from decisions").fetchone()
    assert found == (200, 200)
    assert service.process.wait(PATIENCE) == 0
