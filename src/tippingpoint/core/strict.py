"""Closed typed models: a config that cannot be right is refused in one message that says what to type."""

import math
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_serializer, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override

T = TypeVar("T", bound=BaseModel)

NOUNS = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text"}
PLUGIN_GROUPS = ("tippingpoint.models", "tippingpoint.learners", "tippingpoint.generators", "tippingpoint.policies")


class _Refusing(type(BaseModel)):  # type: ignore[misc]  # pydantic's metaclass has no public name
    """What is built with wrong arguments is refused in our form; models within models are left to pydantic."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            raise _refusal(cls, error, cls.__name__) from None


if TYPE_CHECKING:
    _Base = BaseModel
else:

    class _Base(BaseModel, metaclass=_Refusing):
        """pydantic's base, whose refusals are ours."""


class StrictModel(_Base):
    """A frozen model that refuses unknown keys; the base of every settings class and component."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Component(StrictModel):
    """A config node that names a class of ours, or of an installed plugin, and its arguments.

    Families, data sources, policies and economics are components: the class is itself a strict model, so
    that adding one needs its file and its YAML and no third place.
    """

    target: str
    arguments: dict[str, Any]

    @classmethod
    def of(cls, node: Any, where: str) -> "Component":
        """Return the component of a config node, as a file may hold it.

        Raises
        ------
        InputError
            When the node names no class.
        """
        return validate(cls, node if isinstance(node, Mapping) else {}, where)

    @model_validator(mode="before")
    @classmethod
    def _split(cls, node: Any) -> Any:
        if not isinstance(node, Mapping) or "_target_" not in node:
            raise ValueError("names no class: a `_target_` is missing")
        return {"target": node["_target_"], "arguments": {k: v for k, v in node.items() if k != "_target_"}}

    @model_serializer
    def as_written(self) -> dict[str, Any]:
        """The config node again."""
        return {"_target_": self.target, **self.arguments}

    def build(self, base: type[T], where: str) -> T:
        """Import the class, check that it is a `base`, and validate the arguments with it.

        Raises
        ------
        InputError
            For a target outside the package and its plugins, of another kind, or for wrong arguments.
        """
        if not (self.target.startswith("tippingpoint.") or self.target in plugins()):
            raise InputError(
                f"{where}._target_",
                f"{self.target!r} is neither in tippingpoint nor an installed plugin",
                "Name it in its package's pyproject.toml, under [project.entry-points.GROUP] with GROUP one of"
                f" {', '.join(map(repr, PLUGIN_GROUPS))}, and pip install that package.",
            )
        module, _, name = self.target.rpartition(".")
        try:
            found = getattr(import_module(module), name)
        except (ImportError, AttributeError, SyntaxError) as error:
            raise InputError(f"{where}._target_", f"cannot import {self.target!r} ({error})") from error
        if not (isinstance(found, type) and issubclass(found, base)):
            raise InputError(f"{where}._target_", f"{self.target!r} is not a {base.__name__}")
        return validate(found, self.arguments, where)


def plugins() -> list[str]:
    """Classes that installed packages declare."""
    return [entry.value.replace(":", ".") for group in PLUGIN_GROUPS for entry in entry_points(group=group)]


def validate(model: type[T], values: Mapping[str, Any], where: str) -> T:
    """Validate `values` with a strict model; pydantic's errors become one InputError.

    Parameters
    ----------
    where
        The config path of the node, '' for the root; it starts every line of the message.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _refusal(model, error, where) from None


def _refusal(model: type[BaseModel], error: ValidationError, where: str) -> InputError:
    """Return pydantic's errors as one of ours."""
    found = error.errors()
    for detail in found:  # pydantic keeps what a rule raised, and with its frames whole modules beyond the end
        if isinstance(raised := detail.get("ctx", {}).get("error"), BaseException):
            raised.__traceback__ = None
    # A list with a wrong item is also called too short: that is no second error.
    details = [d for d in found if d["type"] != "too_short" or len(found) == 1]
    head, *rest = dict.fromkeys(_explain(model, where, detail) for detail in details)
    more = " ".join(filter(None, [head.remedy, *(f"\n{line}" for line in rest)]))
    return InputError(head.where, head.what, more)


def _explain(model: type[BaseModel], where: str, detail: ErrorDetails) -> InputError:
    path = ".".join(filter(None, [where, *map(str, detail["loc"])]))
    if detail["type"] == "extra_forbidden":
        known = _fields_at(model, detail["loc"][:-1])
        return InputError(path, "unknown key", nearest(str(detail["loc"][-1]), known))
    if detail["type"] == "missing":
        return InputError(path, "not given", f"Type {path}=…")
    given = detail["input"]
    if detail["type"] == "dict_type":
        field = model.model_fields.get(".".join(map(str, detail["loc"])))
        without = f", or ~{path} to do without" if field and field.get_default(call_default_factory=True) == {} else ""
        what = f"holds keys with values; got {'null' if given is None else repr(given)}"
        return InputError(path, what, f"Type {path}.KEY=VALUE{without}.")
    if detail["type"] == "model_type":
        return _not_a_node(path, given, list(_at(model, detail["loc"]).model_fields))
    if detail["type"] in ("tuple_type", "list_type") and isinstance(given, str | int | float):
        return InputError(path, f"must be a list; got {given!r}", f"Type {override(path, [given])}.")
    if detail["type"] in ("too_short", "too_long") and isinstance(given, list | tuple):
        of = detail["ctx"]
        least = detail["type"] == "too_short"
        number = of["min_length"] if least else of["max_length"]
        items = f"{number} item{'s' if number > 1 else ''}"
        what = f"takes {'at least' if least else 'at most'} {items}; got {of['actual_length']}"
        return InputError(path, what, f"Type {path}='[{','.join('…' * min(number, 3))}]'." if number else "")
    what, _, remedy = _said(model, detail).partition(". ")
    if path and (share := _share(model, detail)) is not None:
        remedy = f"Type {path}={share:.12g}."
    if isinstance(given, str | int | float | bool | list) or given is None:
        what = f"{what[0].lower()}{what[1:]}; got {'null' if given is None else repr(given)}"
    if not path and (key := what.partition(" ")[0]) in model.model_fields:  # a rule of several keys begins with one
        path, what = key, what.removeprefix(f"{key} ")
    return InputError(path or "config", what, remedy)


def _not_a_node(path: str, given: Any, fields: list[str]) -> InputError:
    """Refuse what stands where keys with values do: a value alone is most often that of the first key."""
    first, *others = fields
    remedy = f"It has the keys {', '.join(fields)}."
    if isinstance(given, str | int | float) and path:
        more = f"; it has the keys {', '.join(others)} too" if others else ""
        remedy = f"Type {override(f'{path}.{first}', given)}{more}."
    return InputError(
        path or "config", f"holds keys with values; got {'null' if given is None else repr(given)}", remedy
    )


def _share(model: type[BaseModel], detail: ErrorDetails) -> float | None:
    """The share that `4%` says, or 4 where the most is 1; None where nothing, or no valid share, is said so."""
    given, found = detail["input"], None
    field = _field(model, detail)
    bounds = dict(pair for rule in (field.metadata if field else ()) for pair in _bounds(rule))
    if isinstance(given, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", given)):
        found = float(match[1]) / 100
    elif isinstance(given, int | float) and 1 < given <= 100 and 1 in (bounds.get("lt"), bounds.get("le")):
        found = given / 100
    if found is None or not detail["type"].startswith(("float", "less_than")):
        return None
    least, above = bounds.get("ge", -math.inf), bounds.get("gt", -math.inf)
    most, below = bounds.get("le", math.inf), bounds.get("lt", math.inf)
    return found if least <= found <= most and above < found < below else None


def _field(model: type[BaseModel], detail: ErrorDetails) -> FieldInfo | None:
    """The field that an error is about."""
    return _at(model, detail["loc"][:-1]).model_fields.get(str((detail["loc"] or [""])[-1]))


def _said(model: type[BaseModel], detail: ErrorDetails) -> str:
    """What pydantic says, in our words."""
    kind, ctx = detail["type"], detail.get("ctx", {})
    field = _field(model, detail)
    if kind == "string_pattern_mismatch" and field and field.title:
        return f"must be {field.title}"
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        bounds = {key: value for rule in (field.metadata if field else ()) for key, value in _bounds(rule)} or ctx
        return f"must be {_range(bounds)}"
    if noun := NOUNS.get(kind.partition("_")[0]) if kind.endswith(("_type", "_parsing", "_from_float")) else None:
        return f"must be {noun}"
    return re.sub(r"^\w+ should ", "must ", detail["msg"].removeprefix("Value error, "))


def _bounds(rule: object) -> list[tuple[str, Any]]:
    return [(key, getattr(rule, key)) for key in ("gt", "ge", "lt", "le") if getattr(rule, key, None) is not None]


def _range(bounds: Mapping[str, Any]) -> str:
    """
    >>> _range({"ge": 0, "le": 1}), _range({"gt": 0}), _range({"ge": 0, "lt": 8})
    ('from 0 to 1', 'above 0', 'at least 0 and below 8')
    """
    bounds = {key: f"{bound:g}" if isinstance(bound, float) else bound for key, bound in bounds.items()}
    if {"ge", "le"} <= set(bounds):
        return f"from {bounds['ge']} to {bounds['le']}"
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    return " and ".join(f"{word} {bounds[key]}" for key, word in words.items() if key in bounds)


def _fields_at(model: type[BaseModel], loc: Iterable[int | str]) -> list[str]:
    return list(_at(model, loc).model_fields)


def _at(model: type[BaseModel], loc: Iterable[int | str]) -> type[BaseModel]:
    """The model of a node within another; the last one that is known."""
    for step in loc:
        info = model.model_fields.get(str(step))
        inner = info.annotation if info else None
        for candidate in (inner, *getattr(inner, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return model
