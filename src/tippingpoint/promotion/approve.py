"""`tippingpoint promote approve`: a second person lets in what a gate has let in before."""

from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.core.overrides import override
from tippingpoint.promotion.pinned_gate import pin_of
from tippingpoint.promotion.registry_status import carried_out, named
from tippingpoint.promotion.report import named as in_words
from tippingpoint.promotion.settings import ApproveSettings
from tippingpoint.promotion.webhook import tell
from tippingpoint.reports.console import pages
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend, grants
from tippingpoint.tracking.actor import Actor
from tippingpoint.tracking.champion import identity, is_other, settled_status
from tippingpoint.tracking.entries import append, try_rights
from tippingpoint.tracking.journal import Entry, Journal, at, moves
from tippingpoint.tracking.promotion import copied, version_of
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import Client


@dataclass(frozen=True, repr=False)
class ApproveResult(Result):
    """A request that was approved: its version is champion.

    Parameters
    ----------
    held
        What the store cannot hold anybody to; '' where it can.
    webhook
        Whether it was told to the address of the environment; '' where none is set.
    """

    name: str
    version: str
    request: Entry
    entry: Entry
    held: str = ""
    webhook: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        asked = {"entry": self.request.number, "who": self.request.who}
        return {
            "name": self.name,
            "champion": self.version,
            "entry": self.entry.number,
            "who": self.entry.who,
            "request": asked,
            "held": self.held or None,
            **({"webhook": self.webhook} if self.webhook else {}),
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        asked = f"entry {self.request.number}, for which {self.request.who} asked at {at(self.request.when)}"
        lines = [Text(f"Approved by {self.entry.who}: {asked}.")]
        lines.append(Text(f"Promoted: models:/{self.name}/{self.version} is champion.", style="bold"))
        page = backend.page(f"models/{self.name}/versions/{self.version}")
        return Group(*lines, *(Text(line) for line in (self.held, self.webhook) if line), *pages({"MLflow": page}))


def promote_approve(settings: ApproveSettings) -> ApproveResult:
    """Promote the version of a request, as a second person.

    Raises
    ------
    InputError
        When there is no such request.
    RefusedError
        When who approves is who asked, or the request is void: its version, the champion or the pinned gate is another
        by now, or it was approved. Or when another promotion was first.
    OutsideError
        When the store cannot be used.
    """
    with progress(2) as step:
        step("opening the store")
        client = backend.connect()
        of, model = named(client, settings.name, settings.to)
        try_rights(client, model)
        status = settled_status(client, model)
        request = _request(client, of, model, settings.request)
        if void := void_because(client, of, model, request, status.journal):
            what = f"entry {request.number} is void: {void}"
            raise RefusedError(f"models:/{model}", what, _again(of, model, request))
        who, known = Actor.here(settings.who), grants.known()
        _check_other(request, known or who.who, in_words(of, model))
        step("filing")
        name, _, number = request.version.rpartition("/")
        version = copied(client, version_of(client, name, number), model) if name else number
        said = {**request.judgement, "request": request.number, "requested_by": request.who}
        what_it_is = identity(client, version_of(client, model, version))
        why, commit = settings.why or request.why, provenance().commit
        by = {"who": who, "why": why, "commit": commit, "test": request.test, **what_it_is}
        entry = append(client, model, "promote", version, status.version, status.journal.at, judgement=said, **by)
        carried_out(client, model, entry)
    return ApproveResult(model, version, request, entry, limits(), tell(model, entry))


def limits() -> str:
    """What is not held where the store asks nobody who they are, in a sentence; '' where it does."""
    if grants.known():
        return ""
    where = "The tracking server does not say whom it knows" if backend.is_server() else "This store knows no users"
    return (
        f"{where}: approval by a second person rests on the names they are logged in by, which anybody can choose."
        " A server with users holds it: docs/how_to/team_rights.md."
    )


def void_because(client: Client, of: str, model: str, request: Entry, journal: Journal) -> str:
    """Why a request can no longer be approved, in a clause; '' where it can."""
    if by := next((e for e in journal.counting if e.judgement.get("request") == request.number), None):
        return f"{by.who} approved it (entry {by.number})"
    if journal.at != request.based_on:
        newest = f"entry {journal.at}" if journal.at else "none"
        return f"the champion is by {newest} now, and by {request.based_on or 'none'} when it was judged"
    pin = pin_of(client, of, model)
    if (pin.title if pin else "") != request.judgement.get("pinned", ""):
        return "another gate is pinned now"
    name, _, number = request.version.rpartition("/")
    try:
        version = version_of(client, name or model, number)
    except InputError as error:
        return error.what
    if other := is_other(client, request, version):
        return f"version {number} {other}"
    return ""


def _request(client: Client, of: str, model: str, number: int) -> Entry:
    """The request of that number.

    Raises
    ------
    InputError
        When there is none, or nobody who may edit the model stands behind it.
    """
    found = moves(client, model, f"version_number = {number}")
    request = next((e for e in found.entries if e.number == number and e.kind == "request"), None)
    if request is None or request in found.unvouched:
        forged = ", as nobody who may edit the model stands behind it" if request else ""
        what = f"entry {number} of the journal of {model} is no request{forged}"
        raise InputError("request", what, f"Type tippingpoint status {in_words(of, model)}, which lists them.")
    return request


def _again(of: str, model: str, request: Entry) -> str:
    number = request.version.rpartition("/")[2]
    return f"Type tippingpoint promote request {number} {in_words(of, model)}."


def _check_other(request: Entry, who: str, words: str) -> None:
    """Refuse who asked: two names of one person cannot be told, one name can.

    Raises
    ------
    RefusedError
        When it is the same name.
    """
    if who == request.who:
        remedy = f"Another user types tippingpoint promote approve {request.number} {words}."
        if not grants.known():
            alone = f"tippingpoint promote pin gate=standard {words}"
            remedy += f" Where one person decides alone, type {alone}: that gate asks for no second one."
        what = f"{who} asked for entry {request.number}, and cannot be who approves it"
        raise RefusedError("request", what, remedy)


def waiting(of: str, model: str, request: Entry) -> str:
    """What is said of a request that waits."""
    version = request.version.rpartition("/")[2]
    asks = f"{override('name', of)}" if model == of else in_words(of, model)
    return (
        f"Entry {request.number}: {request.who} asks for version {version}. Another user types tippingpoint promote"
        f" approve {request.number} {asks}."
    )
