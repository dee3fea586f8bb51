"""What the scoring service answers, started in this process and asked from another thread."""

import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.frozen.command import call

SECONDS = 60


def served(folder: Path, *words: str, users: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return what the service answers, started in this thread and asked from another."""
    found: dict[str, Any] = {}
    with _asked(folder, found, users):
        answer = call("serve", "port=0", "poll_seconds=1", "output=json", *words)
    assert "error" not in found, found["error"]
    found["stopped"] = {"exit_code": answer.exit_code, "answer": json.loads(answer.out)}
    return found


@contextmanager
def _asked(folder: Path, found: dict[str, Any], users: list[dict[str, Any]] | None) -> Iterator[None]:
    """Ask the service that the main thread is about to become, then end it."""
    ended = threading.Event()

    def ask() -> None:
        try:
            base = _address(ended)
            document = request(f"{base}/openapi.json")
            found["openapi"] = document
            asked = users or document["body"]["components"]["schemas"]["User"]["examples"]
            for path in ("/health", "/ready", "/policy", "/"):
                found[path] = request(f"{base}{path}")
            found["/score"] = request(f"{base}/score", {"users": asked})
            found["/score, one"] = request(f"{base}/score", asked[0])
            found["/explain"] = request(f"{base}/explain", {"users": asked[:2]})
            found["/score, missing column"] = request(f"{base}/score", dict(list(asked[0].items())[:3]))
            found["/score, no users"] = request(f"{base}/score", {"users": []})
            found["/nowhere"] = request(f"{base}/nowhere")
            found["/metrics"] = sorted(
                {line.split("{")[0].split(" ")[0] for line in request(f"{base}/metrics", text=True)["body"].splitlines()
                 if line and not line.startswith("#")}
            )  # fmt: skip
        except BaseException as error:
            found["error"] = repr(error)
        finally:
            if not ended.is_set():
                os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join(SECONDS)


def _address(ended: threading.Event) -> str:
    """Return where the service listens, as its log on stderr says."""
    began = time.monotonic()
    while time.monotonic() < began + SECONDS and not ended.is_set():
        said = sys.stderr.getvalue() if hasattr(sys.stderr, "getvalue") else ""
        for line in said.splitlines():
            if line.startswith("{") and (event := json.loads(line))["event"] == "serving":
                return event["address"]
        time.sleep(0.02)
    raise TimeoutError("the service did not start")


def request(url: str, body: Any = None, text: bool = False) -> dict[str, Any]:
    """Return status and body of an answer."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
            status, said = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, said = error.code, error.read()
    return {"status": status, "body": said.decode() if text else json.loads(said)}
