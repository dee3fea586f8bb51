"""What a table and the MLflow store hold, as names, types and sums that two trees can be compared by."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
from mlflow import MlflowClient

from tests.frozen.comparing import rounded

UNCOMMITTED = "uncommitted.diff"
"""The artifact that is there only where the checkout holds changes."""
PARENT, JOB = "mlflow.parentRunId", "tippingpoint.job"


def held(path: Path) -> dict[str, Any]:
    """Return what a table holds: rows, and of each column its type and sum, or how many different values."""
    if path.is_dir():
        table = pl.concat([pl.read_parquet(part) for part in sorted(path.rglob("*.parquet"))])
    elif path.suffix == ".parquet":
        table = pl.read_parquet(path)
    else:
        table = pl.read_csv(path, infer_schema_length=None)
    columns = {}
    for column in table:
        node: dict[str, Any] = {"type": str(column.dtype), "missing": column.null_count()}
        if column.dtype.is_numeric() or column.dtype == pl.Boolean:
            node["sum"] = rounded(float(column.cast(pl.Float64).sum()))
        elif column.n_unique() <= 6:
            node["values"] = {str(k): n for k, n in sorted(column.drop_nulls().value_counts().iter_rows())}
        else:
            node |= {"distinct": column.n_unique(), "first": str(column[0]), "last": str(column[-1])}
        columns[column.name] = node
    return {"rows": len(table), "columns": columns}


def names(client: MlflowClient) -> dict[str, Any]:
    """Return names of params, metrics, tags and artifacts by kind of run, and what is registered."""
    experiments = client.search_experiments()
    kinds: dict[str, dict[str, Any]] = {}
    for experiment in experiments:
        for run in client.search_runs([experiment.experiment_id], max_results=1000):
            job, model = run.data.tags.get(JOB, "?"), run.data.params.get("model", "")
            kind = f"{job}, child {model}".strip() if PARENT in run.data.tags else job
            node = kinds.setdefault(f"{experiment.name}: {kind}", {})
            node["runs"] = node.get("runs", 0) + 1
            found = {
                "params": run.data.params,
                "metrics": run.data.metrics,
                "tags": run.data.tags,
                "artifacts": _artifacts(lambda path, id_=run.info.run_id: client.list_artifacts(id_, path)),
                "inputs": [inputs.dataset.name for inputs in run.inputs.dataset_inputs],
                "statuses": [run.info.status],
            }
            for logged in run.outputs.model_outputs:
                listed = _artifacts(lambda path, id_=logged.model_id: client.list_logged_model_artifacts(id_, path))
                found["model"] = listed
            found["metrics"] = estimates(found["metrics"])
            for key, values in found.items():
                node[key] = sorted({*node.get(key, []), *values} - {UNCOMMITTED})
    return {
        "experiments": {e.name: sorted(e.tags) for e in sorted(experiments, key=lambda e: e.name)},
        "runs": factored(kinds),
        "registered": {
            model.name: {
                "aliases": {alias: int(number) for alias, number in sorted(model.aliases.items())},
                "tags": sorted(model.tags),
                "described": bool(model.description),
                "versions": {
                    version.version: {
                        "tags": sorted(version.tags),
                        "described": bool(version.description),
                        "aliases": sorted(version.aliases),
                    }
                    for version in sorted(
                        client.search_model_versions(f"name = '{model.name}'"), key=lambda v: int(v.version)
                    )
                },
            }
            for model in client.search_registered_models()
        },
    }


def factored(kinds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return names by kind of run; those that children of all families share stand once."""
    found: dict[str, Any] = {}
    for kind, node in sorted(kinds.items()):
        job, child, _ = kind.partition(", child")
        alike = [other for name, other in kinds.items() if child and name.startswith(f"{job}{child}")]
        if len(alike) < 2:
            found[kind] = node
            continue
        shared = {
            key: [name for name in node[key] if all(name in other[key] for other in alike)]
            for key in node
            if isinstance(node[key], list)
        }
        found[f"{job}, children"] = shared
        own = {key: [name for name in names if name not in shared[key]] for key, names in node.items() if key in shared}
        found[kind] = {"runs": node["runs"], **{key: names for key, names in own.items() if names}}
    return found


def estimates(metrics: Iterable[str]) -> list[str]:
    """Return names of metrics; one with the ends of its interval is one name."""
    there = set(metrics)
    whole = {name for name in there if {f"{name}_low", f"{name}_high"} <= there}
    ends = {f"{name}_{end}" for name in whole for end in ("low", "high")}
    return sorted(f"{name} [low, high]" if name in whole else name for name in there - ends)


def outline(node: dict[str, Any]) -> dict[str, Any]:
    """Return a document's own values, and of what is below the keys or the length."""
    return {
        key: sorted(value) if isinstance(value, dict) else len(value) if isinstance(value, list) else value
        for key, value in node.items()
    }


def _artifacts(listed: Callable[[str | None], list[Any]]) -> list[str]:
    """Return the paths of all files below."""
    found: list[str] = []
    below: list[str | None] = [None]
    while below:
        for file in listed(below.pop()) or []:
            if file.is_dir:
                below.append(file.path)
            else:
                found.append(file.path)
    return found
