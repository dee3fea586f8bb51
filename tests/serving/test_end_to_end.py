"""The way from a table to a champion, and back, as the documentation types it."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient

from tests.serving.services import serving

PAGE = (Path(__file__).parents[2] / "docs/how_to/table_to_champion.md").read_text()
BLOCK = PAGE.split("```sh\n")[1].split("```")[0]
QUICKER = {"compare": ["report=none"], "promote": ["gate.speed.milliseconds=10000"]}
LINES = [shlex.split(line, comments=True)[1:] for line in BLOCK.splitlines()]


@pytest.fixture
def typed(
    stored: Path, real: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> Callable[[list[str]], str]:
    """A line, typed in a folder that holds the users; what it answers."""
    shutil.copy(real / "xyz_freemium_music.csv", stored / "users.csv")

    def answer(words: list[str]) -> str:
        assert call(*words, *QUICKER.get(words[0], [])) == 0, words
        return re.sub(r"\s+", " ", capsys.readouterr().out)

    return answer


@pytest.mark.programs
def test_from_a_table_to_a_champion_and_back(typed: Callable[[list[str]], str], stored: Path) -> None:
    first, promote, second, promote_again, score, targets, serve, rollback, history = LINES
    assert "Registered: models:/conversion/1" in typed(first)
    assert "Promoted: models:/conversion/1 is champion" in typed(promote)
    assert "Registered: models:/conversion/2" in typed(second)
    promoted = typed(promote_again)
    assert "Promoted: models:/conversion/2 is champion" in promoted
    assert "evidence is assumed" in promoted

    assert "41,540 rows in = 41,540 decided + 0 quarantined" in typed(score)
    decided = pl.read_parquet("decisions.parquet")
    assert decided["model"].unique().to_list() == ["models:/conversion/2"]
    typed(targets)
    best = pl.read_csv("targets.csv")
    assert len(best) == (decided["segment"] == "high").sum() > 0
    assert best["expected_value"].is_sorted(descending=True)

    users = pl.read_csv("users.csv", infer_schema_length=None).head(50).drop("adopter")
    asked = {"users": users.with_columns(pl.col("user_id").cast(pl.String)).to_dicts()}
    with serving(stored, *(word for word in serve[1:] if not word.startswith("port="))) as service:
        answered = service.post("/score", asked).json()
        assert answered["model"] == "models:/conversion/2"
        alone = [decision["propensity_score"] for decision in answered["decisions"]]
        assert alone == pytest.approx(decided["propensity_score"].head(50).to_list(), abs=1e-12)
        assert "models:/conversion/1 is champion again" in typed(rollback)
        service.until(lambda ready: ready["model"] == "models:/conversion/1")
    assert "rollback" in typed(history)
    assert str(MlflowClient().get_model_version_by_alias("conversion", "champion").version) == "1"
