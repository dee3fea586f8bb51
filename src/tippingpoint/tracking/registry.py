"""The registry: a version is a model together with the policy it was judged with."""

from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from tippingpoint.policies.policy import Policy

CHALLENGER = "challenger"
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


def register(
    client: MlflowClient,
    name: str,
    model_id: str,
    run_id: str,
    policy: Policy,
    tags: dict[str, str],
    note: str,
) -> Version:
    """Register a logged model as the next version, bound to its policy by tags and by the `policy.json` beside it."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
    bound = {
        "policy_name": policy.name,
        "policy_version": str(policy.version),
        "policy_digest": policy.digest,
    }
    source = client.get_logged_model(model_id).artifact_location
    made = client.create_model_version(
        name, source, run_id=run_id, tags={**tags, **bound}, description=note, model_id=model_id
    )
    return Version(name, str(made.version))


def challenge(client: MlflowClient, version: Version) -> None:
    """Give the version the alias `challenger`, which it takes from whichever had it."""
    client.set_registered_model_alias(version.name, CHALLENGER, version.version)
