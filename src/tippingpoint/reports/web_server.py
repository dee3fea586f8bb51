"""What is served on an address: who can reach it, and the pages of another program (MLflow, Streamlit)."""

import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from tippingpoint.core.errors import OutsideError
from tippingpoint.reports.result import Result

GRACE_SECONDS = 3
WAIT_SECONDS = 0.2
"""Between two looks whether a server listens."""


@dataclass(frozen=True, repr=False)
class PagesResult(Result):
    """Where the pages were."""

    page: str

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"page": self.page}

    def render(self) -> RenderableType:
        """One line."""
        return Text(self.page)


def by_others(host: str) -> bool:
    """Whether other machines may reach an address."""
    try:
        return not (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return True


def address(host: str, port: int) -> str:
    """The URL of an address.

    >>> address("::1", 8501)
    'http://[::1]:8501'
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve_pages(
    name: str, page: str, host: str, port: int, command: Sequence[str], environment: Mapping[str, str]
) -> PagesResult:
    """Run a program that serves pages until interrupted.

    Raises
    ------
    OutsideError
        When something else listens there already, or the program fails or is killed.
    """
    another = f"Type port={port + 1}."
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probing:
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probing.bind((host, port))
        except OSError as error:
            raise OutsideError(f"{host}:{port}", f"cannot be served ({error.strerror})", another) from error
    # A group of its own: what the program starts would outlive a signal to it alone.
    with subprocess.Popen(command, env=environment, stdout=sys.stderr, start_new_session=True) as server:
        try:
            while server.poll() is None and not _listens(host, port):
                time.sleep(WAIT_SECONDS)
            if server.poll() is None:  # the link opens something from now on
                Console(stderr=True).print(f"{name}: {page}   (Ctrl-C stops it)", highlight=False, soft_wrap=True)
            code = server.wait()
        finally:
            _stop(server)
    if code < 0:
        raise OutsideError(name, f"its server was killed ({signal.Signals(-code).name})", "Is memory short?")
    if code:
        raise OutsideError(name, f"ended with code {code}", f"Is the port taken? {another}")
    return PagesResult(page)


def _listens(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def _stop(server: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
        server.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
