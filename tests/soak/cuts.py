"""A store as a kill after any of its writes would leave it; and what a store holds."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking

from tippingpoint.tracking.backend import every
from tippingpoint.tracking.journal import ENDING
from tippingpoint.tracking.runs import in_pages

WRITES = {
    Tracking: "create_experiment set_experiment_tag create_run update_run_info delete_run log_batch log_metric"
    " log_param set_tag delete_tag log_inputs log_outputs create_logged_model log_logged_model_params"
    " set_logged_model_tags finalize_logged_model",
    Registry: "create_registered_model update_registered_model set_registered_model_tag create_model_version"
    " update_model_version set_model_version_tag delete_model_version_tag set_registered_model_alias"
    " delete_registered_model_alias",
    LocalArtifactRepository: "log_artifact log_artifacts",
}
STORE = "mlflow.db"
OWN = ("tippingpoint.lease", "tippingpoint.beat", "tippingpoint.closing", "mlflow.parentRunId", "mlflow.note.content")
"""Tags that tell one filing from the same once more."""
TIMES = ("seconds", "scored_at", "_at", "registered", "measured_run", "claim", "version", "study", "run_id", "model_id")
IDS = ("judgement", "gate", "tippingpoint.closed", "tippingpoint.carried_out", "carried", "announced")


@contextmanager
def copied_after_each_write(to: Path) -> Iterator[list[str]]:
    """Copy the working folder, with the store in it, after each write to the store: as a kill there would leave it.

    Gives the names of the writes; the copy after the first of them is `to/1`.
    """
    made: list[str] = []
    inside = [False]

    def copying(write: Any) -> Any:
        def called(*given: Any, **named: Any) -> Any:
            if inside[0]:  # a write that is made of others
                return write(*given, **named)
            inside[0] = True
            try:
                found = write(*given, **named)
            finally:
                inside[0] = False
            made.append(write.__name__)
            shutil.copytree(Path.cwd(), to / str(len(made)))
            return found

        return called

    with pytest.MonkeyPatch.context() as patch:
        for of, names in WRITES.items():
            for name in names.split():
                patch.setattr(of, name, copying(getattr(of, name)))
        yield made


def put_back(copy: Path, place: Path) -> None:
    """Make a folder what its copy is; its store stays the same file, which connections of this process have open."""
    for path in place.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != STORE:
            path.unlink()
    shutil.copytree(copy, place, ignore=shutil.ignore_patterns(STORE), dirs_exist_ok=True)
    with closing(sqlite3.connect(copy / STORE)) as before, closing(sqlite3.connect(place / STORE)) as now:
        before.backup(now)


def held(client: MlflowClient) -> dict[str, Counter]:
    """All that counts in a store: what ended well, and what is registered, each as often as it is there."""
    runs = [run for e in every(client.search_experiments) for run in in_pages(client, [e.experiment_id], "")]
    ended = [run for run in runs if run.info.status == "FINISHED" and not _of_a_killed_one(run, runs)]
    models = {
        m.model_id: m.status
        for e in every(client.search_experiments)
        for m in client.search_logged_models([e.experiment_id])
    }
    names = [model.name for model in client.search_registered_models() if not model.name.endswith(ENDING)]
    return {
        "open": Counter(run.info.status for run in runs if run.info.status not in ("FINISHED", "KILLED", "FAILED")),
        "runs": Counter(_run(client, run, models) for run in ended),
        "versions": Counter(_version(v) for n in names for v in client.search_model_versions(f"name = '{n}'")),
        "aliases": Counter(f"{n} {sorted(client.get_registered_model(n).aliases.items())}" for n in names),
    }


def _of_a_killed_one(run: Any, runs: list) -> bool:
    """Whether it stands under a run that did not end: what gathers both is not there."""
    parent = run.data.tags.get("mlflow.parentRunId")
    return any(other.info.run_id == parent and other.info.status != "FINISHED" for other in runs)


def _run(client: MlflowClient, run: Any, models: dict[str, Any]) -> str:
    path = urlsplit(client.tracking_uri).path.removeprefix("/")
    of = f"select key, step, value from metrics where run_uuid = '{run.info.run_id}' order by 1, 2, 3"
    with closing(sqlite3.connect(path)) as store:  # the client takes a request a metric
        steps = [(key, step, None if "seconds" in key else value) for key, step, value in store.execute(of)]
    outputs = [models[output.model_id] == LoggedModelStatus.READY for output in run.outputs.model_outputs]
    inputs = sorted((i.dataset.digest, i.dataset.name) for i in run.inputs.dataset_inputs)
    files = sorted(_files(client, run.info.run_id))
    tags = _plain(run.data.tags)
    return json.dumps([run.info.run_name, tags, sorted(run.data.params.items()), steps, inputs, outputs, files])


def _files(client: MlflowClient, run_id: str, at: str | None = None) -> Iterator[str]:
    for file in client.list_artifacts(run_id, at):
        if file.is_dir:
            yield from _files(client, run_id, file.path)
        else:
            yield file.path


def _version(version: Any) -> str:
    return json.dumps([version.name, _plain(version.tags)])


def _plain(tags: dict[str, str]) -> dict[str, str]:
    left = {key: value for key, value in tags.items() if key not in OWN and not key.startswith("mlflow.log")}
    return {key: value for key, value in sorted(left.items()) if not any(part in key for part in (*TIMES, *IDS))}
