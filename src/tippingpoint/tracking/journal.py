"""The journal of a registered model: who was made champion, by whom, for which reasons; one append decides.

It is a registered model of its own, whose versions are the entries: the store hands out their numbers once, whoever
asks at the same time, in a database and behind a server alike. An entry says which one it was based on, and counts if
that is the newest that counts before it. So of two that are based on the same one the first counts, which can be read
from the journal alone, whoever was killed meanwhile.
"""

import json
import time
import uuid
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from tippingpoint.core.errors import OutsideError, RefusedError
from tippingpoint.tracking.backend import STORE_ERRORS, literal, named, shown, store_errors

ENDING = ".journal"
OF, COPIES = "tippingpoint.journal_of", "tippingpoint.copies_of"
"""Tags of registered models that are no questions: a journal's, and an environment's."""
TRIES = 8
PAUSE = 0.05
"""Seconds before the second try; each further one waits longer."""
Kind = Literal["promote", "rollback", "refused", "look"]
MOVES = ("promote", "rollback")
"""Kinds that make a version champion; the others only record that a gate judged."""


@dataclass(frozen=True)
class Entry:
    """One entry.

    Parameters
    ----------
    number
        Given by the store.
    version
        What was made champion (`promote`, `rollback`), or only judged (`refused`, `look`). A look at the
        test set is written before its gate judges, so that of many at once each has a place of its own.
    against
        The champion it was judged against, or that it replaced; '' where there was none.
    based_on
        Number of the newest entry that counted when it was decided; 0 for none.
    when
        Milliseconds since 1970, by the store's clock.
    test
        Content and split of the users the gate looked at; '' where none did.
    judgement
        What the gate said (`gates.Judgement.to_dict`), or which pair it looks at; empty of a rollback.
    claim
        Tells a writer its own entry, also where the answer to its request was lost.
    lost
        Number of the entry that was first, where this one found that out.
    """

    number: int
    kind: Kind
    version: str
    against: str
    based_on: int
    when: int
    who: str
    why: str
    commit: str
    policy_digest: str
    test: str
    judgement: dict[str, Any] = field(default_factory=dict)
    claim: str = ""
    lost: int | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """The version a gate looked at, and the champion it was held against."""
        return self.judgement.get("version", ""), self.judgement.get("against", "")

    @property
    def judged(self) -> bool:
        """Whether a gate's words stand in it.

        A look at the test set has none while it is under way, where it ended in a promotion (whose entry has them), or
        was killed.
        """
        return "checks" in self.judgement


@dataclass(frozen=True)
class Journal:
    """All entries of a registered model, by number."""

    name: str
    entries: tuple[Entry, ...] = ()

    @cached_property
    def counting(self) -> tuple[Entry, ...]:
        """The entries that made someone champion, in order.

        One whose base was deleted from the store is as if based on the newest before it: nothing is undone by that.
        """
        there = {entry.number for entry in self.entries}
        found: list[Entry] = []
        for entry in self.entries:
            head = found[-1].number if found else 0
            gone = entry.based_on > head and entry.based_on not in there
            if entry.kind in MOVES and (entry.based_on == head or gone):
                found.append(entry)
        return tuple(found)

    @property
    def head(self) -> Entry | None:
        """The entry that says who is champion."""
        return self.counting[-1] if self.counting else None

    @property
    def at(self) -> int:
        """What the next entry is based on."""
        return self.head.number if self.head else 0

    @property
    def champion(self) -> str:
        """Version; '' while there is none."""
        return self.head.version if self.head else ""

    @property
    def champions(self) -> tuple[Entry, ...]:
        """The promotions that are not undone, the oldest first: a rollback takes the last away."""
        stack: list[Entry] = []
        for entry in self.counting:
            if entry.kind == "promote":
                stack.append(entry)
            elif stack:
                stack.pop()
        return tuple(stack)

    @property
    def previous(self) -> str:
        """The version a rollback would bring back; '' where there is none."""
        return self.champions[-2].version if len(self.champions) > 1 else ""

    @property
    def missing(self) -> list[int]:
        """Numbers that somebody deleted."""
        there = {entry.number for entry in self.entries}
        return [number for number in range(1, max(there, default=0)) if number not in there]

    @property
    def lost(self) -> tuple[Entry, ...]:
        """Entries that wanted to move the champion and came second."""
        return tuple(e for e in self.entries if e.kind in MOVES and e not in self.counting)

    def after(self, number: int) -> Entry | None:
        """The first entry that counts after one."""
        return next((entry for entry in self.counting if entry.number > number), None)

    def look(self, entry: Entry) -> int:
        """How many looks at the test set of an entry there were up to it, its own included.

        One look is one pair of version and champion; the same pair again does not count a second time.
        """
        of = [one for one in self.entries if one.test == entry.test and one.number <= entry.number]
        pairs = list(dict.fromkeys(one.pair for one in of))
        return pairs.index(entry.pair) + 1


class OvertakenError(RefusedError):
    """Another promotion was first."""


def journal_name(name: str) -> str:
    """The registered model that is the journal of another."""
    return f"{name}{ENDING}"


def read(client: MlflowClient, name: str) -> Journal:
    """The journal of a registered model; empty where nothing was ever promoted.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    found: list[ModelVersion] = []
    token = None
    wanted = f"name = {literal(journal_name(name))}"
    with store_errors():
        while True:
            page = client.search_model_versions(wanted, page_token=token)
            found += page
            if not (token := page.token):
                break
    entries = [_entry(version) for version in found if "kind" in version.tags]
    return Journal(name, tuple(sorted(entries, key=lambda entry: entry.number)))


def append(
    client: MlflowClient,
    name: str,
    kind: Kind,
    version: str,
    against: str,
    based_on: int,
    *,
    who: str,
    why: str = "",
    commit: str = "",
    policy_digest: str = "",
    test: str = "",
    judgement: dict[str, Any] | None = None,
    source: str = "",
) -> Entry:
    """Write an entry. Once a `promote` or `rollback` returns, its version is champion, whatever aliases say yet.

    Parameters
    ----------
    source
        The model the entry is shown as made from; the version itself unless it is said.

    Raises
    ------
    OvertakenError
        When another was first since `based_on`; an entry that was written all the same is marked as lost.
    OutsideError
        When the store cannot be used.
    """
    claim = uuid.uuid4().hex
    tags = {
        "kind": kind,
        "version": version,
        "against": against,
        "based_on": str(based_on),
        "who": who,
        "why": why,
        "commit": commit,
        "policy_digest": policy_digest,
        "test": test,
        "judgement": json.dumps(judgement or {}),
        "claim": claim,
    }
    note = f"The journal of `{name}`: one version an entry, only ever added to. See the description of `{name}`."
    reason: Exception | None = None
    for attempt in range(TRIES + 1):  # after the last try too it is read whether that was taken
        if (own := _taken(client, read(client, name), claim, kind, version, based_on)) is not None:
            return own
        if attempt == TRIES:
            break
        try:  # of many at once a database may turn some away
            time.sleep(attempt * PAUSE)
            named(client, journal_name(name), note, {OF: name})
            client.create_model_version(journal_name(name), source or f"models:/{name}/{version}", tags=tags)
        except STORE_ERRORS as error:
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
    with store_errors():
        for key, value in {"judgement": json.dumps(judgement), "kind": kind}.items():
            client.set_model_version_tag(journal_name(name), str(look.number), key, value)
    return replace(look, kind=kind, judgement=judgement)


def told(entry: Entry) -> str:
    """Who did what, in a clause."""
    did = {"promote": "promoted", "rollback": "rolled back to"}.get(entry.kind, "judged")
    return f"{entry.who} {did} version {entry.version}"


def _entry(version: ModelVersion) -> Entry:
    tags = version.tags
    return Entry(
        number=int(version.version),
        kind=tags["kind"],
        version=tags["version"],
        against=tags.get("against", ""),
        based_on=int(tags["based_on"]),
        when=int(version.creation_timestamp),
        who=tags.get("who", ""),
        why=tags.get("why", ""),
        commit=tags.get("commit", ""),
        policy_digest=tags.get("policy_digest", ""),
        test=tags.get("test", ""),
        judgement=json.loads(tags.get("judgement", "{}")),
        claim=tags.get("claim", ""),
        lost=int(tags["lost"]) if "lost" in tags else None,
    )
