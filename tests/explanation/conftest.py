"""The families fitted, each once."""

from collections.abc import Callable

import pytest

from tests.explanation.explained import users
from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.models.calibration import Model, fit
from tippingpoint.models.family import Family


@pytest.fixture(scope="session")
def fitted() -> Callable[[str], Model]:
    made: dict[str, Model] = {}

    def model(name: str) -> Model:
        if name not in made:
            settings = Settings.from_config(compose("run", [f"model={name}"]))
            family = settings.model[name].build(Family, f"model.{name}")
            made[name] = fit(family, users(), users(600, 1), seed=0)
        return made[name]

    return model
