"""A span a request, where OpenTelemetry collects them."""

import asyncio
from pathlib import Path

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.serving.test_decision_log import LIMITS, loaded, people, stays
from tippingpoint.serving import spans
from tippingpoint.serving.api import application
from tippingpoint.serving.metrics import Metrics

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_each_request_has_a_span_below_its_callers(at_versions: Path) -> None:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    served = loaded("1")
    app = application(stays(served), Metrics(), LIMITS, "", False, tracer=provider.get_tracer("tests"))

    async def ask() -> tuple[httpx.Response, httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            users = {"users": people(served, 3)}
            carried = await client.post("/score", json=users, headers={"traceparent": CALLER, "x-request-id": "r1"})
            return carried, await client.post("/score", json={"users": [{}]})

    carried, alone = asyncio.run(ask())
    first, second = kept.get_finished_spans()
    assert first.name == "POST /score"
    assert first.parent is not None
    assert f"{first.context.trace_id:032x}" == CALLER.split("-")[1]
    assert f"{first.parent.span_id:016x}" == CALLER.split("-")[2]
    assert dict(first.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/score",
        "http.response.status_code": 200,
        "tippingpoint.request_id": "r1",
        "tippingpoint.users": 3,
        "tippingpoint.model": served.reference,
    }
    assert carried.headers["traceparent"] == CALLER
    assert (second.attributes or {})["http.response.status_code"] == 422
    own = f"00-{second.context.trace_id:032x}-{second.context.span_id:016x}-{second.context.trace_flags:02x}"
    assert alone.headers["traceparent"] == own


def test_nobody_who_collects_means_no_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in spans.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert spans.tracer() is None
