"""Login by Streamlit's own OIDC: what is refused at the start, who sees what, and what a viewer cannot take away."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit import auth_util
from streamlit.runtime.secrets import secrets_singleton
from streamlit.testing.v1 import AppTest

from tests.conftest import working_in
from tests.dashboard.conftest import PAGE, on_page
from tests.oidc_provider import SECRETS
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.dashboard import job, login
from tippingpoint.dashboard.settings import DashboardSettings

WHOLE = SECRETS % "https://login.example.com"
ANN = {"is_logged_in": True, "email": "ann@example.com", "email_verified": True}
BOB = {"is_logged_in": True, "email": "bob@elsewhere.com"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An own one, with a folder for Streamlit's secrets, which are read anew."""
    (tmp_path / ".streamlit").mkdir()
    monkeypatch.setenv("STREAMLIT_SECRETS_FILES", "")
    monkeypatch.delenv("STREAMLIT_SECRETS_FILES")
    monkeypatch.setattr(secrets_singleton, "_secrets", None)
    monkeypatch.setattr(auth_util, "is_authlib_installed", lambda: True)
    with working_in(tmp_path):
        yield tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command would have served, and with which settings."""
    told: dict[str, Any] = {}

    def serve(name: str, page: str, host: str, port: int, command: list[str], environment: dict[str, str]) -> None:
        told.update(json.loads(environment[login.SETTINGS]), host=host)

    monkeypatch.setattr(job, "serve_pages", serve)
    return told


def start(*words: str) -> None:
    job.dashboard(DashboardSettings.from_config(compose("dashboard", list(words))))


def configure(folder: Path, content: str) -> None:
    (folder / ".streamlit" / "secrets.toml").write_text(content)


def without(key: str) -> str:
    return re.sub(rf"(?m)^(?:{key}) = .*\n", "", WHOLE)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        *((without(key), key) for key in ("redirect_uri", "cookie_secret", "client_id", "client_secret")),
        (without("server_metadata_url"), "server_metadata_url"),
        (WHOLE.replace("/oauth2callback", "/back"), "/oauth2callback"),
        (WHOLE.replace("of the tests, longer than", ""), "fewer than 32 characters"),
        ('[auth]\nredirect_uri = "http://127.0.0.1/oauth2callback"\n', "names no provider"),
        ("auth = 3\n", "names no provider"),
        (without("client_id") + '[auth.google]\nclient_id = "x"\n', "client_id"),
        ("[auth\n", "cannot be read"),
    ],
)
def test_a_login_configured_by_half_is_refused_before_anything_is_served(folder, started, content, what):
    configure(folder, content)
    with pytest.raises(InputError, match=re.escape(what)) as refused:
        start()
    assert refused.value.exit_code == 2
    assert not started


def test_a_login_without_what_it_needs_says_what_to_install(folder, started, monkeypatch):
    monkeypatch.setattr(auth_util, "is_authlib_installed", lambda: False)
    configure(folder, WHOLE)
    with pytest.raises(InputError, match=re.escape("pip install 'tippingpoint[dashboard]' 'streamlit[auth]'")):
        start()


def test_with_a_login_others_may_reach_the_pages_and_without_one_nobody_makes_lists(folder, started):
    with pytest.raises(InputError, match=r"secrets\.toml"):
        start("host=0.0.0.0")
    with pytest.raises(InputError, match="no login that says who"):
        start("list_makers=[ann@example.com]")
    start()
    assert started["login"] is False
    configure(folder, "[else]\na = 1\n")
    with pytest.raises(InputError, match="public=true"):
        start("host=0.0.0.0")
    configure(folder, WHOLE)
    secrets_singleton._reset()
    start("host=0.0.0.0", "list_makers=[ann@example.com,@example.org]")
    assert (started["login"], started["host"], started["tables"]) == (True, "0.0.0.0", True)
    assert started["list_makers"] == ["ann@example.com", "@example.org"]
    with pytest.raises(InputError, match="list_makers"):
        start("list_makers=[ann]")


@pytest.mark.parametrize(
    ("claims", "makers", "is_one"),
    [
        (ANN, ["ANN@example.com"], True),
        (ANN, ["@Example.com"], True),
        (ANN, [], False),
        (ANN, ["@ample.com"], False),
        (ANN | {"email": "ann@example.com@elsewhere.com"}, ["@example.com"], False),
        (ANN | {"email": "example.com"}, ["@example.com"], False),
        (ANN | {"email": None}, ["@example.com"], False),
        (ANN | {"email_verified": False}, ["@example.com"], False),
        (ANN | {"email_verified": "false"}, ["@example.com"], False),
        (ANN | {"is_logged_in": False}, ["@example.com"], False),
        ({"is_logged_in": True, "sub": "@example.com"}, ["@example.com"], False),
    ],
)
def test_who_makes_lists_is_whom_the_provider_vouches_for(claims, makers, is_one):
    assert login.is_one_of(claims, makers) is is_one


@pytest.fixture
def with_login(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pages have one, and Ann makes lists."""
    configure(folder, WHOLE)
    told = {"login": True, "list_makers": ["ann@example.com"], "tables": True}
    monkeypatch.setenv(login.SETTINGS, json.dumps(told))
    return folder


def app(user: dict[str, Any], script: str = "from tippingpoint.dashboard.app import main\nmain()") -> AppTest:
    made = AppTest.from_string(script, default_timeout=240)
    if not hasattr(made, "user"):
        pytest.skip("this Streamlit's AppTest knows no users; the browser's test does")
    made.user = user
    return made.run()


def test_nothing_is_shown_before_somebody_is_logged_in(with_login, monkeypatch):
    monkeypatch.setattr("tippingpoint.dashboard.app.import_module", lambda name: pytest.fail("pages were loaded"))
    shown = app({})
    assert not shown.exception
    assert [button.label for button in shown.button] == ["Log in"]
    assert not shown.sidebar.text


def test_each_provider_has_its_button(with_login):
    named = '[auth.%s]\nclient_id = "x"\nclient_secret = "x"\nserver_metadata_url = "https://x"\n'
    configure(with_login, without("client_id|client_secret|server_metadata_url") + named % "work" + named % "other")
    assert login.configured()
    assert [button.label for button in app({}).button] == ["Log in with work", "Log in with other"]


def test_pages_whose_login_went_away_stay_shut(with_login):
    (with_login / ".streamlit" / "secrets.toml").unlink()
    shown = app(ANN)
    assert "there no more" in shown.error[0].value
    assert not shown.sidebar.text


def test_a_list_maker_takes_lists_away_and_a_viewer_looks(with_login):
    def labels(shown: AppTest) -> list[str]:
        return [button.label for button in shown.get("download_button")]

    for user, makes in ((ANN, True), (BOB, False)):
        shown = app(user, PAGE.format(name="targets"))
        assert not shown.exception
        assert ("Download CSV" in labels(shown)) is makes
        assert (login.VIEWS in [said.value for said in shown.caption]) is not makes
        shown = on_page(shown, "users")
        assert bool(shown.get("text_input")) is makes
        shown = on_page(shown, "cut-offs")
        shown.slider[0].set_value(0.2).run()
        assert any(label.startswith("Save as") for label in labels(shown)) is makes


def test_who_is_logged_in_is_said_with_the_way_out(with_login, monkeypatch):
    class Pages:
        @staticmethod
        def main() -> None:
            """Show nothing."""

    monkeypatch.setattr("tippingpoint.dashboard.app.import_module", lambda name: Pages)
    for user, said in ((ANN, "ann@example.com, list-maker"), (BOB, "bob@elsewhere.com, viewer")):
        shown = app(user)
        assert [text.value for text in shown.sidebar.text] == [said]
        assert [button.label for button in shown.sidebar.button] == ["Log out"]
