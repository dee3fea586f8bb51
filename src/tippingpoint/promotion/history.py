"""`tippingpoint history`: who was made champion, by whom, for which reasons."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.console import RenderableType

from tippingpoint.promotion import report
from tippingpoint.promotion.registry_status import named, table
from tippingpoint.promotion.settings import HistorySettings
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.champion import ChampionStatus, champion_status
from tippingpoint.tracking.journal import EVERY


@dataclass(frozen=True, repr=False)
class HistoryResult(Result):
    """Who is champion of a question's registered model, with the newest entries of its journal, and that as a table."""

    of: str
    champion: ChampionStatus
    found: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; the newest entry first, each with all its gate said."""
        journal = self.champion.journal
        more = {e.number: {"claimed": e.claimed, "judgement": e.judgement or None} for e in journal.entries}
        rows = self.found.astype(object).where(self.found.notna(), None).to_dict("records")
        return {
            "name": journal.name,
            "champion": journal.champion or None,
            "missing": journal.missing,
            "amiss": self.champion.said or None,
            "entries": [{**row, **more[row["entry"]]} for row in rows],
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        journal, said = self.champion.journal, [self.champion.said] if self.champion.amiss else []
        return report.history_summary(self.of, journal.name, self.found, journal.missing, said)


def history(settings: HistorySettings) -> HistoryResult:
    """Read the journal of a registered model.

    Raises
    ------
    InputError
        When there is no such registered model.
    OutsideError
        When the store cannot be used.
    """
    client = backend.connect(writing=False)
    of, model = named(client, settings.name, settings.to)
    champion = champion_status(client, model, settings.limit or EVERY)
    return HistoryResult(of, champion, table(champion.journal))
