"""`tippingpoint doctor`: what is installed, whether the store can be used and what for, and what to type if not."""

import contextlib
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tippingpoint.config.settings import Terminal
from tippingpoint.core.installed import OTHER_NAMES
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.rights import Rights, rights
from tippingpoint.tracking.runs import reap

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
    """What was found.

    Parameters
    ----------
    rights
        What the user of a server may do; None of a store that knows no users.
    """

    versions: dict[str, str]
    store: str
    experiments: list[str]
    models: list[str]
    closed: int
    rights: Rights | None = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "versions": self.versions,
            "store": self.store,
            "writable": self.rights is None or self.rights.writes,
            "experiments": self.experiments,
            "registered_models": self.models,
            "closed_runs": self.closed,
            "rights": self.rights.to_dict() if self.rights else None,
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        table = Table(title="tippingpoint doctor", title_justify="left", box=None, pad_edge=False, show_header=False)
        for name, found in self.versions.items():
            table.add_row(name, found)
        may = self.rights
        table.add_row("store", f"{self.store} (reachable{', writable' if may is None else ''})")
        if may is not None:
            table.add_row("you are", may.user or "nobody by name")
        table.add_row("experiments", _listed(self.experiments, may.experiments if may else None) or "none you may read")
        table.add_row("registered models", _listed(self.models, may.models if may else None) or self._no_models)
        if may is not None:
            table.add_row("you may create", may.creates or "nothing")
        if self.closed:
            table.add_row("runs left open by killed processes", f"{self.closed}, now closed as KILLED")
        return Group(table, Text("Next: tippingpoint compare"))

    @property
    def _no_models(self) -> str:
        return "none yet" if self.rights is None else "none you may read"


def _listed(names: list[str], edits: dict[str, bool] | None) -> str:
    """Names, with what may be done to each where that is known."""
    if edits is None:
        return ", ".join(names)
    said = {True: " (you may read and edit)", False: " (you may only read)", None: ""}
    return ", ".join(f"{name}{said[edits.get(name)]}" for name in names)


def shown_versions() -> dict[str, str]:
    """Versions of what is installed, by the name it came under: tippingpoint-core brings fewer packages."""
    found = {}
    for name in SHOWN:
        for called in (name, *OTHER_NAMES.get(name, ())):
            with contextlib.suppress(PackageNotFoundError):
                found[called] = version(called)
                break
    return found


def doctor(settings: Terminal) -> DoctorResult:
    """Look at versions, store and rights; runs that killed processes left open are closed on the way.

    Raises
    ------
    OutsideError
        When the store cannot be reached or written; the message says what to type.
    """
    client = backend.connect()
    experiments = {each.name: each.experiment_id for each in backend.every(client.search_experiments)}
    models = [model.name for model in backend.every(client.search_registered_models)]
    versions = {"python": platform.python_version()} | shown_versions()
    may = rights(client, experiments, models)
    return DoctorResult(versions, backend.shown(), list(experiments), models, reap(client), may)
