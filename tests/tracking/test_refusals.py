"""What a tracking server answers is told apart: that it does not know somebody, does not let them, or is away."""

import threading
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from tippingpoint.tracking.refusals import is_missing, is_refusal, refusal


@contextmanager
def answering(status: int, text: str) -> Iterator[tuple[str, list[str]]]:
    """A server that is well, and answers everything else with one status; its address, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/health" else status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    ("verb", "status", "text", "said", "asked_times"),
    [
        ("doctor", 401, "You are not authenticated.", "does not accept the password of user 'ann' (401)", 1),
        ("promote", 401, "Who?", "does not accept the password of user 'ann' (401)", 1),
        ("status", 403, "Permission denied", "lets ann in nowhere (403 at experiments/search)", 1),
        ("doctor", 404, "<html>not found</html>", "answers, but not as an MLflow tracking server does (404", 1),
        ("doctor", 503, "on its way", "is in trouble (too many 503 error responses)", 2),
    ],
)
def test_a_server_that_says_no_is_asked_once_and_told_apart(
    verb: str,
    status: int,
    text: str,
    said: str,
    asked_times: int,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., int],
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a word of hers")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with answering(status, text) as (address, asked):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert call(verb) == 3
    told = capsys.readouterr().err
    assert f"store {address}: {said}" in told
    assert "a word of hers" not in told
    assert sum(path != "/health" for path in asked) == asked_times


def api(endpoint: str, status: int, body: str = "Permission denied") -> MlflowException:
    """As MLflow says what a server answered."""
    said = f"API request to endpoint /api/2.0/mlflow/{endpoint} failed with error code {status} != 200. Response body: "
    return MlflowException(f"{said}'{body}'", PERMISSION_DENIED if status == 403 else 1)


@pytest.mark.parametrize(
    ("endpoint", "reading", "needed"),
    [
        ("runs/create", False, "EDIT on the experiment"),
        ("runs/get", False, "READ on the experiment"),
        ("logged-models/m-1", True, "READ on the experiment"),
        ("experiments/get-by-name", False, "READ on the experiment"),
        ("model-versions/create", False, "EDIT on the registered model"),
        ("registered-models/alias", False, "EDIT on the registered model"),
        ("registered-models/alias", True, "READ on the registered model"),
        ("registered-models/get", False, "READ on the registered model"),
    ],
)
def test_the_right_that_is_missing_is_named(endpoint: str, reading: bool, needed: str) -> None:
    told = refusal(api(endpoint, 403), "ann", reading)
    assert told is not None
    assert told.status == 403
    assert told.remedy.startswith(f"{needed} is needed")
    assert "'ann'" in told.what


def test_what_is_not_there_is_neither_refused_nor_an_outage() -> None:
    gone = RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No such run"})
    away = MlflowException("API request to http://x/api failed with exception HTTPConnectionPool: Max retries exceeded")
    files = MlflowException("The following failures occurred while downloading: 403 Client Error: FORBIDDEN for url")
    assert [is_missing(error) for error in (gone, FileNotFoundError("x"), away, files)] == [True, True, False, False]
    assert [is_refusal(error) for error in (gone, away, files)] == [False, False, True]
    assert refusal(gone, "ann") is None
    for error in (away, urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))):
        told = refusal(error, "ann")
        assert told is not None
        assert (told.status, told.what[:18]) == (0, "cannot be reached ")
