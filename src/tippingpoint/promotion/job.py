"""`tippingpoint promote`: the challenger becomes champion, model and policy as one, if the gate lets it."""

import re
from dataclasses import dataclass, replace
from typing import Any

from rich.console import RenderableType

from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.experiment.diagnostics import Chosen
from tippingpoint.experiment.promise_book import PromiseBook, promise_book
from tippingpoint.policies.direction import check_direction
from tippingpoint.promotion import report
from tippingpoint.promotion.approve import waiting
from tippingpoint.promotion.contestants import Contestant, JudgedUsers, contestant, judged_users, test_of
from tippingpoint.promotion.judge import judge
from tippingpoint.promotion.pinned_gate import asked_gate, check_approval
from tippingpoint.promotion.policy_ground import FiledGround, UsersGround
from tippingpoint.promotion.policy_judge import ground, judge_policy
from tippingpoint.promotion.registry_status import carried_out, described, named
from tippingpoint.promotion.settings import PromoteSettings
from tippingpoint.promotion.soundness_checks import SHOWN
from tippingpoint.promotion.verdict import Judgement
from tippingpoint.promotion.webhook import tell
from tippingpoint.promotion.which_version import number_there, wanted
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend, promotion
from tippingpoint.tracking.actor import Actor
from tippingpoint.tracking.champion import ChampionStatus, champion_status, identity, settled_status
from tippingpoint.tracking.entries import append, judged, try_rights
from tippingpoint.tracking.journal import CHAMPION, EVERY, NEWEST, Entry, Kind, moves, read
from tippingpoint.tracking.promotion import aliases, copied, describe_again, make_environment, version_of, versions
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import CHALLENGER, Client
from tippingpoint.tracking.tags import DATA


@dataclass(frozen=True, repr=False)
class PromoteResult(Result):
    """What a gate said of a version, and what was done about it.

    Parameters
    ----------
    of
        The question's registered model.
    name, version
        The registered model whose champion was meant, and what is or would be its version.
    champion
        Version that is champion now; '' for none.
    judgement
        None where the version was champion already.
    finished
        What had to be written of an entry that was left, where that was asked for.
    amiss
        What was not as it should be before.
    users_from
        Where the users it was judged on were read from, as a clause.
    webhook
        Whether what was done was told to the address of the environment; '' where none is set.
    same
        Words that select the data, policy, prices and split the version was fitted with.
    """

    of: str
    name: str
    version: str
    champion: str
    judgement: Judgement | None
    entry: Entry | None
    dry_run: bool
    finished: tuple[str, ...] = ()
    amiss: str = ""
    same: str = ""
    webhook: str = ""
    users_from: str = ""
    book: PromiseBook | None = None

    @property
    def refused(self) -> bool:
        """Whether the gate said no: exit code 1."""
        return self.judgement is not None and not self.judgement.passed

    @property
    def requested(self) -> bool:
        """Whether a second person is asked to approve what the gate let in."""
        return self.entry is not None and self.entry.kind == "request"

    @property
    def promoted(self) -> bool:
        """Whether the version was judged and made champion now."""
        return self.judgement is not None and self.entry is not None and self.entry.kind == "promote"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "promoted": self.promoted,
            "champion": self.champion or None,
            "requested": self.requested,
            "dry_run": self.dry_run,
            "entry": self.entry.number if self.entry else None,
            "judgement": self.judgement.to_dict() if self.judgement else None,
            "findings": [finding.to_dict() for finding in self.judgement.findings] if self.judgement else [],
            "finished": list(self.finished),
            "amiss": self.amiss or None,
            "users_from": self.users_from or None,
            **({"webhook": self.webhook} if self.webhook else {}),
            **({"promises": self.book.to_dict()} if self.book is not None and self.book.promises else {}),
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        page = backend.page(f"models/{self.name}/versions/{self.version}") if self.version.isdigit() else ""
        if self.judgement is None and self.entry is not None:
            return report.resumed_summary(self.name, self.version, self.entry.number, self.finished, page)
        return report.promote_summary(
            self.name,
            self.version,
            self.champion,
            self.judgement,
            self.promoted,
            self.dry_run,
            self.amiss,
            page,
            self.same,
            str(self.book or ""),
            waiting(self.of, self.name, self.entry) if self.entry and self.requested else "",
            self.webhook,
            "" if self.users_from.endswith("as the version says") else self.users_from,
        )


def promote(settings: PromoteSettings) -> PromoteResult:
    """Judge a version against the champion, and if it passes make it champion: the journal first, then aliases.

    The look is written into the journal before anything is judged, so that of several at once each has its place and
    none is lost, even where a process is overtaken or killed.

    Raises
    ------
    InputError
        When there is no such version, or its users are no longer what they were.
    OvertakenError
        When another promotion was first.
    OutsideError
        When the store cannot be used.
    """
    with progress(6) as step:
        step("opening the store")
        client = backend.connect()
        name, model = _named(client, settings)
        if settings.resume is not None:
            return _resumed(client, model, settings.resume)
        if model != name:
            make_environment(client, name, model)
            try_rights(client, name)
        try_rights(client, model)
        status = settled_status(client, model)
        number = wanted(client, name, settings)
        if status.version == status.journal.champion == number_there(client, name, number, model) != "":
            same = status.version
            return PromoteResult(name, model, same, same, None, None, settings.dry_run, amiss=status.said)
        asked = asked_gate(client, name, model, settings.gate)
        if not (settings.request or settings.dry_run):
            check_approval(asked, f"{number} {report.named(name, model)}")
        step("loading models")
        candidate = contestant(client, name, number)
        chosen = Chosen.of(settings.diagnostics, candidate.model.config)
        champion = _champion(client, status, f"{name}/{number}")
        step("reading users")
        of = _read(client, settings, candidate, champion)
        _check_direction(settings, candidate)
        against = f"models:/{model}/{status.version}" if champion is not None and status.version else ""
        there = aliases(client, name)
        picked = number not in (there.get(CHALLENGER), there.get(CHAMPION))
        most = EVERY if picked else SHOWN  # only then do they share the level: else their number is but shown
        reported = len(versions(client, name, f"tags.{DATA} = '{candidate.model.data_digest}'", most))
        reasons_given = _reasons(settings, candidate) | identity(client, version_of(client, name, number))
        # The question's own journal counts the looks, of its environments too, each before anything is seen.
        pair = {"version": candidate.uri, "against": against}
        entry = append(client, name, "look", number, status.version, status.journal.at, judgement=pair, **reasons_given)
        look = moves(client, name, f"tags.test = '{entry.test}'").look(entry)
        if isinstance(of, JudgedUsers):
            held = asked.gate, candidate, champion, of, against
            judgement = judge(client, *held, look, reported, picked, chosen, step)
        else:
            assert isinstance(champion, Contestant)
            judgement = judge_policy(asked.gate, candidate, champion, of, look, reported, picked, chosen, step)[0]
        if asked.pin:
            judgement = replace(judgement, pinned=asked.pin.title, overrides=asked.overrides)
        step("filing")
        version, entry = _file(client, settings, name, number, model, status, entry, judgement, reasons_given)
        led = status.version if settings.dry_run else _after(client, status, entry)
        webhook = tell(model, entry)
    same = candidate.same(settings.data)
    told = status.said, same, webhook, _source(of), promise_book(client, model)
    return PromoteResult(name, model, version, led, judgement, entry, settings.dry_run, (), *told)


def _named(client: Client, settings: PromoteSettings) -> tuple[str, str]:
    """The question's registered model, and that of the environment asked for."""
    typed = re.match(r"models:/([^/@]+)[/@]", str(settings.model))
    return named(client, settings.name or (typed[1] if typed else None), settings.to)


def _reasons(settings: PromoteSettings, candidate: Contestant) -> dict[str, Any]:
    """What an entry says besides the verdict: who, why, by which commit, on which test users."""
    who, commit = Actor.here(settings.who), provenance().commit
    return {"who": who, "why": settings.why, "commit": commit, "test": test_of(candidate.model)}


def _check_direction(settings: PromoteSettings, candidate: Contestant) -> None:
    """Refuse a version whose policy acts on the wrong end of the outcome."""
    if candidate.decider is not None:
        again = f"{' '.join(['tippingpoint compare', candidate.same(settings.data)]).rstrip()} "
        policy, where = candidate.decider.policy, f"{candidate.uri}: policy"
        check_direction(policy, candidate.decider.deployment, said=False, again=again, where=where)


def _read(
    client: Client, settings: PromoteSettings, candidate: Contestant, champion: Contestant | str | None
) -> JudgedUsers | FiledGround | UsersGround:
    """What a version is judged on: its users; of one bound to the champion's own model what says what policies bring.

    Raises
    ------
    InputError
        When users are needed and are no longer what they were.
    """
    decides = candidate.decider
    if not (candidate.bound_from and decides and isinstance(champion, Contestant) and champion.decider):
        return judged_users(client, candidate, settings.data, settings.users)
    if not candidate.has_model_of(champion):
        return judged_users(client, candidate, settings.data, settings.users)
    return ground(client, candidate, champion, decides.policy, settings.data, settings.users)


def _source(of: JudgedUsers | FiledGround | UsersGround) -> str:
    """Where what a version was judged on was read from."""
    if isinstance(of, FiledGround):
        return f"the filed statistics of simulation {of.run_id}"
    return of.source if isinstance(of, JudgedUsers) else of.users.source


def _after(client: Client, status: ChampionStatus, entry: Entry) -> str:
    """Carry out a promotion, or describe the model with what was refused; who is champion then."""
    if entry.kind == "promote":
        return carried_out(client, status.name, entry)[0].champion
    journal = read(client, status.name, newest=NEWEST)
    if not journal.left:
        describe_again(client, journal, described)
    return status.version


def _resumed(client: Client, name: str, number: int) -> PromoteResult:
    """Carry out an entry that was left, or whose aliases and tags somebody changed.

    Raises
    ------
    RefusedError
        When it is not the entry that says who is champion, or its version is another by now.
    OutsideError
        When its right to be carried out is missing, or the store cannot be used.
    """
    try_rights(client, name)
    status = champion_status(client, name)
    journal, where = status.journal, f"models:/{name}"
    there = moves(client, name, f"version_number = {number}").entries
    entry = next((one for one in there if one.number == number), None)
    if entry is None or entry != journal.head:
        newest = f"; the one that says who is champion is {journal.at}" if journal.head else ""
        what = f"its journal has no entry {number}" if entry is None else f"entry {number} is not one to carry out"
        if entry in journal.foreign:
            what += ": nobody who may edit the model stands behind it"
        remedy = f"{status.resume}." if journal.head else f"Type tippingpoint promote{status.named}."
        raise RefusedError(where, f"{what}{newest}", remedy)
    if not status.stands and not status.version:  # deleted, or another by now
        raise RefusedError(where, status.amiss, status.remedy)
    journal, written = carried_out(client, name, entry)
    return PromoteResult(name, name, journal.champion, journal.champion, None, entry, False, written)


def _file(
    client: Client,
    settings: PromoteSettings,
    name: str,
    number: str,
    model: str,
    status: ChampionStatus,
    look: Entry,
    judgement: Judgement,
    reasons_given: dict[str, Any],
) -> tuple[str, Entry]:
    """Write into the journals what the gate said of a version of `name`, where `model` is what it would be champion of.

    Returns
    -------
    str
        The version in `model`, copied there if it passed; `name/number` where it was not.
    Entry
        The promotion, the request, or what became of the look.
    """
    said = judgement.to_dict()
    if judgement.passed and settings.request:
        version = number if model == name else f"{name}/{number}"
        of = {"source": judgement.version, **reasons_given}
        return version, append(
            client, model, "request", version, status.version, status.journal.at, judgement=said, **of
        )
    if judgement.passed and not settings.dry_run:
        version = number if model == name else copied(client, version_of(client, name, number), model)
        of = {**reasons_given, **identity(client, version_of(client, model, version))}
        return version, append(
            client, model, "promote", version, status.version, status.journal.at, judgement=said, **of
        )
    kind: Kind = "look" if settings.dry_run else "refused"
    entry = judged(client, name, look, kind, said)
    if model != name:
        version, of = f"{name}/{number}", {"source": judgement.version, "judgement": said, **reasons_given}
        return version, append(client, model, kind, version, status.version, status.journal.at, **of)
    if kind == "refused":
        promotion.refuse(client, name, number, entry)
    return number, entry


def _champion(client: Client, status: ChampionStatus, candidate: str) -> Contestant | str | None:
    """The champion; why, where it does not load: then its successor is let in only by who types that.

    None where there is none, or it is the version itself, whose entry is gone.
    """
    why = "" if status.version else status.amiss if status.journal.head else ""
    found = None
    if status.version and f"{status.name}/{status.version}" != candidate:
        try:
            found = contestant(client, status.name, status.version)
            why = found.amiss
        except InputError as error:
            why = str(error).rstrip(".")
    typed = "gate.better.inconclusive=passes lets its successor in without it"
    return f"the champion does not load ({why}): {typed}" if why else found
