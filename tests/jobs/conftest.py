"""What tests of jobs share: users a comparison has not seen, and a store to promote in."""

import shutil
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from tippingpoint.tracking.registry import DEPLOYMENT, digest_of


@pytest.fixture(scope="module")
def users(at_compared) -> pd.DataFrame:
    """Test users of the comparison, as a file holds them."""
    test = at_compared[0].comparison.question.parts.test
    table = test.features.assign(user_id=test.user_id)
    table.to_csv("users.csv", index=False)
    table.to_parquet("users.parquet", index=False)
    return table


@pytest.fixture
def client(compared: tuple, workspace: Path) -> MlflowClient:
    """The store of a finished comparison, to do with as one likes: version 1 is its winner, 2 and 3 its others."""
    shutil.copy(compared[1] / "mlflow.db", workspace)
    client = MlflowClient()
    parent = client.get_run(compared[0].filed.run_id)
    below = client.search_runs([parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    winner = client.get_model_version("conversion", "1")
    for run in sorted(below, key=lambda run: run.data.params["model"]):
        if run.info.run_id != winner.run_id:
            source = client.get_logged_model(run.outputs.model_outputs[0].model_id).artifact_location
            beside = mlflow.artifacts.load_dict(f"{source}/deployment.json")
            tags = winner.tags | {"model": run.data.params["model"], DEPLOYMENT: digest_of(beside)}
            client.create_model_version("conversion", source, run.info.run_id, tags)
    return client
