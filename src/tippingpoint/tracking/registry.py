"""The registry: a version is a model together with the policy it was judged with."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient

from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError
from tippingpoint.tracking.backend import literal, named, store_errors
from tippingpoint.tracking.entries import make_journal
from tippingpoint.tracking.journal import EVERY, MODEL, model_of
from tippingpoint.tracking.rights import check_model
from tippingpoint.tracking.tags import BOUND_FROM

if TYPE_CHECKING:  # history and status read no model, and answer sooner
    from tippingpoint.decisions import Deployment
    from tippingpoint.policies.policy import Policy

CHALLENGER = "challenger"
DEPLOYMENT = "deployment_digest"
"""Tag of what its deployment.json held when it was registered: prices, contract, responses."""
Client = MlflowClient


@dataclass(frozen=True)
class Version:
    """A registered version."""

    name: str
    version: str

    @property
    def path(self) -> str:
        """Its page in the MLflow UI."""
        return f"models/{self.name}/versions/{self.version}"

    @property
    def uri(self) -> str:
        """What `mlflow.pyfunc.load_model` takes."""
        return f"models:/{self.name}/{self.version}"


def check_registering(client: MlflowClient, name: str) -> None:
    """Refuse a name under which no version may be registered, before there is one to register.

    Raises
    ------
    StoreRefusedError
        When the model may not be edited, or its journal is not shown.
    OutsideError
        When the store cannot be used.
    """
    check_model(client, name, "Or type tracking.register_model=false.")
    with store_errors():
        if model_of(client, name) is not None:
            make_journal(client, name)


def register(
    client: MlflowClient,
    name: str,
    model_id: str,
    run_id: str,
    policy: "Policy",
    deployment: "Deployment",
    tags: dict[str, str],
    note: str,
) -> Version:
    """Register a logged model as the next version, bound by tags to the policy and the deployment beside it."""
    check_policy(client, policy)
    named(client, name, tags=MODEL)
    make_journal(client, name)
    bound = {
        "policy_name": policy.name,
        "policy_version": str(policy.version),
        "policy_digest": policy.digest,
        "policy_bound_digest": policy.bound_digest,
        DEPLOYMENT: digest_of(deployment.model_dump(mode="json")),
    }
    source = client.get_logged_model(model_id).artifact_location
    stopping.check()
    made = client.create_model_version(
        name, source, run_id=run_id, tags={**tags, **bound}, description=note, model_id=model_id
    )
    return Version(name, str(made.version))


def digest_of(node: dict[str, Any]) -> str:
    """16 hex digits of the canonical JSON of what a file beside a model holds."""
    text = json.dumps(node, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def registered_from(client: MlflowClient, run_id: str) -> Version | None:
    """The version a run was registered as, if it was: by a process that was killed since."""
    found = client.search_model_versions(f"run_id = '{run_id}'")
    there = [version for version in found if not str(version.source).startswith("models:/")]  # no environment's copy
    return Version(there[0].name, str(there[0].version)) if there else None


def check_policy(client: MlflowClient, policy: "Policy", instead: str = ", or tracking.register_model=false") -> None:
    """Refuse a policy whose specification changed since it was registered under the same name and version.

    Parameters
    ----------
    instead
        What can be typed besides another version.

    Raises
    ------
    InputError
        Naming the version it was registered with, and what to type; or for a name the store cannot look up.
    """
    wanted = f"tags.policy_name = {literal(policy.name, 'policy.name')} and tags.policy_version = '{policy.version}'"
    with store_errors():
        others = client.search_model_versions(f"{wanted} and tags.policy_digest != '{policy.digest}'", max_results=1)
    for known in others:
        raise InputError(
            "policy.version",
            f"{policy.name} version {policy.version} is registered with another specification"
            f" (models:/{known.name}/{known.version}, digest {known.tags.get('policy_digest')};"
            f" this one is {policy.digest})",
            f"Type policy.version={_free(client, policy.name)}{instead}.",
        )


def _free(client: MlflowClient, policy: str) -> int:
    """The first version number of a policy that nothing is registered with, nor any later one."""
    with store_errors():
        found = client.search_model_versions(f"tags.policy_name = {literal(policy, 'policy.name')}", EVERY)
    return max(int(version.tags["policy_version"]) for version in found) + 1


def bound_before(client: MlflowClient, name: str, source: str, bound_digest: str) -> str:
    """The version of a model bound from another, `models:/name/3`, to a policy of this digest; '' for none."""
    wanted = f"name = {literal(name)} and tags.{BOUND_FROM} = {literal(source)}"
    with store_errors():
        found = client.search_model_versions(f"{wanted} and tags.policy_bound_digest = '{bound_digest}'", EVERY)
    return min((str(version.version) for version in found), key=int, default="")


def challenge(client: MlflowClient, version: Version) -> None:
    """Give the version the alias `challenger`, which it takes from whichever had it."""
    stopping.check()
    client.set_registered_model_alias(version.name, CHALLENGER, version.version)
