"""The example for Dagster does what `tippingpoint daily` does, day by day."""

import importlib.util
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pytest

from tests.conftest import Once, working_in
from tests.daily.days import FIRST, FITTING, LAST, TABLE, decisions, five_days

dg = pytest.importorskip("dagster", reason="Dagster stands in an environment of its own: make dagster")
EXAMPLE = Path(__file__).parents[2] / "examples/dagster_daily.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dagster_daily", EXAMPLE)
    found = importlib.util.module_from_spec(spec)
    sys.modules["dagster_daily"] = found  # where Dagster looks annotations up
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def folder(once: Once) -> Iterator[Path]:
    made = once("five_days", five_days)[1]
    with working_in(made):
        yield made


def materialized(example: ModuleType, folder: Path, day: str, *words: str) -> Any:
    given = [f"data.url=duckdb:///{folder}/log.duckdb", "within=2", *FITTING, f"predictions='{TABLE}'", "holdout=0.5"]
    loop = example.Loop(words=[*given, "campaign=dagster", *words], version="models:/conversion/1")
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            example.ASSETS, partition_key=day, resources={"loop": loop}, instance=instance, raise_on_error=False
        )


def test_a_partition_decides_and_measures_as_the_day_does(example: ModuleType, folder: Path) -> None:
    for day in (FIRST, LAST, LAST):  # done again it is the same
        done = materialized(example, folder, day)
        assert done.success
        made = [of.asset_key.to_user_string() for of in done.get_asset_materialization_events()]
        assert made == ["decisions", "measured"]  # nothing is fitted again
        assert all(of.passed for of in done.get_asset_check_evaluations())
    once = decisions("once")
    wanted = once.filter(once["scored_on"].is_in([date.fromisoformat(FIRST), date.fromisoformat(LAST)]))
    assert decisions("dagster").equals(wanted)
    with duckdb.connect("app.duckdb") as connection:
        connection.execute("delete from predictions where campaign = 'dagster'")


def test_on_a_day_on_which_it_is_due_models_are_fitted_again_and_judged(example: ModuleType, folder: Path) -> None:
    found = example.Step("logistic leads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example.steps, "decide", lambda *_: example.Step("17 users", "TP501 Drift of everything"))
        patch.setattr(example.steps, "fit_again", lambda *_: (found, "run of the comparison"))
        patch.setattr(example.steps, "let_in", lambda _, __, run_id: example.Step(f"judged {run_id}"))
        done = materialized(example, folder, LAST, "retrain=compare", "retrain_every=1")
    assert done.success
    made = [of.materialization for of in _made(done)]
    said = {of.asset_key.to_user_string(): of.metadata["said"].value for of in made if "said" in of.metadata}
    assert said["champion"] == "judged run of the comparison"
    (asked,) = [of for of in done.get_asset_check_evaluations() if not of.passed]
    assert asked.asset_key.to_user_string() == "decisions"
    assert asked.description == "TP501 Drift of everything"


def test_what_is_wrong_with_the_data_is_told_and_not_tried_again(example: ModuleType, folder: Path) -> None:
    done = materialized(example, folder, LAST, "data.window_days=5")
    assert not done.success
    (failed,) = [of for of in done.all_events if of.is_step_failure]
    assert "data.window_days" in failed.step_failure_data.error.message + str(failed.step_failure_data.error.cause)
    assert not [of for of in done.all_events if of.event_type_value == "STEP_UP_FOR_RETRY"]


def _made(done: Any) -> list[Any]:
    return [of.step_materialization_data for of in done.get_asset_materialization_events()]
