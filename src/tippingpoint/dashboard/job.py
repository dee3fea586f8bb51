"""`tippingpoint dashboard`: serve marketing's pages until interrupted."""

import json
import os
import sys
import tempfile
from importlib.util import find_spec

from tippingpoint.core.errors import InputError
from tippingpoint.dashboard import login
from tippingpoint.dashboard.settings import DashboardSettings
from tippingpoint.reports.palette import COLOURS
from tippingpoint.reports.web_server import PagesResult, address, by_others, serve_pages

SCRATCH = "TIPPINGPOINT_DASHBOARD_SCRATCH"
"""The one that tells them where files of a moment go: what a killed server leaves there goes with the command."""
LARGEST_MB = 200
"""Of an upload."""
SPARING = {"_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0", "MALLOC_ARENA_MAX": "2"}
"""What polars and the C library read from the environment: memory goes back at once."""


def dashboard(settings: DashboardSettings) -> PagesResult:
    """Serve the pages of this folder's store.

    Raises
    ------
    InputError
        When Streamlit is not installed, a login is configured by half, or there is none and others could reach the
        pages, though nobody said that they may.
    OutsideError
        When the port is taken.
    """
    if find_spec("streamlit") is None:
        raise InputError("dashboard", "needs Streamlit", "Type pip install 'tippingpoint[dashboard]'.")
    asks = login.configured()
    if by_others(settings.host) and not (settings.public or asks):
        what = f"{settings.host} can be reached by others, and there is no login"
        raise InputError("host", what, f"Configure one: [auth] in {login.SECRETS}; or type public=true.")
    if settings.list_makers and not asks:
        what = "names who may download lists, and there is no login that says who somebody is"
        raise InputError("list_makers", what, f"Configure one: [auth] in {login.SECRETS}; or type list_makers=[].")
    page = address(settings.host, settings.port)
    words = [f"--{key}={value}" for key, value in _options(settings).items()]
    command = [sys.executable, "-m", "tippingpoint.dashboard", *words]
    asked = settings.model_copy(update={"tables": settings.tables and not settings.public})
    told = asked.model_dump(mode="json", exclude={"output", "debug", "host", "port", "public"}) | {"login": asks}
    with tempfile.TemporaryDirectory(prefix="tippingpoint-") as folder:
        environment = SPARING | os.environ | {login.SETTINGS: json.dumps(told), SCRATCH: folder}
        return serve_pages("dashboard", page, settings.host, settings.port, command, environment)


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A temporary folder for the pages, inside the one that the command removes even if the server is killed."""
    return tempfile.TemporaryDirectory(prefix="tippingpoint-", dir=os.environ.get(SCRATCH))


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
