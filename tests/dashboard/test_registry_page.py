"""The page Registry: what is champion since when, what its gate said, and the way into MLflow."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import PAGE
from tests.promotion.promoting import FORCED, promoting, rolling_back

TODAY = datetime.now(UTC).strftime("%Y-%m-%d")


@pytest.fixture
def page() -> Callable[[], AppTest]:
    """The page, with nothing remembered of another store."""

    def opened() -> AppTest:
        st.cache_data.clear()
        st.cache_resource.clear()
        return AppTest.from_string(PAGE.format(name="registry"), default_timeout=240).run()

    yield opened
    st.cache_data.clear()
    st.cache_resource.clear()


def shown(app: AppTest) -> dict[str, str]:
    assert not app.exception
    assert not app.error
    return {metric.label: metric.value.replace("\\", "") for metric in app.metric}


def test_an_empty_registry_says_what_to_type(page, stored):
    app = page()
    assert not app.exception
    assert "tippingpoint promote" in app.info[0].value


def test_versions_without_a_champion_are_no_champion(page, compared, workspace):
    shutil.copy(compared[1] / "mlflow.db", workspace)
    assert "no champion" in page().info[0].value


def test_a_champion_stands_with_its_day_its_gate_and_its_link(page, client):  # the fixture
    promoting("model=1", "why=first of all", "who=ann")
    app = page()
    found = shown(app)
    assert found["Version"] == "conversion 1"
    assert found["Champion since"].startswith(TODAY)
    assert any(m.value.startswith("Passed on") for m in app.markdown)
    gate, *_, journal = (frame.value for frame in app.dataframe)
    assert set(gate["word"]) == {"passes"}
    assert (journal["claimed"][0], journal["why"][0]) == ("on behalf of ann", "first of all")
    links = [element.proto.url for element in app.get("link_button")]
    assert [link.partition("?")[0] for link in links] == ["http://127.0.0.1:5000/#/models/conversion/versions/1"]


def test_a_refused_look_is_in_the_journal_and_the_champion_stays(page, client):  # the fixture
    promoting("model=2", "gate.calibration=null")
    assert promoting("model=1").refused
    app = page()
    found = shown(app)
    assert (found["Version"], found["Challenger"]) == ("conversion 2", "1")
    journal = app.dataframe[-1].value
    assert journal["what"].to_list()[0] == "refused"
    assert "no:" in journal["gate"][0]


def test_after_a_rollback_the_version_before_stands_with_the_gate_that_let_it_in(page, client):  # the fixture
    promoting("model=1")
    promoting("model=2", *FORCED)
    assert shown(page())["Version"] == "conversion 2"
    rolling_back("why=worse")
    app = page()
    assert shown(app)["Version"] == "conversion 1"
    assert shown(app)["Champion since"].startswith(TODAY)
    assert any(m.value.startswith("Passed on") for m in app.markdown)
    assert app.dataframe[-1].value["what"][0] == "rollback"


def test_a_store_that_is_away_is_said_in_words(page, workspace: Path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    app = page()
    assert not app.exception
    assert "127" in app.error[0].value
