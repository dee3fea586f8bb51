"""What was promoted, rolled back, refused or asked for, told to an address: a signed POST that stops nothing."""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import unquote, urlsplit

from tippingpoint.core.redaction import masked
from tippingpoint.core.version import __version__
from tippingpoint.tracking.backend import page
from tippingpoint.tracking.journal import Entry, at

ADDRESS, SECRET = "TIPPINGPOINT_WEBHOOK", "TIPPINGPOINT_WEBHOOK_SECRET"
"""Variables of the environment. A secret on a command line or in a config would stand in runs and logs."""
SECONDS, TRIES, PAUSE = 3.0, 3, 0.5
"""How long one try waits for an answer; how many there are; seconds before the second, then twice that."""
LASTS = 10.0
"""Seconds that all tries have, whatever it is that takes long."""
PASSES = (429, 500, 502, 503, 504)
"""Answers by which a receiver says that it may take the same message later."""
EVENTS = {"promote": "promoted", "rollback": "rolled_back", "refused": "refused", "request": "requested"}
"""What entries of a journal are told, by their kind."""


def tell(name: str, entry: Entry, environment: Mapping[str, str] = os.environ) -> str:
    """Post an entry of a model's journal to the address of the environment; what is done already stands whatever comes.

    Returns
    -------
    str
        Whether it was delivered, in a sentence; '' where no address is set, or nothing is told of such an entry.
    """
    address, secret = environment.get(ADDRESS, ""), environment.get(SECRET, "")
    if not address or entry.kind not in EVENTS:
        return ""
    parts = urlsplit(address)
    host, (user, _, netloc) = parts.hostname, parts.netloc.rpartition("@")
    if not address.startswith(("https://", "http://")) or not host:
        return f"Webhook: not delivered, as {ADDRESS} is no http address."
    if not secret:
        return f"Webhook: not delivered, as nothing is sent unsigned. Set {SECRET} too."
    body = json.dumps(message(name, entry), sort_keys=True).encode()
    stamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"tippingpoint/{__version__}",
        "X-Tippingpoint-Event": EVENTS[entry.kind],
        "X-Tippingpoint-Timestamp": stamp,
        "X-Tippingpoint-Signature": signature(secret, stamp, body),
    }
    if user:  # who may enter, which urllib takes for a part of the host
        headers["Authorization"] = f"Basic {base64.b64encode(unquote(user).encode()).decode()}"
    failed = _posted(urllib.request.Request(parts._replace(netloc=netloc).geturl(), body, headers, method="POST"))
    return f"Webhook: not delivered to {host} ({masked(failed, address)})." if failed else f"Webhook: told {host}."


def signature(secret: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA256 of `TIMESTAMP.BODY`, so that an old message cannot be sent again as a new one.

    >>> signature("word", "1764547200", b"{}")
    'sha256=a5159c6f04c3d51db1d8d39c999c3b9070a352d5867adfeb8cbeb3a4e0a52cae'
    """
    return f"sha256={hmac.new(secret.encode(), stamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def message(name: str, entry: Entry) -> dict[str, Any]:
    """What is told of an entry, ready for JSON."""
    judged, number = entry.judgement, entry.version.rpartition("/")[2]
    stops = [
        check["name"]
        for check in judged.get("checks", [])
        if check["word"] == "fails" or (check["blocks"] and check["word"] != "passes")
    ]
    return {
        "event": EVENTS[entry.kind],
        "model": name,
        "version": entry.version,
        "champion_before": entry.against or None,
        "entry": entry.number,
        "when": at(entry.when),
        "who": entry.who,
        "claimed": entry.claimed,
        "why": entry.why,
        "commit": entry.commit,
        "run_id": entry.run_id,
        "model_id": entry.model_id,
        "policy_digest": entry.policy_digest,
        "gate": judged.get("gate"),
        "overrides": judged.get("overrides", []),
        "stopped_by": stops,
        "requested_by": judged.get("requested_by"),
        "page": page(f"models/{name}/versions/{number}"),
    }


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no address that an answer names: what is signed goes where it was meant to."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return no request."""
        return


def _posted(request: urllib.request.Request) -> str:
    """Why a message was not taken; '' where it was. It is tried a few times, and given up whatever holds it."""
    failed = [f"no answer within {LASTS:g} s"]

    def post() -> None:
        for number in range(1, TRIES + 1):
            why, again = _tried(request)
            failed[:] = [f"{why}, {number} times" if number > 1 else why] if why else []
            if not again or number == TRIES:
                return
            time.sleep(PAUSE * 2 ** (number - 1))

    posting = threading.Thread(target=post, daemon=True)
    posting.start()
    posting.join(LASTS)
    return "".join(failed)


def _tried(request: urllib.request.Request) -> tuple[str, bool]:
    """Why one try failed, '' where it did not; and whether the next may do better."""
    try:
        urllib.request.build_opener(_Stays).open(request, timeout=SECONDS).close()
    except urllib.error.HTTPError as error:
        return f"it answers {error.code}", error.code in PASSES
    except OSError as error:
        return str(getattr(error, "reason", error)), True
    except (ValueError, HTTPException) as error:  # ValueError: an address that is none
        return str(error), False
    return "", False
