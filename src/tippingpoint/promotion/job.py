"""`tippingpoint promote`: the challenger becomes champion, model and policy as one, if the gate lets it."""

import re
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from tippingpoint.config.settings import VERSION, PromoteSettings
from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.experiment.diagnostics import Chosen
from tippingpoint.promotion import report
from tippingpoint.promotion.judge import Contestant, contestant, judge, judged_users
from tippingpoint.promotion.registry_status import named, settled, who
from tippingpoint.promotion.verdict import Judgement
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend, promotion
from tippingpoint.tracking.journal import Entry, Journal, Kind, append, judged, read
from tippingpoint.tracking.models import find
from tippingpoint.tracking.promotion import aliases, copied, version_of, versions
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import CHALLENGER, Client
from tippingpoint.tracking.tags import DATA


@dataclass(frozen=True, repr=False)
class PromoteResult(Result):
    """What a gate said of a version, and what was done about it.

    Parameters
    ----------
    name, version
        The registered model whose champion was meant, and what is or would be its version.
    champion
        Version that is champion now; '' for none.
    judgement
        None where the version was champion already.
    finished
        What of an earlier swap had been left half done and was finished first.
    """

    name: str
    version: str
    champion: str
    judgement: Judgement | None
    entry: Entry | None
    dry_run: bool
    finished: tuple[str, ...]

    @property
    def refused(self) -> bool:
        """Whether the gate said no: exit code 1."""
        return self.judgement is not None and not self.judgement.passed

    @property
    def promoted(self) -> bool:
        """Whether the version was made champion now."""
        return self.entry is not None and self.entry.kind == "promote"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "promoted": self.promoted,
            "champion": self.champion or None,
            "dry_run": self.dry_run,
            "entry": self.entry.number if self.entry else None,
            "judgement": self.judgement.to_dict() if self.judgement else None,
            "findings": [finding.to_dict() for finding in self.judgement.findings] if self.judgement else [],
            "finished": list(self.finished),
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        page = backend.page(f"models/{self.name}/versions/{self.version}") if self.version.isdigit() else ""
        return report.promote_summary(
            self.name, self.version, self.champion, self.judgement, self.promoted, self.dry_run, self.finished, page
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
        of = re.match(r"models:/([^/@]+)[/@]", str(settings.model))
        name, model = named(client, settings.name or (of[1] if of else None), settings.to)
        if model != name:
            promotion.check_environment(client, name, model)
        journal, finished = (read(client, model), ()) if settings.dry_run else settled(client, model)
        if finished and not (settings.model or settings.run or CHALLENGER in aliases(client, name)):
            # The same line was typed before, and killed once its entry was written.
            return PromoteResult(model, journal.champion, journal.champion, None, None, settings.dry_run, finished)
        number = _wanted(client, name, settings)
        if journal.champion and journal.champion == _there(client, name, number, model):
            return PromoteResult(model, journal.champion, journal.champion, None, None, settings.dry_run, finished)
        step("loading models")
        candidate = contestant(client, name, number)
        chosen = Chosen.of(settings.diagnostics, candidate.model.config)
        champion = _champion(client, model, journal.champion)
        step("reading users")
        users = judged_users(candidate, settings.data)
        own = versions(client, name)
        against = f"models:/{model}/{journal.champion}" if journal.champion else ""
        reported = sum(version.tags.get(DATA) == users.users.digest for version in own)
        there = aliases(client, name)
        picked = number not in (there.get(CHALLENGER), there.get(promotion.CHAMPION))
        tags = next(version.tags for version in own if str(version.version) == number)
        reasons_given: dict[str, Any] = {
            "who": who(settings.who),
            "why": settings.why,
            "commit": provenance().commit,
            "policy_digest": tags.get("policy_bound_digest", ""),
            "test": users.test,
        }
        # The question's own journal counts the looks, of its environments too, each before anything is seen.
        pair = {"version": candidate.uri, "against": against}
        entry = append(client, name, "look", number, journal.champion, journal.at, judgement=pair, **reasons_given)
        look = read(client, name).look(entry)
        judgement = judge(
            client, settings.gate, candidate, champion, users, against, look, reported, picked, chosen, step
        )
        step("filing")
        version, entry = _file(client, settings.dry_run, name, number, model, journal, entry, judgement, reasons_given)
        if not settings.dry_run:
            journal, _ = settled(client, model)
    return PromoteResult(model, version, journal.champion, judgement, entry, settings.dry_run, finished)


def _file(
    client: Client,
    dry_run: bool,
    name: str,
    number: str,
    model: str,
    journal: Journal,
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
        The promotion, or what became of the look.
    """
    said = judgement.to_dict()
    if judgement.passed and not dry_run:
        version = number if model == name else copied(client, version_of(client, name, number), model)
        return version, append(
            client, model, "promote", version, journal.champion, journal.at, judgement=said, **reasons_given
        )
    kind: Kind = "look" if dry_run else "refused"
    entry = judged(client, name, look, kind, said)
    if model != name:
        version, of = f"{name}/{number}", {"source": judgement.version, "judgement": said, **reasons_given}
        return version, append(client, model, kind, version, journal.champion, journal.at, **of)
    if kind == "refused":
        promotion.refuse(client, name, number, entry)
    return number, entry


def _champion(client: Client, name: str, number: str) -> Contestant | str | None:
    """The champion; why, where it does not load: then its successor is let in only by who types that."""
    try:
        found = contestant(client, name, number) if number else None
        why = found.amiss if found else ""
    except InputError as error:
        found, why = None, str(error).rstrip(".")
    typed = "gate.better.inconclusive=passes lets its successor in without it"
    return f"the champion does not load ({why}): {typed}" if why else found


def _wanted(client: Client, name: str, settings: PromoteSettings) -> str:
    """Number of the version that is meant.

    Raises
    ------
    InputError
        When nothing is, or the run was not registered.
    """
    if settings.run is not None:
        run = find(client, settings.run)[0].info.run_id
        mine = [str(version.version) for version in versions(client, name) if version.run_id == run]
        if not mine:
            what = f"run {run} is not registered as {name}"
            raise InputError("run", what, "Run it with tracking.register_model=true, or type model=…")
        return mine[0]
    if settings.model is not None:
        typed = str(settings.model)
        found = VERSION.fullmatch(typed)
        if not found:
            return str(version_of(client, name, typed).version)
        if found[1] != name:
            raise InputError("model", f"{typed} is not of {name}", f"Type {override('name', found[1])} too.")
        if found[2]:
            return found[2]
        there = aliases(client, name)
        if found[3] not in there:
            raise InputError("model", f"models:/{name} has no alias {found[3]}", "Type model=NUMBER.")
        return there[found[3]]
    there = aliases(client, name)
    if CHALLENGER not in there:
        if settings.to is not None and (champion := there.get(promotion.CHAMPION)):
            return champion  # what has proven itself goes on to the environment
        numbers = ", ".join(str(version.version) for version in versions(client, name)[:12]) or "none"
        what = f"models:/{name} has no challenger"
        raise InputError("model", what, f"Type tippingpoint compare, or model=…; there are: {numbers}.")
    return there[CHALLENGER]


def _there(client: Client, name: str, number: str, model: str) -> str:
    """The version's number in the registered model that is meant; '' where it was not copied there yet."""
    if model == name:
        return number
    source = f"models:/{name}/{number}"
    return next((str(version.version) for version in reversed(versions(client, model)) if version.source == source), "")
