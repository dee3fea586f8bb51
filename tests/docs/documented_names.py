"""Which names in a store the page of names does not know."""

import re

from mlflow import MlflowClient

from docs.generated_pages import DOCS

ROWS = re.findall(r"^\| (`.*?) \|", (DOCS / "reference/names.md").read_text(), re.MULTILINE)
KNOWN = [
    re.compile(re.sub(r"[A-Z]{2,}", ".+", re.escape(name)).replace("…", ".*"))
    for row in ROWS
    for name in re.findall(r"`([^`]+)`", row)
]


def filed(client: MlflowClient) -> set[str]:
    """Names of the metrics and tags of all runs and versions of a store; MLflow's own tags left out."""
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    metrics = {re.sub("_(low|high)$", "", name) for run in runs for name in run.data.metrics}
    of_all = (*(run.data for run in runs), *client.search_model_versions())
    tags = {re.sub("_(low|high)$", "", name) for of in of_all for name in of.tags}
    return metrics | {name for name in tags if not name.startswith("mlflow.") or name == "mlflow.source.git.commit"}


def undocumented(client: MlflowClient) -> list[str]:
    """Those that no row of docs/reference/names.md names."""
    return sorted(name for name in filed(client) if not any(known.fullmatch(name) for known in KNOWN))
