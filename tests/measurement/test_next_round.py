"""The line that measure says to type for the next comparison."""

import shlex
from pathlib import Path

import polars as pl
import pytest

from tests.measurement.measuring import decided, told, written
from tippingpoint.cli.main import as_overrides
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.experiment.build import ask

pytestmark = pytest.mark.usefixtures("at_compared")


@pytest.mark.parametrize(("n", "kind"), [(6000, "experiment"), (1500, "assumed")])
def test_it_can_be_typed_however_seldom_an_action_was_taken(tmp_path: Path, n: int, kind: str) -> None:
    decisions, outcomes, _ = decided(0.1, n)
    said = told(*written(tmp_path, decisions, outcomes), f"to={tmp_path}/joined.csv").to_type
    line = said.partition("Next round: ")[2]
    assert said.startswith("Too little to tell") == (kind == "assumed")
    _, verb, *words = shlex.split(line)
    spec = ask(CompareSettings.from_config(compose(verb, [*as_overrides(words), "tracking.log=false"])))
    assert spec.evidence.kind == kind
    assert [column.name for column in spec.users.contract.columns] == ["propensity_score", "segment"]


def test_too_few_users_for_any_comparison_are_said_to_be(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.1, 60)
    outcomes = outcomes.with_columns(converted=pl.Series([1, *[0] * 59]))
    said = told(*written(tmp_path, decisions, outcomes), f"to={tmp_path}/joined.csv").to_type
    assert said.startswith("Too little for a next round: split: ")
