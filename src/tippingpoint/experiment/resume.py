"""Runs a sweep has finished already, found by a digest of all that decides a result, so that none is done twice."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tippingpoint.tracking.tags import JOB

if TYPE_CHECKING:  # the command line looks for `Finished` whatever the job; most need no MLflow, which takes seconds
    from collections.abc import Mapping

    from tippingpoint.config.settings import Settings
    from tippingpoint.data.source import Source
    from tippingpoint.experiment.spec import ExperimentSpec
    from tippingpoint.models.family import Family
    from tippingpoint.policies.policy import Policy
    from tippingpoint.tracking.registry import Client

DIGEST, ASKED, SWEEP, SWEEP_JOB = "config_digest", "asked_digest", "sweep_id", "sweep_job"
MAKING_USERS = ("duckdb", "numpy", "pandas", "polars", "scipy")
"""Packages that draw and read users: by other versions these may be others."""
REPORT, REGISTERING = "tippingpoint.report", "tippingpoint.registering"
REPORTS = ("none", "light", "full")
"""Each holds what those before it hold."""

NOT_THE_RESULT: dict[str, Any] = {
    **dict.fromkeys(("output", "debug", "force", "tracking", "report", "workers"), True),
    "tune": {"workers", "storage"},
}


@dataclass
class Finished(Exception):
    """Instead of a job's result: a finished run has the same config, data and code."""

    job: list[str]
    run_id: str
    page: str
    metrics: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"skipped": True, "job": self.job, "run_id": self.run_id, "page": self.page, "metrics": self.metrics}

    def render(self) -> Text:
        """Where the result is."""
        return Text(f"Finished before: {self.page}", no_wrap=True, overflow="ignore")

    def __str__(self) -> str:
        what = f"skipped, run {self.run_id} has the same config, data and code; force=true runs it again"
        return f"{' '.join(self.job)}: {what}"


def config_digest(settings: "Settings", question: "ExperimentSpec", job: str) -> str:
    """Digest of what decides the result of a job: its config, the content of the users, the code.

    How it answers (`output`, `debug`), who works on it (`workers`, `tune.workers`, `tune.storage`), how much is written
    of it (`report`) and where it is filed does not count; whether it is registered does.
    """
    return _digest(settings, job, question.users.digest, code_of(question.families, question.policy))


def asked_digest(
    settings: "Settings", job: str, families: "Mapping[str, Family]", policy: "Policy", source: "Source"
) -> str | None:
    """Digest of what decides the result of a job, told before its users are drawn or read; None where it cannot be.

    Two jobs of one such digest have one `config_digest`; of two of one `config_digest` these may differ.
    """
    if (content := source.content()) is None:
        return None
    return _digest(settings, job, content, code_of(families, policy, source))


def _digest(settings: "Settings", job: str, users: str, code: str) -> str:
    config = settings.model_dump(mode="json", exclude=NOT_THE_RESULT)
    decides = [job, config, settings.tracking.register_model, users, code]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def code_of(families: "Mapping[str, Family]", policy: "Policy", source: "Source | None" = None) -> str:
    """Version of the code that answers a question; with a source, also of what its users are made by."""
    from tippingpoint.tracking.provenance import code_version

    packages = [package for family in families.values() for package in family.packages]
    classes = [*dict.fromkeys(map(type, families.values())), type(policy)]
    if source is None:
        return code_version(classes, packages)
    return code_version([*classes, type(source)], [*packages, *MAKING_USERS])


def own_tags(settings: "Settings", question: "ExperimentSpec", job: str) -> dict[str, str]:
    """Tags of a job's outermost run, beside those all its runs carry: digests, size of the report, and the sweep."""
    tags = {DIGEST: config_digest(settings, question, job), REPORT: settings.reported, **_sweep_tags(settings)}
    source = question.source
    asked = asked_digest(settings, job, question.families, question.policy, source) if source else None
    return tags | ({ASKED: asked} if asked else {})


def stop_if_asked(settings: "Settings", job: str) -> None:
    """Stop as `stop_if_finished` does, before any user is drawn or read, where that can be told so early.

    Raises
    ------
    InputError
        When a component of the config cannot be built.
    Finished
        As `stop_if_finished`.
    """
    from tippingpoint.data.source import Source
    from tippingpoint.models.family import Family
    from tippingpoint.policies.policy import Policy
    from tippingpoint.tracking import backend

    if settings.force or settings.tracking.sweep_id is None or not settings.tracking.log:
        return
    families = {name: part.build(Family, f"model.{name}") for name, part in settings.model.items()}
    source = settings.data.build(Source, "data")
    asked = asked_digest(settings, job, families, settings.policy.build(Policy, "policy"), source)
    if asked is None:
        return
    client = backend.connect()
    with backend.store_errors():
        found = client.get_experiment_by_name(settings.tracking.experiment or source.question)
    if found is not None:
        stop_if_finished(client, found.experiment_id, settings, job, asked, ASKED)


def stop_if_finished(
    client: "Client", experiment: str, settings: "Settings", job: str, digest: str, tag: str = DIGEST
) -> None:
    """Under a sweep, raise `Finished` when the experiment has such a run already; it joins the sweep.

    A run whose report holds less than is wanted now does not count: it is done again, with the larger one.

    Raises
    ------
    Finished
        Naming the run; never without a sweep, or with `force`.
    """
    from tippingpoint.tracking import backend
    from tippingpoint.tracking.runs import in_pages

    if settings.force or settings.tracking.sweep_id is None:
        return
    wanted = f"tags.{tag} = '{digest}' and tags.`{JOB}` = '{job}' and attributes.status = 'FINISHED'"
    with backend.store_errors():
        same = in_pages(client, [experiment], wanted, ["attributes.start_time DESC"], 10)
        enough = REPORTS[REPORTS.index(settings.reported) :]
        run = next((run for run in same if run.data.tags.get(REPORT) in enough), None)
        if run is None:
            return
        for key, value in _sweep_tags(settings).items():
            if run.data.tags.get(key) != value:
                client.set_tag(run.info.run_id, key, value)
    page = backend.page(f"experiments/{experiment}/runs/{run.info.run_id}")
    raise Finished(settings.tracking.sweep_job or [], run.info.run_id, page, run.data.metrics)


def left_registering(
    client: "Client", experiment: str, settings: "Settings", own: dict[str, str], job: str
) -> str | None:
    """The run of a job that was cut short while its model was registered: it is gone on with, since its version is
    there once; never with `force`. Whoever is at work on one has it RUNNING.

    Parameters
    ----------
    own
        Tags of the job's outermost run, as `own_tags` gives them.
    """
    from tippingpoint.tracking import backend

    if settings.force:
        return None
    of = {JOB: job, DIGEST: own[DIGEST], REPORT: own[REPORT], REGISTERING: "true"}
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in of.items())
    ended = "attributes.status != 'FINISHED' and attributes.status != 'RUNNING'"
    with backend.store_errors():
        left = client.search_runs([experiment], f"{wanted} and {ended}", max_results=1)
    return str(left[0].info.run_id) if left else None


def left_half_done(
    client: "Client", experiment: str, settings: "Settings", own: dict[str, str], job: str
) -> str | None:
    """The newest run of a job of the same digest that was cut short, whose parts may be taken over; never with `force`.

    Parameters
    ----------
    own
        Tags of the job's outermost run, as `own_tags` gives them.
    """
    from tippingpoint.tracking import backend

    if settings.force:
        return None
    wanted = f"tags.`{JOB}` = '{job}' and tags.`{DIGEST}` = '{own[DIGEST]}'"
    ended = "attributes.status != 'FINISHED' and attributes.status != 'RUNNING'"
    with backend.store_errors():
        order = ["attributes.start_time DESC"]
        left = client.search_runs([experiment], f"{wanted} and {ended}", max_results=1, order_by=order)
    return str(left[0].info.run_id) if left else None


def _sweep_tags(settings: "Settings") -> dict[str, str]:
    tracking = settings.tracking
    if tracking.sweep_id is None:
        return {}
    return {SWEEP: tracking.sweep_id, SWEEP_JOB: json.dumps(tracking.sweep_job or [])}
