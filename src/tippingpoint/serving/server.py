"""uvicorn around the service: told to stop, it finishes what is under way."""

import contextlib
import signal
import socket
from collections.abc import Iterator
from functools import partial
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from tippingpoint.core import stopping
from tippingpoint.core.errors import OutsideError
from tippingpoint.serving.connections import Connection, Room

GRACE = 30
"""Seconds that requests under way have to end in."""
LOOKS = 10
"""Ticks of uvicorn, ten a second, between two looks at what takes too long."""


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve on; port 0 takes a free one.

    Raises
    ------
    OutsideError
        When something else listens there, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        what = f"cannot be served ({error.strerror or error})"
        raise OutsideError(f"{host}:{port}", what, f"Type port={port + 1}.") from error


def server(app: ASGIApp, room: Room) -> uvicorn.Server:
    """Return what serves an application until SIGTERM or Ctrl-C."""
    config = uvicorn.Config(
        app,
        http=partial(Connection, room),  # type: ignore[arg-type]  # uvicorn calls it, whatever it is
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=30,
    )
    return _Server(config)


class _Server(uvicorn.Server):
    async def on_tick(self, counter: int) -> bool:
        if counter % LOOKS == 0:
            for connection in list(self.server_state.connections):
                connection.look()  # type: ignore[union-attr]  # all are ours
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish what is under way; no other version takes over meanwhile."""
        stopping.note(sig)
        super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again when it is done; here, being told to stop is no failure.
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
