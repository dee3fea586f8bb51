"""Three versions of one question in a store, the first the champion; and a service that follows it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Once, working_in
from tests.serving.services import Service, crown, serving


@pytest.fixture(scope="session")
def versions(once: Once, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in which boosting, a line and a forest are versions 1, 2 and 3."""
    from tippingpoint.comparison.run import run
    from tippingpoint.config.compose import compose
    from tippingpoint.config.settings import Settings
    from tippingpoint.tracking import backend

    def make(_: Path) -> None:
        for family in ("boosting", "logistic", "random_forest"):
            run(Settings.from_config(compose("run", [f"model={family}", "report=none", "data.users=3000"])))
        crown(backend.connect(), "1")

    folder = tmp_path_factory.mktemp("served")
    shutil.copy(once("versions", make)[1] / "mlflow.db", folder)
    return folder


@pytest.fixture
def at_versions(versions: Path) -> Iterator[Path]:
    """The same, with the store in use and version 1 the champion."""
    from tippingpoint.tracking import backend

    with working_in(versions):
        crown(backend.connect(), "1")
        yield versions


@pytest.fixture(scope="session")
def service(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of version 1, which stays."""
    with working_in(versions), serving(versions, "model=models:/conversion/1") as service:
        yield service
