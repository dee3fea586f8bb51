"""`tippingpoint dashboard`: serve marketing's pages until interrupted."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from tippingpoint.errors import InputError, OutsideError
from tippingpoint.jobs.reach import by_others
from tippingpoint.reports.palette import COLOURS
from tippingpoint.settings import DashboardSettings

SETTINGS = "TIPPINGPOINT_DASHBOARD"
"""The environment variable that tells the pages the settings, as JSON: a command line can be read by others."""
LARGEST_MB = 200
"""Of an upload."""
GRACE_SECONDS = 3
SPARING = {
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0",
    "MALLOC_ARENA_MAX": "2",
    "POLARS_CSV_CHUNK_SIZE": "4000000",
}
"""What polars and the C library read from the environment: memory goes back at once, and little is read ahead. Of an
upload of 200 MB the peak is a tenth lower."""


@dataclass(frozen=True)
class DashboardResult:
    """Where the pages were."""

    page: str

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"page": self.page}

    def render(self) -> RenderableType:
        """One line."""
        return Text(self.page)


def dashboard(settings: DashboardSettings) -> DashboardResult:
    """Serve the pages of this folder's store.

    Raises
    ------
    InputError
        When Streamlit is not installed, or others could reach the pages and nobody said that they may.
    OutsideError
        When the port is taken.
    """
    if find_spec("streamlit") is None:
        raise InputError("dashboard", "needs Streamlit", "Type pip install 'tippingpoint[dashboard]'.")
    if by_others(settings.host) and not settings.public:
        what = f"{settings.host} can be reached by others, and there is no login"
        raise InputError("host", what, "Put a login in front of host=127.0.0.1, or type public=true.")
    _refuse_taken(settings.host, settings.port)
    page = f"http://{settings.host}:{settings.port}"
    Console(stderr=True).print(f"dashboard: {page}   (Ctrl-C stops it)", highlight=False, soft_wrap=True)
    words = [f"--{key}={value}" for key, value in _options(settings).items()]
    command = [sys.executable, "-m", "tippingpoint.dashboard", *words]
    told = settings.model_dump_json(exclude={"output", "debug", "host", "port", "public"})
    environment = SPARING | os.environ | {SETTINGS: told}
    with subprocess.Popen(command, env=environment, stdout=sys.stderr, start_new_session=True) as server:
        try:
            code = server.wait()
        finally:
            _stop(server)
    if code > 0:
        raise OutsideError("streamlit", f"ended with code {code}", "Is the port taken? Type port=8502.")
    return DashboardResult(page)


def _options(settings: DashboardSettings) -> dict[str, str]:
    """Streamlit's own: reachable from here only, light, quiet, and nothing told to anyone."""
    told = {
        "server.address": settings.host,
        "server.port": settings.port,
        "server.headless": True,
        "server.maxUploadSize": LARGEST_MB,
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "runner.magicEnabled": False,
        # A full collection after each click takes longer than the page, and clicks that come fast wait for it.
        "runner.postScriptGC": False,
        "logger.level": "error",
        "theme.base": "light",
        "theme.primaryColor": COLOURS[0],
    }
    return {key: json.dumps(value) if isinstance(value, bool) else str(value) for key, value in told.items()}


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket() as probing:
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probing.bind((host, port))
        except OSError as error:
            raise OutsideError(f"{host}:{port}", f"cannot be served ({error.strerror})", "Type port=8502.") from error


def _stop(server: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
        server.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
