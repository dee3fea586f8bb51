"""`tippingpoint serve`: the champion over HTTP."""

import os
import threading
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from tippingpoint.config.settings import ServeSettings
from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError
from tippingpoint.data.days import start
from tippingpoint.reports.result import Result
from tippingpoint.reports.web_server import address, by_others
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider, reference_of
from tippingpoint.tracking.models import find_version

KEY = "TIPPINGPOINT_API_KEY"
ENDS = 2.0
"""Seconds that the alias watcher has to end in."""


@dataclass(frozen=True, repr=False)
class ServeResult(Result):
    """What was served last, and how much."""

    model: str
    requests: int

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"model": self.model, "requests": self.requests}

    def render(self) -> RenderableType:
        """One line."""
        return Text(f"stopped; {self.requests:,} requests answered, the last version was {self.model}")


def serve(settings: ServeSettings) -> ServeResult:
    """Serve a version, by default the champion, until stopped; a new champion takes over.

    Raises
    ------
    InputError
        When there is no such version, it cannot be served, or others could reach the service without a key.
    OutsideError
        When the store cannot be used, or the port is taken.
    """
    key = os.environ.get(KEY, "")
    if by_others(settings.host) and not key:
        what = f"{settings.host} can be reached by others, and no key is asked for"
        raise InputError("host", what, f"Set {KEY} in the environment, or type host=127.0.0.1.")
    try:
        from tippingpoint.serving.alias_watcher import Follower
        from tippingpoint.serving.api import application
        from tippingpoint.serving.connections import Room, most_connections
        from tippingpoint.serving.log import say
        from tippingpoint.serving.metrics import Metrics
        from tippingpoint.serving.server import listen, server
        from tippingpoint.serving.version import Limits, Served, serve_version
    except ModuleNotFoundError as error:
        what = f"{error.name} is not installed"
        raise InputError("tippingpoint serve", what, "Type pip install 'tippingpoint[serve]'.") from error
    # A registry that does not answer is asked again at the next poll, not waited for.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    client = backend.connect(writing=False)
    reference = reference_of(client, settings.model)
    limits = Limits(settings.max_users, settings.max_explained, settings.max_body)

    def resolve() -> str:
        with backend.store_errors():
            return str(find_version(client, reference).version)

    def load(version: str) -> Served:
        with backend.store_errors():
            loaded = load_decider(client, f"models:/{name}/{version}")
        of = (loaded.name, loaded.version, loaded.policy_digest, loaded.decider, loaded.model.family)
        return serve_version(*of, limits, bool(key), None if settings.as_of is None else start(settings.as_of))

    with backend.store_errors():
        first = find_version(client, reference)
    name = str(first.name)
    metrics = Metrics()
    follower = Follower(load(str(first.version)), resolve if "@" in reference else None, load, metrics)
    listening = listen(settings.host, settings.port)
    stop = threading.Event()
    watching = threading.Thread(target=follower.follow, args=(stop, settings.poll_seconds), daemon=True)
    watching.start()
    say("serving", address=address(*listening.getsockname()[:2]), serving=follower.current.reference, follows=reference)
    room = Room(most_connections(), lambda why: metrics.closed.labels(why).inc())
    app = application(follower, metrics, limits, key, settings.access_log)
    stopping.check()
    server(app, room).run(sockets=[listening])
    stop.set()
    watching.join(ENDS)
    answered = sum(s.value for m in metrics.requests.collect() for s in m.samples if s.name.endswith("_total"))
    return ServeResult(follower.current.reference, int(answered))
