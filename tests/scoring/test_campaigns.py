"""Decisions of two campaigns, or questions, stand beside each other in a database's table; and are measured apart."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.measurement.job import _of_campaign
from tippingpoint.scoring.tables import upsert


def decided(folder: Path, action: str) -> Path:
    at = pl.Series(["2026-11-30T00:00:00"]).str.to_datetime()
    path = folder / f"{action}.parquet"
    pl.DataFrame({"user_id": ["a"], "propensity_score": [0.5], "action": [action], "scored_at": at}).write_parquet(path)
    return path


def rows(folder: Path) -> set[tuple[str, ...]]:
    with duckdb.connect(str(folder / "app.duckdb")) as connection:
        return set(connection.execute("select question, campaign, action from predictions").fetchall())


def test_campaigns_and_questions_of_a_day_do_not_overwrite_each_other(tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path}/app.duckdb"
    for question, campaign, action in (
        ("conversion", "", "none"),
        ("conversion", "spring", "none"),
        ("churn", "", "none"),
        ("conversion", "spring", "discount"),
    ):
        upsert(url, "predictions", decided(tmp_path, action), "user_id", question, campaign)
    assert rows(tmp_path) == {("conversion", "", "none"), ("conversion", "spring", "discount"), ("churn", "", "none")}


def test_a_table_of_an_earlier_release_keeps_its_key_and_takes_no_campaign(tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path}/app.duckdb"
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        columns = "user_id text, scored_on date, propensity_score double, action text, scored_at timestamptz"
        connection.execute(f"create table predictions ({columns}, primary key (user_id, scored_on))")
    for action in ("none", "discount"):
        upsert(url, "predictions", decided(tmp_path, action), "user_id", "conversion")
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        assert connection.execute("select action from predictions").fetchall() == [("discount",)]
    with pytest.raises(InputError, match="tells no campaigns apart"):
        upsert(url, "predictions", decided(tmp_path, "none"), "user_id", "conversion", "spring")


def test_several_campaigns_are_measured_one_by_one() -> None:
    table = pl.DataFrame({"user_id": ["a", "b", "c"], "campaign": ["spring", "", "spring"]})
    assert _of_campaign(table, "spring")["user_id"].to_list() == ["a", "c"]
    assert _of_campaign(table.head(1), None)["user_id"].to_list() == ["a"]
    for campaign in (None, "autumn"):
        with pytest.raises(InputError) as refused:
            _of_campaign(table, campaign)
        assert refused.value.where == "campaign"
    assert len(_of_campaign(table.drop("campaign"), None)) == 3
    with pytest.raises(InputError, match="no column campaign"):
        _of_campaign(table.drop("campaign"), "spring")
