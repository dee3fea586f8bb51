"""The service as callers, operators and strangers see it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import load_all_checks

from tests.conftest import ROUNDS
from tests.serving.services import PATIENCE, Service, crown, serving, started
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.models.family import Family
from tippingpoint.serving import keys
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.api import application
from tippingpoint.serving.job import serve
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.settings import ServeSettings
from tippingpoint.serving.version import Limits, serve_version
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider

KEY = "a-key-of-the-tests"


def test_a_user_is_decided_as_the_decider_decides(service: Service, at_versions: Path):
    example = service.example()
    decider = load_decider(backend.connect(), "models:/conversion/1").decider
    frame = pd.DataFrame([example]).astype({name: float for name, kind in decider.columns.items() if kind == "number"})
    decided = decider.decide(frame)
    answer = service.post("/score", example).json()
    assert answer["model"] == "models:/conversion/1"
    assert answer["decisions"] == [
        {
            "user_id": example["user_id"],
            "propensity_score": pytest.approx(decided.score[0], abs=1e-12),
            "segment": decider.policy.segments[decided.segment[0]],
            "action": decider.deployment.actions[decided.action[0]],
            "expected_value": pytest.approx(decided.value[0], abs=1e-9),
            "expected_gain": pytest.approx(decided.gain[0], abs=1e-9),
        }
    ]
    many = service.post("/score", {"users": [example | {"user_id": str(k)} for k in range(2000)]}).json()
    assert [d["user_id"] for d in many["decisions"]] == [str(k) for k in range(2000)]
    assert len({d["propensity_score"] for d in many["decisions"]}) == 1


def test_an_explanation_names_reasons_and_what_would_move_the_user(service: Service):
    example = service.example()
    (found,) = service.post("/explain", example).json()["explanations"]
    assert len(found["reasons"]) == 3
    assert np.all(np.diff([abs(r["contribution"]) for r in found["reasons"]]) <= 0)
    change = found["least_change"]
    (moved,) = service.post("/score", example | {change["column"]: change["after"]}).json()["decisions"]
    assert moved["segment"] == change["segment"] != found["segment"]
    assert moved["propensity_score"] == pytest.approx(change["propensity_score"], abs=1e-9)


def test_what_it_is_and_does_can_be_asked(service: Service):
    service.post("/score", service.example())
    assert service.get("/health").json() == {"alive": True}
    ready = service.get("/ready").json()
    assert (ready["ready"], ready["version"], ready["failed"]) == (True, "1", None)
    assert ready["scorer"] == "compiled, equal to the pipeline"
    policy = service.get("/policy").json()
    assert policy["policy"]["cuts"] == [0.4, 0.7]
    assert policy["policy_digest"] == ready["policy_digest"]
    counts = service.get("/metrics").text
    assert f'model_info{{model="conversion",policy_digest="{ready["policy_digest"]}",version="1"}} 1.0' in counts
    assert 'tippingpoint_requests_total{path="/score",status="200"}' in counts
    assert 'tippingpoint_request_seconds_bucket{le="0.001",path="/score"}' in counts
    assert "tippingpoint_decisions_total{action=" in counts
    assert "tippingpoint_failed_reloads_total 0.0" in counts
    assert "_created" not in counts
    there = service.get("/").json()
    assert there["openapi"] == "/openapi.json"
    assert {"POST /score", "POST /explain", "GET /ready"} < set(there["paths"])


def test_the_openapi_knows_the_contract(service: Service):
    document = service.get("/openapi.json").json()
    user = document["components"]["schemas"]["User"]
    assert document["info"]["version"] == "1"
    sessions, tier = user["properties"]["sessions_7d"], user["properties"]["country_tier"]
    assert (sessions["type"], sessions["minimum"], sessions["maximum"]) == ("integer", 0, 200)
    assert tier["enum"] == ["tier_1", "tier_2", "tier_3"]
    assert service.post("/score", user["examples"][0]).status_code == 200
    content = document["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]
    users = content["examples"]["many"]["value"]["users"]
    assert len({user["user_id"] for user in users}) == len(users) == 2
    assert service.post("/score", {"users": users}).status_code == 200


@pytest.mark.parametrize(
    ("body", "loc", "rule", "said"),
    [
        ({"sessions_7d": 900}, ["body", "sessions_7d"], "max", "sessions_7d 900 is above 200"),
        ({"country_tier": "x"}, ["body", "country_tier"], "category", "country_tier x is an unseen category"),
        ({"downloads_7d": None}, ["body", "downloads_7d"], "missing", "downloads_7d is missing"),
    ],
)
def test_what_the_contract_refuses_is_refused_by_name(service: Service, body, loc, rule, said):
    answer = service.post("/score", service.example() | body)
    assert answer.status_code == 422
    assert answer.json()["detail"] == [{"loc": loc, "msg": said, "type": rule}]


def test_a_name_mistyped_is_told_the_nearest(service: Service):
    user = service.example()
    user["sesions_7d"] = user.pop("sessions_7d")
    (problem,) = service.post("/score", {"users": [service.example(), user]}).json()["detail"]
    assert problem["loc"] == ["body", "users", 1, "sessions_7d"]
    assert "Nearest: 'sesions_7d'" in problem["msg"]


def test_too_much_and_no_json_are_refused(service: Service):
    send = {"Content-Type": "application/json"}
    for content, status in ((b"{", 400), (b'{"a": NaN}', 400), (b"[" * 100_000, 400), (b"[]", 422), (b"\xff", 400)):
        assert httpx.post(f"{service.address}/score", content=content, headers=send).status_code == status
    assert httpx.post(f"{service.address}/score", content=b"{}").status_code == 415
    assert service.post("/score", {"users": []}).status_code == 422
    users = [service.example()] * 10_001
    answer = service.post("/score", {"users": users})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == "users takes 1 to 10,000 users; got 10,001"
    assert service.post("/explain", {"users": users[:101]}).status_code == 422

    def forever():
        yield b'{"users": ['
        while True:
            yield b" " * 65536

    large = b'{"users": [' + b" " * 9_000_000 + b"]}"
    for more in ({}, {"Connection": "close"}):
        assert httpx.post(f"{service.address}/score", content=large, headers=send | more).status_code == 413
    with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # it hangs up on what has no end
        assert httpx.post(f"{service.address}/score", content=forever(), headers=send).status_code == 413
    assert service.get("/health").status_code == 200
    assert service.post("/score/", {}).status_code == 404


def test_schemathesis_finds_nothing(service: Service):
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"{service.address}/openapi.json")
    found: list[str] = []
    for operation in (result.ok() for result in schema.get_all_operations()):
        if operation.path == "/metrics":
            continue
        strategy = operation.as_strategy()

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=strategy)
        def call(case):
            response = case.call(base_url=service.address)
            assert response.status_code < 500
            case.validate_response(response)

        try:
            call()
        except AssertionError as error:
            found.append(f"{operation.path}: {error}")
    assert not found, "\n".join(found)


def within(versions: Path, key: str, asks: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Ask a service of version 1 in this process."""
    loaded = load_decider(backend.connect(), "models:/conversion/1")
    limits = Limits(10_000, 100, 1 << 23)
    family = Component.model_validate(loaded.model.config["model"]["boosting"]).build(Family, "model")
    served = serve_version("conversion", "1", loaded.policy_digest, loaded.decider, family, limits, bool(key))
    metrics = Metrics()
    app = application(Follower(served, None, lambda version: served, metrics), metrics, limits, key, True)

    async def ask() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await asks(client)

    asyncio.run(ask())


def test_who_has_no_key_learns_nothing(
    at_versions: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keys, "LONGEST", 0.0)

    async def asks(client: httpx.AsyncClient) -> None:
        for told in (None, "", "wrong", KEY + "x", "é"):
            headers = {} if told is None else {"X-API-Key": told.encode()}
            for path in ("/policy", "/metrics", "/openapi.json", "/nowhere"):
                assert (await client.get(path, headers=headers)).status_code == 401
            assert (await client.post("/score", json={}, headers=headers)).status_code == 401
        for path in ("/health", "/ready"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/ready", headers={"X-API-Key": "wrong"})).status_code == 401
        own = {"X-API-Key": KEY}
        document = (await client.get("/openapi.json", headers=own)).json()
        assert document["components"]["securitySchemes"]["key"]["name"] == "X-API-Key"
        (example,) = document["components"]["schemas"]["User"]["examples"]
        assert (await client.post("/score", json=example, headers=own)).status_code == 200

    within(at_versions, KEY, asks)
    assert KEY not in capsys.readouterr().err


def test_wrong_keys_wait_and_the_right_one_does_not(at_versions: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keys, "FIRST", 60.0)
    monkeypatch.setattr(keys, "LONGEST", 60.0)

    async def asks(client: httpx.AsyncClient) -> None:
        wrong = [asyncio.create_task(client.get("/policy", headers={"X-API-Key": "wrong"})) for _ in range(20)]
        done, held = await asyncio.wait(wrong, timeout=0.5)
        assert {task.result().status_code for task in done} == {429}
        assert len(held) == keys.AT_ONCE
        assert (await client.get("/policy", headers={"X-API-Key": KEY})).status_code == 200
        assert not [task for task in held if task.done()]
        for task in held:
            task.cancel()

    within(at_versions, KEY, asks)


def test_each_wrong_key_of_an_address_waits_longer(monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []

    async def waited(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", waited)

    async def tries() -> None:
        wrong = keys.WrongKeys()
        for address in ["192.0.2.1"] * 8 + ["192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", ""]:
            assert await wrong.wait(address)
        for i in range(2 * keys.ADDRESSES):
            await wrong.wait(f"{i}")
        assert len(wrong.senders) == keys.ADDRESSES

    asyncio.run(tries())
    assert waits[:8] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert waits[8:13] == [0.1, 0.1, 0.2, 0.1, 0.1]


def test_the_log_says_what_happened_and_nothing_of_users(at_versions: Path, capsys: pytest.CaptureFixture):
    async def asks(client: httpx.AsyncClient) -> None:
        (example,) = (await client.get("/openapi.json")).json()["components"]["schemas"]["User"]["examples"]
        user = example | {"user_id": "ann@example.org", "content_hours_7d": 13.37}
        await client.post("/score?who=ann@example.org", json=user)
        await client.post("/score", json=user | {"country_tier": "Atlantis"})
        await client.get("/users/ann@example.org")
        await client.post("/explain", json=user)

    within(at_versions, "", asks)
    log = capsys.readouterr().err
    assert not [word for word in ("ann", "13.37", "Atlantis", "tier_") if word in log]
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    last = [line for line in lines if line["event"] == "request"][1:]
    assert [(r["path"], r["status"], r.get("users")) for r in last] == [
        ("/score", 200, 1),
        ("/score", 422, 0),
        ("other", 404, None),
        ("/explain", 200, 1),
    ]
    assert last[0]["model"] == "models:/conversion/1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org", "192.168.0.7"])
def test_others_are_not_served_without_a_key(host: str):
    settings = ServeSettings.from_config(compose("serve", [f"host='{host}'"]))
    with pytest.raises(InputError, match="Set TIPPINGPOINT_API_KEY"):
        serve(settings)


@pytest.mark.programs
def test_told_to_stop_it_finishes_what_is_under_way(at_versions: Path, tmp_path: Path):
    service = started(tmp_path, "model=models:/conversion/1", "max_users=60000", "max_body=100000000")
    users = {"users": [service.example()] * 60_000}  # long enough to be seen
    answers = []
    asking = threading.Thread(target=lambda: answers.append(service.post("/score", users)))
    asking.start()
    under_way = 'tippingpoint_requests_under_way{path="/score"} 1.0'
    while under_way not in service.get("/metrics").text:
        assert asking.is_alive(), "answered before it was seen"
    service.process.send_signal(signal.SIGTERM)
    asking.join(PATIENCE)
    assert len(answers[0].json()["decisions"]) == 60_000
    assert service.process.wait(PATIENCE) == 0
    assert "stopped;" in service.out.read_text()


def killed_and_started(folder: Path, kills: int) -> None:
    rng = np.random.default_rng(kills)
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        port = probing.getsockname()[1]
    for _ in range(kills):
        service = started(folder, f"port={port}")
        example, stop = service.example(), time.monotonic() + rng.uniform(0, 0.5)
        while time.monotonic() < stop:
            assert service.post("/score", example).status_code == 200
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait()
    assert str(backend.connect().get_model_version_by_alias("conversion", "champion").version) == "1"
    with serving(folder, f"port={port}") as service:
        assert service.post("/score", example).status_code == 200


@pytest.mark.programs
def test_killed_it_starts_again_on_the_same_port(at_versions: Path, tmp_path: Path):
    killed_and_started(tmp_path, 1)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_killed_many_times_it_starts_again(at_versions: Path, tmp_path: Path):
    killed_and_started(tmp_path, 2 * ROUNDS)


def test_without_a_champion_it_says_what_to_type(at_versions: Path, refused: Callable[..., str]):
    client = backend.connect()
    client.delete_registered_model_alias("conversion", "champion")
    try:
        said = refused("serve")
    finally:
        crown(client, "1")
    assert said.startswith("model: ")
    assert "tippingpoint promote" in said


def test_without_the_extra_it_says_what_to_install(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
):
    for name in [name for name in sys.modules if name.startswith("tippingpoint.serving")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    assert "pip install 'tippingpoint[serve]'" in refused("serve")


def test_a_port_that_is_taken_is_said(at_versions: Path, call: Callable[..., int], capsys: pytest.CaptureFixture):
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert call("serve", f"port={other.getsockname()[1]}") == 3
    assert "cannot be served" in capsys.readouterr().err
