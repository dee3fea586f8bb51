"""`tippingpoint dashboard`: what starts, and what is refused before anything does."""

import os
import signal
import socket
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.dashboard.job import SCRATCH, dashboard
from tippingpoint.dashboard.settings import DashboardSettings
from tippingpoint.reports.web_server import by_others


def settings(*words: str) -> DashboardSettings:
    return DashboardSettings.from_config(compose("dashboard", list(words)))


def test_it_is_reached_from_this_machine_only_unless_asked():
    assert settings().host == "127.0.0.1"
    assert settings("model=models:/conversion/3").model == "models:/conversion/3"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "example.com", "::"])
def test_others_are_let_in_only_where_that_is_said(host):
    pytest.importorskip("streamlit", reason="streamlit is not installed (extra: dashboard)")
    with pytest.raises(InputError, match="public=true"):
        dashboard(settings(f"host='{host}'"))


@pytest.mark.parametrize(
    ("host", "theirs"), [("localhost", False), ("127.0.0.3", False), ("::1", False), ("0.0.0.0", True)]
)
def test_an_address_of_this_machine_alone_is_told_from_others(host, theirs):
    assert by_others(host) is theirs


def test_without_streamlit_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(import_module("tippingpoint.dashboard.job"), "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"tippingpoint\[dashboard\]") as refused:
        dashboard(settings())
    assert refused.value.exit_code == 2


def test_a_port_that_is_taken_is_said():
    pytest.importorskip("streamlit", reason="streamlit is not installed (extra: dashboard)")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OutsideError, match="cannot be served"):
            dashboard(settings(f"port={taken.getsockname()[1]}"))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the server in /proc")
def test_what_a_killed_server_had_on_disk_goes_with_it_and_the_kill_is_said(workspace):
    pytest.importorskip("streamlit", reason="streamlit is not installed (extra: dashboard)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "tippingpoint", "dashboard", f"port={port}"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as command:
        server = eventually(lambda: Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split())[0]
        told = eventually(lambda: dict(v.partition("=")[::2] for v in environment(server) if v.startswith(SCRATCH)))
        folder = Path(told[SCRATCH])
        (folder / "of-somebody.csv").write_text("user_id")
        os.kill(int(server), signal.SIGKILL)
        _, said = command.communicate(timeout=240)
    assert not folder.exists()
    assert "killed (SIGKILL)" in said
    assert command.returncode == 3


def test_files_of_a_moment_are_where_the_server_was_told(tmp_path, monkeypatch):
    monkeypatch.setenv(SCRATCH, str(tmp_path))
    scratch = import_module("tippingpoint.dashboard.job").scratch
    with scratch() as folder:
        assert Path(folder).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def environment(process: str) -> list[str]:
    return Path(f"/proc/{process}/environ").read_text().split("\0")


def eventually(look):
    """What it gives, once that is something."""
    for _ in range(2400):
        if found := look():
            return found
        time.sleep(0.1)
    raise AssertionError("waited for four minutes")
