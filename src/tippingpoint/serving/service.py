"""The service put together: versions that follow their aliases, the log of decisions, the socket."""

import os
import threading
from collections.abc import Callable

from tippingpoint.config.settings import ServeSettings
from tippingpoint.core import stopping
from tippingpoint.data.days import start
from tippingpoint.decisions.randomization import held_out
from tippingpoint.reports.web_server import address
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.api import application
from tippingpoint.serving.connections import Room, most_connections
from tippingpoint.serving.decision_log import DecisionLog, as_table, key_of, place
from tippingpoint.serving.log import say
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.server import listen, server
from tippingpoint.serving.version import Limits, Served, serve_version
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider, reference_of
from tippingpoint.tracking.models import find_version
from tippingpoint.tracking.registry import Client

ENDS = 2.0
"""Seconds that the alias watcher has to end in."""


def run(settings: ServeSettings, key: str) -> tuple[str, int]:
    """Serve until stopped.

    Returns
    -------
    str, int
        The version that served last, and how many requests were answered.

    Raises
    ------
    InputError
        When there is no such version, it cannot be served, or the log is no place for decisions.
    OutsideError
        When the store or the log cannot be used, or the port is taken.
    """
    # A registry that does not answer is asked again at the next poll, not waited for.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    client, metrics = backend.connect(writing=False), Metrics()
    limits = Limits(settings.max_users, settings.max_explained, settings.max_body)
    reference = reference_of(client, settings.model)
    follower = _follower(client, reference, settings, limits, key, metrics)
    log = _log(settings, follower.current, metrics)
    listening = listen(settings.host, settings.port)
    stop = threading.Event()
    watching = threading.Thread(target=follower.follow, args=(stop, settings.poll_seconds), daemon=True)
    watching.start()
    if log is not None:
        log.start()
    say("serving", address=address(*listening.getsockname()[:2]), serving=follower.current.reference, follows=reference)
    room = Room(most_connections(), lambda why: metrics.closed.labels(why).inc())
    app = application(follower, metrics, limits, key, settings.access_log, log)
    stopping.check()
    try:
        server(app, room).run(sockets=[listening])
    finally:
        stop.set()
        if log is not None:
            log.close()
    watching.join(ENDS)
    answered = sum(s.value for m in metrics.requests.collect() for s in m.samples if s.name.endswith("_total"))
    return follower.current.reference, int(answered)


def _follower(
    client: Client, reference: str, settings: ServeSettings, limits: Limits, key: str, metrics: Metrics
) -> Follower:
    """The version that a reference names, made ready; it follows an alias."""
    with backend.store_errors():
        first = find_version(client, reference)
    name = str(first.name)

    def resolve() -> str:
        with backend.store_errors():
            return str(find_version(client, reference).version)

    load = loading(client, name, settings, limits, key)
    return Follower(load(str(first.version)), resolve if "@" in reference else None, load, metrics)


def loading(client: Client, name: str, settings: ServeSettings, limits: Limits, key: str) -> Callable[[str], Served]:
    """What makes a version of a registered model ready to answer as the settings ask."""

    def load(version: str) -> Served:
        with backend.store_errors():
            loaded = load_decider(client, f"models:/{name}/{version}")
        deployment = loaded.decider.deployment
        asked = settings.holdout, settings.holdout_actions, settings.holdout_salt
        drawn = held_out(*asked, deployment.actions, deployment.question, loaded.version)
        of = (loaded.name, loaded.version, loaded.policy_digest, loaded.decider, loaded.model.family)
        day = None if settings.as_of is None else start(settings.as_of)
        return serve_version(*of, limits, bool(key), day, drawn, settings.log is not None)

    return load


def _log(settings: ServeSettings, served: Served, metrics: Metrics) -> DecisionLog | None:
    """The log of decisions, once its place was tried; None where none is asked for."""
    if settings.log is None:
        return None
    write = place(settings.log)
    write(as_table([], served), key_of(served))
    return DecisionLog(write, metrics, settings.log_rows, settings.log_seconds)
