"""The notebook in docs/ runs, and so do the examples of all docstrings."""

import doctest
import sys
from importlib import import_module
from pathlib import Path

import pytest

import tippingpoint as tp

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorials" / "python_api.ipynb"


PACKAGE = Path(tp.__file__).parent
MODULES = [
    ".".join(("tippingpoint", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(import_module(name))
    assert found.attempted
    assert not found.failed


def test_every_public_class_and_function_has_an_example() -> None:
    for name in tp.__all__:
        of = getattr(tp, name)
        if callable(of) and not (isinstance(of, type) and issubclass(of, Exception)):
            assert ">>>" in (of.__doc__ or ""), name


@pytest.mark.programs
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed (extra: dev)")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (extra: dev)")
    monkeypatch.setenv("PYTHONPATH", str(Path(tp.__file__).parents[1]))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    kernels = tmp_path / "jupyter/kernels/python3"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(
        f'{{"argv": ["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"],'
        ' "display_name": "Python 3", "language": "python"}'
    )
    folder = tmp_path / "empty"
    folder.mkdir()
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    assert not list(folder.iterdir())
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("<table>" in output.get("data", {}).get("text/html", "") for output in shown)
    assert not [output for output in shown if output.output_type == "error"]
