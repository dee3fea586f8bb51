"""`tippingpoint status`: who is champion and challenger, and what is amiss; it writes nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import RenderableType

from tippingpoint.promotion import report
from tippingpoint.promotion.approve import void_because, waiting
from tippingpoint.promotion.pinned_gate import Pin, pin_of
from tippingpoint.promotion.registry_status import described, named
from tippingpoint.promotion.settings import StatusSettings
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend, grants
from tippingpoint.tracking.champion import ChampionStatus, champion_status
from tippingpoint.tracking.journal import NEWEST, journal_name
from tippingpoint.tracking.promotion import RegistryStatus, environment, questions, registry_status
from tippingpoint.tracking.registry import Client


@dataclass(frozen=True)
class ModelStatus:
    """Where one registered model stands.

    Parameters
    ----------
    grants
        Sentences on users who may edit only one of the model and its journal.
    pin
        The gate that is pinned on it, or on its question; None where none is.
    waiting
        By number of the entry what is said of each request for approval, or why it is void.
    """

    at: RegistryStatus
    champion: ChampionStatus
    grants: tuple[str, ...]
    pin: Pin | None = None
    waiting: Mapping[int, str] = field(default_factory=dict)

    @property
    def wrong(self) -> bool:
        """Whether something is not as the journal says, or the journal has gaps."""
        never = self.champion.journal.head is None and not self.champion.version
        return bool(self.at.behind or self.champion.journal.missing or (self.champion.amiss and not never))

    @property
    def said(self) -> list[str]:
        """What is amiss, in sentences."""
        journal, behind = self.champion.journal, self.at.behind
        lines = report.missing_entries(journal.missing)
        if self.champion.amiss:
            lines.append(self.champion.said)
        elif behind:
            gone = all(what.endswith("was deleted") for what in behind)
            new = f"Type tippingpoint promote{self.champion.named}, as what was deleted cannot come back"
            what = f"{self.at.name} is not as its journal says: {', '.join(behind)}"
            lines.append(f"{what}. {new if gone else self.champion.resume}.")
        return [*lines, *self.grants]

    @property
    def told(self) -> list[str]:
        """What else there is to know, in sentences."""
        pinned = [f"gate={self.pin.title} is pinned{self._by(self.pin)}."] if self.pin else []
        return [*pinned, *self.waiting.values()]

    def _by(self, pin: Pin) -> str:
        """Where and by whom, and whether a second person is asked."""
        of = "" if pin.model == self.at.name else f" on models:/{pin.model}"
        asks = "; a second person approves" if pin.entry.judgement["asked"].get("approval") else ""
        return f"{of} (entry {pin.entry.number}, by {pin.entry.who}){asks}"


@dataclass(frozen=True, repr=False)
class StatusResult(Result):
    """Where each registered model stands."""

    found: tuple[ModelStatus, ...]

    @property
    def refused(self) -> bool:
        """Whether something is not as a journal says, or a journal has gaps: exit code 1."""
        return any(model.wrong for model in self.found)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "models": [
                {
                    **asdict(model.at),
                    "entries": model.champion.journal.written - len(model.champion.journal.missing),
                    "missing": model.champion.journal.missing,
                    "amiss": model.champion.said or None,
                    "grants": list(model.grants),
                    "pinned": model.pin.to_dict() if model.pin else None,
                    "requests": {str(number): said for number, said in model.waiting.items()},
                }
                for model in self.found
            ]
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return report.status_summary(
            [(m.at.name, m.at.champion, m.at.previous, m.at.challenger, [*m.said, *m.told]) for m in self.found]
        )


def status(settings: StatusSettings) -> StatusResult:
    """Say who is what, and what is amiss.

    Raises
    ------
    InputError
        When there is no such registered model.
    OutsideError
        When the store cannot be used.
    """
    client = backend.connect(writing=False)
    if settings.name is None and len(there := questions(client)) > 1:
        asked = tuple(there)
    else:
        asked = (named(client, settings.name, settings.to)[0],)
    found = []
    for of, name in ((one, environment(one, settings.to)) for one in asked):
        champion = champion_status(client, name, NEWEST)
        at = registry_status(client, champion.journal, described)
        differing = tuple(grants.differing(name, journal_name(name)))
        found.append(ModelStatus(at, champion, differing, pin_of(client, of, name), _waiting(client, of, champion)))
    return StatusResult(tuple(found))


def _waiting(client: Client, of: str, champion: ChampionStatus) -> dict[int, str]:
    """Requests since the champion last moved that nobody approved: what is typed, or why it is void; newest first."""
    said = {}
    for request in (e for e in reversed(champion.journal.requests) if e.based_on == champion.journal.at):
        void = void_because(client, of, champion.name, request, champion.journal)
        wait = waiting(of, champion.name, request)
        said[request.number] = f"Entry {request.number} is void: {void}." if void else wait
    return said
