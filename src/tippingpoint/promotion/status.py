"""`tippingpoint status`: who is champion and challenger, and what is amiss; it writes nothing."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType

from tippingpoint.promotion import report
from tippingpoint.promotion.registry_status import described, named
from tippingpoint.promotion.settings import StatusSettings
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend, grants
from tippingpoint.tracking.champion import ChampionStatus, champion_status
from tippingpoint.tracking.journal import NEWEST, journal_name
from tippingpoint.tracking.promotion import RegistryStatus, environment, questions, registry_status


@dataclass(frozen=True)
class ModelStatus:
    """Where one registered model stands.

    Parameters
    ----------
    grants
        Sentences on users who may edit only one of the model and its journal.
    """

    at: RegistryStatus
    champion: ChampionStatus
    grants: tuple[str, ...]

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
                }
                for model in self.found
            ]
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return report.status_summary(
            [(m.at.name, m.at.champion, m.at.previous, m.at.challenger, m.said) for m in self.found]
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
        of = tuple(there)
    else:
        of = (named(client, settings.name, settings.to)[0],)
    found = []
    for name in (environment(one, settings.to) for one in of):
        champion = champion_status(client, name, NEWEST)
        at = registry_status(client, champion.journal, described)
        found.append(ModelStatus(at, champion, tuple(grants.differing(name, journal_name(name)))))
    return StatusResult(tuple(found))
