"""The five minutes of CONTRIBUTING.md, followed to the letter in a copy of the tree; the README's map and commands."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tippingpoint.cli import launch, main
from tippingpoint.cli.main import VERBS

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("tippingpoint ")]


def test_a_model_is_one_file_and_one_yaml(tmp_path: Path) -> None:
    for part in ("src", "conf", "experiments", "data", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    text = (ROOT / "CONTRIBUTING.md").read_text()
    code, config = (re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)[1] for kind in ("python", "yaml"))
    (tmp_path / "src/tippingpoint/models/extra_trees.py").write_text(code)
    (tmp_path / "conf/model/extra_trees.yaml").write_text(config)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/models", "-k", "extra_trees"],
        cwd=tmp_path, env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"[89] passed|\d\d passed", done.stdout)


def test_the_readme_s_verbs_and_files_exist() -> None:
    text = (ROOT / "README.md").read_text()
    assert set(re.findall(r"^tippingpoint (\w+)", text, re.MULTILINE)) <= set(VERBS)
    block = text.split("src/tippingpoint/\n")[1].split("```")[0]
    named = set(re.findall(r"[a-z_]+\.py", block))
    there = {p.name for p in (ROOT / "src/tippingpoint").rglob("*.py") if p.name != "__init__.py"}
    assert named == there


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_the_readme_is_understood(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Composed and checked, not run: that takes models and users."""
    asked: list[object] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "_answer", lambda job, settings, width: asked.append(settings))
    monkeypatch.setattr("tippingpoint.cli.sweep.gather", lambda asked: [])
    words = [
        word for word in shlex.split(line, comments=True) if not word.startswith("hydra")
    ]  # none in other processes
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    assert asked or "--cfg" in line
