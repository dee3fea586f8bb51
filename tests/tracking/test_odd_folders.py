"""The default store in a folder whose name an address has to encode."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tippingpoint.tracking import backend


@pytest.mark.parametrize("name", ["a b", "über #1", "50% off", "what?now", "a%20b"])
def test_the_default_store_is_where_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path, call: Callable[..., int], name: str
) -> None:
    (folder := tmp_path / name).mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    assert backend.sqlite_path(backend.uri()) == folder / "mlflow.db"
    assert call("doctor") == 0
    assert [path.name for path in folder.glob("*.db")] == ["mlflow.db"]


def test_a_store_is_made_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder := tmp_path / "ü #50% x?y").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    backend.connect()
    assert (folder / "mlflow.db").stat().st_size
