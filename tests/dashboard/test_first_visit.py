"""What a newcomer meets: whose users these are, what is wrong with a file, a store that is gone."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import streamlit as st

from tests.dashboard.conftest import on_page, uploaded
from tippingpoint.core.errors import OutsideError
from tippingpoint.dashboard import faults, intake, segments, state
from tippingpoint.dashboard.intake import features, listed, own_users
from tippingpoint.dashboard.lists import targets
from tippingpoint.dashboard.pages import PAGES
from tippingpoint.dashboard.uploads import likely, look
from tippingpoint.dashboard.views.registry import left_out
from tippingpoint.dashboard.views.why import clause


def said(app) -> str:
    """The line above every page."""
    return app.markdown[0].value.replace("\\", "")


def test_a_store_that_is_gone_is_an_error_and_never_the_demonstration(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    store = tmp_path / "mlflow.db"
    monkeypatch.setattr(state, "champions", lambda: ["models:/conversion/1"] if store.is_file() else [])
    st.cache_data.clear()
    assert state.references()[0].startswith(state.DEMO)  # none was ever there
    store.write_bytes(b"a store")
    st.cache_data.clear()
    assert state.references() == ["models:/conversion/1"]
    store.rename(tmp_path / "away.db")
    st.cache_data.clear()
    with pytest.raises(OutsideError, match="is not any more"):
        state.references()
    (tmp_path / "away.db").rename(store)
    assert state.references() == ["models:/conversion/1"]
    st.cache_data.clear()


def test_an_upload_is_not_decided_by_the_demonstration_when_no_champion_is_left(
    open_page, upload, conversion, monkeypatch
):
    champion = replace(conversion, reference="models:/conversion/1", demo=False)
    with monkeypatch.context() as patch:
        patch.setattr(state, "references", lambda: ["models:/conversion/1"])
        patch.setattr(state, "_subject", lambda reference: champion)
        app = on_page(uploaded(open_page("users"), upload()), "targets")
        assert app.dataframe
    app.run()
    assert "nothing is champion any more" in app.error[0].value
    assert not app.dataframe
    assert not app.download_button


@pytest.mark.parametrize("name", list(PAGES))
def test_every_page_says_whose_users_these_are_and_that_it_is_a_demonstration(open_page, upload, name):
    app = open_page(name)
    assert "Demonstration" in said(app)
    assert "none is yours" in said(app)
    mine = on_page(uploaded(open_page("users"), upload(rows=321), "march.csv"), name)
    assert "yours, 321 from march.csv" in said(mine)
    assert "Demonstration" in said(mine)


def test_a_champion_is_named_with_its_version_and_no_demonstration(open_page, conversion, monkeypatch):
    champion = replace(conversion, reference="models:/conversion/7", demo=False)
    monkeypatch.setattr(state, "references", lambda: ["models:/conversion/7"])
    monkeypatch.setattr(state, "_champions", lambda: ["models:/conversion/7"])
    monkeypatch.setattr(state, "_subject", lambda reference: champion)
    line = said(open_page("segments"))
    assert "champion conversion/7" in line
    assert f"version {conversion.policy.version}" in line
    assert "Demonstration" not in line


def test_a_change_of_version_since_the_last_click_is_said_once(open_page, conversion, monkeypatch):
    monkeypatch.setattr(state, "_subject", lambda reference: replace(conversion, reference=reference, demo=False))
    monkeypatch.setattr(state, "references", lambda: ["models:/conversion/2"])
    app = open_page("segments")
    assert not app.warning
    monkeypatch.setattr(state, "references", lambda: ["models:/churn/1", "models:/conversion/1"])
    app.run()
    assert "conversion/1 instead of conversion/2" in app.warning[0].value.replace("\\", "")
    app.run()
    assert not app.warning


def test_a_column_is_taken_for_another_only_if_it_is_near_and_the_outcome_never(open_page, upload):
    app = uploaded(open_page("users"), upload(converted=pl.lit(1)).replace(b"paywall_views_7d", b"ads"))
    assert app.selectbox[0].value == "none of these"
    assert "converted" not in app.selectbox[0].options
    app.button[0].click().run()
    assert "cannot do without" in app.error[0].value
    assert not app.metric


def test_no_column_is_taken_twice():
    there = ["ContentHours7D", "visits"]
    assert likely({"content_hours_7d": there, "sessions_7d": ["visits", "ContentHours7D"]}) == {
        "content_hours_7d": "ContentHours7D"
    }
    assert likely({"user_id": ["id", "converted"]}) == {"user_id": "id"}


def test_columns_can_be_matched_anew(open_page, upload):
    app = uploaded(open_page("users"), upload().replace(b"paywall_views_7d", b"Paywall Views"))
    app.button[0].click().run()
    assert app.metric[1].value == "400"
    next(b for b in app.button if "anew" in b.label).click().run()
    assert not app.metric
    assert app.selectbox[0].value == "Paywall Views"


@pytest.mark.parametrize("name", list(PAGES))
def test_a_file_of_which_every_row_is_set_aside_breaks_no_page(open_page, upload, name):
    app = on_page(uploaded(open_page("users"), upload(country_tier=pl.lit("tier_9"))), name)
    assert not app.exception
    if name == "users":
        assert [m.value for m in app.metric] == ["400", "0", "400"]
        assert "no row is left to decide" in app.warning[0].value
        assert app.dataframe[0].value["rows"].tolist() == [400]
    elif name in ("segments", "targets", "why", "k-means"):
        assert "every row is quarantined" in app.error[0].value


def test_a_file_of_headings_alone_is_said_and_can_be_forgotten(open_page, upload):
    app = uploaded(open_page("users"), upload(rows=0))
    assert not app.exception
    assert "has no rows" in app.error[0].value
    next(b for b in app.button if "Forget" in b.label).click().run()
    assert app.metric[0].value == "3,000"


def test_a_decimal_comma_is_guessed_and_said_once_a_column(conversion, upload, open_page):
    table = pl.read_csv(upload(), infer_schema=False)
    content = table.with_columns(content_hours_7d=pl.col("content_hours_7d").str.replace(r"\.", ","))
    content = content.write_csv(separator=";").encode()
    mine = listed(look("users.csv", content), conversion, {})
    wrong = faults.reasons_by_column(mine.broken, mine.tally.reasons)
    assert wrong.height == 1
    assert wrong["column"].item() == "content_hours_7d"
    assert wrong["rows"].item() == len(mine.broken)
    assert wrong["for example"].item().count(",") == 6  # of three numbers, between them, and that there are more
    assert faults.with_commas(mine.broken, wrong) == ["content_hours_7d"]
    app = uploaded(open_page("users"), content)
    assert "decimal comma" in app.info[0].value
    words = listed(look("users.csv", upload(sessions_7d=pl.lit("many"))), conversion, {})
    assert not faults.with_commas(words.broken, faults.reasons_by_column(words.broken, words.tally.reasons))


def test_the_list_begins_with_whom_most_is_gained_from(retention):
    mine = intake.own_users(retention)
    made = targets(mine, retention, ("dormant", "risky_medium"), False).table
    gained = made["expected_gain"].to_numpy()
    assert (gained[:-1] >= gained[1:]).all()
    assert gained[0] > gained[-1]


def test_any_segment_can_be_listed(open_page):
    app = open_page("targets")
    app.session_state["about"] = "demo retention"
    app.run()
    assert app.segmented_control[0].value == "Discount targets"
    app.segmented_control[0].select("risky").run()
    assert set(app.dataframe[0].value["segment"]) == {"risky"}
    app.segmented_control[0].select("loyal").run()
    assert set(app.dataframe[0].value["segment"]) == {"loyal"}


def test_a_score_is_put_into_its_segment_in_words(conversion, retention):
    bands = own_users(conversion)
    for row in (0, 1, 2, 3):
        score, segment = bands.table.row(row, named=True)["propensity_score"], bands.table["segment"][row]
        said = clause(conversion.policy, score, features(bands, conversion, np.array([row])))
        assert said.startswith(f"{segment}, because the score {score:.3f}")
    rules = own_users(retention)
    met = set()
    for row in range(60):
        score, segment = rules.table.row(row, named=True)["propensity_score"], rules.table["segment"][row]
        said = clause(retention.policy, score, features(rules, retention, np.array([row])))
        assert said.startswith(f"{segment}, because")
        of = [r for r in retention.policy.rules if r.when in said]
        assert [r.segment for r in of] == [segment] or "no rule holds" in said
        met.add(segment)
    assert len(met) > 1


def test_an_id_is_found_as_tables_show_it_and_others_are_offered(open_page, upload):
    odd = pl.when(pl.col("user_id") == "u000000003").then(pl.lit("=1+1")).otherwise("user_id")
    app = on_page(uploaded(open_page("users"), upload(user_id=odd)), "why")
    for typed in ("'=1+1", "=1+1"):
        app.text_input[0].set_value(typed).run()
        assert not app.info
        assert app.session_state["tippingpoint"].user == "=1+1"
    app.text_input[0].set_value("00000012").run()
    assert "u000000120" in app.info[0].value


def test_numbers_of_few_values_are_filters_and_come_last_where_means_are_shown():
    table = pl.DataFrame(
        {"user_id": ["a", "b", "c"] * 4, "segment": ["x"] * 12, "male": [0, 1, 1] * 4, "age": list(range(12))}
    )
    there = segments.categories(table, "user_id")
    assert there == {"male": ["0", "1"]}
    assert len(segments.filtered(table, {"male": ["1"]})) == 8
    assert segments.numbers(table) == ["age", "male"]


def test_checks_that_did_not_run_are_named():
    ran = ["quality", "better", "calibration", "slices", "signature", "reload", "speed", "explanation", "looks"]
    ran += ["diagnostics"]
    assert left_out([{"name": name} for name in ran]) == ["value"]
    assert left_out([{"name": name} for name in [*ran, "value"]]) == []


def test_a_plain_number_is_no_formula_among_the_rows_set_aside(conversion, upload):
    mine = listed(look("users.csv", upload(sessions_7d=pl.lit(-4), country_tier=pl.lit("=1+1"))), conversion, {})
    csv, cells = faults.broken_csv(mine.broken)
    assert b",-4," in csv
    assert b"'-4" not in csv
    assert b"'=1+1" in csv
    assert cells == 400
