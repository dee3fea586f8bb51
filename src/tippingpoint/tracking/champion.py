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
from tippingpoint.tracking.journal import CARRIED_OUT, CHAMPION, COPIES, Entry, Journal, read_with_model, told
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
    named
        What names the registered model after a verb.
    """

    name: str
    journal: Journal
    version: str
    amiss: str = ""
    remedy: str = ""
    stands: bool = False
    named: str = ""

    @property
    def said(self) -> str:
        """What is amiss and what to type, in sentences."""
        return f"models:/{self.name}: {self.amiss}. {self.remedy}" if self.amiss else ""

    @property
    def resume(self) -> str:
        """What makes aliases, tags and description what the newest entry says."""
        return f"Type {PROMOTE} resume {self.journal.at}{self.named}"

    @property
    def instead(self) -> str:
        """What is typed where the champion is no more."""
        if self.journal.previous:
            return f"Type tippingpoint rollback{self.named}."
        return f"Type {PROMOTE}{self.named} gate.better.inconclusive=passes."


def champion_status(client: MlflowClient, name: str, newest: int = 0) -> ChampionStatus:
    """Look who is champion; its journal has the newest so many entries besides those that move the champion.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    first = _look(client, name, newest)
    # An entry that was appended between the two reads looks like something amiss.
    return _look(client, name, newest) if first.amiss else first


def _look(client: MlflowClient, name: str, newest: int) -> ChampionStatus:
    journal, model = read_with_model(client, name, newest=newest)
    with store_errors():
        if model is None:
            return ChampionStatus(name, journal, "", *(DELETED if journal.entries else ()))
        alias = str(model.aliases.get(CHAMPION, ""))
        found = ChampionStatus(name, journal, alias, named=_named(name, model.tags.get(COPIES)))
        number, _, claim = model.tags.get(CARRIED_OUT, "").partition(" ")
        if claim and claim not in {entry.claim for entry in journal.entries}:
            return _without_entry(found, number)
        if (head := journal.head) is None:
            never = _foreign(journal) if not alias else ""
            return replace(found, amiss=never, remedy=f"Type {PROMOTE}{found.named}.")
        if journal.left:
            what = f"entry {head.number} ({told(head)}) is not carried out: its process is still at it, or was killed"
            return replace(found, amiss=what, remedy=f"{found.resume}.", stands=True)
        if wrong := _otherwise(client, journal, head):
            return replace(found, version="", amiss=wrong, remedy=found.instead)
        if alias != head.version:
            moved = f"was moved by hand to version {alias}" if alias else "was removed by hand"
            amiss = f"the alias champion {moved}; by entry {head.number} ({told(head)}) it is version {head.version}"
            other = f", or {PROMOTE} model={alias}{found.named} to have it judged" if alias else ""
            return replace(found, amiss=amiss, remedy=f"{found.resume}{other}.", stands=not alias)
        return _of_run(client, found)


def _without_entry(found: ChampionStatus, number: str) -> ChampionStatus:
    """What is said where the entry that aliases follow from was deleted."""
    by = f"version {found.version} is champion by its alias alone" if found.version else "there is no champion"
    again = f" model={found.version}" if found.version else ""
    what = f"its journal was deleted, or has lost entry {number}, which made the champion; {by}"
    return replace(found, amiss=what, remedy=f"Type {PROMOTE}{again}{found.named}, which writes it anew.")


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


def _of_run(client: MlflowClient, status: ChampionStatus) -> ChampionStatus:
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
        return replace(status, version="", amiss=what, remedy=status.instead)
    what = f"run {run_id} of its champion, version {number}, was deleted"
    return replace(status, amiss=what, remedy=f"Type mlflow runs restore --run-id {run_id}.")


def _foreign(journal: Journal) -> str:
    """What is said where there is no champion, but entries that would have made one and do not count."""
    if not (numbers := [str(entry.number) for entry in journal.foreign]):
        return ""
    of = f"entries {', '.join(numbers[:6])} of its journal do" if len(numbers) > 1 else f"entry {numbers[0]} does"
    why = "written for a model that was deleted, or by somebody who may not edit this one"
    return f"there is no champion yet ({of} not count: {why})"


def _named(name: str, copy_of: str | None) -> str:
    """What names the registered model after a verb."""
    of = copy_of or name
    to = f" {override('to', name.removeprefix(f'{of}-'))}" if copy_of else ""
    return f" {override('name', of)}{to}"
