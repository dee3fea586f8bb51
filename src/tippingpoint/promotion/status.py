"""`tippingpoint status`: who is champion and challenger; a swap that was left half done is finished."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType

from tippingpoint.config.settings import StatusSettings
from tippingpoint.promotion import report
from tippingpoint.promotion.registry_status import described, named, settled
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.journal import Journal, read
from tippingpoint.tracking.promotion import RegistryStatus, environment, questions, registry_status


@dataclass(frozen=True, repr=False)
class StatusResult(Result):
    """Where each question's registered model stands, and what was finished of each."""

    of: tuple[str, ...]
    found: tuple[tuple[RegistryStatus, Journal, tuple[str, ...]], ...]

    @property
    def refused(self) -> bool:
        """Whether something is not as the journal says, or the journal has gaps: exit code 1."""
        return any(status.behind or journal.missing for status, journal, _ in self.found)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "models": [
                {**asdict(at), "entries": len(journal.entries), "missing": journal.missing, "finished": list(finished)}
                for at, journal, finished in self.found
            ]
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return report.status_summary(
            [
                (of, at.name, at.champion, at.previous, at.challenger, at.behind, finished, journal.missing)
                for of, (at, journal, finished) in zip(self.of, self.found, strict=True)
            ]
        )


def status(settings: StatusSettings) -> StatusResult:
    """Say who is what, and finish what a killed process left half done.

    Raises
    ------
    InputError
        When there is no such registered model.
    OutsideError
        When the store cannot be used.
    """
    client = backend.connect(writing=not settings.dry_run)
    if settings.name is None and len(there := questions(client)) > 1:
        of = tuple(there)
    else:
        of = (named(client, settings.name, settings.to)[0],)
    found = []
    for name in (environment(one, settings.to) for one in of):
        finished: tuple[str, ...] = ()
        if not settings.dry_run:
            _, finished = settled(client, name)
        journal = read(client, name)
        found.append((registry_status(client, journal, described), journal, finished))
    return StatusResult(of, tuple(found))
