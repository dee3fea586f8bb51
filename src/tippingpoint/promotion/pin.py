"""`tippingpoint promote pin`: the gate of a registered model, for everyone who promotes it."""

from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.config.gate_settings import Gate
from tippingpoint.core.errors import InputError
from tippingpoint.promotion.approve import limits
from tippingpoint.promotion.registry_status import described, named
from tippingpoint.promotion.report import named as in_words
from tippingpoint.promotion.settings import PinSettings
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.actor import Actor
from tippingpoint.tracking.entries import append, try_rights
from tippingpoint.tracking.journal import NEWEST, Entry, moves, read
from tippingpoint.tracking.promotion import describe_again, make_environment, versions
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.rights import check_manages

PIN = "pin its gate"


@dataclass(frozen=True, repr=False)
class PinResult(Result):
    """The gate that is pinned on a registered model now.

    Parameters
    ----------
    gate
        None where none is any more.
    entry
        None where it was so before.
    held
        What the store cannot hold anybody to; '' where it can.
    """

    of: str
    name: str
    gate: Gate | None
    entry: Entry | None
    held: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name,
            "gate": self.gate.model_dump(mode="json") if self.gate else None,
            "entry": self.entry.number if self.entry else None,
            "held": self.held or None,
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        what = f"gate={self.gate.title}" if self.gate else "no gate"
        lines = [f"{what} is pinned on models:/{self.name}{'' if self.entry else ' already'}."]
        if self.gate is not None and self.gate.approval:
            lines.append(f"Next: tippingpoint promote request {in_words(self.of, self.name)}")
        return Group(*(Text(line) for line in (*lines, *([self.held] if self.held else []))))


def promote_pin(settings: PinSettings) -> PinResult:
    """Pin a gate on a registered model, or take the pin away: it is written into the journal, and said by `status`.

    Raises
    ------
    InputError
        When there is no such registered model, or it has no version yet.
    StoreRefusedError
        When its user may not manage the model.
    OutsideError
        When the store cannot be used.
    """
    client = backend.connect()
    of, model = named(client, settings.name, settings.to)
    check_manages(client, of, PIN)
    source = _source(client, of)
    if model != of:
        make_environment(client, of, model)
        check_manages(client, model, PIN)
    try_rights(client, model)
    journal = moves(client, model)
    asked = {} if settings.unpin else {"asked": settings.gate.model_dump(mode="json"), "gate": settings.gate.title}
    pinned = None if settings.unpin else settings.gate
    held = limits() if pinned and pinned.approval else ""
    if (journal.pin.judgement if journal.pin else {}) == asked:
        return PinResult(of, model, pinned, None, held)
    by: dict[str, Any] = {"who": Actor.here(settings.who), "why": settings.why, "commit": provenance().commit}
    entry = append(client, model, "pin", "", "", journal.at, judgement=asked, source=source, **by)
    if not (now := read(client, model, newest=NEWEST)).left:
        describe_again(client, now, described)
    return PinResult(of, model, pinned, entry, held)


def _source(client: Client, name: str) -> str:
    """The newest version of a model: the journal's entries are made from versions."""
    if not (there := versions(client, name, newest=1)):
        raise InputError("name", f"models:/{name} has no version yet", "Type tippingpoint compare first.")
    return f"models:/{name}/{there[0].version}"
