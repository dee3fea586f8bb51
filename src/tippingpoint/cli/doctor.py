"""`tippingpoint doctor`: what is installed, whether the store can be used, and what to type if not."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tippingpoint.config.settings import Terminal
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.promotion import questions
from tippingpoint.tracking.runs import experiments, reap

SHOWN = (
    "tippingpoint",
    "mlflow",
    "hydra-core",
    "scikit-learn",
    "xgboost",
    "shap",
    "pandas",
    "polars",
    "duckdb",
)


@dataclass(frozen=True, repr=False)
class DoctorResult(Result):
    """What was found."""

    versions: dict[str, str]
    store: str
    experiments: list[str]
    models: list[str]
    closed: int

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "versions": self.versions,
            "store": self.store,
            "writable": True,
            "experiments": self.experiments,
            "registered_models": self.models,
            "closed_runs": self.closed,
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        table = Table(title="tippingpoint doctor", title_justify="left", box=None, pad_edge=False, show_header=False)
        for name, found in self.versions.items():
            table.add_row(name, found)
        table.add_row("store", f"{self.store} (reachable, writable)")
        table.add_row("experiments", ", ".join(self.experiments))
        table.add_row("registered models", ", ".join(self.models) or "none yet")
        if self.closed:
            table.add_row("runs left open by killed processes", f"{self.closed}, now closed as KILLED")
        return Group(table, Text("Next: tippingpoint compare"))


def doctor(settings: Terminal) -> DoctorResult:
    """Look at versions and store; runs that killed processes left open are closed on the way.

    Raises
    ------
    OutsideError
        When the store cannot be reached or written; the message says what to type.
    """
    client = backend.connect()
    with backend.store_errors():
        there, models = [e.name for e in experiments(client)], questions(client)
    versions = {"python": platform.python_version()} | {name: version(name) for name in SHOWN}
    return DoctorResult(versions, backend.shown(), there, models, reap(client))
