"""`tippingpoint data …`, from the command line."""

import gzip
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.data.contract import read_contract
from tippingpoint.data.events.source import Events
from tippingpoint.experiment.build import ask

ROOT = Path(__file__).parents[2]
CASE_STUDY = ROOT / "data/synthetic_user_conversion_data.csv"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "tippingpoint data: what to do with it is not given. There are: describe, explore, write."),
        (["descibe"], "tippingpoint data: there is no verb 'descibe'. Nearest: 'describe'."),
        (["describe", "data=cvs"], "data: there is no data=cvs. Nearest: 'csv'."),
        (["describe", "tp=x"], "tp: unknown key. Nearest: 'to'."),
        (["describe", "data=csv"], "data.path: not given. Type data.path=…"),
        (["describe", "data=csv", "data.path=no.csv"], "data.path=no.csv: no such file."),
        (["write", "data=streamzone"], "to: not given. Type to=users.csv, .csv.gz or .parquet."),
        (["write", "data=event_log"], "to: not given. Type to=events, a folder."),
        (["write", "data=csv", "data.path=x.csv"], "data: x.csv is not generated."),
        (["write", "to=u.xlsx"], "to=u.xlsx: is the name of no table. Type a name that ends in .csv or .csv.gz"),
        (["write", "to=/proc/nowhere/x.csv"], "/proc/nowhere/x.csv: cannot be written ("),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(
    arguments: list[str], message: str, workspace: Path, refused: Callable[..., str]
) -> None:
    assert refused("data", *arguments).startswith(message)
    assert list(workspace.iterdir()) == []


def test_times_stand_in_json_as_iso_8601(
    workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{k},0{k % 9 + 1}.03.2024,2024-03-0{k % 9 + 1}T08:00:00+02:00,{k % 7},{k % 3 % 2}" for k in range(60)]
    Path("u.csv").write_text("\n".join(["id,day,moment,visits,y", *rows]))
    assert call("data", "describe", "data=csv", "data.path=u.csv", "data.target=y", "output=json") == 0
    columns = {column["name"]: column for column in json.loads(capsys.readouterr().out)["columns"]}
    assert (columns["day"]["low"], columns["moment"]["high"]) == ("2024-03-01T00:00:00", "2024-03-09T06:00:00")


def test_write_rewrites_the_case_study_to_the_byte(workspace: Path, call: Callable[..., int]) -> None:
    assert call("data", "write", "data=case_study") == 0
    assert (workspace / "data/synthetic_user_conversion_data.csv").read_bytes() == CASE_STUDY.read_bytes()
    assert [path.name for path in (workspace / "data").iterdir()] == [CASE_STUDY.name]


def test_write_takes_any_size_in_any_form(workspace: Path, call: Callable[..., int]) -> None:
    tables = []
    for name in ("u.csv", "u.csv.gz", "u.parquet"):
        assert call("data", "write", "data=retention", "data.users=20000", f"to={name}") == 0
        tables.append(pl.read_parquet(name) if name.endswith("parquet") else pl.read_csv(name))
    assert gzip.decompress(Path("u.csv.gz").read_bytes()) == Path("u.csv").read_bytes()
    assert len(tables[0]) == 20000
    numbers = [table.with_columns(pl.selectors.numeric().cast(pl.Float64)) for table in tables]
    assert numbers[0].cast(pl.String).equals(numbers[2].cast(pl.String))


@pytest.mark.parametrize(("kind", "evidence"), [("randomised", "experiment"), ("confounded", "logged")])
@pytest.mark.parametrize("world", ["case_study", "streamzone", "retention", "event_log"])
def test_what_to_type_after_writing_can_be_typed(
    world: str,
    kind: str,
    evidence: str,
    workspace: Path,
    call: Callable[..., int],
    capsys: pytest.CaptureFixture,
) -> None:
    size = "data.profiles=9000" if world == "event_log" else "data.users=3000"
    words = [f"data={world}", size, f"data.logging.kind={kind}", "to=out.csv", "output=json"]
    assert call("data", "write", *words) == 0
    verb, *overrides = shlex.split(json.loads(capsys.readouterr().out)["next"])[1:]
    question = ask(CompareSettings.from_config(compose(verb, overrides)))
    assert question.evidence.kind == evidence
    assert question.policy.name == Settings.from_config(compose("run", words[:1])).policy.arguments["name"]
    seen = {column.name for column in question.users.contract.columns}
    assert not seen & {"action", "user_id", "watch_time_change", "days_active_next_28d", "converted", "renewed"}


def test_an_event_log_is_written_as_exports_that_read_back(workspace: Path, call: Callable[..., int]) -> None:
    assert call("data", "write", "data=event_log", "data.profiles=5000", "to=log", "output=json") == 0
    assert sorted(path.name for path in Path("log").iterdir()) == ["payments.jsonl", "product.jsonl"]
    words = ["data=events", "data.product=log/product.jsonl", "data.payments=log/payments.jsonl"]
    users = Settings.from_config(compose("run", words)).data.build(Events, "data").load()
    drawn = Settings.from_config(compose("run", ["data=event_log", "data.profiles=5000"]))
    assert 0.98 < len(users) / 5000 <= 1
    assert drawn.data.target.endswith("EventLog")


def test_describe_writes_a_contract_that_the_next_command_takes(
    workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    own = ["data=csv", f"data.path={CASE_STUDY}", "data.drop=[action]"]
    assert call("data", "describe", *own, "data.target=converted", "to=c.yaml") == 0
    shown = capsys.readouterr().out
    assert "10,000 rows in = 10,000 used + 0 quarantined" in shown
    assert "days_since_signup" in shown
    assert read_contract(Path("c.yaml")).outcome == "converted"
    assert call("data", "describe", *own, "data.contract=c.yaml", "output=json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["trouble"] == ""
    assert found["intake"].startswith("10,000 rows in")
    assert list(workspace.iterdir()) == [workspace / "c.yaml"]


def test_describe_never_writes_over_a_contract_and_invites_to_write_none_where_one_is_given(
    workspace: Path, call: Callable[..., int], refused: Callable[..., str], capsys: pytest.CaptureFixture
) -> None:
    Path("u.csv").write_text("x,y\n" + "".join(f"{i % 7},{i % 2}\n" for i in range(60)))
    own = ["data=csv", "data.path=u.csv", "data.target=y"]
    assert call("data", "describe", *own, "to=c.yaml") == 0
    edited = Path("c.yaml").read_text().replace("meaning: ''", "meaning: mine")
    Path("c.yaml").write_text(edited)
    capsys.readouterr()
    said = refused("data", "describe", *own, "data.contract=c.yaml", "to=c.yaml")
    assert said.startswith("to: c.yaml is there already, and may be edited. Type another name.")
    assert Path("c.yaml").read_text() == edited
    assert call("data", "describe", *own, "data.contract=c.yaml") == 0
    shown = capsys.readouterr().out
    assert "Held against c.yaml." in shown
    assert "writes a contract" not in shown


def test_describe_names_a_leak_and_what_would_stop_a_job(
    workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    Path("u.csv").write_text("x,closed,y\n" + "".join(f"{i % 7},{i % 2 * 3},{i % 2}\n" for i in range(60)))
    assert call("data", "describe", "data=csv", "data.path=u.csv", "data.target=y", "output=json") == 0
    assert json.loads(capsys.readouterr().out)["leak_suspects"] == ["closed"]
    assert call("data", "describe", "data=csv", "data.path=u.csv", "output=json") == 1
    assert json.loads(capsys.readouterr().out)["trouble"].startswith("data.target: not given.")


def test_a_run_says_how_many_rows_came_in_and_where_the_others_are(
    stored: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    text = CASE_STUDY.read_text().splitlines()[:1501]
    Path("u.csv").write_text("\n".join([*text, "v1,3,1,999,0,0,tier_9,none,1"]) + "\n")
    own = [f"data.contract={ROOT}/data/contracts/case_study.yaml", "data=csv", "data.path=u.csv", "data.drop=[action]"]
    assert call("run", "model=logistic", "explain_rows=5", "report=none", *own, "output=json") == 0
    found = json.loads(capsys.readouterr().out)
    intake = found["data"]["intake"]
    assert (intake["rows"], intake["quarantined"], found["data"]["users"]) == (1501, 1, 1500)
    import mlflow

    run = mlflow.get_run(found["run_id"])
    assert run.data.tags["rows_in"] == "1501"
    assert run.data.tags["rows_quarantined"] == "1"
    assert run.data.tags["quarantine"] == intake["path"]
    assert "1,501 rows in = 1,500 used + 1 quarantined" in run.data.tags["mlflow.note.content"]


def test_the_data_verbs_do_not_load_mlflow(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['tippingpoint', 'data', 'describe', 'data.users=500'];"
        "import tippingpoint.cli.main as c; c.main(); sys.exit('mlflow' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path, env=environment)


def test_a_query_is_typed_in_a_shell_as_sql_yaml_shows_it(tmp_path: Path) -> None:
    python = f"{shlex.quote(sys.executable)} -m tippingpoint"
    query = "data.query='select i as x, i % 2 = 1 as y from range(80) t(i) where i % 3 = $rest and i > 1'"
    line = (
        f"{python} data describe data=sql data.url=duckdb:// {query} data.parameters.rest=1 data.target=y output=json"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(line, shell=True, check=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert json.loads(done.stdout)["rows"] == 26


def test_of_a_wide_table_the_columns_that_matter_first_are_shown(
    workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    rng = np.random.default_rng(0)
    columns = {f"x{i}": rng.normal(size=400) for i in range(60)}
    outcome = (columns["x40"] > rng.normal(size=400)).astype(int)
    pl.DataFrame({**columns, "known_after": outcome * 2.5, "bought": outcome}).write_csv("wide.csv")
    words = ("data", "describe", "data=csv", "data.path=wide.csv", "data.target=bought")
    assert call(*words) == 0
    lines = capsys.readouterr().out.splitlines()
    first = [line.split()[0] for line in lines[2:5]]
    assert first == ["known_after", "bought", "x40"]
    assert len(lines) < 45
    assert "32 more columns: all=true" in "\n".join(lines)
    assert call(*words, "all=true") == 0
    assert len(capsys.readouterr().out.splitlines()) > 62
