"""What is done to champions is told to an address, signed; and stands whatever becomes of the message."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.promotion.promoting import FORCED, promoting, rolling_back
from tippingpoint.promotion import webhook
from tippingpoint.promotion.webhook import ADDRESS, SECRET, tell
from tippingpoint.tracking.journal import CHAMPION, Entry
from tippingpoint.tracking.promotion import aliases

WORD = "only both know it"
ENTRY = Entry(4, "promote", "3", "2", 1, 1_764_547_200_000, "ann", "better", "ab12", "d" * 16, "t", run_id="r")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A server that keeps what it is sent, answers with `first` in turn, then `answers`, after `waits` seconds."""
    kept = SimpleNamespace(got=[], first=[], answers=200, waits=0.0, to={})
    monkeypatch.setattr(webhook, "PAUSE", 0.01)

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.got.append((dict(self.headers), body))
            time.sleep(kept.waits)
            self.send_response(kept.first.pop(0) if kept.first else kept.answers)
            for key, value in kept.to.items():
                self.send_header(key, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kept.url = f"http://ann:hidden@127.0.0.1:{server.server_port}/hooks/abc"
        monkeypatch.setenv(ADDRESS, f"http://127.0.0.1:{server.server_port}/hooks/abc")
        monkeypatch.setenv(SECRET, WORD)
        yield kept
        server.shutdown()


def checked(got: tuple[dict[str, str], bytes]) -> dict[str, Any]:
    """A message, once its signature is what whoever knows the secret works out."""
    headers, body = got
    signed = hmac.new(WORD.encode(), headers["X-Tippingpoint-Timestamp"].encode() + b"." + body, hashlib.sha256)
    assert headers["X-Tippingpoint-Signature"] == f"sha256={signed.hexdigest()}"
    assert abs(time.time() - int(headers["X-Tippingpoint-Timestamp"])) < 60
    said = json.loads(body)
    assert headers["X-Tippingpoint-Event"] == said["event"]
    return said


def test_promotion_refusal_and_rollback_are_told(client: MlflowClient, receiver: Any) -> None:
    told = promoting("model=1", "why=first")
    promoting("model=2", "dry_run=true")
    promoting("model=2", "gate.quality.floor=0.99")
    promoting("model=2", *FORCED)
    rolling_back("why=too high")
    said = [checked(got) for got in receiver.got]
    assert [(one["event"], one["version"]) for one in said] == [
        ("promoted", "1"), ("refused", "2"), ("promoted", "2"), ("rolled_back", "1"),
    ]  # fmt: skip
    assert said[0]["why"] == "first"
    assert said[0]["run_id"] == client.get_model_version("conversion", "1").run_id
    assert said[0]["gate"].startswith("standard ")
    assert "quality" in said[1]["stopped_by"]
    assert said[2]["champion_before"] == "1"
    assert told.to_dict()["webhook"] == "Webhook: told 127.0.0.1."


def test_a_failed_delivery_stops_nothing_and_is_said(client: MlflowClient, receiver: Any) -> None:
    receiver.answers = 503
    told = promoting("model=1")
    assert told.promoted
    assert aliases(client, "conversion")[CHAMPION] == "1"
    assert told.webhook == "Webhook: not delivered to 127.0.0.1 (it answers 503, 3 times)."
    assert len(receiver.got) == 3


def test_a_delivery_is_tried_again_where_the_next_try_may_do_better(receiver: Any) -> None:
    signed = {ADDRESS: receiver.url, SECRET: WORD}
    receiver.first = [503, 429]
    assert tell("c", ENTRY, signed) == "Webhook: told 127.0.0.1."
    assert len({json.dumps(checked(got), sort_keys=True) for got in receiver.got}) == 1
    assert len(receiver.got) == 3
    receiver.answers = 403
    assert "(it answers 403)" in tell("c", ENTRY, signed)
    assert len(receiver.got) == 4


def test_nobody_waits_long_for_a_receiver(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.waits = 2.0
    monkeypatch.setattr(webhook, "LASTS", 0.2)
    began = time.monotonic()
    assert "no answer within 0.2 s" in tell("c", ENTRY, {ADDRESS: receiver.url, SECRET: WORD})
    assert time.monotonic() - began < 1.9


def test_what_goes_wrong_with_a_delivery_is_said_without_its_path_or_password(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = {ADDRESS: receiver.url, SECRET: WORD}
    assert tell("c", ENTRY, {}) == ""
    assert tell("c", replace(ENTRY, kind="look"), signed) == ""
    assert "is no http address" in tell("c", ENTRY, {ADDRESS: "file:///etc/passwd", SECRET: WORD})
    assert "nothing is sent unsigned. Set TIPPINGPOINT_WEBHOOK_SECRET too." in tell("c", ENTRY, {ADDRESS: receiver.url})
    assert "refused" in tell("c", ENTRY, {ADDRESS: "http://127.0.0.1:1/hooks/abc", SECRET: WORD})
    assert "not delivered" in tell("c", ENTRY, {ADDRESS: "http://127.0.0.1:no/", SECRET: WORD})
    assert receiver.got == []
    receiver.answers, receiver.to = 307, {"Location": "http://127.0.0.1:1/"}
    assert "(it answers 307)" in tell("c", ENTRY, signed), "what is signed goes nowhere else"
    receiver.answers, receiver.waits = 200, 0.5
    monkeypatch.setattr(webhook, "SECONDS", 0.1)
    said = tell("c", ENTRY, signed)
    assert said.endswith("3 times).")
    assert "not delivered to 127.0.0.1 (" in said
    assert receiver.got[-1][0]["Authorization"] == f"Basic {base64.b64encode(b'ann:hidden').decode()}"
    assert "hidden" not in said
    assert "abc" not in said
