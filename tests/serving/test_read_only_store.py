"""A store that nobody may write, in a folder that nobody may write: what only reads works from it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import working_in
from tests.serving.services import serving

pytestmark = pytest.mark.programs
USERS = Path(__file__).parents[2] / "data/synthetic_user_conversion_data.csv"


@pytest.fixture(scope="module")
def bound() -> tuple[str, ...]:
    """What a command stands behind so that modes of files hold for it, as they do not for root."""
    if os.geteuid():
        return ()
    command = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    if not shutil.which("setpriv") or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("the tests run as root, for whom every file can be written, and setpriv cannot change that")
    return command


@pytest.fixture
def closed(versions: Path, tmp_path: Path) -> Iterator[Path]:
    """The store and its folder, mode 0444 and 0555."""
    store = tmp_path / "closed"
    store.mkdir()
    shutil.copy(versions / "mlflow.db", store)
    (store / "mlflow.db").chmod(0o444)
    store.chmod(0o555)
    with working_in(store):
        yield store
    store.chmod(0o755)


def typed(bound: tuple[str, ...], folder: Path, *words: str) -> subprocess.CompletedProcess:
    command = [*bound, sys.executable, "-m", "tippingpoint", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)


def test_what_only_reads_reads_a_store_that_cannot_be_written(
    closed: Path, bound: tuple[str, ...], tmp_path: Path
) -> None:
    decisions = tmp_path / "decisions.csv"
    for words in (
        ("history", "output=json"),
        ("status", "dry_run=true", "output=json"),
        ("score", f"input={USERS}", f"to={decisions}", "tracking.log=false"),
    ):
        done = typed(bound, tmp_path, *words)
        assert done.returncode == 0, done.stderr
    assert decisions.is_file()
    with serving(tmp_path, under=bound) as service:
        assert service.post("/score", service.example()).status_code == 200
    assert [path.name for path in closed.iterdir()] == ["mlflow.db"]


def test_what_writes_says_at_once_that_it_cannot(closed: Path, bound: tuple[str, ...], tmp_path: Path) -> None:
    done = typed(bound, tmp_path, "promote", "1")
    assert done.returncode == 3
    assert "cannot be used" in done.stderr
