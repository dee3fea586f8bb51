"""Runs a sweep has finished already, found by a digest of all that decides a result, so that none is done twice."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tippingpoint.tracking.tags import JOB

if TYPE_CHECKING:  # the command line looks for `Finished` whatever the job; most need no MLflow, which takes seconds
    from tippingpoint.config.settings import Settings
    from tippingpoint.experiment.spec import ExperimentSpec
    from tippingpoint.tracking.registry import Client

DIGEST, SWEEP, SWEEP_JOB = "config_digest", "sweep_id", "sweep_job"
REPORT, REGISTERING = "tippingpoint.report", "tippingpoint.registering"
REPORTS = ("none", "light", "full")
"""Each holds what those before it hold."""

NOT_THE_RESULT: dict[str, Any] = {
    **dict.fromkeys(("output", "debug", "force", "tracking", "report"), True),
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

    How it answers (`output`, `debug`), who works on it (`tune.workers`, `tune.storage`), how much is written of it
    (`report`) and where it is filed does not count; whether it is registered does.
    """
    config = settings.model_dump(mode="json", exclude=NOT_THE_RESULT)
    decides = [job, config, settings.tracking.register_model, question.users.digest, code_of(question)]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def code_of(question: "ExperimentSpec") -> str:
    """Version of the code that answers a question."""
    from tippingpoint.tracking.provenance import code_version

    families = question.families.values()
    return code_version(
        [*map(type, families), type(question.policy)], [package for family in families for package in family.packages]
    )


def own_tags(settings: "Settings", question: "ExperimentSpec", job: str) -> dict[str, str]:
    """Tags of a job's outermost run, beside those all its runs carry: digest, size of the report, and the sweep."""
    return {DIGEST: config_digest(settings, question, job), REPORT: settings.reported, **_sweep_tags(settings)}


def stop_if_finished(client: "Client", experiment: str, settings: "Settings", job: str, digest: str) -> None:
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
    wanted = f"tags.{DIGEST} = '{digest}' and tags.`{JOB}` = '{job}' and attributes.status = 'FINISHED'"
    with backend.store_errors():
        same = in_pages(client, [experiment], wanted, ["attributes.start_time DESC"], 10)
        enough = REPORTS[REPORTS.index(settings.reported) :]
        run = next((run for run in same if run.data.tags.get(REPORT) in enough), None)
        if run is None:
            return
        for key, value in _sweep_tags(settings).items():
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


def _sweep_tags(settings: "Settings") -> dict[str, str]:
    tracking = settings.tracking
    if tracking.sweep_id is None:
        return {}
    return {SWEEP: tracking.sweep_id, SWEEP_JOB: json.dumps(tracking.sweep_job or [])}
