"""The command line as its users know it: words in, exit code and what was said out. Nothing inside is imported."""

import io
import os
import re
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("TIPPINGPOINT_REAL_DATA", ROOT.parent / "shared/data"))
"""The real tables that are no part of the repository."""
REFUSAL = re.compile(r"^(?P<key>[^:\n]+(?:://[^:\n]+)?(?::/[^:\n]+)?): (?P<what>.*)", re.S)


@dataclass(frozen=True)
class Answer:
    """What the command line answered."""

    exit_code: int
    out: str
    err: str


def entry_point() -> Callable[[], None]:
    """Return what the command `tippingpoint` calls.

    The metadata of an editable install may be older than the tree: then what pyproject.toml says counts.
    """
    for point in entry_points(group="console_scripts", name="tippingpoint"):
        try:
            return point.load()
        except (ImportError, AttributeError):
            continue
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["scripts"]["tippingpoint"].partition(":")
    return getattr(import_module(module), name)


def call(*words: str) -> Answer:
    """Run the command line in this process and return its answer."""
    out, err = io.StringIO(), io.StringIO()
    typed, sys.argv = sys.argv, ["tippingpoint", *words]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    code = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            entry_point()()
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(done.code is not None)
    finally:
        sys.argv = typed
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Answer(code, out.getvalue(), err.getvalue())


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Work in a folder and in the store in it."""
    before, store = Path.cwd(), os.environ.get("MLFLOW_TRACKING_URI")
    os.chdir(folder)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    try:
        yield
    finally:
        os.chdir(before)
        if store is None:
            os.environ.pop("MLFLOW_TRACKING_URI")
        else:
            os.environ["MLFLOW_TRACKING_URI"] = store
