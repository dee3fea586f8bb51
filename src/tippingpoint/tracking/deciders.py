"""Registered versions that decide: model, policy and deployment, loaded and held against what was registered."""

import json
import re
from dataclasses import dataclass

from mlflow import MlflowClient

from tippingpoint.deciding import Decider, Deployment
from tippingpoint.errors import InputError, nearest
from tippingpoint.policies.policy import Policy
from tippingpoint.settings import Component, validate
from tippingpoint.tracking.models import LoadedModel, fetch_version, find_version, load, stored_run

CHAMPION = re.compile("models:/([^/@]+)@champion")


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


def reference_of(client: MlflowClient, given: str | None) -> str:
    """The version to decide with: the one given, or the champion of the store's one registered model.

    Raises
    ------
    InputError
        When the store has no model, or several; or the model no champion.
    """
    if given is not None and not CHAMPION.fullmatch(given):
        return given
    names = sorted(str(model.name) for model in client.search_registered_models(max_results=100))
    if given is None and len(names) != 1:
        what = f"not given, and the store has {len(names)} models" if names else "nothing is registered in this store"
        listed = ", ".join(f"models:/{name}@champion" for name in names[:12])
        remedy = f"Type model= one of {listed}." if names else "Type tippingpoint compare, then tippingpoint promote."
        raise InputError("model", what, remedy)
    reference = given or f"models:/{names[0]}@champion"
    name = str(CHAMPION.fullmatch(reference)[1])  # type: ignore[index]  # just made, or matched above
    if name not in names:
        raise InputError(f"model={reference}", f"there is no model {name!r}", nearest(name, names))
    if "champion" not in client.get_registered_model(name).aliases:
        raise InputError(
            f"model={reference}",
            f"{name} has no champion yet",
            f"Type tippingpoint promote, or model=models:/{name}@challenger.",
        )
    return reference
