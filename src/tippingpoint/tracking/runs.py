"""Runs: opened, filled in few writes, always closed; those of killed processes are closed by the next one."""

import contextlib
import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import yaml
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, LoggedModelStatus
from mlflow.entities import Metric as Metric
from mlflow.entities import Param as Param
from mlflow.entities import Run as MlflowRun
from mlflow.entities import RunTag as RunTag
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, DataType, Schema, TensorSpec

from tippingpoint.core import leases, stopping
from tippingpoint.core.installed import version_of
from tippingpoint.data.users import FeatureSchema, Users
from tippingpoint.decisions import Deployment
from tippingpoint.models.calibration import Model
from tippingpoint.models.learners.effects import predicts_effects
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.policies.policy import Policy
from tippingpoint.tracking.backend import every, probe, store_errors, store_failures, uri
from tippingpoint.tracking.tags import PARENT

StoredRun = MlflowRun
HOST, LEASE = "tippingpoint.host", "tippingpoint.lease"
COLOUR = "mlflow.runColor"
"""Tag of the colour a run has in the UI's table and charts."""
TYPES = {"number": "double", "category": "string"}
PARAMS, METRICS = 100, 1000
"""How many MLflow takes in one write."""
OUTCOMES = Schema([TensorSpec(np.dtype("float64"), (-1, 2))])
EFFECTS = Schema([TensorSpec(np.dtype("float64"), (-1, -1))])
"""The chance of the outcome, that under none, and what each other action adds; the tag `actions` names them."""


class Run:
    """An open MLflow run. What is filed goes to the store in batches as large as it takes, not value by value."""

    def __init__(self, client: MlflowClient, experiment: str, run_id: str) -> None:
        self.client, self.experiment, self.run_id = client, experiment, run_id
        self.at: int | None = None
        """Milliseconds that all metrics carry, where they may be filed again after a kill: then they are the same rows,
        and the model that is there is the model."""
        self.inputs: dict[str, str] = {}
        """Names of the data sets that were logged as inputs, by part."""
        self.lost = False
        """Whether another process has the run now: it is not closed here."""

    @property
    def path(self) -> str:
        """Its page in the MLflow UI."""
        return f"experiments/{self.experiment}/runs/{self.run_id}"

    def _batch(self, **what: Any) -> None:
        """One write to the run, if the process was not told to stop."""
        stopping.check()
        self.client.log_batch(self.run_id, **what)

    def params(self, config: Mapping[str, Any]) -> None:
        """Log a config's leaves under their dotted paths."""
        params = [Param(_key(key), value) for key, value in _leaves(config)]
        for first in range(0, len(params), PARAMS):
            self._batch(params=params[first : first + PARAMS])

    def metrics(
        self, metrics: Mapping[str, Estimate | float], model_id: str | None = None, users: Users | None = None
    ) -> None:
        """Log estimates as `name`, `name_low` and `name_high`, linked to a logged model and a data set."""
        now = self.at or int(time.time() * 1000)
        there = self.client.get_run(self.run_id).data.metrics if self.at else {}  # seconds of a fit are never the same
        link = {"dataset_name": self.inputs.get("test", "test"), "dataset_digest": users.digest} if users else {}
        flat: dict[str, float] = {}
        for name, metric in metrics.items():
            of = metric if isinstance(metric, Estimate) else Estimate(metric)
            name = _key(name)
            ends = {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
            flat |= {key: value for key, value in ends.items() if value is not None and np.isfinite(value)}
        flat = {key: value for key, value in flat.items() if key not in there}
        entries = [Metric(key, value, now, 0, model_id=model_id, **link) for key, value in flat.items()]
        self._batch(metrics=entries)

    def curves(self, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
        """Log curves as metric steps: for each name (n,) whole steps and values, so that runs overlay in the UI.

        Of values at one step the last one counts; what is not finite is left out.
        """
        now = self.at or int(time.time() * 1000)
        entries = [
            Metric(_key(name), float(value), now, int(step))
            for name, (steps, values) in curves.items()
            for step, value in dict(zip(steps.tolist(), values.tolist(), strict=True)).items()
            if np.isfinite(value)
        ]
        for start in range(0, len(entries), METRICS):
            self._batch(metrics=entries[start : start + METRICS])

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; `mlflow.note.content` is the run's description."""
        self._batch(tags=[RunTag(key, value) for key, value in tags.items()])

    def artifacts(self, folder: Path) -> None:
        """Upload all files of a folder."""
        stopping.check()
        self.client.log_artifacts(self.run_id, str(folder))

    def tables(self, folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
        """Add tables to a folder of artifacts as JSON that the UI's table view shows beside those of other runs."""
        (folder / "tables").mkdir(exist_ok=True)
        for name, table in tables.items():
            (folder / f"tables/{name}.json").write_text(table.to_json(orient="split", index=False))
        logged = [{"path": f"tables/{name}.json", "type": "table"} for name in tables]
        self.tags({"mlflow.loggedArtifacts": json.dumps(logged)})

    def dataset(self, users: Users, part: str, origin: str) -> None:
        """Name a part of the users as an input of the run; its rows are not stored."""
        names = {c.name: c.kind for c in users.contract.columns}
        profile = {"num_rows": len(users), "outcome_rate": round(float(users.outcome.mean()), 6)}
        schema = {"mlflow_colspec": [{"type": TYPES[kind], "name": name} for name, kind in names.items()]}
        self.inputs[part] = f"{origin} · {part}"
        entity = Dataset(
            self.inputs[part],
            users.digest,
            "local",
            json.dumps({"uri": origin}),
            json.dumps(schema),
            json.dumps(profile),
        )
        stopping.check()
        self.client.log_inputs(self.run_id, [DatasetInput(entity, [InputTag("mlflow.data.context", part)])])

    def inputs_of(self, other: MlflowRun) -> None:
        """Name the inputs of another run as inputs of this one."""
        self.client.log_inputs(self.run_id, other.inputs.dataset_inputs)

    def model(
        self, model: Model, contract: FeatureSchema, example: pd.DataFrame, policy: Policy, deployment: Deployment
    ) -> str:
        """Log the model, with the policy it was judged with and what else deciding takes beside it.

        Returns
        -------
        str
            The logged model's id; it loads as `models:/ID` wherever MLflow and its listed requirements are.
        """

        effects = predicts_effects(model.classifier)

        def save(folder: str, written: mlflow.models.Model) -> None:
            mlflow.sklearn.save_model(
                model.classifier,
                folder,
                mlflow_model=written,
                signature=ModelSignature(inputs=_inputs(contract), outputs=EFFECTS if effects else OUTCOMES),
                input_example=example,
                pip_requirements=[f"{package}=={version_of(package)}" for package in model.family.packages],
                pyfunc_predict_fn="predict" if effects else "predict_proba",
                serialization_format="skops",
                skops_trusted_types=list(model.trusted or model.family.trusted),
            )

        return self._log(save, policy, deployment)

    def model_again(self, location: str, policy: Policy, deployment: Deployment) -> str:
        """Log the files of a logged model, which lie at an address, as a further one with another policy beside it.

        Returns
        -------
        str
            As `model`.
        """

        def save(folder: str, written: mlflow.models.Model) -> None:
            with tempfile.TemporaryDirectory() as fetched:
                there = mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=fetched)
                shutil.copytree(there, folder)
            path = Path(folder, "MLmodel")
            own = {key: getattr(written, key) for key in ("artifact_path", "model_uuid", "model_id", "run_id")}
            path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | own, sort_keys=False))

        return self._log(save, policy, deployment)

    def _log(self, save: Callable[[str, mlflow.models.Model], None], policy: Policy, deployment: Deployment) -> str:
        """Log what `save` writes into a folder, with what deciding takes beside it; once, however often it is cut."""
        stopping.check()
        params = self.client.get_run(self.run_id).data.params
        name = re.sub(r"[^\w-]", "_", params["model"])
        of_run = f"source_run_id = '{self.run_id}'"
        there = list(self.client.search_logged_models([self.experiment], of_run)) if self.at else []
        # Made here, since MLflow would file it under the experiment Default, where nobody looks for it.
        logged = (there or [self.client.create_logged_model(self.experiment, name, self.run_id, params=params)])[0]
        if logged.status == LoggedModelStatus.READY:  # a kill came later
            return str(logged.model_id)
        # `mlflow.sklearn.log_model` cannot be repeated where it was cut: it links model and run without looking.
        location, id_ = logged.artifact_location, logged.model_id
        written = mlflow.models.Model(artifact_path=location, model_uuid=id_, model_id=id_, run_id=self.run_id)
        with tempfile.TemporaryDirectory() as temporary:
            save(str(folder := Path(temporary, "model")), written)
            beside = {"policy": policy.bound(), "deployment": deployment.model_dump(mode="json")}
            for name, content in beside.items():
                (folder / f"{name}.json").write_text(json.dumps(content, indent=2))
            self.client.log_model_artifacts(id_, str(folder))
        stopping.check()
        linked = {output.model_id for output in self.client.get_run(self.run_id).outputs.model_outputs}
        if id_ not in linked:
            self.client.log_outputs(self.run_id, [LoggedModelOutput(id_, step=0)])
        self.client.finalize_logged_model(id_, LoggedModelStatus.READY)
        return str(id_)


@contextmanager
def run(
    client: MlflowClient,
    experiment: str,
    name: str,
    tags: Mapping[str, str],
    parent: Run | None = None,
    again: str | None = None,
) -> Iterator[Run]:
    """Open a run and close it whatever happens: FINISHED, FAILED after an error, KILLED after an interruption.

    `again` is the id of a run that was closed before, to go on with instead of a new one.

    The process holds a lock for as long as the run is open, which the kernel releases even after kill -9: that is
    how `reap` tells a run at work from one left behind.
    """
    lineage = {PARENT: parent.run_id} if parent else {}
    with store_errors(), leases.lease() as lease:
        own = {"mlflow.runName": name, HOST: leases.here(), LEASE: lease, **lineage}
        stopping.check()
        run_id = again or client.create_run(experiment, run_name=name, tags={**tags, **own}).info.run_id
        if again:
            with _statuses():
                client.log_batch(again, tags=[RunTag(key, value) for key, value in own.items()])
                client.update_run(again, status="RUNNING")
        opened = Run(client, experiment, run_id)
        if again:
            opened.at = client.get_run(again).info.start_time
        try:
            yield opened
            stopping.check()
        except GeneratorExit:  # dropped, and found by the garbage collector at any moment: `reap` closes it
            raise
        except BaseException as error:
            status = "KILLED" if isinstance(error, KeyboardInterrupt | SystemExit) else "FAILED"
            with contextlib.suppress(*store_failures()):  # the first error is the one to tell
                probe(uri())  # at once, where MLflow would try again for minutes
                if not opened.lost:
                    client.set_terminated(run_id, status)
            raise
        if not opened.lost:
            client.set_terminated(run_id, "FINISHED")


def create(client: MlflowClient, experiment: str, name: str, tags: Mapping[str, str], start: int) -> str:
    """Create a run that gathers others which ended before it; `start` in milliseconds. The caller must close it."""
    stopping.check()
    opened = client.create_run(experiment, start, {**tags, "mlflow.runName": name, HOST: leases.here()}, name)
    return str(opened.info.run_id)


def adopt(client: MlflowClient, parent: str, children: Iterable[str]) -> None:
    """Show runs that exist already under a parent."""
    for child in children:
        client.set_tag(child, PARENT, parent)


def reap(client: MlflowClient) -> int:
    """Close as KILLED the runs that processes of this user and machine left RUNNING when they died; say how many."""
    with store_errors():
        filter_string = f"attributes.status = 'RUNNING' and tags.`{HOST}` = '{leases.here()}'"
        left = list(in_pages(client, [e.experiment_id for e in every(client.search_experiments)], filter_string))
        return sum(_close_if_dead(client, run.info.run_id) for run in left if _is_dead(run))


def in_pages(
    client: MlflowClient, ids: Sequence[str], wanted: str, order: Sequence[str] = (), page: int = 1000
) -> Iterator[MlflowRun]:
    """Runs of experiments that a filter of the store's lets through, fetched a page at a time as they are looked at."""
    token: str | None = "" if ids else None
    while token is not None:
        found = client.search_runs(list(ids), wanted, max_results=page, order_by=list(order), page_token=token or None)
        yield from found
        token = found.token or None


def _close_if_dead(client: MlflowClient, run_id: str) -> bool:
    """Close a run that its process left. One that ended, or was taken up again, since it was listed is left alone."""
    with _statuses():
        now = client.get_run(run_id)
        dead = now.info.status == "RUNNING" and _is_dead(now)
        if dead:
            client.set_terminated(run_id, "KILLED")
    return dead


def _is_dead(run: MlflowRun) -> bool:
    return leases.is_free(run.data.tags.get(LEASE, ""))


def _statuses() -> FileLock:
    """Held by whoever takes a run up again, or looks whether its process is gone: one after the other."""
    leases.FOLDER.mkdir(mode=0o700, exist_ok=True)
    return FileLock(leases.FOLDER / "statuses.lock")


def _inputs(contract: FeatureSchema) -> Schema:
    # Numbers are `any`: MLflow refuses whole numbers (int64) for a column declared double, and missing values for one
    # declared long, though the pipeline takes both. See docs/decisions.
    kind = {"number": AnyType(), "category": DataType.string}
    return Schema([ColSpec(kind[c.kind], c.name, required=c.kind == "category") for c in contract.columns])


def _key(name: str) -> str:
    """A name MLflow takes: letters, digits and `_-. :/` only."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def _leaves(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}{key}.")
        elif not key.endswith("_target_"):
            yield f"{path}{key}", str(value)[:500]
