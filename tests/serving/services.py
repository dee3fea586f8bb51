"""A service as a process of its own, and versions to serve."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from mlflow import MlflowClient

from tests.processes import Forked, typed

NAME = "conversion"
PATIENCE = 240
"""Seconds that a busy machine may take to answer."""


@dataclass
class Service:
    """A running `tippingpoint serve`."""

    process: subprocess.Popen | Forked
    address: str
    log: Path
    out: Path

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return httpx.get(f"{self.address}{path}", timeout=PATIENCE, **kwargs)

    def post(self, path: str, body: Any, **kwargs: Any) -> httpx.Response:
        return httpx.post(f"{self.address}{path}", json=body, timeout=PATIENCE, **kwargs)

    def lines(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in found if line["event"] == event]

    def example(self) -> dict[str, Any]:
        (example,) = self.get("/openapi.json").json()["components"]["schemas"]["User"]["examples"]
        return example

    def until(self, holds: Any, seconds: float = PATIENCE) -> float:
        """Seconds until /ready answers what is asked."""
        began = time.monotonic()
        while not holds(self.get("/ready").json()):
            assert time.monotonic() < began + seconds, self.get("/ready").json()
            time.sleep(0.05)
        return time.monotonic() - began


def started(folder: Path, *words: str, under: tuple[str, ...] = ()) -> Service:
    log, out = folder / "serve.log", folder / "serve.out"
    line = ["serve", "port=0", "poll_seconds=0.2", *words]
    process: subprocess.Popen | Forked
    if under:
        with log.open("w") as errors, out.open("w") as answers:
            command = [*under, sys.executable, "-m", "tippingpoint", *line]
            process = subprocess.Popen(command, cwd=folder, stdout=answers, stderr=errors)
    else:
        process = typed(*line, folder=folder, files=(out, log))
    service = Service(process, "", log, out)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if serving := service.lines("serving"):
            service.address = serving[0]["address"]
            return service
        time.sleep(0.05)
    process.kill()
    raise AssertionError(log.read_text())


@contextmanager
def serving(folder: Path, *words: str, under: tuple[str, ...] = ()) -> Iterator[Service]:
    service = started(folder, *words, under=under)
    try:
        yield service
    finally:
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(PATIENCE)


def crown(client: MlflowClient, version: str) -> None:
    client.set_registered_model_alias(NAME, "champion", version)
