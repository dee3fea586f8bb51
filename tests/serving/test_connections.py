"""Connections that are slow, silent, too large or too many: they end, and callers are served meanwhile."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import uvloop
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tests.conftest import working_in
from tests.serving.services import serving
from tippingpoint.serving import connections
from tippingpoint.serving import server as service
from tippingpoint.serving.connections import Room
from tippingpoint.serving.server import listen, server

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Opens = Callable[[bytes], Awaitable[Stream]]


async def app(scope, receive, send) -> None:
    """Reads its body at /read, waits to be told at /hold, answers much at /much, and else at once."""
    request, answer = Request(scope, receive), Response("done")
    if scope["path"] == "/read":
        answer = PlainTextResponse(str(len(await request.body())))
    elif scope["path"] == "/hold":
        await scope["state"]["go"].wait()
    elif scope["path"] == "/much":
        answer = Response(b" " * 50_000_000)
    await answer(scope, receive, send)


def served(asks: Callable[[Opens, asyncio.Event, Counter[str]], Awaitable[None]], most: int = 100) -> Counter[str]:
    """Serve, ask, and count why connections were closed."""
    closed: Counter[str] = Counter()

    async def all_of_it() -> None:
        go = asyncio.Event()

        async def with_state(scope, receive, send) -> None:
            await app(scope | {"state": {"go": go}}, receive, send)

        running, listening = server(with_state, Room(most, lambda why: closed.update([why]))), listen("127.0.0.1", 0)
        port = listening.getsockname()[1]
        serves = asyncio.create_task(running.serve(sockets=[listening]))

        async def opens(sent: bytes) -> Stream:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            return reader, writer

        async with asyncio.timeout(60):
            await asks(opens, go, closed)
        running.should_exit = True
        await serves

    uvloop.run(all_of_it())
    return closed


async def answered(opened: Stream) -> bytes:
    """What comes until the connection is closed."""
    try:
        return await opened[0].read()
    except ConnectionResetError:
        return b""


async def status(opened: Stream) -> bytes:
    return (await opened[0].readuntil(b"\r\n\r\n")).split(b" ", 2)[1]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "WHOLE_SECONDS", "TAKEN_SECONDS"):
        monkeypatch.setattr(connections, name, 0.3)
    monkeypatch.setattr(service, "LOOKS", 1)


@pytest.mark.parametrize("sent", [b"", b"GE", GET[:-2], b"\r\n", GET + b"GET / HT"])
def test_a_head_that_does_not_end_is_closed(sent: bytes):
    async def asks(opens: Opens, go: asyncio.Event, closed: Counter[str]) -> None:
        said = await answered(await opens(sent))
        assert said.startswith(b"HTTP/1.1 200" if sent.startswith(GET) else b"HTTP/1.1 408" if sent else b"")

    assert served(asks) == {"head": 1}


def test_blank_lines_keep_no_connection_open():
    async def asks(opens: Opens, go: asyncio.Event, closed: Counter[str]) -> None:
        opened = await opens(GET)
        assert await status(opened) == b"200"
        opened[1].write(b"\r\n")
        await answered(opened)

    assert served(asks) == {"head": 1}


def test_a_body_that_does_not_end_is_closed_also_where_nobody_reads_it():
    async def asks(opens: Opens, go: asyncio.Event, closed: Counter[str]) -> None:
        for path, begins in ((b"/read", b""), (b"/", b"HTTP/1.1 200")):
            assert (await answered(await opens(POST % (path, 100) + b"x"))).startswith(begins)

    assert served(asks) == {"body": 2}


def test_a_head_too_large_is_refused():
    async def asks(opens: Opens, go: asyncio.Event, closed: Counter[str]) -> None:
        assert b" 431 " in await answered(await opens(GET[:-2] + b"A: " + b"x" * 100_000))

    assert served(asks) == {"size": 1}


def test_an_answer_that_is_not_taken_is_dropped():
    async def asks(opens: Opens, go: asyncio.Event, closed: Counter[str]) -> None:
        held = await opens(GET.replace(b"/ ", b"/much ", 1))  # of which a stream takes 128 KB
        while not closed and held:
            await asyncio.sleep(0.1)

    assert served(asks) == {"unread": 1}


def test_requests_that_wait_for_one_another_are_bounded():
    async def asks(opens: Opens, go: asyncio.Event, closed: Counter[str]) -> None:
        assert (await answered(await opens(GET * 1000))).count(b"HTTP/1.1") < 30

    served(asks)


def test_an_answer_arrives_though_its_body_is_still_sent():
    async def asks(opens: Opens, go: asyncio.Event, closed: Counter[str]) -> None:
        head = (POST % (b"/", 30_000_000)).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        for again in range(5):
            reader, writer = await opens(head)
            for _ in range(30):
                writer.write(b" " * 1_000_000)
                await writer.drain()
            assert (await answered((reader, writer))).endswith(b"done"), again

    assert not served(asks)


def test_one_too_many_closes_the_one_that_waits_longest_and_none_that_is_answered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "WHOLE_SECONDS", 60.0)

    async def asks(opens: Opens, go: asyncio.Event, closed: Counter[str]) -> None:
        under_way = await opens(GET.replace(b"/ ", b"/hold ", 1))
        idle = await opens(GET)
        assert await status(idle) == b"200"
        slow = [await opens(POST % (b"/read", 10)) for _ in range(5)]
        fresh = [await opens(GET) for _ in range(7)]
        assert [await status(one) for one in fresh] == [b"200"] * 7
        assert await answered(idle) == b"done"
        assert [await answered(one) for one in slow[:4]] == [b""] * 4
        go.set()
        assert await status(under_way) == b"200"

    assert served(asks, most=8) == {"full": 6}


def test_where_all_are_answered_one_more_is_not_let_in():
    async def asks(opens: Opens, go: asyncio.Event, closed: Counter[str]) -> None:
        under_way = [await opens(GET.replace(b"/ ", b"/hold ", 1)) for _ in range(8)]
        await asyncio.sleep(0.1)
        assert await answered(await opens(GET)) == b""
        go.set()
        assert [await status(one) for one in under_way] == [b"200"] * 8

    assert served(asks, most=8) == {"full": 1}


@pytest.mark.programs
def test_slow_connections_more_than_it_may_open_leave_it_answering(versions: Path, tmp_path: Path):
    few = ("bash", "-c", 'ulimit -n 256; exec "$@"', "-")
    with working_in(versions), serving(tmp_path, "model=models:/conversion/1", under=few) as running:
        example = running.example()
        port = int(running.address.rpartition(":")[2])

        async def asks() -> None:
            slow = [GET[:10], POST.replace(b"\r\n", b"\r\nContent-Type: application/json\r\n", 1) % (b"/score", 99)]
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(400)]
            for i, (_, writer) in enumerate(held):
                writer.write(slow[i % 2])
            for _ in range(20):
                async with httpx.AsyncClient(base_url=running.address, timeout=60) as client:
                    assert (await client.get("/health")).status_code == 200
                    assert (await client.post("/score", json=example)).status_code == 200

        asyncio.run(asks())
        assert 'closed_connections_total{why="full"}' in running.get("/metrics").text
