"""The table of docs/how_to/team_rights.md, held to a server that shows nothing by default: no right less will do."""

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pytest

from tests.conftest import STEPS, working_in
from tests.measurement.measuring import decided, written
from tests.secured_server import SecuredServer
from tests.tracking.racing import described
from tippingpoint.tracking.champion import identity
from tippingpoint.tracking.entries import append
from tippingpoint.tracking.journal import read
from tippingpoint.tracking.promotion import carry_out

pytestmark = pytest.mark.programs
TABLE = (Path(__file__).parents[2] / "docs/how_to/team_rights.md").read_text()
ROLES = {
    row[0]: dict(zip(("verbs", "experiment", "model", "journal"), row[1:], strict=True))
    for row in re.findall(
        r"^\| (viewer|scorer|registrar|promoter) \| (.*) \| (.*) \| (.*) \| (.*) \|$", TABLE, re.MULTILINE
    )
}
SMALL = ["data.users=2000", "model=logistic", "report=none"]
RUN = ["run", *SMALL]
VERSION = "model=models:/conversion/1"
LACKS = {
    "tune": ("experiment", "model", "experiment", ""),
    "measure": ("experiment", "model", "experiment", ""),
    "rollback": ("model", "model", "", ""),
    "simulate": ("experiment", "", "experiment", ""),
    "score": ("experiment", "", "experiment", ""),
}
"""On what a reader, a scorer, a promoter and an admin lack EDIT for each verb."""
LESS = {"EDIT": "READ", "READ": None}
Says = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module", params=["NO_PERMISSIONS"])
def secured_server(request: pytest.FixtureRequest, postgres: str, tmp_path_factory: pytest.TempPathFactory):
    from tests.secured_server import secured

    with secured(postgres, tmp_path_factory.mktemp("secured"), request.param) as server:
        yield server


@pytest.fixture(scope="module")
def folder(secured_server: SecuredServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in, and a server on which the admin registered a version."""
    from tippingpoint.comparison.run import run
    from tippingpoint.config.compose import compose
    from tippingpoint.config.settings import Settings

    folder = tmp_path_factory.mktemp("work")
    with working_in(folder), secured_server.acting_as("admin"):
        run(Settings.from_config(compose("run", RUN[1:])))
        yield folder


@pytest.fixture
def says(
    folder: Path,
    secured_server: SecuredServer,
    call: Callable[..., int],
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Says:
    """Exit code and message of a line that the scorer types."""
    monkeypatch.chdir(folder)

    def typed(*words: str, role: str = "scorer") -> tuple[int, str]:
        with secured_server.acting_as(role):
            code = call(*words)
        return code, capsys.readouterr().err

    return typed


def grant(server: SecuredServer, experiment: str | None, model: str | None, journal: str | None) -> None:
    """Give the scorer exactly these rights."""
    from mlflow.server.auth.client import AuthServiceClient

    rights = (("experiment", "1", experiment), ("registered_model", "conversion", model))
    for kind, of, right in (*rights, ("registered_model", "conversion.journal", journal)):
        with server.acting_as("admin"):
            client = AuthServiceClient(server.url)
            if client.get_user_permission("scorer", kind, of).permission != "NO_PERMISSIONS":
                client.revoke_user_permission("scorer", kind, of)
            if right:
                client.grant_user_permission("scorer", kind, of, right)


def test_each_role_can_do_what_the_table_says_and_one_right_less_is_named(
    secured_server: SecuredServer, says: Says, folder: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        lines = {
            "status": (["status"], 0),
            "history": (["history"], 0),
            "serve": (["serve", VERSION, f"port={busy.getsockname()[1]}"], 3),
            "score": (["score", VERSION, "input=users.csv", "to=decisions.csv"], 0),
            "run": (RUN, 0),
            "promote": (["promote", VERSION, "gate.speed.milliseconds=10000"], 0),
        }
        assert says("data", "write", "data.users=200", "to=users.csv")[0] == 0
        for role, row in ROLES.items():
            rights = {of: row[of] for of in ("experiment", "model", "journal")}
            grant(secured_server, **rights)
            for verb in (verb for verb in row["verbs"].split(", ") if verb in lines):
                words, code = lines[verb]
                found, said = says(*words)
                assert found == code, (role, verb, said)
                assert code == 0 or "cannot be served" in said, (role, verb, said)
        for role, verb in (("scorer", "score"), ("registrar", "run"), ("promoter", "promote")):
            rights = {of: ROLES[role][of] for of in ("experiment", "model", "journal")}
            for of, right in rights.items():
                if right == "EDIT":
                    grant(secured_server, **{**rights, of: LESS[right]})
                    found, said = says(*lines[verb][0])
                    assert found == 3, (role, of, said)
                    wanted = {"experiment": "experiment 'conversion'", "model": "models:/conversion:"}
                    assert wanted.get(of, "models:/conversion.journal:") in said
                    assert "permissions/grant" in said


def promoted_twice() -> None:
    """Make version 1 champion, then version 2, without a gate."""
    client = mlflow.MlflowClient()
    first = client.get_model_version("conversion", "1")
    if not client.search_model_versions("name = 'conversion' and version_number = 2"):
        model_id = identity(client, first)["model_id"]
        client.create_model_version("conversion", first.source, first.run_id, first.tags, model_id=model_id)
    for number in ("1", "2"):
        journal = read(client, "conversion")
        same = identity(client, client.get_model_version("conversion", number))
        entry = append(client, "conversion", "promote", number, journal.champion, journal.at, who="admin", **same)
        carry_out(client, "conversion", entry, described)


@pytest.mark.timeout(600)
def test_each_refusal_of_a_verb_is_one_message_that_names_the_right_that_is_missing(
    secured_server: SecuredServer, says: Says, folder: Path
) -> None:
    decisions, outcomes, _ = decided(0.25, n=2000)
    lines = {
        "tune": ["tune", *SMALL, "tune.trials=1", "tune.workers=1"],
        "measure": ["measure", "outcome=converted", *written(folder, decisions, outcomes)],
        "rollback": ["rollback", "name=conversion"],
        "simulate": ["simulate", "models=[models:/conversion/1]", "cuts=10"],
        "score": ["score", VERSION, "input=users.csv", "to=decisions.csv"],
    }
    asked = {"experiment": "experiment 'conversion': user 'scorer'", "model": "models:/conversion: "}
    assert says("data", "write", "data.users=200", "to=users.csv")[0] == 0
    read_all = ("READ", "READ", "READ")
    for at, has in enumerate((read_all, ("EDIT", "READ", "READ"), ("READ", "EDIT", "EDIT"), None)):
        with secured_server.acting_as("admin"):
            promoted_twice()
        if has:
            grant(secured_server, *has)
        for verb, words in lines.items():
            code, said = says(*words, role="scorer" if has else "admin")
            told = [line for line in said.splitlines() if not line.startswith(STEPS)]
            if not (of := LACKS[verb][at]):
                assert code == 0, (verb, has, said)
                continue
            assert (code, len(told)) == (3, 1), (verb, has, said)
            assert told[0].startswith(asked[of]), (verb, has, said)
            assert f'"resource_id": "{"1" if of == "experiment" else "conversion"}", "permission": "EDIT"' in told[0]


def test_who_has_no_right_at_all_registers_a_model_of_their_own(secured_server: SecuredServer, says: Says) -> None:
    code, said = says("run", "data=retention", *SMALL, role="reader")
    assert code == 0, said
    with secured_server.acting_as("reader"):
        assert mlflow.MlflowClient().get_model_version("retention", "1")
        assert mlflow.MlflowClient().get_registered_model("retention.journal")
    code, said = says("run", "data=retention", *SMALL, "tracking.experiment=mine", role="promoter")
    assert code == 3
    assert "models:/retention: user 'promoter' may not edit" in said
    with secured_server.acting_as("promoter"):
        assert not [run for of in ["2", "3"] for run in _runs(of)], "nothing was fitted"


def _runs(experiment: str) -> list:
    try:
        return mlflow.MlflowClient().search_runs([experiment])
    except mlflow.MlflowException:
        return []


def test_doctor_says_who_one_is_and_what_one_may(secured_server: SecuredServer, says: Says, call, capsys) -> None:
    import json

    grant(secured_server, "EDIT", "READ", None)
    with secured_server.acting_as("scorer"):
        assert call("doctor", "output=json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rights"] == {
        "user": "scorer",
        "edits": {"experiments": {"conversion": True}, "registered_models": {"conversion": False}},
        "creates": "experiments and registered models",
    }
