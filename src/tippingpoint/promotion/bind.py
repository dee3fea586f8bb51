"""`tippingpoint policy bind`: a version of the same model with another policy, judged on value and lint alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any

from rich.console import RenderableType

from tippingpoint.config.compose import option, overlay
from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.experiment.diagnostics import Chosen
from tippingpoint.experiment.simulation_result import NONE
from tippingpoint.policies.direction import check_direction
from tippingpoint.policies.policy import Policy
from tippingpoint.promotion import report
from tippingpoint.promotion.bound_version import make
from tippingpoint.promotion.contestants import Contestant, contestant, test_of
from tippingpoint.promotion.policy_ground import FiledGround, PolicyValues, UsersGround, bound_on_scores
from tippingpoint.promotion.policy_judge import ground, judge_policy
from tippingpoint.promotion.registry_status import named
from tippingpoint.promotion.settings import BindSettings
from tippingpoint.promotion.soundness_checks import SHOWN
from tippingpoint.reports.estimates import interval
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend, promotion
from tippingpoint.tracking.actor import Actor
from tippingpoint.tracking.champion import ChampionStatus, identity, settled_status
from tippingpoint.tracking.deciders import check_policy_fits
from tippingpoint.tracking.entries import append, judged, try_rights
from tippingpoint.tracking.journal import Entry, Kind, moves
from tippingpoint.tracking.promotion import version_of, versions
from tippingpoint.tracking.provenance import provenance
from tippingpoint.tracking.registry import (
    CHALLENGER,
    Client,
    Version,
    bound_before,
    challenge,
    check_policy,
    check_registering,
)
from tippingpoint.tracking.rights import check_experiment
from tippingpoint.tracking.runs import Run, reap
from tippingpoint.tracking.stored import find_version
from tippingpoint.tracking.tags import DATA


@dataclass(frozen=True, repr=False)
class BindResult(Result):
    """A version that was bound from another, and what was said of its policy.

    Parameters
    ----------
    version, source
        What was made, and what has the same model: `models:/conversion/4`, `models:/conversion/3`.
    judgement
        As the journal's entry holds it: checks, and `gains` over other policies with what they are read off.
    again
        Whether it was bound and judged before.
    challenger
        Whether it is challenger now.
    """

    version: str
    source: str
    policy: str
    policy_digest: str
    champion: str
    entry: Entry
    judgement: Mapping[str, Any]
    again: bool
    challenger: bool

    @property
    def refused(self) -> bool:
        """Whether a check said no: exit code 1."""
        return self.entry.kind == "refused"

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        said = {key: value for key, value in vars(self).items() if key not in ("entry", "judgement")}
        return {**said, "refused": self.refused, "entry": self.entry.number, "judgement": dict(self.judgement)}

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        name, _, number = self.version.removeprefix("models:/").rpartition("/")
        page = backend.page(f"models/{name}/versions/{number}")
        return report.bind_summary(
            self.version, self.source, self.policy, self.judgement, self.refused, self.again, self.challenger, page
        )


def policy_bind(settings: BindSettings) -> BindResult:
    """Make a version of a registered model with another policy; typed again after a cut, it is the same version.

    Raises
    ------
    InputError
        When there is no such version, the policy does not fit it, or its users are needed and not there.
    OutsideError
        When the store cannot be used.
    """
    with progress(5) as step:
        step("opening the store")
        client = backend.connect()
        reap(client)
        found = find_version(client, settings.model, "model")
        name, _ = named(client, str(found.name), None)
        check_registering(client, name)
        try_rights(client, name)
        step("loading models")
        source = contestant(client, name, str(found.version))
        if source.decider is None:
            raise InputError(source.uri, source.amiss, "Name another version.")
        check_experiment(client, source.model.experiment)
        policy = _policy(settings, source)
        status = settled_status(client, name)
        champion = _champion(client, status, source)
        chosen = Chosen.of(settings.diagnostics, source.model.config)
        step("reading statistics, or users")
        on_scores = bound_on_scores(policy, source)
        on = ground(client, source, champion, on_scores, settings.data)
        bound = on_scores if isinstance(on, FiledGround) else on.bind(policy, source)
        assert isinstance(bound, Policy)
        _check(client, settings, source, bound)
        if (before := _before(client, name, source, bound, champion)) is not None:
            return _result(client, name, source, bound, champion, before, again=True)
        step("filing the version")
        version = make(client, name, source, bound)
        candidate = contestant(client, name, version.version)
        look = _look(client, settings, candidate, champion, status)
        step("judging")
        entry = _judged(client, settings, candidate, champion, on, look, chosen)
    return _result(client, name, source, bound, champion, entry, again=False)


def _policy(settings: BindSettings, source: Contestant) -> Policy:
    """The policy that is asked for: the one named, or the version's own, with what is given on top."""
    assert source.decider is not None
    where = f"policy {settings.policies[0]}" if settings.policies else "policy"
    node: Mapping[str, Any] = source.decider.policy.specification()
    if settings.policies:
        node = option("policy", settings.policies[0], settings.config_dir)
        if "_target_" not in node:
            raise InputError(where, "names no class: a `_target_` is missing", "See conf/policy for examples.")
    policy = Component.of(overlay(node, settings.policy), where).build(Policy, where)
    if policy.digest == source.decider.policy.digest:
        what = f"is {source.uri}'s own policy"
        raise InputError(where, what, "Name a YAML file with another, or type policy.cuts='[…]' policy.version=….")
    return policy


def _champion(client: Client, status: ChampionStatus, source: Contestant) -> Contestant:
    """What the policy is held against: the champion; where there is none that decides, the version it is bound from."""
    if not status.version or f"models:/{status.name}/{status.version}" == source.uri:
        return source
    found = contestant(client, status.name, status.version)
    return source if found.decider is None else found


def _check(client: Client, settings: BindSettings, source: Contestant, policy: Policy) -> None:
    """Refuse a policy that the version's model and deployment cannot decide by, before anything is written."""
    assert source.decider is not None
    again = Component.of(policy.bound(), "policy").build(Policy, "policy")
    fit = "It keeps its actions and prices. Others take a fit: type tippingpoint compare policy=… economics=…."
    alone = "Name a policy that decides by score and columns."
    check_policy_fits("policy", source.model, again, source.decider.deployment, fit, alone)
    named = " ".join(map(quote, settings.policies))
    words = f"tippingpoint policy bind {quote(source.uri)} {named}".rstrip()
    check_direction(policy, source.decider.deployment, again=f"{words} ")
    check_policy(client, policy, "")


def _before(client: Client, name: str, source: Contestant, policy: Policy, champion: Contestant) -> Entry | None:
    """The entry that judged the same version against the same champion, or that version once it is champion."""
    number = bound_before(client, name, source.uri, policy.bound_digest)
    if not number:
        return None
    there = moves(client, name, f"tags.version = '{number}'").entries
    of = [e for e in there if e.version == number and e.kind in ("bind", "refused") and e.judged]
    leads = champion.uri == f"models:/{name}/{number}"
    return next((e for e in reversed(of) if leads or e.judgement.get("against") == champion.uri), None)


def _look(
    client: Client, settings: BindSettings, candidate: Contestant, champion: Contestant, status: ChampionStatus
) -> Entry:
    """The look at the test users, written before anything is judged."""
    stopping.check()
    name, number = candidate.uri.removeprefix("models:/").rsplit("/", 1)
    pair = {"version": candidate.uri, "against": champion.uri}
    return append(
        client,
        name,
        "look",
        number,
        status.version,
        status.journal.at,
        judgement=pair,
        who=Actor.here(settings.who),
        why=settings.why,
        commit=provenance().commit,
        test=test_of(candidate.model),
        **identity(client, version_of(client, name, number)),
    )


def _judged(
    client: Client,
    settings: BindSettings,
    candidate: Contestant,
    champion: Contestant,
    on: FiledGround | UsersGround,
    entry: Entry,
    chosen: Chosen,
) -> Entry:
    """The entry with what was said of the policy; tags and description of the version say it too."""
    name, number = candidate.uri.removeprefix("models:/").rsplit("/", 1)
    look = moves(client, name, f"tags.test = '{entry.test}'").look(entry)
    reported = len(versions(client, name, f"tags.{DATA} = '{candidate.model.data_digest}'", SHOWN))
    judgement, values = judge_policy(settings.gate, candidate, champion, on, look, reported, False, chosen)
    said = judgement.to_dict() | gains_of(values)
    _tell(client, candidate, champion, values, entry, said)
    kind: Kind = "bind" if judgement.passed else "refused"
    if not judgement.passed:
        promotion.refuse(client, name, number, replace(entry, kind=kind, judgement=said))
    elif champion.uri != candidate.uri:
        challenge(client, Version(name, number))
    return judged(client, name, entry, kind, said)  # last: what has its word here is done


def _tell(
    client: Client,
    candidate: Contestant,
    champion: Contestant,
    values: PolicyValues,
    entry: Entry,
    said: Mapping[str, Any],
) -> None:
    """Write description and tags of a bound version, and metrics of its run."""
    assert candidate.decider is not None
    name, number = candidate.uri.removeprefix("models:/").rsplit("/", 1)
    over = {gain.over: gain.estimate for gain in values.gains}
    if NONE in over:
        unit = f"{candidate.decider.deployment.economics.currency} per user ({values.kind})"
        promotion.tag_version(client, name, number, "uplift", f"{interval(over[NONE], 3)} {unit}")
    promotion.describe_version(client, name, number, report.bind_note(candidate.bound_from, said))
    filed = Run(client, candidate.model.experiment, candidate.model.run_id)
    filed.at = entry.when  # so that, cut and typed again, they are the same rows
    told = {"uplift_per_user": NONE, "uplift_over_champion_per_user": champion.uri}
    filed.metrics({f"policy/{values.kind}/{key}": over[of] for key, of in told.items() if of in over})


def gains_of(values: PolicyValues) -> dict[str, Any]:
    """What a policy brings over others, as the journal holds it."""
    gains = [
        {"over": of.over, "changed": of.changed, "value": of.estimate.value, "low": of.estimate.low,
         "high": of.estimate.high} for of in values.gains
    ]  # fmt: skip
    return {"evidence": values.kind, "read_off": values.source, "gains": gains}


def _result(
    client: Client, name: str, source: Contestant, policy: Policy, champion: Contestant, entry: Entry, again: bool
) -> BindResult:
    there = promotion.aliases(client, name)
    return BindResult(
        version=f"models:/{name}/{entry.version}",
        source=source.uri,
        policy=f"{policy.name} version {policy.version}",
        policy_digest=policy.bound_digest,
        champion=champion.uri,
        entry=entry,
        judgement=entry.judgement,
        again=again,
        challenger=there.get(CHALLENGER) == entry.version,
    )
