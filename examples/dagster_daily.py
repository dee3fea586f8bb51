"""A day on raw events in Dagster: each asset is one of tippingpoint's plain functions, each partition one day.

`pip install dagster dagster-webserver`, set the words below to your log and your table, and type
`dagster dev -f examples/dagster_daily.py`. Airflow and Prefect call the same functions from a task each.
"""

from collections.abc import Callable, Iterator
from datetime import date
from typing import TypeVar

import dagster as dg

from tippingpoint.config.compose import compose
from tippingpoint.core.errors import OutsideError, TippingpointError
from tippingpoint.daily import steps
from tippingpoint.daily.page import Step
from tippingpoint.daily.settings import DailySettings

# A partition is there from the beginning of its day on: features see what was received before.
DAYS = dg.DailyPartitionsDefinition(start_date="2025-02-10", end_offset=1)
AGAIN = dg.RetryPolicy(max_retries=3, delay=60)
"""For a store or a database that does not answer. What is wrong with the data is not tried again."""
CHECK = "asks_nobody"
T = TypeVar("T")


class Loop(dg.ConfigurableResource):
    """What would be typed after `tippingpoint daily`, and the version that decides."""

    words: list[str]
    version: str = "models:/conversion@champion"

    @property
    def settings(self) -> DailySettings:
        """The words, checked."""
        return DailySettings.from_config(compose("daily", self.words))


@dg.asset(partitions_def=DAYS, retry_policy=AGAIN, check_specs=[dg.AssetCheckSpec(CHECK, asset="decisions")])
def decisions(context: dg.AssetExecutionContext, loop: Loop) -> dg.MaterializeResult:
    """Who came to their cut-off the day before, decided for by the champion, in the table of predictions."""
    return _told(lambda: steps.decide(loop.settings, _day(context), loop.version))


@dg.asset(
    partitions_def=DAYS,
    deps=[decisions],
    retry_policy=AGAIN,
    check_specs=[dg.AssetCheckSpec(CHECK, asset="measured")],
)
def measured(context: dg.AssetExecutionContext, loop: Loop) -> dg.MaterializeResult:
    """What earlier decisions brought, by the events that were received until today."""
    return _told(lambda: steps.look_back(loop.settings, _day(context))[0])


@dg.asset(partitions_def=DAYS, deps=[measured], retry_policy=AGAIN, output_required=False)
def challenger(context: dg.AssetExecutionContext, loop: Loop) -> Iterator[dg.Output[str]]:
    """The run of the models that were fitted again; nothing on days on which none is due."""
    if steps.is_due(loop.settings, _day(context)):
        step, run_id = _tried(lambda: steps.fit_again(loop.settings, _day(context)))
        yield dg.Output(run_id, metadata={"said": step.said})


@dg.asset(partitions_def=DAYS, retry_policy=AGAIN, check_specs=[dg.AssetCheckSpec(CHECK, asset="champion")])
def champion(context: dg.AssetExecutionContext, loop: Loop, challenger: str) -> dg.MaterializeResult:
    """The version that decides from now on: the challenger, where the gate lets it."""
    return _told(lambda: steps.let_in(loop.settings, _day(context), challenger))


def _day(context: dg.AssetExecutionContext) -> date:
    return date.fromisoformat(context.partition_key)


def _tried(do: Callable[[], T]) -> T:
    """What a step gives; what it refuses is a failure that is not tried again."""
    try:
        return do()
    except TippingpointError as error:
        raise dg.Failure(str(error), allow_retries=isinstance(error, OutsideError)) from error


def _told(do: Callable[[], Step]) -> dg.MaterializeResult:
    """What came of a step, its figures beside it; whether a person is asked to look is a check of the asset."""
    step = _tried(do)
    asked = dg.AssetCheckResult(
        check_name=CHECK, passed=not step.asks, severity=dg.AssetCheckSeverity.WARN, description=step.asks
    )
    return dg.MaterializeResult(metadata={"said": step.said, **step.figures}, check_results=[asked])


ASSETS = [decisions, measured, challenger, champion]
EVERY_DAY = dg.define_asset_job("every_day", selection=ASSETS, partitions_def=DAYS)
definitions = dg.Definitions(
    assets=ASSETS,
    jobs=[EVERY_DAY],
    schedules=[dg.build_schedule_from_partitioned_job(EVERY_DAY, hour_of_day=5)],
    resources={
        "loop": Loop(
            words=[
                "data.url=duckdb:///log.duckdb",
                "predictions='duckdb:///app.duckdb?table=predictions'",
                "retrain=compare",
            ]
        )
    },
)
