"""Pages when another version comes to decide, or a file is taken away: nothing of the one before is left."""

from dataclasses import replace

import polars as pl
import pytest

from tests.dashboard.conftest import on_page, uploaded
from tippingpoint.core.errors import InputError
from tippingpoint.dashboard import intake, state, uploads
from tippingpoint.dashboard.scenario import moved
from tippingpoint.dashboard.subject import exact


@pytest.fixture
def promoted(conversion, monkeypatch):
    """Makes a version with other cut-offs the champion."""
    with_others = replace(conversion.decider, reference="models:/next/2", policy=moved(conversion.policy, (0.2, 0.3)))
    after = replace(conversion, reference="models:/next/2", decider=with_others)

    def promote():
        monkeypatch.setattr(state, "references", lambda: ["models:/next/2"])
        monkeypatch.setattr(state, "_subject", lambda reference: after)
        return after

    return promote


def test_after_a_promotion_an_upload_is_decided_anew_on_whatever_page_one_is(open_page, upload, promoted):
    app = on_page(uploaded(open_page("users"), upload()), "segments")
    before = app.dataframe[0].value.set_index("segment")["users"]
    after = promoted()
    app.run()
    assert not app.exception
    shown = app.dataframe[0].value.set_index("segment")["users"]
    anew = intake.listed(uploads.look("users.csv", upload()), after, {}).table["segment"].value_counts()
    assert shown.to_dict() == dict(anew.iter_rows())
    assert shown["high"] > before["high"]


def test_a_filter_of_the_users_before_is_gone_with_them(open_page):
    app = open_page("segments")
    app.multiselect[0].select("tier_1").run()
    app.session_state["about"] = "demo retention"
    app.run()
    assert not app.exception
    assert app.multiselect[0].value == []
    assert app.session_state["tippingpoint"].filters == {c: [] for c in app.session_state["tippingpoint"].filters}
    app.multiselect[0].select(app.multiselect[0].options[0]).run()
    assert not app.exception
    assert not app.error


def test_an_upload_that_does_not_fit_the_new_model_is_never_passed_off_as_its_own_users(open_page, upload):
    app = on_page(uploaded(open_page("users"), upload()), "segments")
    app.session_state["about"] = "demo retention"
    app.run()
    assert "lacks columns that demo retention reads" in app.error[0].value
    assert "Match them on the page Users" in app.error[0].value
    assert not app.dataframe


def test_a_file_that_is_forgotten_is_gone(open_page, upload):
    app = uploaded(open_page("users"), upload(rows=123, plan=pl.lit("secret-plan")))
    assert app.metric[0].value == "123"
    next(b for b in app.button if "Forget" in b.label).click().run()
    assert app.metric[0].value == "3,000"
    app.run()
    assert app.metric[0].value == "3,000"
    assert app.session_state["tippingpoint"].upload is None
    again = uploaded(app, upload(rows=77))
    assert again.metric[0].value == "77"


def test_an_alias_is_followed_and_only_a_champion_is_called_one(at_compared, monkeypatch):
    state._champions.clear(), state._exact.clear()
    assert exact("models:/conversion@challenger") == "models:/conversion/1"
    monkeypatch.setattr(state, "settings", lambda: {"model": "models:/conversion@challenger"})
    assert state.references() == ["models:/conversion/1"]
    assert state.title_of("models:/conversion/1") == "Challenger"
    monkeypatch.setattr(state, "settings", lambda: {"model": "models:/conversion/1"})
    assert state.title_of("models:/conversion/1") == "Version"
    monkeypatch.setattr(state, "_champions", lambda: ["models:/conversion/1"])
    assert state.title_of("models:/conversion/1") == "Champion"
    with pytest.raises(InputError, match="there is no"):
        exact("models:/conversion/99")


def test_what_is_no_table_leaves_the_users_that_were_there(open_page, upload):
    app = uploaded(open_page("users"), upload(rows=77))
    assert app.metric[0].value == "77"
    app = uploaded(app, b"\x89PNG\r\n\x1a\n", "picture.csv")
    assert app.error
    assert app.metric[0].value == "77"
