"""Following an alias of the registry: the next version is made ready beside the one that serves, then takes over."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tippingpoint.core import stopping
from tippingpoint.core.errors import TippingpointError
from tippingpoint.serving.log import say
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.version import Served

AGAIN = 30.0
"""Seconds after which a version that did not load is tried once more: its store may have been the reason."""


@dataclass(frozen=True)
class Failed:
    """A version that did not load, and why; `at` is monotonic."""

    version: str
    why: str
    at: float


class Follower:
    """The version that serves; `current` is replaced as a whole, so a request sees one version from end to end.

    Parameters
    ----------
    resolve
        Number of the version to serve now; None where the reference names one.
    load
        Makes a version ready.
    role
        What it is beside the version that the service describes: `shadow`, or its name in the split; empty: that one.
    """

    def __init__(
        self,
        current: Served,
        resolve: Callable[[], str] | None,
        load: Callable[[str], Served],
        metrics: Metrics,
        role: str = "",
    ) -> None:
        self.current, self.resolve, self.load, self.metrics, self.role = current, resolve, load, metrics, role
        self.failed: Failed | None = None
        self.away = ""
        """Why the registry did not answer, if it did not."""
        self.since = time.time()
        metrics.serves(current.name, current.version, current.policy_digest, role)

    def look(self) -> None:
        """Ask the registry once, and take over what it names."""
        if self.resolve is None:
            return
        try:
            version = self.resolve()
        except Exception as error:  # whatever the store makes libraries raise, it is asked again at the next poll
            if not self.away:
                say("registry does not answer", why=_why(error), serving=self.current.reference)
            self.away = _why(error)
            self.metrics.store.set(0)
            return
        if self.away:
            say("registry answers again")
        self.away = ""
        self.metrics.store.set(1)
        if version == self.current.version:
            self.failed = None
            return
        failed = self.failed
        if failed and failed.version == version and time.monotonic() < failed.at + AGAIN:
            return
        try:
            fresh = self.load(version)
        except Exception as error:  # whatever a version's files make libraries raise, the old one goes on
            self.failed = Failed(version, _why(error), time.monotonic())
            self.metrics.failed.inc()
            say("version did not load", version=version, why=self.failed.why, serving=self.current.reference)
            return
        stopping.check()  # in a thread it ends that
        before, self.current, self.failed, self.since = self.current, fresh, None, time.time()
        self.metrics.serves(fresh.name, fresh.version, fresh.policy_digest, self.role)
        self.metrics.reloads.inc()
        say("version took over", serving=fresh.reference, before=before.reference, scorer=fresh.slow or "compiled")

    def follow(self, stop: threading.Event, seconds: float) -> None:
        """Look every so many seconds until told to stop."""
        while not stop.wait(seconds):
            self.look()


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, TippingpointError) else f"{type(error).__name__}: {error}"
