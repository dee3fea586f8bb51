"""What follows a sweep: its runs gathered under one parent a MLflow experiment, with the leaderboard."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import RenderableType

from tippingpoint.cli.sweep_report import Leaderboard, sweep_card, sweep_summary
from tippingpoint.core.run_reference import RunReference
from tippingpoint.evaluation import LOWER_IS_BETTER
from tippingpoint.evaluation.curves import SECTIONS
from tippingpoint.experiment.resume import SWEEP, SWEEP_JOB
from tippingpoint.reports.markdown import shortened
from tippingpoint.tracking import backend
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import Run, StoredRun, adopt, create, in_pages, reap
from tippingpoint.tracking.tags import JOB, PARENT


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as it was typed.

    Parameters
    ----------
    line
        The words of the command, without what does not change the answer.
    status
        FINISHED, FAILED when a job failed, KILLED when it was interrupted: the parent run's.
    """

    sweep_id: str
    verb: str
    line: str
    jobs: int
    status: str = "FINISHED"


@dataclass(frozen=True)
class Swept:
    """A sweep's leaderboard, and where it is filed."""

    leaderboard: Leaderboard
    filed: RunReference

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return sweep_summary(self.leaderboard, self.filed)


def gather(asked: SweepRequest) -> list[Swept]:
    """File the leaderboard of all runs of a sweep, one parent run an experiment; typed again, the same parent.

    Returns
    -------
    list of Swept
        One an experiment that has finished runs of the sweep.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    client = backend.connect()
    reap(client)
    gathered = []
    with backend.store_errors():
        for experiment in backend.every(client.search_experiments):
            runs = members(client, experiment.experiment_id, asked.sweep_id)
            board = leaderboard([run for run in runs if run.data.tags[JOB] == asked.verb], asked.jobs)
            if board is not None:
                parent = next((run.info.run_id for run in runs if run.data.tags[JOB] == "sweep"), None)
                filed = _file(client, experiment.experiment_id, parent, runs, board, asked)
                gathered.append(Swept(board, filed))
    return gathered


def members(client: Client, experiment: str, sweep_id: str) -> list[StoredRun]:
    """All runs of a sweep in an experiment, the parent among them."""
    return list(in_pages(client, [experiment], f"tags.{SWEEP} = '{sweep_id}'"))


def leaderboard(runs: Sequence[StoredRun], jobs: int) -> Leaderboard | None:
    """Best first by the metric each run was to be chosen by, on validation; None when nothing is finished.

    Only runs that were judged on the same users by the same metric are ranked among each other. Of several runs of
    one job (the code changed in between, or `force`) the latest counts.
    """
    latest: dict[str, StoredRun] = {}
    for run in sorted(runs, key=lambda run: int(run.info.start_time)):
        if run.info.status == "FINISHED":
            latest[run.data.tags[SWEEP_JOB]] = run
    if not latest:
        return None
    choices = {job: dict(word.partition("=")[::2] for word in json.loads(job)) for job in latest}
    names = dict.fromkeys(name for chosen in choices.values() for name in chosen)
    varied = [name for name in names if len({chosen.get(name) for chosen in choices.values()}) > 1]
    rows = []
    for job, run in latest.items():
        metrics = run.data.metrics
        (select_by,) = [name for name in metrics if name.startswith("validation/")]
        rows.append(
            {
                **{name: choices[job].get(name) for name in varied},
                "chosen": run.data.params["model"],
                "users": run.data.tags["data_digest"],
                "selected_by": select_by,
                "validation": metrics[select_by],
                **{name: metrics[name] for name in sorted(metrics) if not name.startswith(("validation/", *SECTIONS))},
                "run_id": run.info.run_id,
            }
        )
    table = pd.DataFrame(rows)
    lower = table["selected_by"].str.removeprefix("validation/").isin(LOWER_IS_BETTER)
    table["sort"] = table["validation"].where(lower, -table["validation"])
    table = table.sort_values(["users", "selected_by", "sort"], kind="stable", ignore_index=True).drop(columns="sort")
    return Leaderboard(table, varied, jobs)


def _file(
    client: Client,
    experiment: str,
    parent: str | None,
    runs: Sequence[StoredRun],
    board: Leaderboard,
    asked: SweepRequest,
) -> RunReference:
    tags = {JOB: "sweep", SWEEP: asked.sweep_id, "sweep_line": asked.line}
    start = min(int(run.info.start_time) for run in runs)
    question = next(of for run in runs if (of := run.data.tags.get("question")))
    parent = parent or create(client, experiment, f"sweep {asked.verb} · {question} · {asked.sweep_id}", tags, start)
    run = Run(client, experiment, parent)
    with tempfile.TemporaryDirectory() as temporary:
        (tables := Path(temporary, "tables")).mkdir()
        board.table.to_csv(tables / "leaderboard.csv", index=False)
        Path(temporary, "card.md").write_text(note := sweep_card(board, asked.line))
        run.artifacts(Path(temporary))
    if (best := board.best) is not None:
        numbers = {
            str(key): float(value) for key, value in best.items() if "/" in str(key) and isinstance(value, float)
        }
        run.metrics(numbers | {str(best["selected_by"]): float(best["validation"])})
        tags |= {"best_run_id": str(best["run_id"])}
        tags |= {f"best.{name}": str(best[name]) for name in ["chosen", *board.varied]}
    run.tags(tags | {"mlflow.note.content": shortened(note, "run"), "jobs": f"{len(board.table)} of {asked.jobs}"})
    elsewhere = [of.info.run_id for of in runs if of.info.run_id != parent and of.data.tags.get(PARENT) != parent]
    adopt(client, parent, elsewhere)
    client.set_terminated(parent, asked.status)
    return RunReference(parent, backend.page(run.path), None)
