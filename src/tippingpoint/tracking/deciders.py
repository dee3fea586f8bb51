"""Registered versions that decide: model, policy and deployment, loaded and held against what was registered."""

import json
from dataclasses import dataclass

from mlflow import MlflowClient

from tippingpoint.deciding import Decider, Deployment
from tippingpoint.errors import InputError
from tippingpoint.policies.policy import Policy
from tippingpoint.settings import Component, validate
from tippingpoint.tracking.models import LoadedModel, fetch_version, find_version, load, stored_run


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
    name, version = str(found.name), str(found.version)
    exact = f"models:/{name}/{version}"
    model = load(client, stored_run(client, str(found.run_id)))
    node = json.loads(fetch_version(client, exact, "policy.json"))
    policy = Component.model_validate(node).build(Policy, f"{exact} policy.json")
    if policy.bound_digest != (registered := found.tags.get("policy_bound_digest")):
        what = f"its policy.json has digest {policy.bound_digest}, registered was {registered}"
        raise InputError(exact, what, "Name another version: this one's files were changed.")
    written = json.loads(fetch_version(client, exact, "deployment.json"))
    deployment = validate(Deployment, written, f"{exact} deployment.json")
    decider = Decider(exact, model.classifier, model.columns, policy, deployment)
    return Loaded(name, version, policy.bound_digest, model, decider)
