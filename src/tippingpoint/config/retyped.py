"""What to type to ask again of the same users: the words that make of `conf/` what a run filed as its config."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from tippingpoint.config.compose import config_folder, option, overlay
from tippingpoint.core.overrides import override

PARTS = ("data", "policy", "economics", "split", "evidence", "guardrails")


def retyped(config: Mapping[str, Any], parts: Sequence[str] = PARTS) -> str:
    """Return the overrides of `compare` and `tune` for parts of a config.

    A class of none of the shipped options is a place to fill in: `policy=…`.
    """
    usual = yaml.safe_load((config_folder() / "config.yaml").read_text())
    options = {group: name for line in usual["defaults"] if isinstance(line, dict) for group, name in line.items()}
    words: list[str] = []
    for part in (part for part in parts if part in config):
        if part in options:
            whole = _written(part, options[part]) if part == "split" else {}  # filed without the keys of other splits
            words += _component(part, {**whole, **config[part]}, options[part])
        else:
            words += _changes("", {part: usual[part]}, {part: config[part]})
    return " ".join(words)


def typed_as(group: str, node: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Return the words for one part: the option of its name, and what was changed of `own`, or of what is shipped.

    An option that is none of the shipped is one of a folder of the user's own, as it was typed before. A policy that
    changed has the next version.

    Examples
    --------
    >>> typed_as("economics", {"name": "ours", "price": 8.0}, {"name": "ours", "price": 9.99})
    ['economics=ours', 'economics.price=8.0']
    """
    name, written = node["name"], own
    if own["name"] != name or own.get("_target_") != node.get("_target_"):
        shipped = (config_folder() / group / f"{name}.yaml").is_file() and group == "policy"
        written = _written(group, name) if shipped else node
        written = {key: of for key, of in written.items() if key in node}
    elif own != node and "version" in own and own["version"] == node["version"]:
        node = {**node, "version": own["version"] + 1}
    return [override(group, name), *_changes(group, written, node)]


def _component(group: str, node: Mapping[str, Any], usual: str) -> list[str]:
    """The option of a group that a node was made of, if it is not the usual one, and what was changed."""
    changes = {}
    for path in sorted((config_folder() / group).glob("*.yaml")):
        written = _written(group, path.stem)
        if written.pop("_target_", None) == node.get("_target_"):
            changes[path.stem] = list(_changes(group, written, {k: v for k, v in node.items() if k != "_target_"}))
    name = min(changes, key=lambda name: (len(changes[name]), name != usual), default="…")
    return [f"{group}={name}"] * (name != usual) + changes.get(name, [])


def _written(group: str, name: str) -> dict[str, Any]:
    """One shipped option, laid over those it names as its base; other groups it brings are left out."""
    written = option(group, name)
    for base in written.pop("defaults", []):
        if isinstance(base, str) and base != "_self_":
            written = overlay(_written(group, base), written)
    return written


def _changes(where: str, written: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[str]:
    """Overrides that make `node` of what is written."""
    for key in [*written, *(key for key in node if key not in written)]:
        path = f"{where}.{key}".removeprefix(".")
        if key not in node:
            yield f"~{path}"
        elif key not in written:
            yield override(f"++{path}", node[key])
        elif isinstance(node[key], Mapping) and isinstance(written[key], Mapping):
            yield from _changes(path, written[key], node[key])
        elif node[key] != written[key]:
            yield override(path, node[key])
