"""Simulations as tests ask for them, and what they leave."""

from pathlib import Path

import mlflow
from rich.console import Console

from tippingpoint.config.compose import compose
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.simulation.job import SimulateResult, simulate


def ask(*overrides: str) -> SimulateResult:
    return simulate(SimulateSettings.from_config(compose("simulate", ["cuts=40", *overrides])))


def drawn(result: SimulateResult) -> str:
    """What the terminal shows."""
    console = Console(width=120, no_color=True)
    with console.capture() as shown:
        console.print(result.render())
    return shown.get()


def artifact(run_id: str, path: str) -> Path:
    return Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path))
