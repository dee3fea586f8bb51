"""`mlflow run` as it comes: an environment of the locked requirements, and the code of the folder it is typed in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
PYTHON = yaml.safe_load((ROOT / "python_env.yaml").read_text())
PARTS = ("MLproject", "python_env.yaml", "conf", "data/contracts", "requirements", "src")


def test_the_project_runs_its_own_code_on_locked_requirements() -> None:
    assert PROJECT["python_env"] == "python_env.yaml"
    assert PYTHON["dependencies"] == ["-r requirements/run.txt"]
    assert len(PYTHON["python"].split(".")) == 3
    locked = (ROOT / "requirements/run.txt").read_text()
    assert "--hash=" in locked  # pip then takes nothing that has none, such as a folder
    for entry in PROJECT["entry_points"].values():
        assert entry["command"].startswith("PYTHONPATH=src python -P -m tippingpoint ")


def checkout(folder: Path, version: str) -> Path:
    """The parts of a checkout that a run needs, of another version."""
    for part in PARTS:
        source = ROOT / part
        to = folder / part
        if source.is_dir():
            shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to)
    (folder / "src/tippingpoint/core/version.py").write_text(f'"""The version."""\n\n__version__ = "{version}"\n')
    (folder / "src/tippingpoint/reports/result.py").write_text(
        (ROOT / "src/tippingpoint/reports/result.py").read_text() + f'\nprint("code of {version}")\n'
    )
    return folder


@pytest.mark.programs
@pytest.mark.timeout(3600)
@pytest.mark.skipif("ROUNDS" not in os.environ, reason="whole environments are installed: make test-all")
def test_two_checkouts_each_run_their_own_code(tmp_path: Path) -> None:
    if shutil.which("pyenv") is None:
        pytest.skip("pyenv, by which MLflow finds the Python of python_env.yaml, is not installed")
    bare = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = bare | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "MLFLOW_ENV_ROOT": f"{tmp_path}/env",
    }
    words = ["run", "-P", "data.users=800", "-P", "model=logistic", "-P", "report=none", "-e", "run"]
    for version in ("9.1.0", "9.2.0"):
        folder = checkout(tmp_path / version, version)
        line = [sys.executable, "-m", "mlflow", *words, str(folder)]
        done = subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=1700)
        assert done.returncode == 0, done.stderr
        assert f"code of {version}" in done.stdout
    (made,) = (tmp_path / "env").glob("mlflow-*")  # one for both, as their requirements are the same
    assert not list(made.glob("lib/python*/site-packages/tippingpoint*"))
