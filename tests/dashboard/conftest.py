"""A demonstration of few users, made once; and the app over it, without a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("streamlit", reason="streamlit is not installed (extra: dashboard)")

from streamlit.testing.v1 import AppTest

from tests.conftest import working_in
from tippingpoint.dashboard import subject as subjects
from tippingpoint.dashboard.subject import Subject, demonstration

PAGE = """
import streamlit as st
from tippingpoint.dashboard.pages import PAGES
from tippingpoint.dashboard.state import show
show(PAGES[st.session_state.get('page', {name!r})][0])
"""


@pytest.fixture(scope="session", autouse=True)
def few_users() -> Iterator[None]:
    """Demonstrations of 3,000 users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subjects, "DEMOS", {n: (*w, "data.users=3000") for n, w in subjects.DEMOS.items()})
        yield


@pytest.fixture(scope="session")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder without a store."""
    return tmp_path_factory.mktemp("nowhere")


@pytest.fixture(scope="session")
def conversion(few_users: None) -> Subject:
    """Bands of the score."""
    return demonstration("conversion")


@pytest.fixture(scope="session")
def retention(few_users: None) -> Subject:
    """Rules."""
    return demonstration("retention")


@pytest.fixture
def upload(conversion: Subject) -> Callable[..., bytes]:
    """Users of the demonstration as a CSV, with some columns replaced."""

    def made(rows: int = 400, **columns: Any) -> bytes:
        assert conversion.users is not None
        table = conversion.users.drop("action", "converted").head(rows)
        return table.with_columns(**columns).write_csv().encode()

    return made


@pytest.fixture
def open_page(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], AppTest]]:
    """A page of the app, on the demonstrations: there is no store."""

    def opened(name: str) -> AppTest:
        return AppTest.from_string(PAGE.format(name=name), default_timeout=240).run()

    with working_in(nowhere):
        yield opened


def on_page(app: AppTest, name: str) -> AppTest:
    """The same tab, on another page."""
    app.session_state["page"] = name
    return app.run()


def uploaded(app: AppTest, content: bytes, name: str = "users.csv") -> AppTest:
    """The same tab with a file brought on the page Users."""
    return app.file_uploader[0].upload(name, content, "text/csv").run()


@pytest.fixture
def spread(conversion: Subject) -> pl.DataFrame:
    """The demonstration's users."""
    assert conversion.users is not None
    return conversion.users
