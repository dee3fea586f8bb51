"""Who may do what on a tracking server with basic auth: reader, scorer, promoter, and what nobody granted them."""

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from tests.secured_server import SecuredServer

pytestmark = pytest.mark.programs


@pytest.mark.parametrize("secured_server", ["READ", "NO_PERMISSIONS"], indirect=True)
def test_what_mlflow_itself_lets_a_user_do(secured_server: SecuredServer) -> None:
    server, client = secured_server, mlflow.MlflowClient
    with server.acting_as("promoter"):
        client().create_registered_model("another")  # allowed to everyone, and makes its owner
        client().set_registered_model_tag("another", "key", "value")
    with server.acting_as("reader"), pytest.raises(MlflowException, match="403"):
        client().set_registered_model_tag("another", "key", "value")
    server.grant("reader", "registered_model", "another", "EDIT")
    with server.acting_as("reader"):
        client().set_registered_model_tag("another", "key", "value")
