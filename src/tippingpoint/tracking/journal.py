"""The journal of a registered model: who was made champion, by whom, for which reasons; one append decides.

It is a registered model of its own, whose versions are the entries: the store hands out their numbers once, whoever
asks at the same time, in a database and behind a server alike. An entry says which one it was based on, and counts if
that is the newest that counts before it. So of two that are based on the same one the first counts, which can be read
from the journal alone, whoever was killed meanwhile.

Whoever can write a journal need not be who may edit its model. So an entry counts only if it was announced on the
model, by a tag that holds the digest of what the entry says (docs/decisions). `entries` writes them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from tippingpoint.tracking.backend import literal, store_errors

ENDING = ".journal"
OF, COPIES = "tippingpoint.journal_of", "tippingpoint.copies_of"
"""Tags of registered models that are no questions: a journal's, and an environment's."""
MODEL = {"tippingpoint.kind": "model"}
"""Tag of registered models that are no journals, by which MLflow's own list shows these alone."""
ANNOUNCED = "tippingpoint.announced."
"""Tags of a model: the digest of the entry with this claim, set by its author before the entry is appended."""
CARRIED_OUT = "tippingpoint.carried_out"
"""Tag of a model: number and claim of the entry that its aliases, tags and description follow from."""
CHAMPION, PREVIOUS = "champion", "previous_champion"
Kind = Literal["promote", "rollback", "refused", "look", "bind", "pin", "request", "unreadable"]
MOVES = ("promote", "rollback")
"""Kinds that make a version champion; the others only record."""
VOUCHED = (*MOVES, "pin", "request")
"""Kinds that count only where who may edit the model announced them."""
NEWEST = 50
"""Entries that are shown and looked through for gaps where nobody asks for more."""
EVERY = 200_000
"""As many as a store gives at once."""


@dataclass(frozen=True)
class Entry:
    """One entry.

    Parameters
    ----------
    number
        Given by the store.
    version
        What was made champion (`promote`, `rollback`), or only judged (`refused`, `look`, `bind`). A look at the
        test set is written before its gate judges, so that of many at once each has a place of its own. What a gate
        let in and a second person is asked for (`request`); of one only judged for an environment, after the name of
        its model. '' of a `pin`.
    against
        The champion it was judged against, or that it replaced; '' where there was none.
    based_on
        Number of the newest entry that counted when it was decided; 0 for none.
    when
        Milliseconds since 1970, by the store's clock.
    who
        As whom its author asked the store, or was logged in; the store does not vouch for it.
    test
        Content and split of the users the gate looked at; '' where none did.
    judgement
        What the gate said (`Judgement.to_dict`), or which pair it looks at; the `asked` of a gate that is pinned, and
        nothing of one that no longer is; empty of a rollback.
    claim
        Tells a writer its own entry, also where the answer to its request was lost.
    lost
        Number of the entry that was first, where this one found that out.
    run_id, model_id
        What the version was: a number alone may come to stand for another.
    claimed
        What its author says besides: `login`, `ci` (its run), `ci_commit`, `on_behalf_of`.
    digest
        Of what it said when it was appended.
    old
        Whether a release before announcements wrote it.
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
    run_id: str = ""
    model_id: str = ""
    claimed: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    old: bool = False

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
    """Entries of a registered model, by number, and what the model says of them.

    All that would move the champion, or pin a gate, are there; of the others those that were asked for.

    Parameters
    ----------
    announced
        Digests by claim.
    carried_out
        Claim of the entry that aliases, tags and description follow from; '' where none says so.
    confirmed
        Number of the newest old entry that the model itself confirms, where nothing was announced yet; 0 for none.
    since
        Number from which on all entries are there.
    """

    name: str
    entries: tuple[Entry, ...] = ()
    announced: Mapping[str, str] = field(default_factory=dict)
    carried_out: str = ""
    confirmed: int = 0
    since: int = 1

    @cached_property
    def counting(self) -> tuple[Entry, ...]:
        """The entries that made someone champion, in order."""
        there = {entry.number for entry in self.entries}
        told = [entry for entry in self.entries if self._announced(entry)]
        old = {entry.number for entry in self.entries if entry.old}
        vouched = max([self.confirmed, *(entry.based_on for entry in told if entry.based_on in old)])
        before = _chain([e for e in self.entries if e.old and e.number <= vouched], there)
        return _chain(sorted([*before, *told], key=lambda entry: entry.number), there)

    def _announced(self, entry: Entry) -> bool:
        return bool(entry.claim) and self.announced.get(entry.claim) == entry.digest

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
    def left(self) -> Entry | None:
        """The entry that counts and is not carried out: its process is still at it, or was killed."""
        head, before = self.head, {"", *(entry.claim for entry in self.entries)}
        return head if head and not head.old and self.carried_out in before - {head.claim} else None

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
        """Numbers that somebody deleted, of those from `since` on."""
        there = {entry.number for entry in self.entries}
        return [number for number in range(self.since, max(there, default=0)) if number not in there]

    @property
    def written(self) -> int:
        """How many entries were ever written, as far as is known here."""
        return max((entry.number for entry in self.entries), default=0)

    @property
    def pin(self) -> Entry | None:
        """The entry by which a gate is pinned now; None while none is."""
        newest = next((e for e in reversed(self.entries) if e.kind == "pin" and self._announced(e)), None)
        return newest if newest and newest.judgement else None

    @property
    def requests(self) -> tuple[Entry, ...]:
        """Requests that nobody approved, of those that were read."""
        approved = {entry.judgement.get("request") for entry in self.counting}
        asked = [e for e in self.entries if e.kind == "request" and self._announced(e)]
        return tuple(entry for entry in asked if entry.number not in approved)

    @property
    def lost(self) -> tuple[Entry, ...]:
        """Entries that wanted to move the champion and came second."""
        return tuple(e for e in self.entries if e.kind in MOVES and self._announced(e) and e not in self.counting)

    @property
    def foreign(self) -> tuple[Entry, ...]:
        """Entries that would move the champion, but nobody who may edit the model as it is now stands behind them."""
        known = {entry.number for entry in (*self.counting, *self.lost)}
        return tuple(e for e in self.entries if e.kind in MOVES and e.number not in known)

    @property
    def unvouched(self) -> tuple[Entry, ...]:
        """Entries of any kind that do not count, as nobody who may edit the model stands behind them."""
        others = (e for e in self.entries if e.kind in VOUCHED and e.kind not in MOVES and not self._announced(e))
        return (*self.foreign, *others)

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


def _chain(entries: list[Entry], there: set[int]) -> tuple[Entry, ...]:
    """Of entries by number those that move the champion, each based on the one before.

    One whose base was deleted from the store is as if based on the newest before it: nothing is undone by that.
    """
    found: list[Entry] = []
    for entry in entries:
        head = found[-1].number if found else 0
        gone = entry.based_on > head and entry.based_on not in there
        if entry.kind in MOVES and (entry.based_on == head or gone):
            found.append(entry)
    return tuple(found)


def journal_name(name: str) -> str:
    """The registered model that is the journal of another."""
    return f"{name}{ENDING}"


def model_of(client: MlflowClient, name: str) -> RegisteredModel | None:
    """A registered model; None where there is none of that name."""
    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return None
        raise


def read(client: MlflowClient, name: str, newest: int = EVERY) -> Journal:
    """The journal of a registered model, of the entries that move no champion the newest so many.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    return read_with_model(client, name, newest=newest)[0]


def moves(client: MlflowClient, name: str, also: str = "") -> Journal:
    """The journal of a registered model without the entries that move no champion, but for those `also` lets through.

    It takes as long however many looks there were. `also` is a filter of the store's.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    return read_with_model(client, name, also)[0]


def read_with_model(
    client: MlflowClient, name: str, also: str = "", newest: int = 0
) -> tuple[Journal, RegisteredModel | None]:
    """The journal of a registered model, and the model as it was a moment later; None where it is not there.

    Raises
    ------
    OutsideError
        When the store cannot be used.
    """
    of = f"name = {literal(journal_name(name))}"
    found: list[ModelVersion] = []
    since = 1
    with store_errors():
        if newest:
            latest = client.search_model_versions(of, newest, ["version_number DESC"])
            since = int(latest[-1].version) if latest.token else 1
            found += latest
        if not newest or since > 1:
            for wanted in (*(f"tags.kind = '{kind}'" for kind in (*MOVES, "pin")), *([also] if also else [])):
                found += client.search_model_versions(f"{of} and {wanted}", EVERY)
        found = list({version.version: version for version in found}.values())
        if not newest:
            since = max((int(version.version) for version in found), default=0)
        # The model second: what is announced of an entry was there before the entry.
        model = model_of(client, name)
        entries = sorted((_entry(v) for v in found if "kind" in v.tags), key=lambda entry: entry.number)
        tags = model.tags if model else {}
        announced = {k.removeprefix(ANNOUNCED): v for k, v in tags.items() if k.startswith(ANNOUNCED)}
        confirmed = 0 if model is None or announced else _confirmed(client, model, entries)
    carried_out = tags.get(CARRIED_OUT, "").partition(" ")[2]
    return Journal(name, tuple(entries), announced, carried_out, confirmed, since), model


def _confirmed(client: MlflowClient, model: RegisteredModel, entries: list[Entry]) -> int:
    """The newest old entry that the model confirms: its alias `champion`, and the version's tag of when it was made so.

    Only who may edit the model can have written these.
    """
    version = str(model.aliases.get(CHAMPION, ""))
    chain = _chain([entry for entry in entries if entry.old], {entry.number for entry in entries})
    if not version or not any(entry.version == version for entry in chain):
        return 0
    since = client.get_model_version(model.name, version).tags.get("promoted_at")
    made: dict[str, int] = {}  # when a version was last promoted
    newest = 0
    for entry in chain:
        made |= {entry.version: entry.when} if entry.kind == "promote" else {}
        if entry.version == version and since == at(made.get(version, 0)):
            newest = entry.number
    return newest


def at(milliseconds: int) -> str:
    """A moment as people read it, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def told(entry: Entry) -> str:
    """Who did what, in a clause."""
    did = {"promote": "promoted", "rollback": "rolled back to", "request": "asked for"}.get(entry.kind, "judged")
    return f"{entry.who} {did} version {entry.version}"


def digest_of_entry(tags: Mapping[str, str]) -> str:
    """What is announced of an entry: 32 hex digits of its tags, but for one that is set later."""
    said = {key: value for key, value in tags.items() if key != "lost" and value}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def _entry(version: ModelVersion) -> Entry:
    """An entry as it stands in the store, where others may have written anything; `unreadable` if it is no entry."""
    number, when, tags = int(version.version), int(version.creation_timestamp), version.tags
    try:
        return Entry(
            number=number,
            kind=tags["kind"],
            version=_number(tags["version"], tags["kind"]),
            against=tags.get("against", ""),
            based_on=int(tags["based_on"]),
            when=when,
            who=tags.get("who", ""),
            why=tags.get("why", ""),
            commit=tags.get("commit", ""),
            policy_digest=tags.get("policy_digest", ""),
            test=tags.get("test", ""),
            judgement=_judgement(tags.get("judgement", "{}")),
            claim=tags.get("claim", ""),
            lost=int(tags["lost"]) if "lost" in tags else None,
            run_id=tags.get("run_id", ""),
            model_id=tags.get("model_id", ""),
            claimed={str(key): str(value) for key, value in json.loads(tags.get("claimed", "{}")).items()},
            digest=digest_of_entry(tags),
            old="claimed" not in tags,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Entry(number, "unreadable", "", "", 0, when, "", "", "", "", "")


def _number(text: str, kind: str) -> str:
    """A version's number; of one that was only judged for an environment, after the name of its model; of a pin ''.

    Raises
    ------
    ValueError
        When it is none, or of another model though it was moved.
    """
    if kind == "pin" and not text:
        return ""
    of, slash, number = text.rpartition("/")
    if slash and kind in MOVES:
        raise ValueError
    return f"{of}{slash}{int(number)}"


def _judgement(text: str) -> dict[str, Any]:
    """What a gate said, if it is of the form in which it is written.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        When it is not.
    """
    said: dict[str, Any] = json.loads(text)
    for check in said.get("checks", ()):
        if not isinstance(check["name"] + check["word"] + check["said"], str):
            raise TypeError
        dict(check["figures"])
        bool(check["blocks"])
    for key, of in {"asked": dict, "gate": str, "overrides": list}.items():
        if not isinstance(said.get(key, of()), of):
            raise TypeError
    return said
