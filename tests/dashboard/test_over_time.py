"""The page Over time, with decisions and outcomes."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tippingpoint.dashboard import brought, state
from tippingpoint.dashboard.subject import generated

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
    assert any("holdout" in of.value for of in app.info)  # nobody was left alone by lot: no action is compared
    came = app.dataframe[0].value
    assert came["logged in within 30 days"].tolist() == pytest.approx([1 / 6])


def test_outcomes_that_cannot_be_told_are_said_and_the_decisions_stay(open_page, decisions, monkeypatch):
    pl.DataFrame({"user_id": ["u1", "u2"], "converted": [1, 1]}).write_csv(decisions / "outcomes.csv")
    words = {k: str(decisions / f) for k, f in (("predictions", "predictions.parquet"), ("outcomes", "outcomes.csv"))}
    monkeypatch.setenv(state.SETTINGS, json.dumps({**words, "until": datetime.now(UTC).date().isoformat()}))
    app = open_page("over-time")
    assert "absent\\=zero" in app.error[0].value
    assert app.metric[0].value == "6"


def test_a_demonstration_has_a_history_whose_measured_uplift_stands_beside_the_promise(open_page, monkeypatch):
    monkeypatch.delenv(state.SETTINGS, raising=False)
    monkeypatch.setattr(brought, "USERS", 6000)
    app = open_page("over-time")
    assert not app.exception
    assert not app.error
    assert app.metric[2].value == str(brought.HISTORY)
    figures, segments = (app.dataframe[k].value for k in (0, 1))
    assert "promised (truth)" in figures.columns
    assert segments["segment"].tolist() == ["high", "medium"]
    assert app.get("download_button")


def test_what_was_measured_of_a_demonstration_covers_what_its_world_holds(conversion):
    history, outcomes = brought.demonstrated(conversion, datetime(2026, 11, 1))
    (measured,) = brought.brought(
        history, outcomes, "converted", brought.deciding(conversion), "at", "zero", "2026-11-01"
    ).versions
    users = generated(conversion.reference, brought.USERS, brought.SEED)
    decided = conversion.decider.decide(users.features)
    actions = conversion.decider.deployment.actions
    truth = users.truth[:, [users.actions.index(name) for name in actions]]
    gain = 1000 * (truth[np.arange(len(users)), decided.action] - truth[:, 0])
    known = slice(0, measured.users)
    assert measured.per_1000.last.low < gain[known].mean() < measured.per_1000.last.high
    for of in measured.segments:
        mine = np.array(conversion.policy.segments)[decided.segment] == of.segment
        assert of.per_1000.last.low < gain[known][mine[known]].mean() < of.per_1000.last.high
