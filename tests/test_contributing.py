"""CONTRIBUTING.md followed to the letter, in a copy of the tree and in a package; folders."""

import ast
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tippingpoint.cli.main import VERBS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/tippingpoint"
FOLDERS = sorted({path.parent for path in PACKAGE.rglob("*.py")})
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
FILES = dict(re.findall(r"`((?:src|conf|data)/[\w/]+\.\w+)`(?:(?!```).)*?```\w+\n(.*?)```", GUIDE, re.DOTALL))
"""Each file that is to be written: its path, and what it holds."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree in which a model, a policy and a generator were added as CONTRIBUTING.md says."""
    folder = tmp_path_factory.mktemp("tree")
    for part in ("src", "conf", "experiments", "data", "tests", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    for path, text in FILES.items():
        (folder / path).write_text(text)
    return folder


@pytest.mark.programs
@pytest.mark.parametrize(("heading", "least"), [("model", 8), ("policy", 3), ("generator", 10)])
def test_what_is_added_passes_the_tests_that_find_its_yaml(tree: Path, heading: str, least: int) -> None:
    step = re.search(rf'## Add a {heading}.*?`make test ARGS="(.*?)"`', GUIDE, re.DOTALL)
    assert step
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *shlex.split(step[1])],
        cwd=tree, env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) >= least


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the YAML of an installed package that brings all three."""
    source, groups = tmp_path / "source", tmp_path / "groups"
    project = re.search(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert project
    for path, text in FILES.items():
        name, kind = Path(path), Path(path).parts[0]
        file = source / "mine" / name.name if kind != "conf" else groups / name.relative_to("conf")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(re.sub(r"_target_: tippingpoint\.[\w.]+\.(\w+\.\w+)", r"_target_: mine.\1", text))
    (source / "pyproject.toml").write_text(project[1])
    (source / "mine/__init__.py").touch()
    alone = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(tmp_path / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", *alone, str(source)], check=True)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return groups


def test_a_package_of_one_s_own_brings_all_three(
    package: Path, call: Callable[..., int], stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = re.search(r"`tippingpoint (compare --config-dir FOLDER .*?)`", GUIDE)
    assert typed
    words = [str(package) if word == "FOLDER" else word for word in typed[1].split()]
    assert call(*words, "data.users=3000", "report=none") == 0
    shown = capsys.readouterr().out
    assert "membership" in shown
    assert "extra_trees" in shown


def test_each_folder_says_what_it_is_for() -> None:
    for folder in FOLDERS:
        said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert said is not None, folder
        assert len(said) >= 60, folder


def is_there(word: str, folder: Path) -> bool:
    """Whether `word`, as a module, a folder or `module.Name`, stands in `folder` or in the package."""
    module, _, name = word.partition(".")
    for base in (folder, PACKAGE):
        if not name and (base / module).is_dir():
            return True
        if (base / module / f"{name}.py").is_file():
            return True
        if (file := base / f"{module}.py").is_file():
            body = ast.parse(file.read_text()).body
            return not name or name in {of.name for of in body if isinstance(of, ast.ClassDef | ast.FunctionDef)}
    return False


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_a_folder_s_docstring_names_is_there(folder: Path) -> None:
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    words = set(re.findall(r"`([a-z_]+(?:\.\w+)?)`", said)) - {*VERBS, "champion", "challenger", "tippingpoint", "tp"}
    assert [word for word in sorted(words) if not is_there(word, folder)] == []


@pytest.mark.parametrize(
    ("library", "importers"), [("mlflow", {"tracking"}), ("optuna", {"tuning"}), ("hydra", {"cli", "config"})]
)
def test_a_library_is_forbidden_to_all_folders_but_its_importers(library: str, importers: set[str]) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (forbidden,) = [of["source_modules"] for of in contracts if of.get("forbidden_modules") == [library]]
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path in FOLDERS}
    others = parts - importers - {"__init__", "__main__"}
    assert set(forbidden) == {f"tippingpoint.{part}" for part in others}


def test_lock_files_hold_no_addresses() -> None:
    files = list((ROOT / "requirements").glob("*.txt"))
    assert {"dev.txt", "run.txt"} <= {path.name for path in files}
    for path in files:
        assert "://" not in path.read_text()
