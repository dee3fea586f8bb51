"""The way of a version on a server of a team: compared by one, approved by another, served, split, bound, rolled back.

The server has its runs and users in PostgreSQL, asks for a password and passes artifacts on; the lines of the first
version's way, and those that bind and roll back, are typed into what a wheel installs, in two folders.
"""

import json
import os
import shlex
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mlflow
import polars as pl
import pytest

from tests.processes import typed
from tests.secured_server import SecuredServer
from tests.serving.services import serving
from tippingpoint.promotion.webhook import ADDRESS, SECRET
from tippingpoint.tracking.journal import CHAMPION, journal_name, read

pytestmark = pytest.mark.programs
ROOT = Path(__file__).parents[2]
NAME = "converted"
GATE = [
    "gate.approval=true",
    *("gate.value.margin=1000", "gate.value.inconclusive=passes", "gate.better.margin=0.9"),
    *(f"gate.{check}=null" for check in ("quality", "calibration", "slices", "explanation", "reload")),
    "gate.speed.milliseconds=10000",
]
"""It asks for a second person, and lets in any model of a small table."""
Types = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a receiver, and what it was sent."""
    got: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            got.append({"to": self.path, "signed": self.headers.get("X-MLflow-Signature", ""), **body})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where the users are, and where a machine of CI works, which has no users."""
    return tmp_path_factory.mktemp("desk"), tmp_path_factory.mktemp("ci")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a wheel of this tree installs."""
    built = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=240)
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(built / "site")
    return built / "site"


@pytest.fixture
def types(
    secured_server: SecuredServer, hook: tuple[str, list[dict[str, Any]]], folders: tuple[Path, Path], wheel: Path
) -> Types:
    """What a role's line answers as JSON; what it says, where the exit code is another than 0."""

    def of(role: str, *words: str, at: int = 0, code: int = 0, installed: bool = False) -> dict[str, Any]:
        own = {**secured_server.environment(role), ADDRESS: f"{hook[0]}/ours", SECRET: "only both know it"}
        line, folder = [*words, "output=json"], folders[at]
        if installed:
            environment = {**os.environ, **own, "PYTHONPATH": str(wheel)}
            command = [sys.executable, "-P", "-m", "tippingpoint", *line]
            job = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
            out, err = job.stdout, job.stderr
        else:
            job = typed(*line, folder=folder, environment=own)
            out, err = job.communicate()
        assert job.returncode == code, out + err
        return json.loads(out) if code == 0 else {"said": " ".join(err.split())}

    return of


def aliases(server: SecuredServer) -> dict[str, str]:
    with server.acting_as("reader"):
        return mlflow.MlflowClient().get_registered_model(NAME).aliases


def fitted(types: Types, hook: tuple[str, list[dict[str, Any]]], server: SecuredServer) -> None:
    """The promoter compares and registers; the admin has the server tell of the journal, and pins the gate."""
    written = types("promoter", "data", "write", "data.users=2500", "to=users.csv")
    small = ["report=none", "explain_rows=5", "tracking.test_set=true"]
    line = shlex.split(written["next"])[2:]
    types("promoter", "compare", *line, "model=[logistic]", *small, installed=True)
    types("promoter", "run", *line, "model=boosting", *small)
    with server.acting_as("admin"):
        events = ["model_version.created", "model_version_tag.set"]
        mlflow.MlflowClient().create_webhook("journal", f"{hook[0]}/theirs", events, secret="of the server")
    types("admin", "promote", "pin", f"name={NAME}", *GATE, "why=two of us")


def approved(types: Types, server: SecuredServer, version: str) -> None:
    """From CI, where no user is, the promoter asks for a version; only another who may edit the model approves."""
    of = f"name={NAME}"
    said = types("promoter", "promote", version, of, at=1, code=1)["said"]
    assert f"Type tippingpoint promote request {version} {of}." in said
    asked = types("promoter", "promote", "request", version, of, at=1, installed=version == "1")
    assert (asked["requested"], asked["promoted"]) == (True, False)
    number = str(asked["entry"])
    assert list(types("reader", "status", of)["models"][0]["requests"]) == [number]
    assert "may not edit" in types("reader", "promote", "approve", number, of, at=1, code=3)["said"]
    assert "cannot be who approves it" in types("promoter", "promote", "approve", number, of, code=1)["said"]
    done = types("admin", "promote", "approve", number, of, at=1, installed=version == "1")
    assert (done["who"], done["request"]["who"], done["held"]) == ("admin", "promoter", None)
    assert aliases(server)[CHAMPION] == version


def served(types: Types, server: SecuredServer, folder: Path) -> None:
    """The scorer decides for a table, and the reader serves two versions at once."""
    with server.acting_as("admin"):
        experiment = mlflow.MlflowClient().get_experiment_by_name(NAME)
    assert experiment is not None
    assert types("scorer", "score", "input=users.csv", "to=a.csv", f"model=models:/{NAME}@champion", code=3)
    server.grant("scorer", "experiment", experiment.experiment_id, "EDIT")
    types("scorer", "score", "input=users.csv", "to=a.csv", f"model=models:/{NAME}@champion", installed=True)
    assert pl.read_csv(folder / "a.csv")["model"].unique().to_list() == [f"models:/{NAME}/1"]
    words = [f"model=models:/{NAME}@champion", "split={champion: 0.5, 2: 0.5}", "log=log"]
    with server.acting_as("reader"), serving(folder, *words) as service:
        users = [service.example() | {"user_id": f"u{k}"} for k in range(60)]
        answer = service.post("/score", {"users": users}).json()
    assert {one["model"] for one in answer["decisions"]} == {f"models:/{NAME}/1", f"models:/{NAME}/2"}


def test_a_pinned_gate_is_not_laxer_for_who_may_only_edit(secured_server: SecuredServer, types: Types) -> None:
    server, name = secured_server, "conversion"
    types("promoter", "run", "model=logistic", "data.users=1500", "report=none", "explain_rows=5")
    types("promoter", "promote", "pin", f"name={name}", "gate=strict")
    for of in (name, journal_name(name)):
        server.grant("scorer", "registered_model", of, "EDIT")
    said = types("scorer", "promote", "1", f"name={name}", "gate.speed=null", code=3)["said"]
    assert "may not lay gate.speed=null over the gate strict, which entry 1 pinned: MANAGE on the model is" in said
    assert '"username": "scorer", "resource_id": "conversion", "permission": "MANAGE"' in said
    assert "may not pin its gate" in types("scorer", "promote", "unpin", f"name={name}", code=3)["said"]
    with server.acting_as("reader"):
        assert [entry.kind for entry in read(mlflow.MlflowClient(), name).entries] == ["pin"], "no look was lost"


@pytest.mark.timeout(1500)
def test_a_version_goes_its_way_from_a_comparison_to_a_rollback(
    secured_server: SecuredServer, types: Types, hook: tuple[str, list[dict[str, Any]]], folders: tuple[Path, Path]
) -> None:
    fitted(types, hook, secured_server)
    approved(types, secured_server, "1")
    served(types, secured_server, folders[0])
    bound = ["policy", "bind", f"models:/{NAME}/1", "top_fraction", "policy.share=0.2", "gate.value.margin=1000"]
    bound += ["gate.value.inconclusive=passes"]
    version = types("promoter", *bound, installed=True)["version"].rpartition("/")[2]
    assert version == "3"
    approved(types, secured_server, version)
    types("promoter", "rollback", f"name={NAME}", "why=too many mails", at=1, installed=True)
    assert aliases(secured_server)[CHAMPION] == "1"
    entries = types("reader", "history", f"name={NAME}", installed=True)["entries"][::-1]
    moved = [(e["what"], e["version"], e["who"]) for e in entries if e["what"] in ("promote", "rollback")]
    assert moved == [("promote", "1", "admin"), ("promote", "3", "admin"), ("rollback", "1", "promoter")]
    assert (entries[0]["what"], entries[0]["why"], entries[0]["who"]) == ("pin", "two of us", "admin")
    assert sum("asked for by promoter in entry" in e["gate"] for e in entries) == 2
    ours = [one["event"] for one in hook[1] if one["to"] == "/ours"]
    assert ours == ["requested", "promoted", "requested", "promoted", "rolled_back"]
    deadline, kinds = time.monotonic() + 60, [""]
    while kinds.count("rollback") < 1 and time.monotonic() < deadline:
        theirs = [one for one in hook[1] if one["to"] == "/theirs" and one["action"] == "created"]
        kinds = [one["data"]["tags"]["kind"] for one in theirs if one["data"]["name"] == journal_name(NAME)]
        time.sleep(0.2)
    assert (kinds.count("promote"), kinds.count("rollback"), kinds.count("request")) == (2, 1, 2)
    assert all(one["signed"].startswith("v1,") for one in hook[1] if one["to"] == "/theirs")
