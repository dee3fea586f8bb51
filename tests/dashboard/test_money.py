"""Money on the pages says what it is of, what it rests on, and nothing where it is not known."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tippingpoint.dashboard import figures, segments
from tippingpoint.dashboard.intake import own_users
from tippingpoint.dashboard.scenario import board
from tippingpoint.decisions.deployment import SegmentCheck


@pytest.mark.parametrize("name", ["segments", "targets", "why"])
def test_an_expected_value_says_that_the_baseline_is_in_it_and_what_it_rests_on(open_page, name):
    said = " ".join(c.value for c in open_page(name).caption)
    assert "with what they would bring anyway" in said
    assert "known because the users are generated" in said


def test_a_sum_with_an_unknown_value_is_unknown_not_less(conversion):
    table, policy = own_users(conversion).table, conversion.policy
    unknown = pl.when(pl.col("segment") != "high").then("expected_value").alias("expected_value")
    found = segments.by_segment(table.with_columns(unknown), policy.segments, policy.actions, [])
    assert found["expected value"].is_null().to_list() == [s == "high" for s in policy.segments]
    nobody = table.with_columns(expected_value=pl.lit(None, pl.Float64))
    assert segments.by_segment(nobody, policy.segments, policy.actions, [])["expected value"].null_count() == 3


def test_of_a_segment_that_test_users_contradict_no_gain_is_shown(retention):
    of = retention.decider.deployment
    assert {*of.checks} >= {"dormant"}
    assert "dormant" not in of.withheld
    wrong = of.checks | {"dormant": SegmentCheck(expected=-1.0, measured=4.0, low=3.0, high=5.0)}
    decider = replace(retention.decider, deployment=of.model_copy(update={"checks": wrong}))
    table = own_users(replace(retention, decider=decider)).table
    unknown = table["expected_gain"].is_null() & table["expected_value"].is_null()
    assert (unknown == (table["segment"].cast(pl.String) == "dormant")).all()
    assert unknown.any()


def test_the_kind_of_evidence_stands_in_every_table_and_figure_of_uplift(open_page):
    app = open_page("cut-offs")
    assert any("truth" in c.value and "per 1,000 users" in c.value for c in app.caption)
    assert "uplift, EUR per 1,000 users (truth)" in app.dataframe[0].value.columns


def test_the_picture_of_cut_offs_is_of_1000_users_as_the_table_beside_it(conversion):
    found = board(conversion)
    cut_offs = found.cut_offs
    picture = found.picture((0, 1), 0, 10_000)
    drawn = figures.surface(picture, cut_offs.bands, {}, "EUR per 1,000 users, truth")["data"][0]
    sheet = cut_offs.views[0].surface.uplift
    at = np.unravel_index(np.where(sheet.supported, sheet.value, -np.inf).argmax(), sheet.value.shape)
    assert drawn["z"][at[0]][at[1]] == pytest.approx(1000 * sheet.value[at], abs=0.06)
    assert "truth" in drawn["colorbar"]["title"]["text"]


def test_what_needs_no_model_stands_beside_the_policy_with_its_paired_difference(open_page, conversion):
    tables = [of.value for of in open_page("cut-offs").dataframe if "the registered policy is" in of.value.columns]
    (shown,) = tables
    *everyone, column = shown["policy"].tolist()
    assert everyone == [f"everyone {a}" for a in ("none", "discount_10", "checkout_prompt")]
    assert column.startswith("column ")
    assert all("[" in text for text in shown["the registered policy brings more by"])
    of = conversion.simulation.without_model(f"{conversion.model} · {conversion.policy.name}")
    assert shown["the registered policy is"].tolist() == of["verdict"].tolist()
