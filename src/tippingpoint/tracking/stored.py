"""Runs and registered versions that are there already, found by what a person types, and their files."""

import re
import tempfile
from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun
from mlflow.entities import ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from tippingpoint.config.settings import VERSION
from tippingpoint.core.errors import InputError
from tippingpoint.models.effect_models import contestant
from tippingpoint.tracking.backend import literal, outside, visible
from tippingpoint.tracking.refusals import is_missing
from tippingpoint.tracking.runs import in_pages
from tippingpoint.tracking.tags import JOB, LEARNER, PARENT

STATISTICS = "statistics.npz"
"""Artifact of a simulation: what its answers are read from."""
SHOWN = 12
"""Names that a message lists."""


def find(
    client: MlflowClient,
    reference: str,
    experiment: str | None = None,
    question: str | None = None,
    where: str = "models",
) -> list[StoredRun]:
    """Runs a reference stands for: a registered version's, a run itself, or a compare's children, its winner first.

    Parameters
    ----------
    reference
        `models:/name/1`, `models:/name@alias`, a run id, or '' for the latest finished compare.
    experiment
        Name of the experiment to look for the latest in; None looks in all.
    question
        What the latest must have asked; None takes any.
    where
        The key that the reference was typed for.

    Raises
    ------
    InputError
        When there is no such version or run, it has no models, or it is not one of ours.
    """
    if not reference:
        run = _latest(client, experiment, question)
    elif VERSION.fullmatch(reference):
        run = stored_run(client, str(find_version(client, reference).run_id))
    elif re.fullmatch(r"[0-9a-f]{32}", reference):
        run = stored_run(client, reference, where)
    else:
        raise InputError(
            where,
            f"{reference!r} is neither a registry URI nor a run id",
            "Name models:/NAME/VERSION, models:/NAME@ALIAS, or 32 hex digits of a run.",
        )
    if JOB not in run.data.tags:
        what = f"run {run.info.run_id} was not made by tippingpoint: its policy and its users are not known"
        raise InputError(where, what, "Name a compare's, or a model's own run.")
    if run.data.tags[JOB] == "simulate" or run.outputs.model_outputs:
        return [run]
    below = in_pages(client, [run.info.experiment_id], f"tags.`{PARENT}` = '{run.info.run_id}'")
    children = [child for child in below if child.outputs.model_outputs]
    if not children:
        raise InputError(where, f"run {run.info.run_id} has no models", "Name a compare's, or a model's own run.")
    won = contestant_of(run)
    return sorted(children, key=lambda child: (contestant_of(child) != won, int(child.info.start_time)))


def models_of(client: MlflowClient, run: str) -> dict[str, tuple[str, str]]:
    """Run and logged model of each family that a run, or one under it, ended with; by the family's name."""
    own = client.get_run(run)
    below = in_pages(client, [own.info.experiment_id], f"tags.`{PARENT}` = '{run}'")
    return {
        contestant_of(one): (one.info.run_id, one.outputs.model_outputs[0].model_id)
        for one in (own, *below)
        if one.outputs.model_outputs
    }


def contestant_of(run: StoredRun) -> str:
    """What the contestant of a run is called; of a compare its winner."""
    params = run.data.params
    return contestant(params.get("model", ""), params.get(LEARNER, "response"))


def find_version(client: MlflowClient, reference: str, where: str = "models") -> ModelVersion:
    """The registered version that `models:/name/1` or `models:/name@alias` stands for.

    Parameters
    ----------
    where
        The key it was typed under.

    Raises
    ------
    InputError
        When there is none; it names those there are.
    """
    if not (match := VERSION.fullmatch(reference)):
        raise InputError(where, f"{reference!r} names no version", "Type models:/NAME/VERSION or models:/NAME@ALIAS.")
    name, version, alias = match.groups()
    try:
        if alias:
            return client.get_model_version_by_alias(name, alias)
        return client.get_model_version(name, version)
    except MlflowException as error:
        if not is_missing(error):
            raise outside(error, reading=True, of=reference) from error
        found = client.search_model_versions("tags.policy_name LIKE '%'", max_results=SHOWN)  # no journals
        names = [f"models:/{m.name}@{alias}" for m in client.search_registered_models() for alias in m.aliases]
        names += [f"models:/{v.name}/{v.version}" for v in found]
        there = f"There are: {', '.join(names[:SHOWN])}." if names else f"Nothing is registered yet{visible()}."
        raise InputError(where, f"there is no {reference}", there) from error


def stored_run(client: MlflowClient, run_id: str, where: str = "models") -> StoredRun:
    """A run of the store; `where` is the key that its id was typed for.

    Raises
    ------
    InputError
        When there is none of this id.
    """
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if not is_missing(error):
            raise outside(error) from error
        raise InputError(where, f"there is no run {run_id} in this store", "See tippingpoint ui.") from error


def config_of(client: MlflowClient, run: StoredRun) -> dict[str, Any]:
    """The composed config of a model's run.

    Raises
    ------
    InputError
        When it is gone.
    """
    return dict(yaml.safe_load(fetch(client, run.info.run_id, "config.yaml")))


def fetch(client: MlflowClient, run_id: str, path: str) -> bytes:
    """One artifact of a run.

    Raises
    ------
    InputError
        When the run has no such artifact.
    """
    with tempfile.TemporaryDirectory() as temporary:
        try:
            return Path(client.download_artifacts(run_id, path, temporary)).read_bytes()
        except (OSError, MlflowException) as error:
            if not is_missing(error):
                raise outside(error, reading=True) from error
            raise InputError("models", f"run {run_id} has no {path} ({error})", "Simulate its models again.") from error


def fetch_version(client: MlflowClient, reference: str, path: str) -> bytes:
    """One file beside the model of a registered version, `models:/name/1` or `models:/name@alias`.

    Raises
    ------
    InputError
        When there is no such version, or no such file beside its model.
    """
    run = find(client, reference)[0]
    location = client.get_logged_model(run.outputs.model_outputs[0].model_id).artifact_location
    with tempfile.TemporaryDirectory() as temporary:
        uri = f"{location.rstrip('/')}/{path}"
        try:
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=temporary)).read_bytes()
        except (OSError, MlflowException) as error:
            if not is_missing(error):
                raise outside(error, reading=True) from error
            raise InputError("models", f"{reference} has no {path} ({error})", "Name another version.") from error


def _latest(client: MlflowClient, experiment: str | None, question: str | None) -> StoredRun:
    known = client.search_experiments(view_type=ViewType.ACTIVE_ONLY)
    ids = [e.experiment_id for e in known if experiment is None or e.name == experiment]
    wanted = f"tags.`{JOB}` = 'compare' and attributes.status = 'FINISHED'"
    if question is not None:
        wanted += f" and tags.question = {literal(question)}"
    for run in in_pages(client, ids, wanted, ["attributes.start_time DESC"], 10):
        if not run.outputs.model_outputs:  # a compare itself, not one of its families; it may stand under a sweep
            return run
    of = "" if question is None else f" of {question!r}"
    raise InputError(
        "models",
        f"no finished compare{of} in this store{visible()}",
        "Type tippingpoint compare first, or name models.",
    )
