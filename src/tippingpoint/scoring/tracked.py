"""A batch of decisions as a run: counts, drift, who decided."""

import json
import tempfile
from pathlib import Path
from typing import Any

from tippingpoint.decisions.batch_result import BatchResult
from tippingpoint.experiment.diagnostics import Findings
from tippingpoint.experiment.diagnostics import tags as found_tags
from tippingpoint.offpolicy.evidence import labelled
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import Loaded
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.rights import check_experiment
from tippingpoint.tracking.runs import run as tracked
from tippingpoint.tracking.tags import JOB


def destination(client: Client, experiment: str | None, loaded: Loaded) -> str:
    """Id of the experiment that a batch is filed in: that of the model's own run, or the one of that name.

    Raises
    ------
    OutsideError
        When runs may not be written into it, or the store cannot be used.
    """
    found = loaded.model.experiment if experiment is None else backend.experiment_id(client, experiment)
    check_experiment(client, found)
    return found


def record(
    client: Client,
    experiment: str,
    loaded: Loaded,
    scored: BatchResult,
    findings: Findings,
    config: dict[str, Any],
) -> tuple[str, str]:
    """File a batch in the experiment of that id.

    Returns
    -------
    str, str
        The run's id and page.
    """
    tags = {
        **provenance().tags(),
        JOB: "score",
        "question": loaded.decider.deployment.question,
        "evidence": labelled(scored.evidence, scored.vetoed),
        "model_version": scored.model,
        "policy_digest": scored.policy_digest,
        "scored_at": f"{scored.scored_at.isoformat()}Z",
        **found_tags(findings),
    }
    tally = scored.tally
    with tracked(client, experiment, f"score {scored.origin}", tags) as run:
        run.params({key: config[key] for key in ("only", "reasons", "holdout", "holdout_actions", "parts", "chunk")})
        run.params({"input": scored.origin, "to": scored.to, "model": scored.model})
        counts = {name: getattr(tally, name) for name in ("rows", "decided", "quarantined", "kept", "explored")}
        of_segments: dict[str, float] = {}
        for row in scored.segments.to_dict("records"):
            of_segments |= {
                f"segment/{row['segment']}/{key}": float(row[key]) for key in ("users", "mean_score", "value")
            }
        drift = {f"drift/{row['column']}/psi": float(row["psi"]) for row in scored.drift.to_dict("records")}
        largest = {"drift/psi": float(scored.drift["psi"].max())} if len(scored.drift) else {}
        values = {**{f"rows/{k}": float(v) for k, v in counts.items()}, **of_segments, **largest, **drift}
        run.metrics({_named(name): value for name, value in values.items()})
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            run.tables(folder, {"drift": scored.drift, "segments": scored.segments})
            told = scored.to_dict() | {"findings": [finding.to_dict() for finding in findings]}
            (folder / "score.json").write_text(json.dumps(told | {"config": config}, indent=1, default=str))
            run.artifacts(folder)
        run.tags({"mlflow.note.content": _described(scored, findings)})
    return run.run_id, backend.page(run.path)


def _named(name: str) -> str:
    """A metric's name as the store takes it."""
    return "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in name)


def _described(scored: BatchResult, findings: Findings) -> str:
    tally = scored.tally
    lines = [
        f"Decisions of {scored.model} for {scored.origin}: {tally.rows:,} rows in = {tally.decided:,} decided"
        f" + {tally.quarantined:,} quarantined.",
        "",
        "| segment | users | mean score | action |",
        "|---|---|---|---|",
    ]
    for row in scored.segments.to_dict("records"):
        lines.append(f"| {row['segment']} | {row['users']:,} | {row['mean_score']:.3f} | {row['action']} |")
    lines += ["", *(f"- {finding}" for finding in findings)] if findings else []
    return "\n".join(lines)
