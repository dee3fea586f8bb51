"""The users that a version was judged on, filed with its run: a gate elsewhere judges on them without their source."""

import tempfile
from pathlib import Path

from mlflow import MlflowClient

from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError
from tippingpoint.data.parquet_users import as_parquet, from_parquet
from tippingpoint.data.users import Users
from tippingpoint.tracking.backend import store_errors
from tippingpoint.tracking.stored import fetch

FOLDER, USERS, ABOUT = "test_set", "users.parquet", "users.json"


def file_users(client: MlflowClient, run_id: str, users: Users) -> None:
    """File all users of a run: what is asked of a test user is learnt from those who fit and those who choose.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    rows, about = as_parquet(users)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, USERS).write_bytes(rows)
        Path(folder, ABOUT).write_text(about)
        stopping.check()
        with store_errors():
            client.log_artifacts(run_id, folder, FOLDER)


def filed_users(client: MlflowClient, run_id: str) -> Users | None:
    """The users that were filed with a run; None where none were.

    Raises
    ------
    InputError
        When what is filed there is something else.
    OutsideError
        When the store cannot be used.
    """
    with store_errors(reading=True):
        there = {Path(found.path).name for found in client.list_artifacts(run_id, FOLDER)}
    if not {USERS, ABOUT} <= there:
        return None
    try:
        return from_parquet(
            fetch(client, run_id, f"{FOLDER}/{USERS}"), fetch(client, run_id, f"{FOLDER}/{ABOUT}").decode()
        )
    except (ValueError, KeyError, AssertionError) as error:
        what = f"{FOLDER} of run {run_id} does not hold the users it was filed with ({error})"
        raise InputError("data", what, "Type data=… with where they are.") from error
