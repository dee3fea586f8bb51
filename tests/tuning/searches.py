"""Searches as tests ask for them, and what they leave."""

from io import StringIO

from mlflow import MlflowClient
from rich.console import Console

from tippingpoint.config.compose import compose
from tippingpoint.tuning.job import TuneResult, tune
from tippingpoint.tuning.settings import TuneSettings

SMALL = ["model=logistic", "data.users=1500", "explain_rows=5", "report=none"]


def search(*words: str) -> TuneResult:
    return tune(TuneSettings.from_config(compose("tune", [*SMALL, *words])))


def shown(result: TuneResult) -> str:
    console = Console(width=100, file=StringIO())
    console.print(result.render())
    return console.file.getvalue()


def runs(job: str) -> list:
    client = MlflowClient()
    experiments = [e.experiment_id for e in client.search_experiments()]
    return client.search_runs(experiments, f"tags.`tippingpoint.job` = '{job}'", max_results=1000)
