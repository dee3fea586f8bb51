"""The service: takes users as JSON, answers decisions of the version that serves at the moment."""

import asyncio
import hmac
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI
from pydantic_core import from_json, to_json
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tippingpoint.core.threads import cores
from tippingpoint.serving import spans
from tippingpoint.serving.alias_watcher import Follower
from tippingpoint.serving.connections import ARRIVES
from tippingpoint.serving.decision_log import DecisionLog
from tippingpoint.serving.keys import LONGEST, WrongKeys
from tippingpoint.serving.log import say
from tippingpoint.serving.metrics import Metrics
from tippingpoint.serving.openapi import KEY
from tippingpoint.serving.place import ALONE, Place
from tippingpoint.serving.request import MOST, RefusedUsersError, lacking
from tippingpoint.serving.split import Part, Split
from tippingpoint.serving.trace import Trace
from tippingpoint.serving.version import Json, Limits, Served

OPEN = ("/health", "/ready")
"""What answers without a key: whoever starts and stops the service asks it. A wrong one is refused by `/ready`, which
tells more to the right one."""
PATHS = ("/score", "/explain", "/policy", "/health", "/ready", "/metrics", "/openapi.json", "/")
"""What logs and metrics name; any other path may hold anything."""
SMALL = 16_384
"""Bytes of a body up to which it is answered at once; a larger one would keep others waiting, and gets a thread."""


class AnswerError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, detail: Any) -> None:
        self.status, self.detail = status, detail
        super().__init__(status)


def application(
    follower: Follower,
    metrics: Metrics,
    limits: Limits,
    key: str,
    log: bool,
    decisions: DecisionLog | None = None,
    split: Split | None = None,
    worker: Place = ALONE,
    tracer: Any = None,
) -> ASGIApp:
    """Return the service as an ASGI application.

    Parameters
    ----------
    follower
        The version that is described, and that answers all users where `split` is None.
    key
        What X-API-Key must hold; empty: nothing is asked for.
    log
        Whether each request is a line on stderr.
    decisions
        Takes what `/score` answers; None: nothing is kept.
    split
        Which version answers whom.
    worker
        Which of several processes this is, as `/health` says.
    tracer
        Makes a span of OpenTelemetry for each request; None: there are none.
    """
    # FastAPI's own pages of documentation load scripts from elsewhere.
    app = FastAPI(openapi_url="/openapi.json", docs_url=None, redoc_url=None, redirect_slashes=False)
    split = split or Split((follower,))
    app.openapi = lambda: split.openapi  # type: ignore[method-assign]  # generated with each version
    routes = _Routes(follower, split, metrics, limits, key.encode(), decisions, worker)
    for path, answer in (("/score", routes.score), ("/explain", routes.explain)):
        app.add_route(path, answer, methods=["POST"])
    for path, answer in (
        ("/", routes.root),
        ("/policy", routes.policy),
        ("/health", routes.health),
        ("/ready", routes.ready),
        ("/metrics", routes.counted),
    ):
        app.add_route(path, answer, methods=["GET"])
    return _Guarded(app, metrics, key.encode(), log, tracer)


class _Routes:
    """What the service answers to each path, by the version that serves at the moment."""

    def __init__(
        self,
        follower: Follower,
        split: Split,
        metrics: Metrics,
        limits: Limits,
        key: bytes,
        log: DecisionLog | None,
        worker: Place,
    ) -> None:
        self.follower, self.split, self.metrics, self.limits, self.key = follower, split, metrics, limits, key
        self.log, self.worker = log, worker
        self.threads = ThreadPoolExecutor(max(2, cores()), thread_name_prefix="users")

    async def root(self, request: Request) -> Response:
        document = self.split.openapi
        asked = [(path, how, of["summary"]) for path, by in document["paths"].items() for how, of in by.items()]
        paths = {f"{how.upper()} {path}": summary for path, how, summary in asked}
        return _json({"service": document["info"]["title"], "paths": paths, "openapi": "/openapi.json"})

    async def score(self, request: Request) -> Response:
        return await _told(self._answered(request, self.limits.users, Served.decide, SMALL))

    async def explain(self, request: Request) -> Response:
        return await _told(self._answered(request, self.limits.explained, Served.explain, 0))

    async def policy(self, request: Request) -> Response:
        served = self.follower.current
        bound = {k: v for k, v in served.decider.policy.bound().items() if k != "_target_"}
        return _json({**served.head(), "policy": bound, "segments": served.decider.policy.segments})

    async def health(self, request: Request) -> Response:
        of = {} if self.worker.of == 1 else {"worker": self.worker.number, "workers": self.worker.of}
        return _json({"alive": True, **of})

    async def ready(self, request: Request) -> Response:
        served, failed = self.follower.current, self.follower.failed
        if not _knows(request.scope, self.key):
            return _json({"ready": True, "more": "send the key"})
        return _json(
            {
                "ready": True,
                "model": served.reference,
                "version": served.version,
                "family": type(served.model.family).__name__,
                "policy_digest": served.policy_digest,
                "since": self.follower.since,
                "scorer": f"pipeline: {served.slow}" if served.slow else "compiled, equal to the pipeline",
                "failed": {"version": failed.version, "why": failed.why} if failed else None,
                "registry": "is away" if self.follower.away else "answers",
            }
        )

    async def counted(self, request: Request) -> Response:
        return Response(self.metrics.text(), media_type="text/plain; version=0.0.4")

    async def _answered(
        self, request: Request, most: int, method: Callable[[Served, list[Json]], Json], small: int
    ) -> bytes:
        """The answer for up to `most` users; a body of more than `small` bytes gets a thread."""
        body = await _body(request, self.limits.body)
        served = self.follower.current
        request.scope["served"] = served

        def work() -> tuple[Json, list[Part], bytes]:
            found, parts = self.split.answer(_users(body, most), method)
            return found, parts, to_json(found)

        try:
            if len(body) <= small:
                found, parts, text = work()
            else:
                found, parts, text = await asyncio.get_running_loop().run_in_executor(self.threads, work)
        except RefusedUsersError as refused:
            _count_refused(self.metrics, refused)
            raise AnswerError(422, _detail(refused, served, body)) from None
        if self.split.alone:  # it may have taken over since
            request.scope["served"] = parts[0].served
        decisions = found.get("decisions", [])
        request.scope["users"] = len(decisions) or len(found.get("explanations", []))
        for (segment, action), number in Counter((d["segment"], d["action"]) for d in decisions).items():
            self.metrics.users.labels(segment, action).inc(number)
        if self.log is not None and decisions:
            trace: Trace = request.scope["trace"]
            for part in parts:
                self.log.add(part, trace.request_id, trace.parent)
        return text


class _Guarded:
    """Around everything: the key, the clock, the access log; and no traceback leaves with users' values in it."""

    def __init__(self, app: ASGIApp, metrics: Metrics, key: bytes, log: bool, tracer: Any = None) -> None:
        self.app, self.metrics, self.key, self.log, self.tracer = app, metrics, key, log, tracer
        self.wrong = WrongKeys()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        trace, span = Trace.of(scope["headers"]), None
        path = scope["path"] if scope["path"] in PATHS else "other"
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
        if self.tracer is not None:
            span, trace = spans.begin(self.tracer, method, path, trace)
        scope["trace"] = trace

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *trace.headers()]
            await send(message)

        is_open = path == "/health" or (path in OPEN and not _given(scope))
        known = is_open or _knows(scope, self.key)
        self.metrics.under_way.labels(path).inc()
        try:
            if known:
                await self.app(scope, receive, sending)
            else:
                await (await self._unknown(scope))(scope, receive, sending)
        except ClientDisconnect:
            status = 499
        except Exception as error:  # its message may hold what users sent: told are its type and where it was raised
            at = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
            say("error", type=type(error).__name__, at=at)
        seconds = time.perf_counter() - began
        self.metrics.under_way.labels(path).dec()
        self.metrics.requests.labels(path, status).inc()
        if known:  # the answer to others was kept waiting
            self.metrics.seconds.labels(path).observe(seconds)
        served, users = scope.get("served"), scope.get("users", 0)
        if span is not None:
            spans.end(span, status, users, served.reference if served else "")
        if self.log:
            more = {"users": users, "model": served.reference} if served else {}
            took = round(seconds * 1e3, 3)
            say("request", method=method, path=path, status=status, ms=took, **more, **trace.told())

    async def _unknown(self, scope: Scope) -> Response:
        """The answer to a wrong key."""
        client = scope.get("client")
        if await self.wrong.wait(client[0] if client else ""):
            headers = {"WWW-Authenticate": f'ApiKey header="{KEY}"'}
            return _json({"detail": f"the header {KEY} is missing or wrong"}, 401, headers)
        headers = {"Retry-After": f"{LONGEST:.0f}", "Connection": "close"}
        return _json({"detail": f"too many requests whose header {KEY} is missing or wrong"}, 429, headers)


def _given(scope: Scope) -> bytes:
    """The key of a request, empty where it has none."""
    return next((value for name, value in scope["headers"] if name == KEY.lower().encode()), b"")


def _knows(scope: Scope, key: bytes) -> bool:
    """Whether a request holds the key, or none is asked for."""
    return not key or hmac.compare_digest(_given(scope), key)


async def _told(answer: Any) -> Response:
    try:
        return Response(await answer, media_type="application/json")
    except AnswerError as error:
        return _json({"detail": error.detail}, error.status)


async def _body(request: Request, most: int) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise AnswerError(415, "send JSON, and say so: Content-Type: application/json")
    too_large = AnswerError(413, f"a body may hold {most:,} bytes; send fewer users at once")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(ARRIVES):
            async for part in request.stream():
                size += len(part)
                if size > most:  # what may have no end: the connection sees to that
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise AnswerError(408, f"the body did not arrive within {ARRIVES:.0f} s") from None
    return b"".join(parts)


def _users(body: bytes, most: int) -> list[Json]:
    """The users of a body: `{"users": […]}`, or one as it is."""
    try:
        asked = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise AnswerError(400, f"the body is no JSON ({str(error)[:100]})") from None
    if not isinstance(asked, dict):
        raise _shape(["body"], 'is no user. Send one object, or {"users": […]}')
    users = asked.get("users")
    if not isinstance(users, list):
        return [asked]
    if not 1 <= len(users) <= most:
        raise _shape(["body", "users"], f"takes 1 to {most:,} users; got {len(users):,}")
    for i, user in enumerate(users):
        if type(user) is not dict:
            raise _shape(["body", "users", i], "is no object of columns and values")
    return users


def _shape(loc: list[str | int], said: str) -> AnswerError:
    return AnswerError(422, [{"loc": loc, "msg": f"{loc[-1]} {said}", "type": "shape"}])


def _detail(refused: RefusedUsersError, served: Served, body: bytes) -> list[Json]:
    asked = from_json(body, allow_inf_nan=False)
    users = asked["users"] if isinstance(asked.get("users"), list) else None
    found = []
    for problem in refused.problems[:MOST]:
        at: list[str | int] = (
            ["body", problem.field] if users is None else ["body", "users", problem.user, problem.field]
        )
        said = problem.said
        if problem.rule == "there":
            near = lacking(problem.field, asked if users is None else users[problem.user], served.reader.contract)
            said = f"{said}. {near}" if near else said
        found.append({"loc": at, "msg": said, "type": problem.rule})
    if (more := len(refused.problems) - MOST) > 0:
        found.append({"loc": ["body"], "msg": f"and {more:,} more", "type": "more"})
    return found


def _count_refused(metrics: Metrics, refused: RefusedUsersError) -> None:
    for (field, rule), number in Counter((p.field, p.rule) for p in refused.problems).items():
        metrics.refused.labels(field, rule).inc(number)


def _json(content: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(content), status, headers, media_type="application/json")
