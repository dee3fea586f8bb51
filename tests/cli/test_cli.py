import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.refusals import Refusal
from tippingpoint.cli.help import WORDS
from tippingpoint.cli.main import VERBS, as_overrides


def test_alone_it_explains_itself_in_one_screen(call: Callable[..., int], capsys: pytest.CaptureFixture) -> None:
    assert call() == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) <= 36
    assert max(map(len, shown)) <= 110


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['tippingpoint', '--help']; import tippingpoint.cli.main as c; c.main();"
        "heavy = {'hydra', 'numpy', 'pandas', 'mlflow', 'sklearn', 'rich', 'pydantic'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@given(st.text("ab é,'\"\\=:()1.", min_size=1))
def test_a_value_passed_on_by_mlflow_run_arrives_as_it_stands(value: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    if value.startswith(("[", "{")) or value.strip() != value or "${" in value:
        return
    (override,) = as_overrides(["--data.path", value])
    parsed = OverridesParser.create().parse_override(override).value()
    # Numbers and words such as true are Hydra's to type.
    assert str(parsed) == value or not isinstance(parsed, str)


def test_an_empty_value_counts_as_not_given() -> None:
    assert list(as_overrides(["--model", "", "--policy", "intent_bands"])) == ["policy=intent_bands"]


@pytest.mark.parametrize(
    ("arguments", "key", "named"),
    [
        (["rnu"], "tippingpoint", "'run'"),
        (["run", "modle=3"], "modle", "'model'"),
        (["run", "model=all"], "model", "Type model="),
        (["compare", "model=forest"], "model", "'random_forest'"),
        (["compare", "data=csv", "data.path=no.csv", "data.target=y"], "data.path=no.csv", ""),
        (["compare", "model={"], "model", "'{'"),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_2(
    arguments: list[str], key: str, named: str, workspace: Path, refused: Callable[..., Refusal]
) -> None:
    said = refused(*arguments)
    assert said.key == key
    assert named in said
    assert not (workspace / "mlflow.db").exists()


@pytest.mark.parametrize("uri", ["sqlite:////nowhere/at/all/mlflow.db", "http://127.0.0.1:9", "sqlite:////proc/x.db"])
def test_a_store_that_cannot_be_used_is_exit_code_3(
    uri: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for verb in ("doctor", "run"):
        assert call(verb) == 3
        error = capsys.readouterr().err
        assert f"store {uri}: cannot be {'reached' if uri.startswith('http') else 'used'}" in error
        assert "et MLFLOW_TRACKING_URI" in error
        assert "Traceback" not in error


def test_doctor_finds_a_new_store_usable(
    workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    assert call("doctor", "output=json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["writable"]
    assert found["versions"]["mlflow"]


@pytest.mark.programs
def test_ui_serves_the_store_prints_its_link_and_ends_with_ctrl_c(stored: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = subprocess.Popen(
        [sys.executable, "-m", "tippingpoint", "ui", f"port={port}"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True, cwd=stored, start_new_session=True,
    )  # fmt: skip
    assert job.stderr is not None
    link = next(line for line in job.stderr if line.startswith("MLflow: ")).split()[1]
    assert link == f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning"
    for _ in range(480):
        try:
            page = urllib.request.urlopen(link, timeout=5).read()
            break
        except OSError:
            time.sleep(0.5)
    assert b"MLflow" in page
    os.killpg(job.pid, signal.SIGINT)
    job.communicate(timeout=240)
    assert job.returncode == 130
    with pytest.raises(OSError):  # nothing of it is left
        urllib.request.urlopen(link, timeout=5)


def test_json_is_one_object_and_nothing_else_on_stdout(
    workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    words = ["run", "model=logistic", "data.users=2000", "explain_rows=5", "report=none", "output=json"]
    assert call(*words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["candidate"]["model"] == "logistic"
    assert found["evidence"] == "truth"
    assert found["registered"] == "models:/conversion/1"
    assert sorted(p.name for p in workspace.iterdir()) == ["mlflow.db", "mlflow.db.lock", "mlruns"]


def test_a_sweep_runs_every_combination_and_goes_on_after_a_wrong_one(
    stored: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    words = [
        "run",
        "-m",
        "model=logistic",
        "data.users=2000,3",
        "seed=0,1",
        "explain_rows=5",
        "report=none",
        "output=json",
    ]
    assert call(*words) == 2
    captured = capsys.readouterr()
    assert [json.loads(line)["data"]["users"] for line in captured.out.splitlines()] == [2000, 2000]
    assert captured.err.count("split: the ") == 2


@pytest.mark.parametrize("key", ["assumed_response", "contact_cost"])
def test_keys_below_an_action_may_be_new(key: str) -> None:
    from tippingpoint.config.compose import compose
    from tippingpoint.config.settings import Settings

    word = f"economics.actions.none.{key}=0.5"
    economics = Settings.from_config(compose("run", [word])).economics
    assert economics.arguments["actions"]["none"][key] == 0.5


def test_a_value_hydra_cannot_parse_is_shown_as_the_shell_takes_it(refused: Callable[..., Refusal]) -> None:
    said = refused("run", "data=csv", "data.path=a=b (1).csv")
    assert said.key == "data.path"
    typed = subprocess.run(f"printf %s {said.split('twice: ')[1]}", shell=True, capture_output=True, text=True).stdout
    assert refused("run", "data=csv", typed).key == "data.path=a=b (1).csv"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_a_short_help(verb: str, call: Callable[..., int], capsys: pytest.CaptureFixture) -> None:
    assert call(verb, "--help") == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) <= 16
    assert max(map(len, shown)) <= 115
    for word in WORDS.get(verb, ()):
        assert any(line.startswith(f"{verb} {word}") for line in shown)
