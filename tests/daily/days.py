"""A log in a database, a version that decides for its users, and days typed on them."""

from pathlib import Path
from typing import Any

import duckdb
import mlflow
import polars as pl

from tests.data.events.test_as_of import written
from tippingpoint.comparison.job import compare
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.core.strict import Component
from tippingpoint.daily.job import DailyResult, daily
from tippingpoint.daily.settings import DailySettings
from tippingpoint.data.generators.event_log import EventLog

FIRST, LAST = "2025-02-10", "2025-02-14"
ALL = (f"since={FIRST}", f"as_of={LAST}", "campaign=once")
TABLE = "duckdb:///app.duckdb?table=predictions"
FITTING = ("model=logistic", "policy=early_intent", "policy.cuts=[0.02,0.05]", "report=none", "explain_rows=20")


def log(profiles: int = 1_200) -> EventLog:
    words = ["data=event_log", f"data.profiles={profiles}", "data.subscribing=-5", "data.cohort_days=60"]
    return Component.model_validate(dict(compose("run", words).data)).build(EventLog, "data")


def prepared(folder: Path) -> None:
    """The log, and version 1 of `conversion`, fitted on what was due by the beginning of February 2025."""
    written(log(), folder)
    words = [
        f"data.url=duckdb:///{folder}/log.duckdb",
        "data=events",
        "data.until=1738368000",
        "data.horizon_days=7",
        *FITTING,
    ]
    compare(CompareSettings.from_config(compose("compare", words)))


def settings(folder: Path, *words: str) -> DailySettings:
    given = [f"data.url=duckdb:///{folder}/log.duckdb", "within=2", *FITTING, f"predictions='{TABLE}'"]
    given += ["champion=models:/conversion/1", "holdout=0.5", *words]
    return DailySettings.from_config(compose("daily", given))


def five_days(folder: Path) -> None:
    """The log, the version, and five days typed once; the one folder that tests of days share."""
    prepared(folder)
    typed(folder, *ALL)


def typed(folder: Path, *words: str) -> DailyResult:
    return daily(settings(folder, *words))


def decisions(campaign: str) -> pl.DataFrame:
    with duckdb.connect("app.duckdb", read_only=True) as connection:
        query = "select * exclude campaign from predictions where campaign = $1 order by all"
        return connection.sql(query, params=[campaign]).pl()


def pages(campaign: str) -> dict[str, Any]:
    """Of each day what stands on its page."""
    runs = mlflow.MlflowClient().search_runs(["0", "1"], "tags.`tippingpoint.job` = 'daily'")
    mine = [run for run in runs if f'"{campaign}"' in run.data.tags["tippingpoint.day"]]
    assert len({run.data.tags["as_of"] for run in mine}) == len(mine)
    steps = {run.data.tags["as_of"]: {k: v for k, v in run.data.tags.items() if ".day." in k} for run in mine}
    return {run.data.tags["as_of"]: (steps[run.data.tags["as_of"]], run.data.metrics, run.info.status) for run in mine}
