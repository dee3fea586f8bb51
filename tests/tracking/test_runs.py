"""Runs are closed once, truly, whoever looks meanwhile."""

from typing import Any

import pytest
from mlflow import MlflowClient

from tippingpoint.core import leases
from tippingpoint.tracking import runs


@pytest.fixture
def opened(stored: object) -> tuple[MlflowClient, str]:
    return (client := MlflowClient()), client.create_experiment("x")


class Slow:
    """A client of another process, in which something happens between its list of runs and what it does then."""

    def __init__(self, client: MlflowClient) -> None:
        self.client, self.meanwhile = client, lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def search_runs(self, *given: Any, **named: Any) -> Any:
        found = self.client.search_runs(*given, **named)
        self.meanwhile()
        return found


def test_a_run_that_ends_well_after_it_was_listed_is_not_called_killed(opened: tuple[MlflowClient, str]) -> None:
    client, experiment = opened
    slow = Slow(client)
    held = runs.run(client, experiment, "one", {})
    at_work = held.__enter__()
    slow.meanwhile = lambda: held.__exit__(None, None, None)
    assert runs.reap(slow) == 0  # type: ignore[arg-type]  # all it asks of a client
    assert client.get_run(at_work.run_id).info.status == "FINISHED"


def test_a_run_that_is_taken_up_again_after_it_was_listed_is_not_called_killed(
    opened: tuple[MlflowClient, str],
) -> None:
    client, experiment = opened
    slow = Slow(client)
    left = client.create_run(experiment, tags={runs.HOST: leases.here(), runs.LEASE: "0" * 32}).info.run_id
    again = runs.run(client, experiment, "one", {}, again=left)
    slow.meanwhile = again.__enter__
    assert runs.reap(slow) == 0  # type: ignore[arg-type]  # all it asks of a client
    assert client.get_run(left).info.status == "RUNNING"
    again.__exit__(None, None, None)
    assert client.get_run(left).info.status == "FINISHED"


def test_a_run_whose_process_is_gone_is_called_killed(opened: tuple[MlflowClient, str]) -> None:
    client, experiment = opened
    left = client.create_run(experiment, tags={runs.HOST: leases.here(), runs.LEASE: "0" * 32}).info.run_id
    assert runs.reap(client) == 1
    assert client.get_run(left).info.status == "KILLED"
