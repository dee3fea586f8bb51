"""`tippingpoint history`: who was made champion, by whom, for which reasons."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.console import RenderableType

from tippingpoint.config.settings import RegistrySettings
from tippingpoint.promotion import report
from tippingpoint.promotion.registry_status import named, table
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.journal import Journal, read


@dataclass(frozen=True, repr=False)
class HistoryResult(Result):
    """A journal of a question, and the same as a table."""

    of: str
    journal: Journal
    found: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; the newest entry first, each with all its gate said."""
        judged = {entry.number: entry.judgement or None for entry in self.journal.entries}
        rows = self.found.astype(object).where(self.found.notna(), None).to_dict("records")
        return {
            "name": self.journal.name,
            "champion": self.journal.champion or None,
            "missing": self.journal.missing,
            "entries": [{**row, "judgement": judged[row["entry"]]} for row in rows],
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return report.history_summary(self.of, self.journal.name, self.found, self.journal.missing)


def history(settings: RegistrySettings) -> HistoryResult:
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
    journal = read(client, model)
    return HistoryResult(of, journal, table(journal))
