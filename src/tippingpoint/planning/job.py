"""`tippingpoint plan`: what an experiment would tell; `plan lock` files it before any outcome is read."""

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import RenderableType

from tippingpoint.config.retyped import retyped
from tippingpoint.core.overrides import override
from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.plan import FILE, LOCKED
from tippingpoint.planning import report
from tippingpoint.planning.design import of_policy, of_rate
from tippingpoint.planning.of_table import from_table
from tippingpoint.planning.result import PlanResultTables, answered
from tippingpoint.planning.settings import PlanSettings
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.rights import check_experiment
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.tags import JOB


@dataclass(frozen=True, repr=False)
class PlanResult(Result):
    """What an experiment would tell, and where the plan is filed if it was locked."""

    tables: PlanResultTables
    filed: RunReference | None = None
    typed: str = ""
    """What was asked for, as it is typed."""

    @property
    def to_lock(self) -> str:
        """The line that files this plan."""
        return " ".join(filter(None, ["tippingpoint plan lock", self.typed, "hypothesis='…'"]))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        filed = {"run_id": self.filed.run_id, "page": self.filed.page} if self.filed else {}
        return self.tables.to_dict() | filed

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        if self.filed:
            following = f"Next: tippingpoint measure … plan={self.filed.run_id}"
            return report.summary(self.tables, self.filed.page, following)
        return report.summary(self.tables, None, f"Next, before outcomes are read: {self.to_lock}")


def plan(settings: PlanSettings) -> PlanResult:
    """Say what an experiment would tell, by users and days; file it where it is to be locked.

    Raises
    ------
    InputError
        When the version or simulation has nothing to plan by.
    OutsideError
        When the store cannot be used.
    """
    client: Client | None = None
    if settings.lock or settings.model is not None or settings.run is not None:
        client = backend.connect(writing=settings.lock)
    typed = _typed(settings)
    if settings.data is not None:
        settings, said = from_table(settings)
        planned = of_rate(settings)
        planned = replace(planned, what=f"{planned.what} ({said})")
    elif settings.model is None and settings.run is None:
        planned = of_rate(settings)
    else:
        assert client is not None
        planned = of_policy(client, settings)
    tables = answered(settings, planned)
    if not settings.lock:
        return PlanResult(tables, typed=typed)
    assert client is not None
    experiment = planned.experiment
    if settings.tracking.experiment is not None or experiment is None:
        experiment = backend.experiment_id(client, settings.tracking.experiment or planned.measure.replace(" ", "_"))
    check_experiment(client, experiment)
    return PlanResult(tables, _file(client, experiment, tables, settings))


def _typed(settings: PlanSettings) -> str:
    """The overrides that make these settings of the defaults."""
    asked, usual = settings.filed(), {name: field.default for name, field in PlanSettings.model_fields.items()}
    words = [
        override(key, int(value) if isinstance(value, float) and value.is_integer() else value)
        for key, value in asked.items()
        if key not in ("economics", "data", "tracking", "output", "debug", "hypothesis") and value != usual[key]
    ]
    if asked["data"]:
        words = [retyped(asked, ("data",)), *words]
    if asked["economics"]:
        prices = retyped(asked, ("economics",))  # leaves out the option that `compare` takes unasked
        words += [prices] if prices.startswith("economics=") else ["economics=freemium", *filter(None, [prices])]
    if settings.measure is None and settings.model is None and settings.run is None:
        words.append("measure='…'")
    return " ".join(words)


def _file(client: Client, experiment: str, of: PlanResultTables, settings: PlanSettings) -> RunReference:
    """A run that holds the plan."""
    written = settings.filed()
    tags = {
        **provenance().tags(),
        JOB: "plan",
        LOCKED: "true",
        "question": of.plan.primary,
        "mlflow.note.content": report.description(of),
    }
    with tracked(client, experiment, f"plan {of.plan.primary}", tags) as opened:
        opened.params({key: written[key] for key in written if key not in ("output", "debug")})
        opened.metrics({"plan/users": float(of.users), "plan/days": of.days})
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "tables").mkdir()
            of.curve.to_csv(folder / "tables/curve.csv", index=False)
            (folder / FILE).write_text(json.dumps(of.plan.to_dict()))
            (folder / "plan.yaml").write_text(yaml.safe_dump(written, sort_keys=False, allow_unicode=True))
            opened.artifacts(folder)
    return RunReference(opened.run_id, backend.page(opened.path), None)
