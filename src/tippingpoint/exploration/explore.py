"""`tippingpoint data explore`: one page that shows a table of users before any model."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.data.events.funnel import funnel
from tippingpoint.data.events.source import EventSource
from tippingpoint.data.generators.event_log import EventLog
from tippingpoint.data.generators.world import World
from tippingpoint.data.source import Source
from tippingpoint.data.users import Users
from tippingpoint.data.writing import replacing
from tippingpoint.evaluation.association import Association, associations, rate
from tippingpoint.experiment.evidence import kinds_at_hand
from tippingpoint.exploration.page import Exploration, page
from tippingpoint.exploration.settings import TableSettings
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.reports.console import plain_table
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result

BEST = 100_000
"""Users the best ROC AUC is worked out on; more would only take longer."""
SHOWN = 12
"""Columns listed."""


@dataclass(frozen=True, repr=False)
class ExploreResult(Result):
    """What was found, and where the page is."""

    explored: Exploration
    path: Path

    def to_dict(self) -> dict[str, Any]:
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
        return _summary(explored.origin, users, whole, explored.evidence, explored.found, str(self.path))


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


def _summary(
    origin: str, users: Users, rate: Estimate, evidence: Sequence[str], found: Sequence[Association], path: str
) -> RenderableType:
    """What the page says first, and where it is."""
    table = plain_table(
        f"{origin}: {len(users):,} users, {users.contract.outcome} {rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}]",
        ["column", "kind", "goes", "alone\nROC AUC", "missing"],
    )
    for association in found[:SHOWN]:
        table.add_row(
            Text(association.name),
            association.kind,
            association.shape,
            f"{association.alone:.3f}{'!' if association.suspect else ''}",
            f"{association.missing:,}",
        )
    more = [Text(f"{len(found) - SHOWN} more on the page.", style="dim")] if len(found) > SHOWN else []
    suspects = ", ".join(a.name for a in found if a.suspect)
    warned = [Text(f"! {suspects}: may know the outcome. If so: data.drop.")] if suspects else []
    where = Text(f"Page: {path}", no_wrap=True, overflow="ignore")
    more += [Text(f"Log: {users.contract.log}.")] if users.contract.log else []
    return Group(table, *more, *warned, Text(f"Evidence at hand: {', '.join(evidence)}."), where)
