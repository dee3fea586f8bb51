"""Statistics by segment under filters."""

import polars as pl
import pytest

from tippingpoint.dashboard import segments
from tippingpoint.dashboard.intake import own_users
from tippingpoint.decisions.deployment import SegmentCheck


@pytest.fixture(scope="module")
def table(retention):
    return own_users(retention).table


def test_segments_add_up_to_all_users_and_empty_ones_stay(table, retention):
    policy = retention.policy
    found = segments.by_segment(table, policy.segments, policy.actions, ["monthly_watch_hours"])
    assert found["segment"].to_list() == list(policy.segments)
    assert found["users"].sum() == len(table)
    assert found["share"].sum() == pytest.approx(1)
    loyal = table.filter(pl.col("segment") == "loyal")
    assert found["mean monthly_watch_hours"][0] == pytest.approx(loyal["monthly_watch_hours"].mean())
    few = table.filter(pl.col("segment") != "risky")
    assert segments.by_segment(few, policy.segments, policy.actions, [])["users"].to_list()[3] == 0


def test_filters_ask_for_one_of_the_values_in_each_column(table):
    chosen = {"country": ["US", "DE"], "subscription_type": ["basic"], "engagement_level": []}
    left = segments.filtered(table, chosen)
    assert set(left["country"]) == {"US", "DE"}
    assert set(left["subscription_type"]) == {"basic"}
    assert segments.filtered(table, {}) is table


def test_country_and_plan_are_offered_before_other_categories_and_ids_never(table):
    there = list(segments.categories(table, "user_id"))
    assert there[:2] == ["country", "subscription_type"]
    assert not {"user_id", "segment", "action", "model"} & set(there)


def test_watch_time_and_recency_come_first_of_the_numbers(table):
    assert segments.numbers(table, ("renewed",))[:2] == ["weekly_watch_hours", "days_since_last_login"]
    assert not {"renewed", "propensity_score", "expected_value"} & set(segments.numbers(table, ("renewed",)))


def test_engagement_is_relative_to_the_average_user(table, retention):
    found = segments.engagement(table, retention.policy.segments, ["monthly_watch_hours", "watch_time_change"])
    assert found.columns == ["segment", "monthly_watch_hours"]  # a change has no ratio
    users = table.group_by(pl.col("segment").cast(pl.String)).len()
    joined = found.join(users, on="segment")
    assert (joined["monthly_watch_hours"] * joined["len"]).sum() == pytest.approx(len(table))


def test_a_category_by_segment_counts_every_user_once(table, retention):
    found = segments.by_category(table.with_columns(country=None), "country", retention.policy.segments)
    assert found["country"].to_list() == ["(missing)"]
    found = segments.by_category(table, "country", retention.policy.segments)
    assert sum(found[s].sum() for s in found.columns[1:]) == len(table)


def test_every_user_is_in_one_bin_of_the_scores(table, retention):
    edges, counts = segments.histogram(table, retention.policy.segments)
    assert len(edges) == segments.BINS + 1
    assert sum(int(count.sum()) for count in counts.values()) == len(table)


def test_a_category_of_very_many_values_is_offered_last_and_any_value_of_it_is_found(table):
    cities = [f"city {i}" for i in range(2000)]
    many = table.with_columns(city=pl.Series([cities[min(i, 1999)] for i in range(len(table))]))
    there = segments.categories(many, "user_id")
    assert list(there)[-1] == "city"
    assert len(there["city"]) == segments.MOST
    assert "city 1999" in there["city"]  # the most frequent one
    rare = next(c for c in cities if c not in there["city"])
    assert len(segments.filtered(many, {"city": [rare]})) == 1


def test_80_countries_can_be_filtered_by(table):
    eighty = table.with_columns(country=pl.Series([f"C{i % 80:02}" for i in range(len(table))]))
    assert len(segments.categories(eighty, "user_id")["country"]) == 80


def test_missing_values_can_be_chosen_alone_or_beside_others(table):
    some = table.with_columns(country=pl.when(pl.arange(0, pl.len()) % 3 > 0).then("country"))
    assert segments.MISSING in segments.categories(some, "user_id")["country"]
    missing = segments.filtered(some, {"country": [segments.MISSING]})
    assert len(missing) == some["country"].null_count()
    us = segments.filtered(some, {"country": ["US"]})
    assert set(us["country"]) == {"US"}
    assert len(segments.filtered(some, {"country": ["US", segments.MISSING]})) == len(us) + len(missing)


def test_what_was_done_to_users_and_measured_since_is_neither_filter_nor_engagement(retention, table):
    assert {"action", "watch_time_change", "renewed"} <= set(retention.hidden)
    assert "action (table)" in table.columns
    assert not any(c.startswith("action") for c in segments.categories(table, "user_id", retention.hidden))
    assert "watch_time_change" not in segments.numbers(table, retention.hidden)


@pytest.mark.parametrize("column", ["high", "len", "users", "value", "segment (table)"])
def test_columns_may_be_called_whatever_they_like(conversion, column):
    own = own_users(conversion).table
    named = own.with_columns(pl.Series(column, ["a", "b"] * (len(own) // 2)), score=pl.lit(1.0))
    found = segments.by_category(named, column, conversion.policy.segments)
    assert found[:, 1:].sum_horizontal().sum() == len(own)
    assert set(found[:, 0]) == {"a", "b"}
    by = segments.by_segment(named, conversion.policy.segments, conversion.policy.actions, ["score"])
    assert by["mean score (table)"].to_list() == [1.0] * 3


def test_what_each_acting_segment_promises_is_named_with_what_to_drop(retention):
    deployment, actions = retention.decider.deployment, retention.policy.actions
    found, losing = segments.promised(deployment, actions)
    assert found["segment"].to_list() == list(deployment.checks)
    assert {"dormant", "risky_medium"} == set(found["segment"])
    (uplift,) = [column for column in found.columns if column.startswith("uplift")]
    assert deployment.evidence in uplift
    for row in found.to_dicts():
        check = deployment.checks[row["segment"]]
        assert row[uplift].startswith(f"{check.measured:+.3f} [")
        low = float(row[uplift].partition("[")[2].partition(",")[0])
        assert low < check.low  # wider, as two hold together
    worse = SegmentCheck(expected=1.0, measured=-2.0, low=-3.0, high=-1.0)
    checks = {"risky_medium": worse, "dormant": deployment.checks["dormant"]}
    _, losing = segments.promised(deployment.model_copy(update={"checks": checks}), actions)
    assert losing.startswith("Drop risky_medium: there discount_10 brings -2.000 [-3.1")
    assert "dormant" not in losing
