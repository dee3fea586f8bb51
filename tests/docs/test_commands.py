"""Each command of the README and of the documentation is understood: composed and checked, not run."""

import re
from pathlib import Path

import pytest

from tests.understood import understood
from tippingpoint.cli.main import VERBS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TYPED = [path for path in PAGES if path.parent.name != "tutorials"]  # those of the tutorials are run
BLOCKS = [block for path in TYPED for block in re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL)]
LINES = [
    line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.startswith("tippingpoint ")
]
COMMANDS = sorted({line for line in LINES if not line.startswith("tippingpoint completion")})  # it has tests of its own


def test_the_verbs_that_are_typed_exist() -> None:
    assert {line.split()[1] for line in COMMANDS} <= set(VERBS)


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = understood(line, monkeypatch)
    assert asked or "--cfg" in line
    assert "old spelling" not in capsys.readouterr().err
