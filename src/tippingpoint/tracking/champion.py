"""Who is champion of a registered model, and what is amiss: one answer, which every verb gives."""

import re
import time
from dataclasses import dataclass, replace
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from tippingpoint.core.errors import RefusedError
from tippingpoint.core.overrides import override
from tippingpoint.tracking.backend import store_errors
from tippingpoint.tracking.journal import CARRIED_OUT, CHAMPION, COPIES, Entry, Journal, model_of, read, told
from tippingpoint.tracking.promotion import DELETED, origin

PROMOTE = "tippingpoint promote"
UNDER_WAY = 5.0
"""Seconds that a promotion waits for another that is being carried out."""


@dataclass(frozen=True)
class ChampionStatus:
    """Who is champion of a registered model.

    Parameters
    ----------
    version
        That decides; '' for none.
    amiss
        What is not as it should be, as a clause; '' where all is well.
    remedy
        What to type.
    stands
        Whether nothing can be promoted or rolled back before that is typed.
    """

    name: str
    journal: Journal
    version: str
    amiss: str = ""
    remedy: str = ""
    stands: bool = False

    @property
    def said(self) -> str:
        """What is amiss and what to type, in sentences."""
        return f"models:/{self.name}: {self.amiss}. {self.remedy}" if self.amiss else ""


def champion_status(client: MlflowClient, name: str) -> ChampionStatus:
    """Look who is champion.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    journal = read(client, name)
    with store_errors():
        model = model_of(client, name)
        if model is None:
            return ChampionStatus(name, journal, "", *(DELETED if journal.entries else ()))
        typed = _typed(name, model.tags.get(COPIES))
        alias = str(model.aliases.get(CHAMPION, ""))
        head, (number, _, claim) = journal.head, model.tags.get(CARRIED_OUT, "").partition(" ")
        by = f"version {alias} is champion by its alias" if alias else "there is no champion"
        again = f"Type tippingpoint promote model={alias}{typed}" if alias else f"Type {PROMOTE}{typed}"
        if claim and claim not in {entry.claim for entry in journal.entries}:
            gone = f"entry {number} was deleted from its journal" if journal.entries else "its journal was deleted"
            return ChampionStatus(name, journal, alias, f"{gone}; {by}", f"{again}, which writes it anew.")
        if head is None:
            amiss = "" if alias else f"there is no champion yet{_foreign(journal)}"
            return ChampionStatus(name, journal, alias, amiss, "" if alias else f"Type {PROMOTE}{typed}.")
        resume = f"Type tippingpoint promote resume {head.number}{typed}"
        if journal.left:
            amiss = f"entry {head.number} ({told(head)}) is not carried out: its process is still at it, or was killed"
            return ChampionStatus(name, journal, alias, amiss, f"{resume}.", stands=True)
        if wrong := _otherwise(client, journal, head):
            return ChampionStatus(name, journal, "", wrong, _back(journal, typed))
        if alias != head.version:
            moved = f"was moved by hand to version {alias}" if alias else "was removed by hand"
            amiss = f"the alias champion {moved}; by entry {head.number} ({told(head)}) it is version {head.version}"
            other = f", or tippingpoint promote model={alias}{typed} to have it judged" if alias else ""
            return ChampionStatus(name, journal, alias, amiss, f"{resume}{other}.", stands=not alias)
        return _of_run(client, ChampionStatus(name, journal, alias), typed)


def settled_status(client: MlflowClient, name: str) -> ChampionStatus:
    """Who is champion, once an entry that is being carried out is.

    Raises
    ------
    RefusedError
        When it is not after a while, or the champion's alias was removed: then somebody has to say what is to be.
    OutsideError
        When the store cannot be used.
    """
    deadline = time.monotonic() + UNDER_WAY
    while (status := champion_status(client, name)).journal.left and time.monotonic() < deadline:
        time.sleep(0.2)
    if status.stands:
        raise RefusedError(f"models:/{name}", status.amiss, status.remedy)
    return status


def identity(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    """What a version is, besides its number: run, logged model (as its source names it) and policy digest."""
    found = re.search(r"(?<![\w-])m-[0-9a-f]{32}", origin(client, version))
    return {
        "run_id": version.run_id or "",
        "model_id": found[0] if found else "",
        "policy_digest": version.tags.get("policy_bound_digest", ""),
    }


def is_other(client: MlflowClient, entry: Entry, version: ModelVersion) -> str:
    """Why a version is not the one an entry is about, in a clause; '' if it is."""
    if entry.old:
        return "was registered after it" if int(version.creation_timestamp) > entry.when else ""
    then = {"run_id": entry.run_id, "model_id": entry.model_id, "policy_digest": entry.policy_digest}
    now = identity(client, version)
    for what, of in {"run": "run_id", "logged model": "model_id", "policy digest": "policy_digest"}.items():
        if then[of] != now[of]:
            return f"has {what} {now[of] or 'none'}, not {then[of] or 'none'}"
    return ""


def _otherwise(client: MlflowClient, journal: Journal, head: Entry) -> str:
    """What is wrong with the version that an entry made champion; '' if nothing is."""
    try:
        version = client.get_model_version(journal.name, head.version)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        return f"version {head.version}, which entry {head.number} ({told(head)}) made champion, was deleted"
    if why := is_other(client, head, version):
        return f"version {head.version} is not the one that entry {head.number} ({told(head)}) made champion: it {why}"
    return ""


def _of_run(client: MlflowClient, status: ChampionStatus, typed: str) -> ChampionStatus:
    """The same with what is said of a champion whose run was deleted, which can be restored, or is gone."""
    number = status.version
    run_id = client.get_model_version(status.name, number).run_id
    try:
        if not run_id or client.get_run(run_id).info.lifecycle_stage != "deleted":
            return status
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        what = f"run {run_id} of its champion, version {number}, is gone, and with it what it was asked"
        return replace(status, version="", amiss=what, remedy=_back(status.journal, typed))
    what = f"run {run_id} of its champion, version {number}, was deleted"
    return replace(status, amiss=what, remedy=f"Type mlflow runs restore --run-id {run_id}.")


def _back(journal: Journal, typed: str) -> str:
    """What is typed where the champion is no more."""
    if journal.previous:
        return f"Type tippingpoint rollback{typed}."
    return f"Type {PROMOTE}{typed} gate.better.inconclusive=passes."


def _foreign(journal: Journal) -> str:
    """What is said of entries that would move the champion and do not count."""
    if not (numbers := [str(entry.number) for entry in journal.foreign]):
        return ""
    of = f"entries {', '.join(numbers[:6])} of its journal do" if len(numbers) > 1 else f"entry {numbers[0]} does"
    return f" ({of} not count: written for a model that was deleted, or by somebody who may not edit this one)"


def _typed(name: str, copy_of: str | None) -> str:
    """What names the registered model after a verb."""
    of = copy_of or name
    to = f" {override('to', name.removeprefix(f'{of}-'))}" if copy_of else ""
    return f" {override('name', of)}{to}"
