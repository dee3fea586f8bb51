"""What a run was made with is known, whatever lies uncommitted in the checkout."""

import subprocess
from pathlib import Path

import pytest

from tippingpoint.tracking import provenance as module


def test_uncommitted_text_that_is_not_utf8_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*words: str) -> None:
        own = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *own, *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "a.txt").write_text("plain\n")
    git("add", ".")
    git("commit", "-m", "first")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\n")
    (tmp_path / "new.txt").write_text("")
    monkeypatch.setattr(module, "config_folder", lambda: tmp_path / "conf")
    found = module.provenance.__wrapped__()
    assert len(found.commit) == 40
    assert "+caf" in found.diff
    assert found.diff.endswith("untracked: new.txt\n")
