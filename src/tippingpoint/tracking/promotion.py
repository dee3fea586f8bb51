"""Aliases, tags and description of a registered model, made what its journal says; and what is there to promote."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, OutsideError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.tracking.backend import literal, named, outside, shown, store_errors, store_failures, visible
from tippingpoint.tracking.entries import PAUSE, TRIES, make_journal
from tippingpoint.tracking.journal import (
    CARRIED_OUT,
    CHAMPION,
    COPIES,
    EVERY,
    MODEL,
    NEWEST,
    OF,
    PREVIOUS,
    Entry,
    Journal,
    at,
    journal_name,
    model_of,
    moves,
    read_with_model,
)
from tippingpoint.tracking.refusals import is_refusal
from tippingpoint.tracking.registry import CHALLENGER

DESCRIPTION = "description"
MARK = "<!-- what follows is written from the journal -->"
"""What a person wrote of a registered model stands before it, and stays."""
Describe = Callable[[Journal], str]


@dataclass(frozen=True)
class RegistryStatus:
    """What a registered model's aliases say.

    Parameters
    ----------
    behind
        What is not as the journal says: `alias champion`, `tag validation_status of 3`, `description`, `version 3 was
        deleted`…
    """

    name: str
    champion: str
    previous: str
    challenger: str
    behind: tuple[str, ...]


DELETED = ("it was deleted, and its journal is still there", "Type tippingpoint compare, then tippingpoint promote.")
"""What is said of a registered model that is no more, and what to type."""


def questions(client: MlflowClient) -> list[str]:
    """Names of registered models that answer a question: no journals, no environments."""
    return registered(client)[0]


def registered(client: MlflowClient) -> tuple[list[str], list[str]]:
    """Names of questions, and of models whose journal alone is there."""
    found: list[RegisteredModel] = []
    token = None
    with store_errors():
        while True:
            page = client.search_registered_models(page_token=token)
            found += page
            if not (token := page.token):
                break
    names = {model.name for model in found}
    journals = {model.tags[OF] for model in found if OF in model.tags and model.name == journal_name(model.tags[OF])}
    return [model.name for model in found if not {OF, COPIES} & set(model.tags)], sorted(journals - names)


def question(client: MlflowClient, name: str | None) -> str:
    """The registered model of that name, or the only one there is.

    Raises
    ------
    InputError
        When there is none of that name, none at all, or several and no name.
    """
    there, deleted = registered(client)
    if name in deleted or (deleted and not there):
        raise InputError("name", f"models:/{name or deleted[0]}: {DELETED[0]}", DELETED[1])
    if not there:
        raise InputError("name", f"nothing is registered in this store{visible()}", "Type tippingpoint compare first.")
    if name is None:
        if len(there) > 1:
            what = f"several models are registered: {', '.join(there)}"
            raise InputError("name", what, f"Type {override('name', there[0])}, or another of them.")
        return there[0]
    if name not in there:
        raise InputError("name", f"there is no registered model {name!r}", nearest(name, there, "name"))
    return name


def environment(name: str, to: str | None) -> str:
    """The registered model that a promotion moves: the question's own, or that of an environment."""
    return name if to is None else f"{name}-{to}"


def version_of(client: MlflowClient, name: str, number: str) -> ModelVersion:
    """A registered version.

    Raises
    ------
    InputError
        When there is none of that number.
    """
    with store_errors():
        try:
            return client.get_model_version(name, number)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST) and number.isdigit():
                raise
            there = [str(v.version) for v in versions(client, name, newest=NEWEST)]
            raise InputError("model", f"models:/{name} has no version {number!r}", nearest(number, there)) from error


def versions(client: MlflowClient, name: str, also: str = "", newest: int = EVERY) -> list[ModelVersion]:
    """Versions of a registered model that a filter of the store's lets through, the newest so many, these first."""
    wanted = f"name = {literal(name)}{f' and {also}' if also else ''}"
    with store_errors():
        return list(client.search_model_versions(wanted, newest, ["version_number DESC"]))


def aliases(client: MlflowClient, name: str) -> dict[str, str]:
    """Versions by alias; empty where there is no such model."""
    with store_errors():
        model = model_of(client, name)
    return {key: str(value) for key, value in model.aliases.items()} if model else {}


def make_environment(client: MlflowClient, name: str, to: str) -> None:
    """See to it that an environment of a question is there, with its journal.

    Raises
    ------
    InputError
        When a registered model of that name is something else.
    """
    with store_errors():
        check_environment(client, name, to)
        named(client, to, tags={COPIES: name, **MODEL})
        check_environment(client, name, to)
        make_journal(client, to)


def copied(client: MlflowClient, version: ModelVersion, to: str) -> str:
    """The version of an environment that is a copy of this one; made where there is none yet."""
    source = f"models:/{version.name}/{version.version}"
    with store_errors():
        there = versions(client, to, f"source_path = {literal(source)}")
        if not there:
            stopping.check()
            there = [client.copy_model_version(source, to)]
        return str(there[-1].version)


def check_environment(client: MlflowClient, name: str, to: str) -> None:
    """Refuse a registered model that stands where an environment of a question would, and is something else.

    Raises
    ------
    InputError
        When it is.
    """
    with store_errors():
        there = client.search_registered_models(f"name = {literal(to)}")
    if there and there[0].tags.get(COPIES) != name:
        what = f"models:/{to} is there already, and is no environment of {name}"
        raise InputError("to", what, "Type another name for the environment.")


def origin(client: MlflowClient, version: ModelVersion | str) -> str:
    """Where a version's files are: its source, followed through copies; what points nowhere is given as it is."""
    source = version if isinstance(version, str) else str(version.source)
    for _ in range(TRIES):
        parts = source.removeprefix("models:/").split("/")
        if not source.startswith("models:/"):
            break
        try:
            if len(parts) == 1:
                return str(client.get_logged_model(parts[0]).artifact_location)
            source = str(client.get_model_version(parts[0], parts[1]).source)
        except MlflowException:
            break
    return source


def registry_status(client: MlflowClient, journal: Journal, describe: Describe) -> RegistryStatus:
    """What the aliases say, and what of the journal they do not say yet.

    The description is left out: it shows looks too, and is written when a champion moves.
    """
    with store_errors():
        model = model_of(client, journal.name)
    there = {key: str(value) for key, value in model.aliases.items()} if model else {}
    behind: list[str] = []
    if journal.head is not None and model is not None:
        with store_errors():
            behind = [what for what, _ in _differing(client, journal, model, describe) if what != DESCRIPTION]
            numbers = {number for number in (journal.previous, journal.champion) if number}
            behind += [
                f"version {number} was deleted" for number in sorted(numbers - _still(client, journal.name, numbers))
            ]
    return RegistryStatus(
        journal.name, there.get(CHAMPION, ""), there.get(PREVIOUS, ""), there.get(CHALLENGER, ""), tuple(behind)
    )


def carry_out(client: MlflowClient, name: str, entry: Entry, describe: Describe) -> tuple[Journal, tuple[str, ...]]:
    """Make aliases, tags and description what an entry of one's own says, or one that somebody asks to finish.

    The journal is read again at the end. A newer entry is its own author's to carry out; but where that is done, and
    was overwritten from here meanwhile, it is set again: until then aliases are those of an older champion.

    Returns
    -------
    Journal, tuple
        As it was read last, and what had to be written.

    Raises
    ------
    OutsideError
        When the store cannot be used, or does not keep what it was told.
    """
    written: list[str] = []
    reason: Exception | None = None
    for attempt in range(TRIES):
        time.sleep(attempt * PAUSE)
        journal, model = read_with_model(client, name, newest=NEWEST)
        try:
            if model is None or not _mine(journal, entry):
                return journal, tuple(written)
            todo = _differing(client, journal, model, describe)
            for what, write in todo:
                if _moved(client, journal):
                    break
                stopping.check()
                write()
                written.append(what)
        except store_failures() as error:  # two that write the same alias at once
            if is_refusal(error):
                raise outside(error) from error
            reason = error
            continue
        if not todo and not _moved(client, journal):
            return journal, tuple(written)
    what = f"does not keep what it is told ({reason or ', '.join(written)})"
    raise OutsideError(
        f"store {shown()}", what, f"Type tippingpoint promote resume {entry.number} {override('name', name)}."
    )


def _moved(client: MlflowClient, journal: Journal) -> bool:
    """Whether somebody moved the champion since a journal was read with its newest entry.

    That takes a newer entry, which is quickly looked for; only where there is one the journal is read again.
    """
    newest = versions(client, journal_name(journal.name), newest=1)
    same = [int(version.version) for version in newest] == [journal.written]
    return not same and moves(client, journal.name).at != journal.at


def _mine(journal: Journal, entry: Entry) -> bool:
    """Whether what the journal says now may be written by who carries out an entry."""
    head = journal.head
    return head is not None and (head.number == entry.number or journal.left is None)


def describe_again(client: MlflowClient, journal: Journal, describe: Describe) -> None:
    """Write the description of a registered model anew, once something was judged that moved nothing."""
    stopping.check()
    with store_errors():
        for _, write in _described(client.get_registered_model(journal.name), client, journal, describe):
            write()


def _differing(
    client: MlflowClient, journal: Journal, model: RegisteredModel, describe: Describe
) -> list[tuple[str, Callable[[], object]]]:
    """What the store does not say as the journal does, each with what writes it.

    Tags come first, so that whoever follows the alias finds them; that all is carried out comes last. Versions that
    were deleted are left out.
    """
    head = journal.head
    assert head is not None
    name = journal.name
    todo: list[tuple[str, Callable[[], object]]] = []

    def tag(number: str, key: str, value: str) -> None:
        todo.append((f"tag {key} of {number}", lambda: client.set_model_version_tag(name, number, key, value)))

    def alias(key: str, number: str) -> None:
        if number:
            todo.append((f"alias {key}", lambda: client.set_registered_model_alias(name, key, number)))
        else:
            todo.append((f"no alias {key}", lambda: client.delete_registered_model_alias(name, key)))

    still = _still(client, name, {*_tags(journal), journal.previous, journal.champion})
    there = {key: str(value) for key, value in model.aliases.items()}
    for number, wanted in _tags(journal).items():
        known = client.get_model_version(name, number).tags if number in still else wanted
        for key, value in wanted.items():
            if known.get(key) != value:
                tag(number, key, value)
    for key, number in {PREVIOUS: journal.previous, CHAMPION: journal.champion}.items():
        if there.get(key, "") != number and (not number or number in still):
            alias(key, number)
    if head.kind == "promote" and there.get(CHALLENGER) == head.version:
        alias(CHALLENGER, "")
    todo += _described(model, client, journal, describe)
    carried = f"{head.number} {head.claim}"
    if not head.old and model.tags.get(CARRIED_OUT) != carried:
        todo.append(("carried out", lambda: client.set_registered_model_tag(name, CARRIED_OUT, carried)))
    return todo


def _described(
    model: RegisteredModel, client: MlflowClient, journal: Journal, describe: Describe
) -> list[tuple[str, Callable[[], object]]]:
    """What writes a registered model's description, where it is another."""
    own = (model.description or "").partition(MARK)[0].rstrip()
    described = f"{own}\n\n{MARK}\n{describe(journal)}".lstrip()
    if (model.description or "").strip() == described.strip():
        return []
    return [(DESCRIPTION, lambda: client.update_registered_model(journal.name, described))]


def _still(client: MlflowClient, name: str, numbers: Iterable[str]) -> set[str]:
    """Those versions that nobody deleted: what is gone cannot be tagged, and holds up nothing else."""
    return {n for n in numbers if n and versions(client, name, f"version_number = {n}")}


def _tags(journal: Journal) -> dict[str, dict[str, str]]:
    """Tags of the versions the newest entry is about: the champion it made, and the one it replaced."""
    head = journal.head
    assert head is not None
    promoted = next((e for e in reversed(journal.counting) if e.kind == "promote" and e.version == head.version), head)
    found: dict[str, dict[str, str]] = {}
    if head.against and head.against != head.version:
        found[head.against] = {"validation_status": "superseded" if head.kind == "promote" else "rolled back"}
    found[head.version] = {"validation_status": "approved", **reasons_given(promoted)}
    return found


def reasons_given(entry: Entry) -> dict[str, str]:
    """Tags that say why a version was promoted."""
    words = {check["name"]: check["word"] for check in entry.judgement.get("checks", [])}
    gate = {
        "name": entry.judgement.get("gate"),
        "passed": entry.judgement.get("passed"),
        "entry": entry.number,
        **words,
    }
    tags = {
        "gate": json.dumps(gate),
        "promoted_by": entry.who,
        "promoted_at": at(entry.when),
        "promoted_why": entry.why,
        "promoted_commit": entry.commit,
        "promoted_on_behalf_of": entry.claimed.get("on_behalf_of", ""),
    }
    return {key: value for key, value in tags.items() if value}


def refuse(client: MlflowClient, name: str, number: str, entry: Entry) -> None:
    """Tags of a version that the gate refused."""
    tags = {"validation_status": "refused", "gate": reasons_given(entry)["gate"]}
    stopping.check()
    with store_errors():
        for key, value in tags.items():
            client.set_model_version_tag(name, number, key, value)


def describe_version(client: MlflowClient, name: str, number: str, note: str) -> None:
    """Write the description of a version anew."""
    stopping.check()
    with store_errors():
        client.update_model_version(name, number, note)


def tag_version(client: MlflowClient, name: str, number: str, key: str, value: str) -> None:
    """Set a tag of a version."""
    stopping.check()
    with store_errors():
        client.set_model_version_tag(name, number, key, value)
