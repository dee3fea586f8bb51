"""`tippingpoint rollback`: the previous champion again, once it has loaded and scored."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import RenderableType

from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.promotion import report
from tippingpoint.promotion.registry_status import carried_out, named
from tippingpoint.promotion.settings import RollbackSettings
from tippingpoint.promotion.webhook import tell
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.actor import Actor
from tippingpoint.tracking.champion import identity, is_other, settled_status
from tippingpoint.tracking.deciders import DTYPES, load_decider
from tippingpoint.tracking.entries import append, try_rights
from tippingpoint.tracking.journal import Entry
from tippingpoint.tracking.promotion import version_of
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.reload import files


@dataclass(frozen=True, repr=False)
class RollbackResult(Result):
    """What was undone.

    Parameters
    ----------
    undone
        The promotion that no longer counts.
    version
        The champion again, which scored so many users before it was moved.
    webhook
        Whether it was told to the address of the environment; '' where none is set.
    """

    name: str
    version: str
    undone: Entry
    scored: int
    entry: Entry | None
    dry_run: bool
    webhook: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name,
            "champion": self.undone.version if self.dry_run else self.version,
            "previous": self.version,
            "undone": {"entry": self.undone.number, "version": self.undone.version, "who": self.undone.who},
            "scored": self.scored,
            "entry": self.entry.number if self.entry else None,
            "dry_run": self.dry_run,
            **({"webhook": self.webhook} if self.webhook else {}),
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return report.rollback_summary(
            self.name,
            self.version,
            self.undone.version,
            self.undone.number,
            self.undone.when,
            self.undone.who,
            self.undone.why,
            self.scored,
            self.dry_run,
            self.webhook,
        )


def rollback(settings: RollbackSettings) -> RollbackResult:
    """Make the previous champion champion again.

    Raises
    ------
    InputError
        When there is none.
    RefusedError
        When it does not load or score; the champion stays then. Or when another was first.
    OutsideError
        When the store cannot be used.
    """
    with progress(3) as step:
        step("opening the store")
        client = backend.connect()
        of, model = named(client, settings.name, settings.to)
        status = settled_status(client, model)
        journal = status.journal
        if not journal.previous:
            what = f"models:/{model} has no previous champion" + (f" ({status.amiss})" if status.amiss else "")
            shows = f"Type tippingpoint history {report.named(of, model)}, which shows who was."
            raise InputError("rollback", what, status.remedy if status.amiss else shows)
        before = journal.champions[-2]
        if not settings.dry_run:
            try_rights(client, model)
        step("loading the previous champion, and scoring with it")
        scored = _scores(client, model, before)
        undone, version, entry = journal.champions[-1], journal.previous, None
        if not settings.dry_run:
            step("filing")
            entry = append(
                client,
                model,
                "rollback",
                version,
                undone.version,
                journal.at,
                who=Actor.here(settings.who),
                why=settings.why,
                commit=provenance().commit,
                **identity(client, version_of(client, model, version)),
            )
            carried_out(client, model, entry)
        webhook = tell(model, entry) if entry else ""
    return RollbackResult(model, version, undone, scored, entry, settings.dry_run, webhook)


def _scores(client: Client, name: str, entry: Entry) -> int:
    """How many users, those logged with it, the version of an entry decides for, loaded as score and serve load it.

    Raises
    ------
    RefusedError
        When it does not.
    """
    number = entry.version
    try:
        if other := is_other(client, entry, version_of(client, name, number)):
            raise InputError(f"models:/{name}/{number}", f"it is not the version of entry {entry.number}: it {other}")
        loaded = load_decider(client, f"models:/{name}/{number}")
        with files(client, loaded.model) as of:
            example = of.example()
        features = example.astype({column: DTYPES[kind] for column, kind in loaded.model.columns.items()})
        score = loaded.decider.decide(features).score
    except (InputError, ValueError, KeyError, OSError) as error:
        what = f"does not load and score ({error}): the champion stays"
        raise RefusedError(f"models:/{name}/{number}", what, "Promote another version.") from error
    if not (np.isfinite(score).all() and (score >= 0).all() and (score <= 1).all()):
        raise RefusedError(f"models:/{name}/{number}", "gives no probabilities: the champion stays", "Promote another.")
    return len(score)
