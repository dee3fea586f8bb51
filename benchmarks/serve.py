"""The service against `mlflow models serve` of the same version, both up at the same time and asked in turns.

    python -P benchmarks/serve.py [seconds] [families]

Each of N connections asks again as soon as it is answered; one process asks, on the same machine. Shown are requests a
second and the 50th and 99th percentile of the time to an answer, and the same of the service with two workers, and with
its pipeline in place of the compiled one. Families are names (`boosting,logistic`); by default boosting.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tippingpoint.comparison.run import run
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.tracking import backend

LOADS = ((1, 1), (1, 4), (1, 16), (1000, 1), (1000, 4))
"""Rows a request, and connections."""
TURNS = 2
SLOW = (
    "from tippingpoint.serving import version; version.EQUAL = -1;"
    " from tippingpoint.cli.main import main; import sys; sys.argv[0] = 'tippingpoint'; main()"
)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        return int(probing.getsockname()[1])


@contextmanager
def up(words: list[str], address: str, path: str) -> Iterator[None]:
    """A server, from when it answers until it is stopped."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    with subprocess.Popen(words, env=environment, **quiet) as server:
        try:
            deadline = time.monotonic() + 400
            while True:
                try:
                    urllib.request.urlopen(f"{address}{path}", timeout=1).close()
                    break
                except OSError:
                    if server.poll() is not None or time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, 15)


async def asked(port: int, request: bytes, connections: int, seconds: float) -> np.ndarray:
    """Seconds from each request to its answer."""
    taken: list[float] = []
    until = time.perf_counter() + seconds

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            taken.append(time.perf_counter() - began)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    return np.array(taken)


def request(path: str, body: Any) -> bytes:
    """A request as it goes over the wire."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def registered(settings: Settings) -> str:
    """Fit, file and register a family; the version it became."""
    filed = run(settings).filed
    assert filed is not None
    assert filed.registered is not None
    return filed.registered


def family(name: str, seconds: float, shown: Table) -> None:
    """One row a load."""
    settings = Settings.from_config(compose("run", [f"model={name}", "report=none", "data.users=6000"]))
    version = registered(settings)
    client = backend.connect()
    _, name_of, number = version.split("/")
    client.set_registered_model_alias(name_of, "champion", number)
    reference = f"models:/{name_of}@champion"
    theirs, ours, pair, plain = free_port(), free_port(), free_port(), free_port()
    python = sys.executable
    mlflow = [python, "-m", "mlflow", "models", "serve", "--env-manager", "local", "-m", reference, "-p", str(theirs)]
    service = [python, "-m", "tippingpoint", "serve", f"model={reference}", f"port={ours}"]
    two = [python, "-m", "tippingpoint", "serve", f"model={reference}", f"port={pair}", "workers=2"]
    slow = [python, "-c", SLOW, "serve", f"model={reference}", f"port={plain}"]
    at = "http://127.0.0.1:"
    with (
        up(mlflow, f"{at}{theirs}", "/ping"),
        up(service, f"{at}{ours}", "/ready"),
        up(two, f"{at}{pair}", "/ready"),
        up(slow, f"{at}{plain}", "/ready"),
    ):
        with urllib.request.urlopen(f"{at}{ours}/openapi.json") as answer:
            (user,) = json.load(answer)["components"]["schemas"]["User"]["examples"]
        row = {key: value for key, value in user.items() if key != "user_id"}
        for rows, connections in LOADS:
            sent = {
                theirs: request("/invocations", {"dataframe_records": [row] * rows}),
                ours: request("/score", user if rows == 1 else {"users": [user] * rows}),
            }
            sent[pair] = sent[plain] = sent[ours]
            taken: dict[int, list[np.ndarray]] = {port: [] for port in sent}
            for port, words in sent.items():
                asyncio.run(asked(port, words, connections, 0.3))
            for _ in range(TURNS):
                for port, words in sent.items():
                    taken[port].append(asyncio.run(asked(port, words, connections, seconds / TURNS)))
            rates, lines = {}, {}
            for port, parts in taken.items():
                every = np.concatenate(parts)
                rates[port] = len(every) / seconds
                median, late = np.quantile(every, [0.5, 0.99]) * 1e3
                lines[port] = f"{rates[port]:,.0f}/s  {median:.1f}  {late:.1f}"
            shown.add_row(
                name, str(rows), str(connections), lines[theirs], lines[plain], lines[ours], lines[pair],
                f"{rates[ours] / rates[theirs]:.1f} ×, {rates[pair] / rates[theirs]:.1f} ×",
            )  # fmt: skip


def followed() -> float:
    """Seconds until a promotion is served, at the configured poll."""
    settings = Settings.from_config(compose("run", ["model=logistic", "report=none", "data.users=3000"]))
    first, second = (registered(settings).split("/") for _ in range(2))
    client, port = backend.connect(), free_port()
    client.set_registered_model_alias(first[1], "champion", first[2])
    words = [sys.executable, "-m", "tippingpoint", "serve", f"model=models:/{first[1]}@champion", f"port={port}"]
    at = f"http://127.0.0.1:{port}"
    with up(words, at, "/ready"):
        began = time.monotonic()
        client.set_registered_model_alias(first[1], "champion", second[2])
        while True:
            with urllib.request.urlopen(f"{at}/ready") as answer:
                if json.load(answer)["version"] == second[2]:
                    return time.monotonic() - began
            time.sleep(0.05)


def main() -> None:
    """Print the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    families = sys.argv[2].split(",") if len(sys.argv) > 2 else ["boosting"]
    head = "requests, median ms, p99 ms"
    shown = Table(
        "family", "rows", "connections", f"mlflow models serve: {head}", "tippingpoint serve, pipeline",
        "tippingpoint serve", "workers=2", "ratio",
    )  # fmt: skip
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        for name in families:
            family(name, seconds, shown)
        swap = followed()
    Console(width=170).print(shown, f"A promotion is served after {swap:.1f} s.")


if __name__ == "__main__":
    main()
