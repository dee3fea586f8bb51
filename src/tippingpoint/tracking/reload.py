"""A model's files as they are, and its scores in a process that has nothing but what it lists."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tippingpoint.core.errors import InputError, is_full
from tippingpoint.core.installed import OTHER_NAMES
from tippingpoint.tracking.backend import outside
from tippingpoint.tracking.models import LoadedModel

SECONDS = 120
CLEAN = """
import json, re, sys
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from packaging.requirements import Requirement
def named(text): return re.sub(r"[-_.]+", "-", text).lower()
folder, rows, others = sys.argv[1:]
asked, listed = [Requirement(line.strip()) for line in open(f"{folder}/requirements.txt") if line.strip()], set()
while asked:
    one = asked.pop()
    if named(one.name) in listed or (one.marker and not one.marker.evaluate({"extra": ""})): continue
    listed.add(named(one.name))
    try: asked += map(Requirement, distribution(one.name).requires or [])
    except PackageNotFoundError: pass
listed |= {other for name in listed for other in json.loads(others).get(name, ())}
owned = packages_distributions().items()
hidden = {module for module, owners in owned if not listed & {named(owner) for owner in owners}} - {"packaging"}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden: raise ModuleNotFoundError(f"{name} is no requirement", name=name)
sys.meta_path.insert(0, Hide())
import mlflow.pyfunc, pandas
found = mlflow.pyfunc.load_model(folder).predict(pandas.read_parquet(rows))
json.dump(found.tolist(), sys.stdout)
"""
"""What the process runs: of all that is installed it can import what the model lists, and what that needs in turn."""


@dataclass(frozen=True)
class Files:
    """The files of a logged model.

    Parameters
    ----------
    written
        Its MLmodel.
    """

    folder: Path
    written: dict[str, Any]

    @property
    def megabytes(self) -> float:
        """Size of all files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / 1e6

    def example(self) -> pd.DataFrame:
        """The users that were logged with the model."""
        node = json.loads((self.folder / "input_example.json").read_text())
        return pd.DataFrame(node["data"], columns=node["columns"])


@contextmanager
def files(client: MlflowClient, model: LoadedModel) -> Iterator[Files]:
    """Fetch the files of a logged model for as long as they are looked at.

    Raises
    ------
    InputError
        When they are gone, or the MLmodel is none.
    OutsideError
        When the disk for temporary files is full.
    """
    with tempfile.TemporaryDirectory() as temporary:
        try:
            location = client.get_logged_model(model.model_id).artifact_location
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=temporary))
            written = yaml.safe_load((folder / "MLmodel").read_text())
        except (OSError, MlflowException, yaml.YAMLError) as error:
            if is_full(error):
                raise outside(error, reading=True) from error
            raise InputError("model", f"its files cannot be read ({error})", "Name another version.") from error
        yield Files(folder, written)


def clean_scores(folder: Path, features: pd.DataFrame, effects: bool = False) -> tuple[np.ndarray | None, str]:
    """What a model's folder gives of n users in a process of its own that can import only what the model lists.

    Nothing of the environment's search paths is passed on, and no tippingpoint is there. Whoever calls has seen that
    the MLmodel asks for no more trust than the family gives.

    Parameters
    ----------
    effects
        Whether it predicts effects, so that all its columns count.

    Returns
    -------
    numpy.ndarray or None, str
        None where it does not load or score, and why.
    """
    with tempfile.TemporaryDirectory() as empty:
        rows = Path(empty, "rows.parquet")
        features.to_parquet(rows)
        kept = {
            key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")
        }
        quiet = {"MLFLOW_TRACKING_URI": f"sqlite:///{empty}/none.db", "MLFLOW_DISABLE_TELEMETRY": "true"}
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", CLEAN, str(folder), str(rows), json.dumps(OTHER_NAMES)],
                capture_output=True, text=True, timeout=SECONDS, cwd=empty, env=kept | quiet,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None, f"not done after {SECONDS} seconds"
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if re.match(r"[\w.]+: ", line)]
        return None, lines[-1] if lines else f"exit code {done.returncode}"
    found = np.array(json.loads(done.stdout))
    return found if effects else found[:, 1], ""
