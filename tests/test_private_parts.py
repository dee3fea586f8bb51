"""What is private in a library stands in one module each, and was tried with the version named here."""

import ast
from importlib.metadata import version
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src/tippingpoint"
TRIED = {
    "hydra-core": ("cli/hydra_internals.py", (1, 3)),
    "optuna": ("tuning/optuna_internals.py", (5, 0)),
    "scikit-learn": ("models/family.py", (1, 9)),
}


@pytest.mark.parametrize("library", TRIED)
def test_the_installed_library_is_not_newer_than_the_one_tried(library: str) -> None:
    module, tried = TRIED[library]
    installed = version(library)
    assert tuple(map(int, installed.split(".")[:2])) <= tried, (
        f"{library} {installed} is newer than {'.'.join(map(str, tried))}, with which {module} was tried. Look whether"
        f" the private names that {module} uses still do the same, then raise the version here and in pyproject.toml."
    )


def test_nothing_else_imports_private_parts() -> None:
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [part for alias in node.names for part in alias.name.split(".")]
            else:
                continue
            if any(name.startswith("_") and not name.startswith("__") for name in names):
                found.add(path.relative_to(SOURCE).as_posix())
    assert found == {"cli/hydra_internals.py"}


def test_no_other_module_of_tuning_reads_private_attributes_of_optuna() -> None:
    private = {"_storage", "_trial_id", "_study_id", "_backend"}
    found = {
        path.name
        for path in (SOURCE / "tuning").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in private
    }
    assert found == {"optuna_internals.py"}
