"""Worlds as configured, many of their users, and families fitted on them; each made once."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from tippingpoint.config.compose import config_folder
from tippingpoint.config.settings import Split
from tippingpoint.core.strict import Component
from tippingpoint.data.generators.world import World
from tippingpoint.data.source import Source
from tippingpoint.data.splits import split
from tippingpoint.data.users import Users
from tippingpoint.models.calibration import Model, fit
from tippingpoint.models.family import Family

KINDS = ("randomised", "by_score", "confounded")
FAMILIES = ("logistic", "random_forest", "boosting")


def node(path: str) -> dict[str, Any]:
    config = OmegaConf.to_container(OmegaConf.load(config_folder() / f"{path}.yaml"))
    config.pop("defaults", None)  # what the data brings along of other groups
    return config


def built(name: str, **changes: Any) -> Source:
    values = {k: v for k, v in (node(f"data/{name}") | changes).items() if v != "???"}
    return Component.model_validate(values).build(Source, "data")


def generated(path: Path) -> bool:
    target = node(f"data/{path.stem}").get("_target_", "")  # without one it is another's, asked otherwise
    return ".generators." in target and isinstance(built(path.stem), World)


WORLDS = [path.stem for path in sorted((config_folder() / "data").glob("*.yaml")) if generated(path)]
each_world = pytest.mark.parametrize("name", WORLDS)
each_kind = pytest.mark.parametrize("kind", KINDS)


def world(name: str, kind: str = "randomised", **changes: Any) -> World:
    return built(name, logging=node(f"data/{name}")["logging"] | {"kind": kind}, **changes)


@cache
def many(name: str, kind: str = "randomised") -> Users:
    return world(name, kind, users=50_000).load()


@cache
def scored(name: str, kind: str) -> np.ndarray:
    return world(name, kind).score(many(name, kind))


@cache
def fitted(name: str) -> dict[str, Model]:
    """Each family with its defaults on the world's own number of users, split as configured."""
    parts = split(built(name).load(), Split())
    families = {f: Component.model_validate(node(f"model/{f}")[f]).build(Family, "model") for f in FAMILIES}
    return {f: fit(family, parts.train, parts.validation, seed=0) for f, family in families.items()}


@cache
def fresh(name: str) -> Users:
    """30,000 users of the same world whom no family was fitted on."""
    first = built(name).users
    return built(name, users=first + 30_000).load().take(np.arange(first, first + 30_000))


def same(one: Users, other: Users) -> bool:
    parts = ("outcome", "user_id", "action", "truth", "logging_probability")
    arrays = all(np.array_equal(getattr(one, part), getattr(other, part)) for part in parts)
    measures = one.measures is other.measures or one.measures.equals(other.measures)
    return arrays and measures and one.features.equals(other.features) and one.digest == other.digest
