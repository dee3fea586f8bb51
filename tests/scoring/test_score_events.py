"""Users of raw events decided as of a day, by a version that learnt from such."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

LOG = ["data=event_log", "data.profiles=3000", "data.subscribing=-7"]
SCORE = ["score", *LOG, "model=models:/conversion/1", "tracking.log=false"]


@pytest.fixture
def registered(workspace: Path, call: Callable[..., int]) -> Path:
    assert call("run", "model=logistic", *LOG, "report=none", "explain_rows=5") == 0
    return workspace


def test_users_as_of_a_day_are_decided_with_the_features_of_training(
    registered: Path, call: Callable[..., int], refused: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert call(*SCORE, "as_of=2025-02-10", "days=7", "to=d.parquet", "output=json") == 0
    scored = json.loads(capsys.readouterr().out)
    decided = pl.read_parquet("d.parquet")
    assert scored["rows"] == len(decided) > 50
    assert call("features", *LOG, "as_of=2025-02-10", "days=7", "to=users.csv") == 0
    table = ["score", "input=users.csv", "model=models:/conversion/1", "tracking.log=false", "to=t.parquet"]
    assert call(*table) == 0
    same = ["user_id", "propensity_score", "segment", "action", "expected_value"]
    assert pl.read_parquet("t.parquet").select(same).equals(decided.select(same))
    capsys.readouterr()
    written = sorted(path.name for path in registered.iterdir())
    for words, said in {
        (): "as_of: not given",
        ("as_of=2125-01-01",): "as_of: 2125-01-01 has not come yet",
        ("as_of=2025-02-10", "data.window_days=14"): "Type data.window_days=7.",
        ("as_of=2025-02-10", "scored_at=2025-02-01"): "scored_at: 2025-02-01T00:00:00 lies before as_of=2025-02-10",
        ("as_of=2025-02-10", "input=users.csv"): "input: is given, and data too",
        ("as_of=2025-02-10", "data.outcome=churn"): "Type data.outcome=conversion.",
    }.items():
        assert said in refused(*SCORE, *words, "to=no.csv")
    assert sorted(path.name for path in registered.iterdir()) == written
