"""`tippingpoint dashboard`: what starts, and what is refused before anything does."""

import socket
from importlib import import_module

import pytest

from tippingpoint.composing import compose
from tippingpoint.errors import InputError, OutsideError
from tippingpoint.jobs import dashboard
from tippingpoint.jobs.reach import by_others
from tippingpoint.settings import DashboardSettings


def settings(*words: str) -> DashboardSettings:
    return DashboardSettings.from_config(compose("dashboard", list(words)))


def test_it_is_reached_from_this_machine_only_unless_asked():
    assert settings().host == "127.0.0.1"
    assert settings("model=models:/conversion/3").version == "models:/conversion/3"


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
    monkeypatch.setattr(import_module("tippingpoint.jobs.dashboard"), "find_spec", lambda name: None)
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
