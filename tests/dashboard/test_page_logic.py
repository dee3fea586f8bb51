"""The pages' logic, without a browser: what is shown, what is remembered, what is never rendered."""

import gzip
import io
import json
import re
from dataclasses import replace

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import on_page, uploaded
from tippingpoint.core.errors import OutsideError
from tippingpoint.dashboard import segments, state
from tippingpoint.dashboard.pages import PAGES
from tippingpoint.dashboard.state import JOINER, plain


@pytest.mark.parametrize("name", list(PAGES))
@pytest.mark.parametrize("about", ["demo conversion", "demo retention"])
def test_every_page_opens_on_a_demonstration(open_page, name, about):
    app = open_page(name)
    app.session_state["about"] = about
    app.run()
    assert not app.exception
    assert not app.error, app.error
    assert app.title[0].value


def test_an_upload_is_decided_and_what_is_wrong_with_it_is_listed(open_page, upload):
    tier = pl.when(pl.col("user_id") == "u000000005").then(pl.lit("tier_9")).otherwise("country_tier")
    app = uploaded(open_page("users"), upload(country_tier=tier))
    assert not app.exception
    assert [m.value for m in app.metric] == ["400", "399", "1"]
    assert "1 row is not as the model needs" in app.warning[0].value


def test_columns_of_other_names_are_matched_by_hand_once(open_page, upload):
    app = uploaded(open_page("users"), upload().replace(b"paywall_views_7d", b"Paywall Views"))
    assert app.selectbox[0].value == "Paywall Views"
    app.button[0].click().run()
    assert [m.value for m in app.metric] == ["400", "400", "0"]


def test_what_is_no_table_is_said_and_the_page_stays(open_page):
    app = uploaded(open_page("users"), b"<!doctype html><p>")
    assert "web page" in app.error[0].value
    assert [m.value for m in app.metric][:2] == ["3,000", "3,000"]


def test_one_upload_is_never_seen_by_another_session(open_page, upload):
    one, other = open_page("users"), open_page("users")
    uploaded(one, upload(rows=123, plan=pl.lit("secret-plan")))
    other.run()
    assert one.metric[0].value == "123"
    assert other.metric[0].value == "3,000"
    assert not any("secret-plan" in str(frame.value) for frame in other.dataframe)


def test_filters_change_all_figures_of_the_segments(open_page):
    app = open_page("segments")
    before = app.dataframe[0].value
    app.multiselect[0].select("tier_1").run()
    after = app.dataframe[0].value
    assert after["users"].sum() < before["users"].sum()
    assert app.caption[0].value.endswith("of 3,000 users.")


def test_a_filter_nobody_passes_is_said(open_page, upload):
    first = pl.arange(0, pl.len()) < 200
    a, b = (pl.when(first).then(pl.lit(one)).otherwise(pl.lit(other)) for one, other in (("x", "y"), ("p", "q")))
    app = on_page(uploaded(open_page("users"), upload(country=a, plan=b)), "segments")
    for name, value in (("country", "x"), ("plan", "q")):
        next(m for m in app.multiselect if m.label == name).select(value)
    app.run()
    assert not app.exception
    assert "No user has all of these" in app.info[0].value
    assert not app.dataframe


def test_an_error_of_what_decides_is_said_in_the_page_not_in_the_sidebar(open_page, monkeypatch):
    from tippingpoint.dashboard import pages

    def away():
        raise OutsideError("store", "cannot be used", "See doctor.")

    monkeypatch.setattr(pages, "references", away)
    monkeypatch.setattr(pages, "subject", away)
    app = AppTest.from_string("from tippingpoint.dashboard.app import main\nmain()", default_timeout=240).run()
    assert not app.exception
    assert "cannot be used" in app.main.error[0].value
    assert not app.sidebar.error


def test_users_that_changed_since_are_not_passed_off_as_those_it_was_judged_on(open_page, conversion, monkeypatch):
    assert not open_page("users").warning
    monkeypatch.setattr(state, "_subject", lambda reference: replace(conversion, changed=True))
    assert "has changed since" in open_page("users").warning[0].value


def test_who_is_picked_in_the_list_is_explained(open_page):
    app = open_page("targets")
    user = app.dataframe[0].value["user_id"].iloc[7]
    app.session_state["tippingpoint"].user = user
    app = on_page(app, "why")
    assert app.text_input[0].value == user
    assert app.metric[1].value == "medium"


def test_a_gzipped_file_is_read(open_page, upload):
    app = uploaded(open_page("users"), gzip.compress(upload()), "users.csv.gz")
    assert not app.exception
    assert app.metric[0].value == "400"


def test_moving_a_cut_off_moves_the_figures_and_offers_the_policy(open_page):
    app = open_page("cut-offs")
    before = {m.label: m.value for m in app.metric}
    app.slider[0].set_value(0.5).run()
    after = {m.label: m.value for m in app.metric}
    assert not app.exception
    assert after["Contacts"] != before["Contacts"]
    assert float(after["Contacts"]) < float(before["Contacts"])
    assert app.download_button[0].label == "Save as version 2"
    assert "would get another action" in " ".join(m.value for m in app.markdown)
    assert "chosen by eye" in " ".join(c.value for c in app.caption)


def test_values_to_filter_by_are_looked_for_once(open_page, monkeypatch):
    looked, look = [], segments.categories
    monkeypatch.setattr(segments, "categories", lambda *given: looked.append(1) or look(*given))
    app = open_page("segments")
    app.multiselect[0].select("tier_1").run()
    assert not app.exception
    assert len(looked) == 1


def test_cut_offs_that_cross_are_refused_in_words(open_page):
    app = open_page("cut-offs")
    app.slider[0].set_value(0.9).run()
    assert "must start above" in app.warning[0].value


def test_the_list_has_who_was_asked_for(open_page):
    app = open_page("targets")
    assert set(app.dataframe[0].value["segment"]) == {"medium"}
    app.segmented_control[0].select("High value").run()
    assert set(app.dataframe[0].value["segment"]) == {"high"}


def test_discount_targets_of_the_retention_rules_are_the_dormant_and_the_risky_of_medium_engagement(open_page):
    app = open_page("targets")
    app.session_state["about"] = "demo retention"
    app.run()
    assert set(app.dataframe[0].value["segment"]) == {"dormant", "risky_medium"}


def test_a_user_is_explained_and_an_unknown_one_is_said(open_page):
    app = open_page("why")
    assert app.metric[0].label == "Score"
    app.text_input[0].set_value("<b>nobody</b>").run()
    assert "There is no user" in app.info[0].value
    assert r"\<b\>" in app.info[0].value


@pytest.mark.parametrize(
    "hostile",
    [
        "![x](http://evil/x.png)",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        ":red[x] $x$ `x`",
        "http://evil",
    ],
)
def test_text_of_users_is_shown_as_it_stands(hostile):
    shown = plain(hostile)
    assert shown.replace("\\", "").replace(JOINER, "") == hostile
    assert not re.search(r"(?<!\\)[<\[`:$!]|://", shown)


def test_hostile_names_and_values_reach_the_page_as_text_only(open_page, upload):
    hostile = "<img src=x onerror=alert(1)>"
    table = pl.read_csv(io.BytesIO(upload())).with_columns(pl.lit(hostile).alias(hostile), plan=pl.lit(hostile))
    app = uploaded(open_page("users"), table.write_csv().encode(), f"{hostile}.csv")
    assert not app.exception
    said = [m.value for of in (app.markdown, app.caption, app.subheader) for m in of]
    assert not any(re.search(r"(?<!\\)<img", text) for text in said)


def test_settings_reach_the_pages_through_the_environment(monkeypatch):
    from tippingpoint.dashboard import state

    monkeypatch.setenv(state.SETTINGS, json.dumps({"model": "models:/conversion/3"}))
    assert state.references() == ["models:/conversion/3"]
