"""Users are read from where the version says, from a path that is given, or from the test set filed with its run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from tests.promotion.promoting import QUICK
from tippingpoint.tracking.filed_users import FOLDER, file_users, filed_users

FIT = ["model=logistic", "report=none", "explain_rows=5", "data=csv", "data.path=users.csv", "data.target=converted"]


@pytest.fixture
def said(call: Callable[..., int], capsys: pytest.CaptureFixture) -> Callable[..., dict[str, Any]]:
    """What `promote` answers as JSON, with nothing moved."""

    def of(*words: str) -> dict[str, Any]:
        capsys.readouterr()
        call("promote", "1", "dry_run=true", "output=json", *QUICK, *words)
        out, err = capsys.readouterr()
        assert out, err
        return json.loads(out)

    return of


def figures(answer: dict[str, Any]) -> dict[str, Any]:
    return {check["name"]: check["figures"] for check in answer["judgement"]["checks"] if check["name"] != "speed"}


def test_a_gate_finds_the_users_and_says_where(
    stored: Path, call: Callable[..., int], said: Callable[..., dict], refused: Callable[..., Any]
) -> None:
    assert call("data", "write", "data.users=900", "to=users.csv") == 0
    assert call("run", *FIT, "tracking.test_set=true") == 0
    there = said()
    assert there["users_from"] == "users.csv, as the version says"
    shutil.move("users.csv", "elsewhere.csv")
    filed = said()
    client = mlflow.MlflowClient()
    run = client.get_model_version("converted", "1").run_id
    assert filed["users_from"] == f"the test set filed with run {run}"
    assert figures(filed) == figures(there), "the judgement is the same"
    given = said("users=elsewhere.csv")
    assert given["users_from"] == "elsewhere.csv, as users says"
    assert figures(given) == figures(there)
    Path("other.csv").write_text("".join(Path("elsewhere.csv").read_text().splitlines(True)[:-1]))
    assert "no longer holds the users models:/converted/1 was judged on" in refused("promote", "1", "users=other.csv")
    assert "Drop one" in refused("promote", "1", "users=other.csv", "data=csv", "data.path=a.csv", "data.target=b")
    assert refused("promote", "1", "users=gone.csv").key == "data.path=gone.csv"
    users = filed_users(client, run)
    assert users is not None
    file_users(client, run, users.take(list(range(10))))
    assert "users.csv" in refused("promote", "1"), "another test set stands in for nothing"


def test_without_a_file_there_is_no_path_to_give(
    stored: Path, call: Callable[..., int], refused: Callable, capsys: pytest.CaptureFixture
) -> None:
    assert call("run", "model=logistic", "report=none", "explain_rows=5", "data.users=900") == 0
    capsys.readouterr()
    client = mlflow.MlflowClient()
    assert filed_users(client, client.get_model_version("conversion", "1").run_id) is None
    assert client.list_artifacts(client.get_model_version("conversion", "1").run_id, FOLDER) == []
    assert refused("promote", "1", "users=a.csv").key == "users"


def test_a_test_set_that_nothing_is_filed_for_is_refused(stored: Path, refused: Callable[..., Any]) -> None:
    said = refused("run", "model=logistic", "tracking.test_set=true", "tracking.register_model=false")
    assert "tracking.test_set is not used: no version is registered" in said
