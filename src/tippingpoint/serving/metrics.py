"""What the service counts, for Prometheus."""

import os
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from tippingpoint.serving.place import FOLDER

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """Counters of one service, in a registry of its own; of several workers, added up over all of them."""

    def __init__(self) -> None:
        # They are a gauge beside each counter that says when it began.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client gives it no types
        self.registry = CollectorRegistry()
        of: dict[str, Any] = {"namespace": "tippingpoint", "registry": self.registry}
        self.requests = Counter("requests", "Requests answered.", ["path", "status"], **of)
        self.seconds = Histogram("request_seconds", "From request to answer.", ["path"], buckets=SECONDS, **of)
        self.under_way = Gauge(
            "requests_under_way", "Requests not answered yet.", ["path"], multiprocess_mode="livesum", **of
        )
        self.users = Counter("decisions", "Users decided.", ["segment", "action"], **of)
        self.refused = Counter("refused_users", "Users refused, by what they broke.", ["field", "rule"], **of)
        self.closed = Counter("closed_connections", "Connections that were closed, by why.", ["why"], **of)
        # Of several workers, how many serve it.
        named = ["model", "version", "policy_digest"]
        self.version = Gauge("model_info", "The version that serves.", named, multiprocess_mode="livesum", **of)
        self.reloads = Counter("reloads", "Versions taken over.", **of)
        self.failed = Counter("failed_reloads", "Versions that did not load.", **of)
        self.store = Gauge("store_reachable", "Whether the registry answered last.", multiprocess_mode="livemin", **of)
        self.store.set(1)
        self.logged = Counter("logged_decisions", "Decisions written to the log.", **of)
        self.lost = Counter("lost_decisions", "Decisions that did not get into the log, by why.", ["why"], **of)
        said = "Decisions that wait to be written to the log."
        self.waiting = Gauge("waiting_decisions", said, multiprocess_mode="livesum", **of)
        for why in ("full", "unwritten"):
            self.lost.labels(why)
        of_shadow = "Users the shadow decided for, by whether it gives the action the answering policy gives."
        self.shadow = Counter("shadow_decisions", of_shadow, ["same_action"], **of)
        beside = "Versions beside it."
        self.beside = Gauge("other_model_info", beside, ["role", *named], multiprocess_mode="livesum", **of)
        self._version: tuple[str, ...] | None = None
        self._roles: dict[str, tuple[str, ...]] = {}

    def serves(self, model: str, version: str, digest: str, role: str = "") -> None:
        """Say which version serves now; one with a role, beside the one that the service describes."""
        if role:
            if before := self._roles.pop(role, None):
                self._drop(self.beside, before)
            self._roles[role] = (role, model, version, digest)
            self.beside.labels(*self._roles[role]).set(1)
            return
        if self._version is not None:
            self._drop(self.version, self._version)
        self._version = (model, version, digest)
        self.version.labels(*self._version).set(1)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return bytes(generate_latest(self._all()))

    def answered(self) -> int:
        """Requests answered so far."""
        found = (
            s for metric in self._all().collect() if metric.name == "tippingpoint_requests" for s in metric.samples
        )
        return int(sum(sample.value for sample in found if sample.name.endswith("_total")))

    def forget(self, process: int | None) -> None:
        """Leave what a process that has ended says of the moment out; what it counted stays."""
        mark_process_dead(process)  # type: ignore[no-untyped-call]  # prometheus_client gives it no types

    def _all(self) -> CollectorRegistry:
        if FOLDER not in os.environ:
            return self.registry
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # prometheus_client gives it no types
        return together

    def _drop(self, gauge: Gauge, labels: tuple[str, ...]) -> None:
        """What several processes count together cannot be removed."""
        if FOLDER in os.environ:
            gauge.labels(*labels).set(0)
        else:
            gauge.remove(*labels)
