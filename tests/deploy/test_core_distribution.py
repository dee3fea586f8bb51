"""tippingpoint-core: the same package with fewer requirements, with which users are scored and served."""

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tippingpoint.core import installed
from tippingpoint.core.installed import lacking, version_of

ROOT = Path(__file__).parents[2]
WHOLE, CORE = (tomllib.loads((ROOT / name).read_text()) for name in ("pyproject.toml", "packaging/core/pyproject.toml"))
LACKS = ("alembic", "duckdb", "matplotlib", "numba", "optuna", "plotly", "psycopg", "shap", "sqlalchemy")
"""Modules that tippingpoint-core is not installed with; and xgboost."""
WITHOUT = """
import sys
for name in sys.argv[1:]:
    sys.modules[name] = None  # Python refuses to import it, and says that it is not there
import numpy as np
import pandas as pd
from tippingpoint.data.generators.case_study import CaseStudy
from tippingpoint.models.logistic import Logistic
from tippingpoint.serving.compiled_pipeline import arrays, compiled
import tippingpoint.scoring.job, tippingpoint.serving.service, tippingpoint.cli.launch, tippingpoint.promotion.status
from tippingpoint.scoring.id_index import IdIndex
import polars as pl
users = CaseStudy(users=500).load()
pipeline = Logistic().pipeline(users.contract, 0).fit(users.features, users.outcome)
kinds = ("number", "category")
x, c = arrays(users.features, *(users.contract.names(kind) for kind in kinds))
assert np.allclose(compiled(pipeline).score(x, c), pipeline.predict_proba(users.features)[:, 1], atol=1e-9)
index = IdIndex()
index.add(pl.Series(["a", "b"]))
assert index.add(pl.Series(["b", "c"]))[0].tolist() == [True, False]
"""
SERVES = """
import sys
from tippingpoint.cli.launched_job import job_of
job_of("serve")
import tippingpoint.serving.service, tippingpoint.models.logistic, tippingpoint.policies.bands
assert not (found := set(sys.argv[1:]) & set(sys.modules)), found
import pandas as pd
import polars as pl
import pyarrow
texts = pd.DataFrame({"a": pd.Series(["x", None], dtype="str")})
assert pl.from_pandas(texts)["a"].to_list() == ["x", None]
assert pl.DataFrame({"a": ["x"]}).to_pandas()["a"].to_list() == ["x"]
"""


def requirements(listed: list[str]) -> dict[str, Requirement]:
    return {found.name: found for found in map(Requirement, listed)}


def test_its_requirements_are_those_of_the_whole() -> None:
    whole = requirements(WHOLE["project"]["dependencies"])
    core = requirements(CORE["project"]["dependencies"])
    core["mlflow"] = Requirement(str(core.pop("mlflow-skinny")).replace("mlflow-skinny", "mlflow"))
    core.pop("pyarrow")  # comes with mlflow, not with mlflow-skinny
    assert {name: str(one.specifier) for name, one in core.items()} == {n: str(whole[n].specifier) for n in core}


def test_its_extras_hold_what_the_whole_has() -> None:
    whole, core = (of["project"]["optional-dependencies"] for of in (WHOLE, CORE))
    assert core["serve"] == whole["serve"]
    assert set(core["warehouse"]) == {*whole["warehouse"], "duckdb>=1.4"}
    theirs = requirements(WHOLE["project"]["dependencies"])
    trees = requirements(core["trees"])
    assert trees["numba"].specifier == theirs["numba"].specifier
    assert trees["xgboost-cpu"].specifier == theirs["xgboost"].specifier
    named = {package for package, extra in installed.EXTRAS_OF_CORE.items() if extra in core}
    assert named == set(installed.EXTRAS_OF_CORE)


def test_it_is_built_from_the_same_folders() -> None:
    assert CORE["tool"]["hatch"] == WHOLE["tool"]["hatch"]
    assert CORE["project"]["scripts"] == WHOLE["project"]["scripts"]
    assert CORE["project"]["requires-python"] == WHOLE["project"]["requires-python"]


def test_its_lock_holds_each_requirement_once() -> None:
    lines = (ROOT / "requirements/service.txt").read_text().splitlines()
    locked = {line.split("==")[0] for line in lines if "==" in line and not line.startswith(" ")}
    extras = CORE["project"]["optional-dependencies"]
    needed = [
        *CORE["project"]["dependencies"],
        *(one for name in ("serve", "trees", "warehouse") for one in extras[name]),
    ]
    assert set(requirements(needed)) <= locked
    assert not {"mlflow", "xgboost", "shap", "matplotlib", "plotly", "optuna"} & locked


def test_scoring_and_serving_need_nothing_it_lacks() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT, *LACKS, "xgboost"], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr


def test_a_service_of_a_line_loads_no_library_that_it_does_not_use() -> None:
    unused = (*LACKS, "polars", "pyarrow", "xgboost")
    whole = ("alembic", "sqlalchemy", "matplotlib")  # MLflow as a whole brings them
    names = [name for name in unused if name not in whole]
    done = subprocess.run(
        [sys.executable, "-P", "-c", SERVES, *names], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def only_core(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name in ("tippingpoint", "mlflow", "xgboost"):
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(installed, "version", version)


@pytest.mark.usefixtures("only_core")
@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("xgboost.core", "Type pip install 'tippingpoint-core[trees]'."),
        ("sqlalchemy", "Type pip install 'tippingpoint-core[sql]'."),
        ("shap", "Type pip install tippingpoint in an environment without tippingpoint-core."),
    ],
)
def test_what_is_not_installed_says_what_to_type(module: str, remedy: str) -> None:
    refusal = lacking("tippingpoint score", ModuleNotFoundError(module, name=module))
    assert refusal is not None
    assert refusal.remedy == remedy


@pytest.mark.usefixtures("only_core")
def test_a_package_of_two_names_has_one_version() -> None:
    assert version_of("xgboost") == "1.0"  # of xgboost-cpu
    assert lacking("tippingpoint serve", ModuleNotFoundError("", name="uvicorn"), own="serve") is not None


def test_with_the_whole_a_missing_package_is_a_fault() -> None:
    assert lacking("tippingpoint compare", ModuleNotFoundError("", name="shap")) is None
