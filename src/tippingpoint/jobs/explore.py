"""`tippingpoint data explore`: one page that shows a table of users before any model."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType

from tippingpoint.association import associations, rate
from tippingpoint.data.events import EventSource
from tippingpoint.data.funnel import funnel
from tippingpoint.data.generators.event_log import EventLog
from tippingpoint.data.generators.world import World
from tippingpoint.data.source import Source
from tippingpoint.data.writing import replacing
from tippingpoint.jobs.evidence import kinds_at_hand
from tippingpoint.jobs.progress import progress
from tippingpoint.reports import tables
from tippingpoint.reports.explore import Exploration, page
from tippingpoint.settings import TableSettings

BEST = 100_000
"""Users the best ROC AUC is worked out on; more would only take longer."""


@dataclass(frozen=True)
class ExploreResult:
    """What was found, and where the page is."""

    explored: Exploration
    path: Path

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        explored = self.explored
        users, steps = explored.users, explored.funnel.steps if explored.funnel else None
        return {
            "question": explored.question,
            "data": {"origin": explored.origin, "digest": users.digest, "users": len(users)},
            "outcome": users.contract.outcome,
            "outcome_rate": asdict(rate(int(users.outcome.sum()), len(users))),
            "evidence": explored.evidence,
            "columns": [
                {
                    "name": a.name,
                    "kind": a.kind,
                    "shape": a.shape,
                    "roc_auc": a.alone,
                    "missing": a.missing,
                    "suspect": a.suspect,
                }
                for a in explored.found
            ],
            "best_roc_auc": explored.best_auc,
            "funnel": steps,
            "page": str(self.path),
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        explored = self.explored
        users = explored.users
        whole = rate(int(users.outcome.sum()), len(users))
        return tables.explore_summary(explored.origin, users, whole, explored.evidence, explored.found, str(self.path))


def explore(settings: TableSettings) -> ExploreResult:
    """Draw a table of users as one self-contained page.

    Raises
    ------
    InputError
        When the config or the data are wrong, or the page cannot be written.
    """
    with progress(3) as step:
        step("reading users")
        source = settings.data.build(Source, "data")
        users = source.load()
        first = np.arange(min(len(users), BEST))
        step("counting")
        explored = Exploration(
            users=users,
            question=source.question,
            origin=source.origin,
            found=associations(users),
            evidence=list[str](kinds_at_hand(users)),
            north_star=source.north_star,
            best_auc=source.best_auc(users.take(first)),
            responses=source.responses.model_dump() if isinstance(source, World | EventLog) else None,
            funnel=funnel(source.engines(), source.definition) if isinstance(source, EventSource) else None,
        )
        step("drawing")
        path = Path(settings.to or f".tippingpoint/explore/{_slug(source.origin)}.html")
        with replacing(path) as file:
            file.write(page(explored).encode())
    return ExploreResult(explored, path)


def _slug(origin: str) -> str:
    """An origin as a file's name."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", origin).strip("-.")[:80] or "users"
