"""The whole login, in a headless browser against a real OIDC provider on this machine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

pytest.importorskip("authlib", reason="authlib is not installed (extra: dashboard)")

from tests.browser.test_dashboard import PATIENCE, serving
from tests.oidc_provider import SECRETS, Provider, provider

pytestmark = pytest.mark.programs
ANN = {"email": "ann@example.com", "email_verified": True}


@pytest.fixture(scope="module")
def identity() -> Iterator[Provider]:
    with provider() as serves:
        yield serves


@pytest.fixture(scope="module")
def pages(identity: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demonstration for everyone who reaches this machine and logs in; who is of example.com makes lists."""
    folder = tmp_path_factory.mktemp("login")
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(SECRETS % identity.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        with serving(folder, "host=0.0.0.0", "list_makers=[@example.com]") as address:
            yield address


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A visitor's own browser."""
    with browser.new_context(viewport={"width": 1400, "height": 1000}) as context:
        context.set_default_timeout(PATIENCE)
        yield context.new_page()


def asked(tab: Any) -> Any:
    """The button of the login, which is all there is."""
    button = tab.get_by_role("button", name="Log in")
    button.wait_for()
    assert not tab.get_by_test_id("stSidebarNavLink").count()
    return button


def heading(tab: Any, title: str) -> None:
    tab.get_by_role("heading", name=title, exact=True).wait_for()


def toolbar(tab: Any) -> Any:
    """Of the first table, where Streamlit offers it as a file to whom the pointer rests on it."""
    table = tab.get_by_test_id("stDataFrame").first
    table.hover()
    return table.get_by_test_id("stElementToolbar")


def test_who_is_listed_logs_in_takes_a_list_away_and_logs_out(tab, pages, identity):
    identity.user = ANN
    tab.goto(f"{pages}/targets")
    asked(tab).click()
    heading(tab, "Users")
    tab.get_by_text("ann@example.com, list-maker").wait_for()
    tab.get_by_test_id("stSidebarNavLink").filter(has_text="Targets").click()
    heading(tab, "Targets")
    toolbar(tab).wait_for()
    with tab.expect_download() as taken:
        tab.get_by_role("button", name="Download CSV").click()
    assert Path(taken.value.path()).read_text().startswith("user_id,")
    tab.get_by_role("button", name="Log out").click()
    asked(tab)
    tab.goto(pages)
    asked(tab)


def test_anybody_else_looks(tab, pages, identity):
    identity.user = {"email": "bob@elsewhere.com", "email_verified": True}
    tab.goto(pages)
    asked(tab).click()
    tab.get_by_text("bob@elsewhere.com, viewer").wait_for()
    tab.get_by_test_id("stSidebarNavLink").filter(has_text="Targets").click()
    heading(tab, "Targets")
    tab.get_by_text("Only list-makers download this").wait_for()
    assert not tab.get_by_role("button", name="Download CSV").count()
    assert not toolbar(tab).is_visible()


def test_a_token_that_the_provider_did_not_sign_and_a_cookie_made_by_hand_let_nobody_in(tab, pages, identity):
    identity.user, identity.forger = ANN, rsa.generate_private_key(public_exponent=65537, key_size=2048)
    tab.goto(pages)
    with tab.expect_response("**/oauth2callback?*"):
        asked(tab).click()
    asked(tab)
    identity.forger = None
    tab.goto(pages)
    asked(tab)
    word = "2|1:0|10:1700000000|15:_streamlit_user|8:eyJ9|00"
    tab.context.add_cookies([{"name": "_streamlit_user", "value": word, "url": pages}])
    tab.goto(pages)
    asked(tab)
