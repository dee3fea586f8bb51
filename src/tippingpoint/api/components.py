"""Names and objects as the verbs' settings hold them."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import yaml

from tippingpoint.config.compose import config_folder, option
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component, StrictModel
from tippingpoint.data import generators
from tippingpoint.data.source import Source
from tippingpoint.economics import Economics
from tippingpoint.models.family import Family
from tippingpoint.policies.policy import Policy

T = TypeVar("T", bound=StrictModel)
EXAMPLES = {"policy": "tp.Bands()", "economics": "tp.Economics(price=9.99)"}


def option_of(group: str, name: str) -> dict[str, Any]:
    """Return an option of `conf/`, without what it brings along of other groups."""
    return {key: value for key, value in option(group, name).items() if key != "defaults"}


def component_of(of: StrictModel) -> Component:
    """Return the config node of an object: every field of it, and below only what was said.

    That is what the shipped YAML files hold, so that a run looks the same however it was asked for.
    """
    fields = {name: getattr(of, name) for name in type(of).model_fields if name not in getattr(of, "learnt", ())}
    said = type(of).model_construct(_fields_set=set(fields), **fields)
    written = said.model_dump(mode="json", exclude_unset=True)
    return Component.model_validate({"_target_": f"{type(of).__module__}.{type(of).__name__}", **written})


def families_of(models: str | Family | Iterable[str | Family]) -> dict[str, Family]:
    """Return families by name; `all` stands for the three shipped ones."""
    found: dict[str, Family] = {}
    for name, family in _families([models] if isinstance(models, str | Family) else models):
        key, number = name, 1
        while key in found:
            key, number = f"{name}_{number + 1}", number + 1
        found[key] = family
    if not found:
        raise InputError("models", "names no family", "Give models=['logistic', 'boosting'], or leave it out.")
    return found


def _families(models: Iterable[str | Family]) -> Iterator[tuple[str, Family]]:
    for one in models:
        if isinstance(one, Family):
            yield re.sub(r"(?<!^)(?=[A-Z])", "_", type(one).__name__).lower(), one
        elif one == "all":
            yield from _families(option("model", "all")["defaults"])
        else:
            for name, node in option_of("model", _name(one, "models", "tp.Boosting()")).items():
                yield name, Component.of(node, f"models.{name}").build(Family, f"models.{name}")


def _name(given: object, where: str, example: str) -> str:
    """Return the name of an option, if one was given."""
    if isinstance(given, str):
        return given
    raise InputError(where, f"takes names or objects such as {example}; got {given!r}", f"Give {example} or a name.")


def source_of(users: object) -> Source:
    """Return users as the verbs take them.

    Raises
    ------
    InputError
        When they are a frame or a file's name.
    """
    if isinstance(users, Source):
        return users
    what = f"takes what tp.read_users returns; got a {type(users).__name__}"
    raise InputError("users", what, "Read it first: tp.read_users(frame, target='…').")


def policy_of(policy: str | Policy | None, users: Source) -> Policy:
    """Return the policy given, or else the one that these users' option brings along."""
    return policy if isinstance(policy, Policy) else _built("policy", policy, users, Policy)


def economics_of(economics: str | Economics | None, users: Source) -> Economics:
    """Return the prices given, or else those that these users' option brings along."""
    return economics if isinstance(economics, Economics) else _built("economics", economics, users, Economics)


def _built(group: str, name: str | None, users: Source, base: type[T]) -> T:
    chosen = _brought(group, users) if name is None else _name(name, group, EXAMPLES[group])
    node = option_of(group, chosen)
    return Component.of(node, group).build(base, group)


def _brought(group: str, users: Source) -> str:
    """Return the option of a group that goes with these users, as Hydra's defaults lists say."""
    target = f"{type(users).__module__}.{type(users).__name__}"
    for path in sorted((config_folder() / "data").glob("*.yaml")):
        node = yaml.safe_load(path.read_text())
        if node.get("_target_") == target and node.get("outcome") == getattr(users, "outcome", node.get("outcome")):
            for line in node.get("defaults", []):
                for key, value in line.items() if isinstance(line, dict) else ():
                    if key.startswith(f"override /{group}@"):
                        return str(value)
    generated = users.__class__.__module__.startswith(f"{generators.__name__}.")
    return {"policy": "intent_bands" if generated else "intent_shares", "economics": "freemium"}[group]
