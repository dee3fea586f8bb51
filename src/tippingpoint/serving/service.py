"""The service put together: versions that follow their aliases, the log of decisions, the socket."""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tippingpoint.config.settings import VERSION
from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError
from tippingpoint.data.days import start
from tippingpoint.decisions.randomization import held_out
from tippingpoint.reports.web_server import address
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.api import application
from tippingpoint.serving.connections import Room, most_connections
from tippingpoint.serving.decision_log import DecisionLog, Shadow, as_table, key_of, place
from tippingpoint.serving.log import say
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.place import ALONE, Place
from tippingpoint.serving.server import listen, server
from tippingpoint.serving.settings import ServeSettings
from tippingpoint.serving.spans import tracer
from tippingpoint.serving.split import Split, refuse_other_columns, refuse_shares
from tippingpoint.serving.version import Limits, Served, serve_version
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider, reference_of
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.stored import find_version

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
    return serve_at(settings, key, ALONE, None, lambda _: None)


def serve_at(
    settings: ServeSettings, key: str, worker: Place, given: socket.socket | None, serves: Callable[[str], None]
) -> tuple[str, int]:
    """As `run`, as one of several workers.

    Parameters
    ----------
    given
        The socket to serve on; None: one is made for the address of the settings.
    serves
        Called with the version once it serves.
    """
    # A registry that does not answer is asked again at the next poll, not waited for.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    client, metrics = backend.connect(writing=False), Metrics()
    ready = Ready(client, settings, key, metrics)
    reference = reference_of(client, settings.model)
    split = ready.split(reference)
    shadow = None if settings.shadow is None else ready.follower(settings.shadow, "shadow", drawn=False)
    log = _log(settings, split.current, shadow, metrics, worker)
    listening = listen(settings.host, settings.port) if given is None else given
    stop = threading.Event()
    followers = [*split.followers, *([] if shadow is None else [shadow])]
    watching = [
        threading.Thread(target=follower.follow, args=(stop, settings.poll_seconds), daemon=True)
        for follower in followers
    ]
    for watcher in watching:
        watcher.start()
    if log is not None:
        log.start()
    if given is None:
        at = address(*listening.getsockname()[:2])
        say("serving", address=at, serving=split.current.reference, follows=reference)
    room = Room(most_connections(), lambda why: metrics.closed.labels(why).inc())
    main = split.followers[split.first]
    app = application(main, metrics, ready.limits, key, settings.access_log, log, split, worker, tracer())
    stopping.check()
    serves(split.current.reference)
    try:
        server(app, room).run(sockets=[listening])
    finally:
        stop.set()
        if log is not None:
            log.close()
    for watcher in watching:
        watcher.join(ENDS)
    return split.current.reference, metrics.answered()


@dataclass(frozen=True)
class Ready:
    """Makes versions ready to answer as the settings ask."""

    client: Client
    settings: ServeSettings
    key: str
    metrics: Metrics

    @property
    def limits(self) -> Limits:
        """How much one request may ask for."""
        return Limits(self.settings.max_users, self.settings.max_explained, self.settings.max_body)

    def split(self, reference: str) -> Split:
        """Which version answers whom; without shares, the one that `reference` names all."""
        shares = self.settings.split
        if shares is None:
            return Split((self.follower(reference),))
        model, described = _parted(reference)
        refuse_shares(shares, described)
        first = self.follower(reference)
        others = {name: self.follower(_reference(model, name), name, first) for name in shares if name != described}
        followers = tuple(others.get(name, first) for name in shares)
        salt = f"{self.settings.holdout_salt or first.current.decider.deployment.question} split"
        return Split(followers, tuple(shares.values()), list(shares).index(described), salt)

    def follower(
        self, reference: str, role: str = "", described: Follower | None = None, drawn: bool = True
    ) -> Follower:
        """The version that a reference names; it follows an alias.

        Parameters
        ----------
        role
            As of `Follower`.
        described
            Of the version whose description callers go by, where this one answers some of them.
        drawn
            Whether a share of users may get random actions of it.
        """
        with backend.store_errors():
            first = find_version(self.client, reference, role or "model" if described is None else "split")
        name = str(first.name)

        def resolve() -> str:
            with backend.store_errors():
                return str(find_version(self.client, reference).version)

        def load(version: str) -> Served:
            served = self.version(name, version, drawn)
            if described is not None:
                refuse_other_columns(served, described.current)
            return served

        return Follower(load(str(first.version)), resolve if "@" in reference else None, load, self.metrics, role)

    def version(self, name: str, version: str, drawn: bool) -> Served:
        """One version, ready; parameters as of `follower`."""
        with backend.store_errors():
            loaded = load_decider(self.client, f"models:/{name}/{version}")
        settings, deployment = self.settings, loaded.decider.deployment
        asked = settings.holdout, settings.holdout_actions, settings.holdout_salt
        drawing = held_out(*asked, deployment.actions, deployment.question, loaded.version) if drawn else None
        of = (loaded.name, loaded.version, loaded.policy_digest, loaded.decider, loaded.model.family)
        day = None if settings.as_of is None else start(settings.as_of)
        by_id = settings.log is not None or settings.split is not None
        return serve_version(*of, self.limits, bool(self.key), day, drawing, by_id)


def _parted(reference: str) -> tuple[str, str]:
    """A registered model, and the alias or number of its version."""
    named = VERSION.fullmatch(reference)
    assert named is not None
    return named[1], named[2] or named[3]


def _reference(model: str, name: str) -> str:
    return f"models:/{model}/{name}" if name.isdigit() else f"models:/{model}@{name}"


def _log(
    settings: ServeSettings, served: Served, shadow: Follower | None, metrics: Metrics, worker: Place
) -> DecisionLog | None:
    """The log of decisions, once its place was tried; None where none is asked for.

    Raises
    ------
    InputError
        When it is no place, or a shadow has none.
    """
    if settings.log is None:
        if shadow is not None:
            raise InputError("shadow", "has no log to decide into", "Type log=decisions.")
        return None
    write = place(settings.log)
    write(as_table([], served), key_of(served))
    own = None if shadow is None else Shadow(shadow, place(settings.log, shadow=True), metrics)
    return DecisionLog(write, metrics, settings.log_rows, settings.log_seconds, own, worker)
