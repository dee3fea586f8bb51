"""The page Over time, with decisions and outcomes."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tippingpoint.dashboard import state

USERS = [f"u{i}" for i in range(6)]


@pytest.fixture
def decisions(tmp_path):
    at = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=40)
    table = pl.DataFrame(
        {
            "user_id": USERS,
            "propensity_score": 0.5,
            "segment": ["high"] * 3 + ["low"] * 3,
            "action": ["checkout_prompt"] * 3 + ["none"] * 3,
            "model": "models:/conversion/1",
            "scored_at": at,
        }
    )
    table.write_parquet(tmp_path / "predictions.parquet")
    table.select("user_id", converted=pl.Series([1, 0, 1, 0, 0, 1])).write_csv(tmp_path / "outcomes.csv")
    pl.DataFrame({"user_id": ["u0", "u0"], "at": [at + timedelta(days=d) for d in (3, 35)]}).write_csv(
        tmp_path / "logins.csv"
    )
    return tmp_path


def test_decisions_of_a_file_and_what_came_of_them_are_shown(open_page, decisions, monkeypatch):
    words = {k: str(decisions / f) for k, f in (("predictions", "predictions.parquet"), ("outcomes", "outcomes.csv"))}
    monkeypatch.setenv(state.SETTINGS, json.dumps({**words, "logins": str(decisions / "logins.csv")}))
    app = open_page("over-time")
    assert not app.exception
    assert not app.error
    assert [m.value for m in app.metric] == ["6", "6", "1"]
    came = app.dataframe[0].value
    assert came["action"].tolist() == ["none", "checkout_prompt"]
    assert came["logged in within 30 days"].tolist() == pytest.approx([0, 1 / 3])


def test_outcomes_that_cannot_be_told_are_said_and_the_decisions_stay(open_page, decisions, monkeypatch):
    pl.DataFrame({"user_id": ["u1", "u2"], "converted": [1, 1]}).write_csv(decisions / "outcomes.csv")
    words = {k: str(decisions / f) for k, f in (("predictions", "predictions.parquet"), ("outcomes", "outcomes.csv"))}
    monkeypatch.setenv(state.SETTINGS, json.dumps({**words, "until": datetime.now(UTC).date().isoformat()}))
    app = open_page("over-time")
    assert "absent\\=zero" in app.error[0].value
    assert app.metric[0].value == "6"
