"""Who may do what on a tracking server with basic auth: reader, scorer, promoter, and what nobody granted them."""

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest

from tests.processes import typed
from tests.secured_server import PASSWORD, SecuredServer
from tests.tracking.racing import raced
from tippingpoint.core.errors import OutsideError
from tippingpoint.tracking.entries import try_rights
from tippingpoint.tracking.journal import CHAMPION, journal_name, read

pytestmark = pytest.mark.programs
RUN = ["run", "model=logistic", "data.users=1500", "report=none", "explain_rows=5"]
CHECKS = ("quality", "better", "value", "calibration", "slices", "explanation", "reload", "speed", "looks")
LENIENT = [f"gate.{check}=null" for check in CHECKS]
Types = Callable[..., tuple[int, str]]


@pytest.fixture
def types(secured_server: SecuredServer, tmp_path: Path) -> Types:
    """Somebody types a line: who, and the words, to exit code and what is said, in one line."""

    def of(role: str, *words: str) -> tuple[int, str]:
        job = typed(*words, folder=tmp_path, environment=secured_server.environment(role))
        said = " ".join("".join(job.communicate()).split())
        return job.returncode or 0, said

    return of


@pytest.fixture(scope="module")
def two(secured_server: SecuredServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The promoter registered two versions of conversion."""
    for seed in (0, 1):
        folder = tmp_path_factory.mktemp("run")
        job = typed(*RUN, f"seed={seed}", folder=folder, environment=secured_server.environment("promoter"))
        assert "Registered: models:/conversion/" in job.communicate()[0]


def aliases(server: SecuredServer, name: str) -> dict[str, str]:
    with server.acting_as("admin"):
        return mlflow.MlflowClient().get_registered_model(name).aliases


@pytest.mark.usefixtures("two")
def test_a_reader_cannot_make_a_champion_nor_lock_the_owner_out(secured_server: SecuredServer, types: Types) -> None:
    for words in (["promote", "1", *LENIENT], ["promote", "1", "dry_run=true", *LENIENT], ["promote", "resume", "1"]):
        code, said = types("reader", *words)
        assert code == 3, said
        assert "models:/conversion: nothing was written: reader may not edit the registered model conversion." in said
        assert '"username": "reader", "resource_id": "conversion", "permission": "EDIT"' in said
    with secured_server.acting_as("reader"):  # by hand, as by somebody who knows how journals are written
        client = mlflow.MlflowClient()
        assert read(client, "conversion").entries == ()
        with pytest.raises(mlflow.MlflowException, match="403"):
            client.create_model_version(journal_name("conversion"), "models:/conversion/1")
    assert types("promoter", "status") == (0, types("reader", "status")[1])
    assert aliases(secured_server, "conversion") == {}
    code, said = types("promoter", "promote", "2", "who=ann", *LENIENT)
    assert code == 0, said
    assert aliases(secured_server, "conversion") == {CHAMPION: "2"}
    with secured_server.acting_as("reader"):
        entry = read(mlflow.MlflowClient(), "conversion").head
    assert entry is not None
    assert (entry.who, entry.claimed["on_behalf_of"]) == ("promoter", "ann")


def test_whoever_made_the_journal_first_moves_nothing_and_the_remedy_is_typed_by_an_admin(
    secured_server: SecuredServer, types: Types
) -> None:
    server, name = secured_server, "conversion-old"
    with server.acting_as("promoter"):
        client = mlflow.MlflowClient()
        client.create_registered_model(name)
        for _ in range(2):
            client.create_model_version(name, "s3://bucket/model")
    forged = {"kind": "promote", "version": "1", "based_on": "0", "against": "", "who": "promoter", "claim": "c"}
    with server.acting_as("reader"):
        client.create_registered_model(journal_name(name), tags={"tippingpoint.journal_of": name})
        for further in ({}, {"claimed": "{}"}, {"judgement": "{"}):
            client.create_model_version(journal_name(name), f"models:/{name}/1", tags={**forged, **further})
    code, said = types("promoter", "status", f"name={name}")
    assert (code, aliases(server, name)) == (0, {})
    assert "entries 1, 2 of its journal do not count: written for a model that was deleted, or by somebody who" in said
    assert f"promoter may edit {name} and not {journal_name(name)}: they cannot promote" in said
    with server.acting_as("promoter"), pytest.raises(OutsideError, match=f"may not edit .*{name}.journal") as refused:
        try_rights(client, name)
    line = refused.value.remedy.partition("types: ")[2].replace("-u ADMIN", f"-sf -u admin:{PASSWORD}")
    subprocess.run(shlex.split(line), check=True, capture_output=True, timeout=60)
    with server.acting_as("promoter"):
        try_rights(client, name)
        assert read(client, name).counting == ()
    grants = json.loads(types("admin", "status", f"name={name}", "output=json")[1])["models"][0]["grants"]
    assert f"reader may edit {name}.journal and not {name}: entries of theirs do not count" in grants[0]


@pytest.mark.usefixtures("two")
def test_what_somebody_deleted_is_said_by_every_verb_and_mended_by_its_line(
    secured_server: SecuredServer, stored: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    client, name = mlflow.MlflowClient, "conversion"
    score = ["score", "input=users.csv", "to=a.csv", "model=models:/conversion@champion"]
    of, lenient = "name=conversion", ["name=conversion", *LENIENT]
    lines = (score, ["promote", "1", "dry_run=true", *lenient], ["status", of], ["history", of])

    def all_say(what: str, codes: tuple[int, int, int, int]) -> None:
        for words, code in zip(lines, codes, strict=True):
            assert call(*words) == code, words
            assert what in " ".join("".join(capsys.readouterr()).split()), words

    assert call("data", "write", "data.users=50", "to=users.csv") == 0
    with secured_server.acting_as("promoter"):
        assert call("promote", "2", *lenient) == 0
        number = read(client(), name).at
        client().delete_registered_model_alias(name, CHAMPION)
        all_say("the alias champion was removed by hand; by entry", (2, 1, 1, 0))
        assert call("promote", "resume", str(number), of) == call(*score) == call("status", of) == 0
        run = client().get_model_version(name, "2").run_id
        client().delete_run(run)
        all_say(f"was deleted. Type mlflow runs restore --run-id {run}.", (0, 0, 1, 0))
        client().restore_run(run)
        assert call("status", of) == 0
        client().delete_registered_model(journal_name(name))
        all_say(f"its journal was deleted, or has lost entry {number}, which made the champion", (0, 0, 1, 0))
        assert call("promote", "2", *lenient) == call("status", of) == 0
        client().delete_model_version(name, "2")
        all_say("(promoter promoted version 2) made champion, was deleted", (2, 0, 1, 0))
        assert call("promote", "1", *lenient) == call(*score) == 0
        client().delete_registered_model(name)
        all_say("models:/conversion: it was deleted, and its journal is still there.", (2, 2, 2, 2))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_of_sixty_four_promoters_one_wins_and_nobody_carries_out_what_is_another_s(
    secured_server: SecuredServer, tmp_path: Path
) -> None:
    with secured_server.acting_as("promoter"):
        raced(tmp_path / "race", 64, 1, "of-many")


@pytest.mark.parametrize("secured_server", ["NO_PERMISSIONS"], indirect=True)
def test_somebody_without_any_right_registers_a_model_of_his_own(types: Types) -> None:
    code, said = types("scorer", *RUN)
    assert code == 0, said
    assert "Registered: models:/conversion/1" in said
    code, said = types("scorer", "promote", "1", *LENIENT)
    assert code == 0, said
