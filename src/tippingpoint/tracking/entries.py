"""Entries of a journal, written: rights on the model are tried first, and what moves the champion is announced on it.

The journal of a model is made together with it, at its first registration.
"""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED, ErrorCode

from tippingpoint.core import stopping
from tippingpoint.core.errors import OutsideError, RefusedError
from tippingpoint.tracking.actor import Actor
from tippingpoint.tracking.backend import StoreRefusedError, named, outside, shown, store_errors, store_failures
from tippingpoint.tracking.grants import grant_line
from tippingpoint.tracking.journal import (
    ANNOUNCED,
    MOVES,
    OF,
    VOUCHED,
    Entry,
    Journal,
    Kind,
    digest_of_entry,
    journal_name,
    moves,
    told,
)
from tippingpoint.tracking.refusals import is_refusal

JOURNAL = "tippingpoint.journal"
"""Tag of a model: the name of its journal. It never changes, so whoever sets it again tries a right and no more."""
TRIES = 8
PAUSE = 0.05
"""Seconds before the second try; each further one waits longer."""


class OvertakenError(RefusedError):
    """Another promotion was first."""


def make_journal(client: MlflowClient, name: str) -> None:
    """See to it that a registered model has its journal: whoever registers its first version makes both."""
    note = f"The journal of `{name}`: one version an entry, only ever added to. See the description of `{name}`."
    named(client, journal_name(name), note, {OF: name})


def try_rights(client: MlflowClient, name: str) -> None:
    """Try to write a registered model and its journal, which is made where it is missing; nothing changes by it.

    Raises
    ------
    OutsideError
        When one of them may not be written: which, and who can change that; or when the store cannot be used.
    """
    journal = journal_name(name)
    _try(name, "", lambda: client.set_registered_model_tag(name, JOURNAL, journal))
    _try(journal, f", the journal of {name}", lambda: make_journal(client, name))
    _try(journal, f", the journal of {name}", lambda: client.set_registered_model_tag(journal, OF, name))


def _try(what: str, of: str, write: Callable[[], object]) -> None:
    """Write, and say which right is missing where the store refuses; of many at once a database may turn some away."""
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE)
        try:
            stopping.check()
            with store_errors():
                write()
            return
        except OutsideError as error:
            cause = error.__cause__
            if isinstance(cause, MlflowException) and cause.error_code == ErrorCode.Name(PERMISSION_DENIED):
                who = Actor.here().who
                missing = f"nothing was written: {who} may not edit the registered model {what}{of}"
                remedy = f"Whoever manages {what}, or an admin, types: {grant_line(who, what)}"
                raise OutsideError(f"models:/{what}", missing, remedy) from cause
            if attempt == TRIES - 1 or isinstance(error, StoreRefusedError):
                raise


def append(
    client: MlflowClient,
    name: str,
    kind: Kind,
    version: str,
    against: str,
    based_on: int,
    *,
    who: str | Actor,
    why: str = "",
    commit: str = "",
    policy_digest: str = "",
    run_id: str = "",
    model_id: str = "",
    test: str = "",
    judgement: dict[str, Any] | None = None,
    source: str = "",
) -> Entry:
    """Write an entry. Once a `promote` or `rollback` returns, its version is champion, whatever aliases say yet.

    These two, a `pin` and a `request` are announced on the model; before the others `try_rights` is called, before
    anything is judged.

    Parameters
    ----------
    source
        The model the entry is shown as made from; the version itself unless it is said.

    Raises
    ------
    OvertakenError
        When another was first since `based_on`; an entry that was written all the same is marked as lost.
    OutsideError
        When its author may not edit the model or its journal, or the store cannot be used.
    """
    actor, claim = Actor(who) if isinstance(who, str) else who, uuid.uuid4().hex
    said = {"kind": kind, "version": version, "against": against, "based_on": str(based_on), "why": why}
    what = {"commit": commit, "policy_digest": policy_digest, "run_id": run_id, "model_id": model_id, "test": test}
    by = {"who": actor.who, "claimed": json.dumps(actor.claimed), "claim": claim}
    tags = {**said, **what, **by, "judgement": json.dumps(judgement or {})}
    reason, announced = None, kind not in VOUCHED
    for attempt in range(TRIES + 1):  # after the last try too it is read whether that was taken
        journal = moves(client, name, f"tags.claim = '{claim}'")
        if (own := _taken(client, journal, claim, kind, version, based_on)) is not None:
            return own
        if attempt == TRIES:
            break
        try:  # of many at once a database may turn some away
            time.sleep(attempt * PAUSE)
            if not announced:  # who may not edit the model is told here
                _try(name, "", lambda: client.set_registered_model_tag(name, ANNOUNCED + claim, digest_of_entry(tags)))
                announced = True
            if not journal.entries:
                make_journal(client, name)
            stopping.check()
            client.create_model_version(journal_name(name), source or f"models:/{name}/{version}", tags=tags)
        except store_failures() as error:
            if is_refusal(error):
                raise outside(error) from error
            reason = error
    raise OutsideError(f"store {shown()}", f"takes no entry of the journal ({reason})", "Type the same line again.")


def _taken(client: MlflowClient, journal: Journal, claim: str, kind: Kind, version: str, based_on: int) -> Entry | None:
    """The entry with that claim, if it is written and counts; one that came second is marked as lost.

    Raises
    ------
    OvertakenError
        When another was first since `based_on`.
    """
    own = next((entry for entry in journal.entries if entry.claim == claim), None)
    if own is not None and (kind not in MOVES or own in journal.counting):
        return own
    winner = journal.after(based_on) if kind in MOVES else None
    if winner is None:
        return None
    if own is not None:
        with store_errors():
            client.set_model_version_tag(journal_name(journal.name), str(own.number), "lost", str(winner.number))
    raise OvertakenError(
        f"models:/{journal.name}/{version}",
        f"not moved: {told(winner)} while this was judged (entry {winner.number})",
        "Type the same line again, and it is judged against that champion.",
    )


def judged(client: MlflowClient, name: str, look: Entry, kind: Kind, judgement: dict[str, Any]) -> Entry:
    """Write the judgement of a gate into its look at the test set: it stays a `look`, or was `refused`.

    Raises
    ------
    OutsideError
        When the store cannot be used; the look counts all the same.
    """
    stopping.check()
    with store_errors():
        for key, value in {"judgement": json.dumps(judgement), "kind": kind}.items():
            client.set_model_version_tag(journal_name(name), str(look.number), key, value)
    return replace(look, kind=kind, judgement=judgement)
