"""Versions are bound to their policy, and a policy that changed needs a number of its own."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from tippingpoint.core.errors import InputError
from tippingpoint.policies.bands import Bands
from tippingpoint.tracking.backend import connect
from tippingpoint.tracking.registry import check_policy


@pytest.fixture
def client(stored: Path) -> MlflowClient:
    return connect()


def offer(name: str = "offer", version: int = 1, cut: float = 0.1) -> Bands:
    return Bands(
        name=name, version=version, cuts=(cut,), cut_belongs=("above",), bands=("rest", "target"),
        actions={"rest": "none", "target": "offer"},
    )  # fmt: skip


def registered(client: MlflowClient, policy: Bands) -> None:
    client.create_registered_model("conversion")
    tags = {"policy_name": policy.name, "policy_version": str(policy.version), "policy_digest": policy.digest}
    client.create_model_version("conversion", "s3://bucket/model", tags=tags)


@pytest.mark.parametrize("name", ["offer", "it's", 'the "best"'])
def test_a_policy_that_changed_under_its_number_is_refused_whatever_its_name(client: MlflowClient, name: str) -> None:
    registered(client, offer(name))
    check_policy(client, offer(name))
    check_policy(client, offer(name, version=2, cut=0.2))
    check_policy(client, offer("another", cut=0.2))
    with pytest.raises(InputError, match=r"is registered with another specification .* Type policy.version=2"):
        check_policy(client, offer(name, cut=0.2))


def test_a_name_the_store_cannot_look_up_is_refused(client: MlflowClient) -> None:
    with pytest.raises(InputError, match="both kinds of quotes"):
        check_policy(client, offer('it\'s "it"'))
