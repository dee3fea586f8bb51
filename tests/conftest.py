"""Fixtures: a shared workspace with a finished comparison, and small tables."""

import os

os.environ |= {"OMP_THREAD_LIMIT": "1", "OMP_WAIT_POLICY": "PASSIVE"}  # xdist already fills the cores
from collections.abc import Iterator
from pathlib import Path

import pytest

REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def real() -> Path:
    """The folder of real tables, where it is at hand."""
    if not REAL.is_dir():
        pytest.skip("the real tables are not beside this checkout")
    return REAL


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A comparison of small settings, made once: (result, folder it was made in)."""
    from tippingpoint.jobs import compare
    from tippingpoint.settings import Settings, compose

    folder = tmp_path_factory.mktemp("workspace")
    before, uri = Path.cwd(), os.environ.get("MLFLOW_TRACKING_URI")
    os.chdir(folder)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    settings = Settings.from_config(compose("compare", ["data.users=3000", "explain_rows=50"]))
    try:
        result = compare(settings)
    finally:
        os.chdir(before)
        os.environ.pop("MLFLOW_TRACKING_URI")
        os.environ |= {"MLFLOW_TRACKING_URI": uri} if uri else {}
    return result, folder


@pytest.fixture(scope="module")
def at_compared(compared: tuple) -> Iterator[tuple]:
    """The comparison, with its folder and store in use for a whole module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(compared[1])
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{compared[1]}/mlflow.db")
        yield compared


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path
