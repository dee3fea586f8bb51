"""What callers of the service wait while strangers hold slow connections open.

    python -P benchmarks/slow.py [connections] [seconds]

Half of the connections send a head, half a body, of a byte a second each, and each that is closed is opened again a
second later. The service may have 1,024 files open, as is the default of most systems. Shown are requests that were
answered, and the 50th and 99th percentile of the time to an answer, each by a connection of its own; with nobody else,
and then with them.
"""

import asyncio
import contextlib
import multiprocessing
import os
import resource
import runpy
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings

SERVE = runpy.run_path(str(Path(__file__).with_name("serve.py")))
free_port, registered, request, up = (SERVE[name] for name in ("free_port", "registered", "request", "up"))
FILES = 1024
PATIENCE = 5.0
"""Seconds after which a request counts as not answered."""
HEAD = b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SLOW = (HEAD, HEAD + b"Content-Length: 100000\r\n\r\n{")


async def slow(port: int, sent: bytes, closed: Any) -> None:
    """A connection that never comes to an end of what it sends; as often as it is closed, another."""
    while True:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            while not reader.at_eof():
                writer.write(b"x")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1000), 1)
            writer.close()
            closed.value += 1
        await asyncio.sleep(1)


async def asked(port: int, words: bytes) -> float:
    """Seconds to an answer on a connection of its own; NaN where none came."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(words)
            head = await reader.readuntil(b"\r\n\r\n")
            writer.close()
        return time.perf_counter() - began if head.startswith(b"HTTP/1.1 200") else float("nan")
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return float("nan")


def hold(port: int, strangers: int, closed: Any) -> None:
    """Many such connections, in a process of their own."""

    async def every() -> None:
        await asyncio.gather(*(slow(port, SLOW[i % 2], closed) for i in range(strangers)))

    asyncio.run(every())


async def measured(port: int, requests: dict[str, bytes], seconds: float) -> dict[str, str]:
    """A line a path."""
    taken: dict[str, list[float]] = {path: [] for path in requests}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for path, words in requests.items():
            taken[path].append(await asked(port, words))
        await asyncio.sleep(0.02)
    lines = {}
    for path, each in taken.items():
        there = [one for one in each if one == one]
        median, late = np.quantile(there, [0.5, 0.99]) * 1e3 if there else (np.nan, np.nan)
        lines[path] = f"{len(there)} of {len(each)}  {median:.1f}  {late:.1f}"
    return lines


def main() -> None:
    """Print the table."""
    strangers = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    resource.setrlimit(resource.RLIMIT_NOFILE, (strangers + 500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    head = "answered, median ms, p99 ms"
    shown = Table("slow connections", f"/health: {head}", f"/score: {head}", "closed by the service")
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        version = registered(Settings.from_config(compose("run", ["model=logistic", "report=none", "data.users=3000"])))
        port = free_port()
        line = f"ulimit -Sn {FILES}; exec {sys.executable} -m tippingpoint serve model={version} port={port}"
        with up(["bash", "-c", line], f"http://127.0.0.1:{port}", "/ready"):
            document = httpx.get(f"http://127.0.0.1:{port}/openapi.json").json()
            (user,) = document["components"]["schemas"]["User"]["examples"]
            requests = {
                "/health": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
                "/score": request("/score", user),
            }
            for number in (0, strangers):
                closed = multiprocessing.Value("l")
                holding = multiprocessing.Process(target=hold, args=(port, number, closed))
                holding.start()
                time.sleep(3)
                lines = asyncio.run(measured(port, requests, seconds))
                shown.add_row(f"{number:,}", *lines.values(), f"{closed.value:,}")
                holding.kill()
    Console(width=130).print(shown)


if __name__ == "__main__":
    main()
