"""OpenTelemetry's spans, one a request, where somebody collects them."""

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tippingpoint.core.version import __version__
from tippingpoint.serving.trace import Trace

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Of the environment: where a collector is."""
EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
"""Of the package opentelemetry-exporter-otlp-proto-http."""


def tracer() -> "Tracer | None":
    """Return what makes spans: of the provider that is set up already (opentelemetry-instrument), else one that sends
    to the collector that the environment names; None where nobody collects."""
    if not _is_there("opentelemetry.sdk.trace"):
        return None
    from opentelemetry import trace
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider

    set_up = trace.get_tracer_provider()
    if isinstance(set_up, TracerProvider):
        return set_up.get_tracer("tippingpoint", __version__)
    if not any(os.environ.get(name) for name in ENDPOINTS) or not _is_there(EXPORTER):
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found]  # an own choice
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes first.
    name = os.environ.get("OTEL_SERVICE_NAME", "tippingpoint")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("tippingpoint", __version__)


def begin(of: "Tracer", method: str, path: str, trace: Trace) -> "tuple[Span, Trace]":
    """Begin the span of a request, below the caller's if there is one; and the trace, whose `traceparent` is the
    caller's, else this span's."""
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried = TraceContextTextMapPropagator()
    context = carried.extract({"traceparent": trace.parent} if trace.parent else {})
    own = {"http.request.method": method, "http.route": path, "tippingpoint.request_id": trace.request_id}
    span = of.start_span(f"{method} {path}", context, SpanKind.SERVER, own)
    if trace.parent is None and (at := span.get_span_context()).is_valid:
        trace = Trace(trace.request_id, f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}")
    return span, trace


def end(span: "Span", status: int, users: int, model: str) -> None:
    """End the span of a request with what came of it; never with what users sent."""
    from opentelemetry.trace import StatusCode

    span.set_attribute("http.response.status_code", status)
    if model:
        span.set_attributes({"tippingpoint.users": users, "tippingpoint.model": model})
    if status >= 500:
        span.set_status(StatusCode.ERROR)
    span.end()


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor what it is in
        return False
