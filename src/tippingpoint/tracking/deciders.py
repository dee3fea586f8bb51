"""Registered versions that decide: model, policy and deployment, loaded and held against what was registered."""

import json
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from tippingpoint.config.settings import VERSION
from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.core.strict import Component, validate
from tippingpoint.data.contract import NOUN
from tippingpoint.decisions import Decider, Deployment
from tippingpoint.models.calibration import pipeline_of
from tippingpoint.policies.policy import Policy
from tippingpoint.tracking.champion import champion_status
from tippingpoint.tracking.journal import CHAMPION
from tippingpoint.tracking.models import LoadedModel, load
from tippingpoint.tracking.promotion import DELETED, aliases, origin, registered
from tippingpoint.tracking.registry import CHALLENGER, DEPLOYMENT, digest_of
from tippingpoint.tracking.stored import fetch_version, find, find_version

NONE_YET = "Type tippingpoint promote after tippingpoint compare."
"""What makes a first champion."""
DTYPES = {"number": "float64", "category": "str"}


@dataclass(frozen=True)
class Loaded:
    """A registered version, ready to decide.

    Parameters
    ----------
    name, version
        As registered; an alias is resolved once, when it is loaded.
    policy_digest
        Of the bound policy.
    """

    name: str
    version: str
    policy_digest: str
    model: LoadedModel
    decider: Decider


def load_decider(client: MlflowClient, reference: str) -> Loaded:
    """Load `models:/name/1` or `models:/name@alias`, without trusting what its files ask for.

    Raises
    ------
    InputError
        When there is no such version, its files are gone, or they are not what was registered.
    """
    found = find_version(client, reference)
    exact = f"models:/{found.name}/{found.version}"
    return held(client, found, load(client, find(client, exact)[0]))


def held(client: MlflowClient, registered: ModelVersion, model: LoadedModel) -> Loaded:
    """A version whose model is loaded, with its policy and deployment, held against what was registered.

    Raises
    ------
    InputError
        When a file beside the model is gone or another, they do not fit together, or cannot decide a user alone.
    """
    name, version = str(registered.name), str(registered.version)
    exact = f"models:/{name}/{version}"
    if origin(client, registered) != str(client.get_logged_model(model.model_id).artifact_location):
        raise InputError(exact, "the version's source is not its run's model", "Name another version.")
    node = _json(client, exact, "policy.json")
    policy = Component.of(node, f"{exact} policy.json").build(Policy, f"{exact} policy.json")
    written = _json(client, exact, "deployment.json")
    for file, digest in {"policy": policy.bound_digest, "deployment": digest_of(written)}.items():
        tag = {"policy": "policy_bound_digest", "deployment": DEPLOYMENT}[file]
        if digest != registered.tags.get(tag):
            what = f"its {file}.json has digest {digest}, registered was {registered.tags.get(tag)}"
            raise InputError(exact, what, "Name another version: this one's files were changed.")
    deployment = validate(Deployment, written, f"{exact} deployment.json")
    _fits(exact, model, policy, deployment)
    decider = Decider(exact, model.classifier, model.columns, policy, deployment)
    return Loaded(name, version, policy.bound_digest, model, decider)


def reference_of(client: MlflowClient, given: str | None) -> str:
    """The version to decide with: the one given, or the champion of the one question that has one.

    What is amiss with a champion that decides all the same is said on stderr.

    Raises
    ------
    InputError
        When no question has a champion, or several have; or there is no version that was given.
    """
    if given is not None:
        named = VERSION.fullmatch(given)
        if named and named[3] == CHAMPION:
            return _champion(client, named[1])
        find_version(client, given, "model")
        return given
    there, deleted = registered(client)
    if deleted and not there:
        raise InputError("model", f"models:/{deleted[0]}: {DELETED[0]}", DELETED[1])
    led, born = ([n for n in there if alias in aliases(client, n)] for alias in (CHAMPION, CHALLENGER))
    if len(led) == 1:
        return _champion(client, led[0])
    if led:
        what = f"not given, and {len(led)} models have a champion: {', '.join(led)}"
        raise InputError(
            "model", what, f"Type {override('model', f'models:/{led[0]}@{CHAMPION}')}, or another of them."
        )
    for name in there:
        status = champion_status(client, name)
        if status.journal.entries and status.amiss:  # one was there, or is on its way
            raise InputError("model", f"models:/{name}: {status.amiss}", status.remedy)
    challenger = (
        f"Type tippingpoint promote, or {override('model', f'models:/{born[0]}@{CHALLENGER}')}." if born else ""
    )
    raise InputError("model", "there is no champion yet", challenger or NONE_YET)


def _champion(client: MlflowClient, name: str) -> str:
    """The champion of a registered model, by its alias."""
    status = champion_status(client, name)
    if not status.version:
        raise InputError(
            "model", f"models:/{name}: {status.amiss or 'there is no champion yet'}", status.remedy or NONE_YET
        )
    if status.amiss and not status.journal.left:  # an entry on its way is its author's business
        print(status.said, file=sys.stderr)
    return f"models:/{name}@{CHAMPION}"


def _json(client: MlflowClient, reference: str, path: str) -> dict[str, Any]:
    try:
        node = json.loads(fetch_version(client, reference, path))
    except ValueError as error:
        raise InputError(reference, f"its {path} is no JSON ({error})", "Name another version.") from error
    if not isinstance(node, dict):
        raise InputError(reference, f"its {path} is no object", "Name another version.")
    return node


def check_policy_fits(
    exact: str, model: LoadedModel, policy: Policy, deployment: Deployment, lost_remedy: str, alone_remedy: str
) -> None:
    """Refuse a bound policy that gives actions a deployment knows no response to, or cannot decide one user alone.

    Parameters
    ----------
    lost_remedy, alone_remedy
        What to type in either case.

    Raises
    ------
    InputError
        When it does, or cannot.
    """
    if lost := sorted(set(policy.actions.values()) - set(deployment.actions)):
        known = ", ".join(deployment.actions)
        what = f"its policy gives {', '.join(map(repr, lost))}, and the version was made for {known} alone"
        raise InputError(exact, what, lost_remedy)
    empty = pd.DataFrame(
        {
            c: pd.Series([np.nan] if kind == "number" else [None], dtype=DTYPES[kind])
            for c, kind in model.columns.items()
        }
    )
    found = np.array([0.5]) if model.actions is None else np.full((1, len(model.actions) + 1), 0.5)
    try:
        policy.assign(found, empty)
    except InputError as error:
        what = f"its policy cannot decide a user alone ({error.what})"
        raise InputError(exact, what, alone_remedy) from error


def _fits(exact: str, model: LoadedModel, policy: Policy, deployment: Deployment) -> None:
    """Refuse a version whose signature, model, policy and deployment do not speak of the same columns and actions."""
    terms, remedy = deployment.terms.columns, "Name another version: this one's files do not fit together."
    for name, kind in model.columns.items():
        if name not in terms or deployment.kind(name) != kind:
            of = f"as {NOUN[terms[name].type]}" if name in terms else "not at all"
            raise InputError(exact, f"its signature reads the {kind} {name!r}, its deployment.json has it {of}", remedy)
    prepare = pipeline_of(model.classifier).named_steps.get("prepare")
    read = {name for _, _, names in getattr(prepare, "transformers_", []) for name in names}
    if not read <= set(model.columns):
        raise InputError(exact, f"its model reads {sorted(read - set(model.columns))}, its signature does not", remedy)
    if policy.reads_effects and model.actions is None:
        raise InputError(exact, "its policy goes by effects, and its model predicts none", remedy)
    check_policy_fits(exact, model, policy, deployment, remedy, "Name a version of another policy.")
