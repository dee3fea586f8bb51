"""The gate that is pinned on a registered model, and what somebody types beside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tippingpoint.config.compose import option
from tippingpoint.config.gate_settings import Gate
from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.core.overrides import override
from tippingpoint.core.strict import validate
from tippingpoint.tracking.journal import Entry, moves
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.rights import check_manages

APPROVAL = "gate.approval"
"""Where it is said that a second person has to agree."""
UNSAID = ("name",)
"""Keys of a gate that ask nothing."""


@dataclass(frozen=True)
class Pin:
    """A gate that is pinned, by which entry of whose journal."""

    model: str
    entry: Entry

    @property
    def gate(self) -> Gate:
        """What it asks.

        Raises
        ------
        InputError
            When this release knows no such gate.
        """
        try:
            return validate(Gate, self.entry.judgement["asked"], "gate")
        except InputError as error:
            number, why = self.entry.number, f"{error.where}: {error.what}"
            what = f"the gate that entry {number} of models:/{self.model} pinned is not known to this release ({why})"
            raise InputError("gate", what, "Install the release it was pinned with, or pin another.") from error

    @property
    def title(self) -> str:
        """Name and digest of the gate, as judgements name it."""
        return str(self.entry.judgement["gate"])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"gate": self.title, "on": self.model, "entry": self.entry.number, "asks": self.entry.judgement["asked"]}


@dataclass(frozen=True)
class AskedGate:
    """What a version must show.

    Parameters
    ----------
    pin
        None where no gate is pinned.
    overrides
        In what it differs from that, as it is typed.
    """

    gate: Gate
    pin: Pin | None = None
    overrides: tuple[str, ...] = ()


def pin_of(client: Client, name: str, model: str) -> Pin | None:
    """The gate that is pinned on a model: of an environment its own, else its question's."""
    for of in dict.fromkeys([model, name]):
        if entry := moves(client, of).pin:
            return Pin(of, entry)
    return None


def asked_gate(client: Client, name: str, model: str, typed: Gate) -> AskedGate:
    """The gate a version is held against: the one typed, or the pinned one with what is typed laid over it.

    A gate that goes by another name than the standard one stands for itself, and all in which it differs from the
    pinned one are overrides.

    Raises
    ------
    StoreRefusedError
        When something is laid over, and its user has no right to pin.
    """
    if (pin := pin_of(client, name, model)) is None:
        return AskedGate(typed)
    pinned = pin.gate
    standard = validate(Gate, option("gate", "standard"), "gate")
    asked = typed
    if typed.name == standard.name:
        words = dict(_changes(_asked(standard), _asked(typed)))
        asked = validate(Gate, _laid_over(pinned.model_dump(mode="json"), words), "gate")
    found = tuple(
        override(f"gate.{key}", value) for key, value in _changes(_asked(pinned), _asked(asked)) if key not in UNSAID
    )
    if found:
        what = f"lay {' '.join(found)} over the gate {pinned.name}, which entry {pin.entry.number} pinned"
        check_manages(client, pin.model, what)
    return AskedGate(asked if found else pinned, pin, found)


def check_approval(asked: AskedGate, words: str) -> None:
    """Refuse to promote at once where a second person has to agree.

    Parameters
    ----------
    words
        What names the version and the registered model after a verb.

    Raises
    ------
    RefusedError
        Where it has; nothing was looked at by then.
    """
    if asked.gate.approval:
        by = f" that entry {asked.pin.entry.number} pinned" if asked.pin else ""
        what = f"gate={asked.gate.name}{by} asks for a second person's approval"
        raise RefusedError(APPROVAL, what, f"Type tippingpoint promote request {words}".rstrip() + ".")


def _asked(gate: Gate) -> dict[str, Any]:
    return gate.model_dump(mode="json")


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted keys whose value is another, each with the new one."""
    for key, value in after.items():
        old = before.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", of) for inner, of in value.items() if old.get(inner) != of)
        elif old != value:
            yield key, value


def _laid_over(gate: dict[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """A gate with values by dotted key.

    Raises
    ------
    InputError
        Where a check is changed that the gate leaves out.
    """
    found = {key: dict(of) if isinstance(of, Mapping) else of for key, of in gate.items()}
    for dotted, value in words.items():
        key, _, inner = dotted.partition(".")
        if not inner:
            found[key] = value
        elif isinstance(of := found[key], dict):
            of[inner] = value
        else:
            what = f"the pinned gate={gate['name']} leaves the check {key} out"
            raise InputError(f"gate.{dotted}", what, f"Leave gate.{dotted}=… out, or pin a gate that asks for it.")
    return found
