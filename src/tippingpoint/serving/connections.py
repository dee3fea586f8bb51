"""Connections of the service: none holds it up, by how long it takes, by what it holds, or by how many there are.

uvicorn bounds neither the time that a head takes, nor its size, nor how many connections are open, nor how long an
answer waits to be taken. It closes a connection while its body is still being sent, and the caller then loses the
answer. This is tried with uvicorn 0.35 to 0.54 and httptools 0.6 to 0.9.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tippingpoint.serving.log import say

ARRIVES = 30.0
"""Seconds in which a body must have arrived."""
HEAD_SECONDS = 10.0
"""Seconds in which a head must have arrived, from when its connection was made or its first byte came."""
WHOLE_SECONDS = ARRIVES + 10
"""Seconds in which a body ends, also one that nobody reads any more."""
TAKEN_SECONDS = 60.0
"""Seconds in which an answer that no longer fits the system's buffers must go on being taken."""
HEAD_BYTES = 65_536
"""Bytes of a head, or between two pieces of a body."""
UNREAD_BYTES = 1 << 28
"""Bytes of a body that are taken after its answer, so that the caller comes to read that."""
PIPELINED = 16
"""Requests of one connection that wait for the answer to the one before."""
CONNECTIONS, OWN_FILES = 1000, 128
"""Connections that are open at most; and files the service itself needs of those that it may have open."""
SAID = 60.0
"""Seconds between two lines of the log that say the same."""


def most_connections() -> int:
    """As many connections as the files that this process may have open allow, up to `CONNECTIONS`."""
    with contextlib.suppress(ImportError):
        import resource

        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != resource.RLIM_INFINITY:
            return max(16, min(CONNECTIONS, files - OWN_FILES))
    return CONNECTIONS


class Room:
    """What the open connections share: one more than there is room for closes the one that waits longest.

    A connection waits while its request is not complete, and after its answer: who sends a request at once is served
    however many others hold theirs back. One whose request is being answered is never closed for another.

    Parameters
    ----------
    counted
        Called with why a connection was closed: `head`, `body`, `unread`, `size` or `full`.
    """

    def __init__(self, most: int, counted: Callable[[str], None]) -> None:
        self.most, self.counted = most, counted
        self.waiting: dict[Connection, None] = {}
        self._said = -SAID

    def make(self) -> None:
        """Close the connection that waits longest."""
        self.counted("full")
        if time.monotonic() > self._said + SAID:
            self._said = time.monotonic()
            say("connections full", most=self.most)
        next(iter(self.waiting)).transport.abort()


class Phase(Enum):
    """What of a request has arrived."""

    HEAD, BODY, WHOLE = auto(), auto(), auto()


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, with limits.

    Parameters
    ----------
    room
        Shared by all connections of a service.
    """

    def __init__(self, room: Room, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.room = room
        self.phase, self.since = Phase.HEAD, self.loop.time()
        self.silent = 0
        """Bytes since the last piece of a body, or of the head so far."""
        self.unread = 0
        """Bytes of the body that came after the answer."""
        self.stuck: float | None = None
        """Since when nothing more of an answer can be written."""
        self.ends = False
        """Whether to close as soon as the body has arrived."""

    def __hash__(self) -> int:
        return id(self)

    @property
    def answering(self) -> bool:
        """Whether a request, or its beginning, has no complete answer yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def look(self) -> None:
        """Close what takes too long."""
        now = self.loop.time()
        if self.stuck is not None and now > self.stuck + TAKEN_SECONDS:
            self._end("unread")
        elif self.transport.is_closing():  # it is closed when all is written
            self.stuck = self.stuck or now
        elif self.phase is Phase.HEAD and not self.answering and now > self.since + HEAD_SECONDS:
            self._refuse("head", 408, b"Request Timeout", f"the head did not arrive within {HEAD_SECONDS:.0f} s")
        elif self.phase is Phase.BODY and not self.pipeline and now > self.since + WHOLE_SECONDS:
            self._end("body")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        super().connection_made(transport)
        self.room.waiting[self] = None
        if len(self.connections) > self.room.most:
            self.room.make()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.room.waiting.pop(self, None)

    def data_received(self, data: bytes) -> None:
        if self.phase is Phase.WHOLE:
            self.silent = 0
            if not self.answering:
                self._turn(Phase.HEAD)
        self.silent += len(data)
        super().data_received(data)
        if self.silent > HEAD_BYTES and self.phase is not Phase.WHOLE and not self.transport.is_closing():
            self._refuse("size", 431, b"Request Header Fields Too Large", f"a head may hold {HEAD_BYTES:,} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._turn(Phase.HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.phase is Phase.HEAD:  # not what follows a body
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= PIPELINED:
            raise ValueError("too many requests before the first is answered")
        super().on_headers_complete()
        self.cycle.transport = _Lingering(self)
        self._turn(Phase.BODY)
        self.silent = 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self.silent = 0
        if self.cycle.response_complete:
            self.unread += len(body)
            if self.unread > UNREAD_BYTES:
                self._end("body")

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._turn(Phase.WHOLE)
        if self.answering:
            self.room.waiting.pop(self, None)
        elif self.ends:
            self.transport.close()

    def on_response_complete(self) -> None:
        next_waits = not self.pipeline
        super().on_response_complete()
        if next_waits and not self.transport.is_closing():
            self.room.waiting[self] = None
            self.since = self.since if self.phase is Phase.BODY else self.loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stuck = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stuck = None

    def close(self) -> None:
        """Close when what is being sent has arrived: closed before, the caller would lose the answer."""
        if self.phase is not Phase.BODY:
            self.transport.close()
        elif not self.ends:
            self.ends = True
            self.transport.write_eof()

    def _turn(self, phase: Phase) -> None:
        self.phase, self.since, self.unread = phase, self.loop.time(), 0

    def _end(self, why: str) -> None:
        self.room.counted(why)
        self.transport.abort()

    def _refuse(self, why: str, status: int, phrase: bytes, said: str) -> None:
        self.room.counted(why)
        if self.silent and not self.answering:
            body = to_json({"detail": said})
            head = (
                b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head % (status, phrase, len(body)) + body)
        self.transport.close()


class _Lingering(asyncio.Transport):
    """What an answer is written to."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def write(self, data: Any) -> None:
        self.connection.transport.write(data)

    def is_closing(self) -> bool:
        return self.connection.transport.is_closing()

    def close(self) -> None:
        self.connection.close()
