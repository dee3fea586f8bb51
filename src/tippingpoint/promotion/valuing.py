"""What the policies of a version and of the champion bring on the version's test users, and what is amiss with it."""

from dataclasses import dataclass

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.economics import Economics
from tippingpoint.experiment.diagnostics import Chosen, Findings, evidence
from tippingpoint.experiment.diagnostics import policy as policy_findings
from tippingpoint.experiment.evidence import kind_of, log_of
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.offpolicy.evidence import Log
from tippingpoint.promotion import quality_checks
from tippingpoint.promotion.contestants import Contestant, JudgedUsers, Scores
from tippingpoint.promotion.verdict import Check


@dataclass(frozen=True)
class Valued:
    """The test users with evidence, and what diagnostics found of it.

    Parameters
    ----------
    log
        What was done to them; None for other kinds of evidence.
    """

    of: ValuedUsers
    log: Log | None
    findings: Findings


@dataclass(frozen=True)
class NotValued:
    """Why a version's users cannot be valued."""

    why: str
    findings: Findings = ()


def valued_users(candidate: Contestant, users: JudgedUsers, chosen: Chosen) -> Valued | NotValued:
    """Gather evidence of the test users at the candidate's prices, and hold it against the diagnostics."""
    config, parts, everyone = candidate.model.config, users.parts, users.users
    seed = int(config["seed"])
    try:
        economics = Component.of(config["economics"], "economics").build(Economics, "economics")
        kind = kind_of(config["evidence"], everyone)
        if kind == "assumed":
            return NotValued("the evidence is assumed: no experiment stands behind it")
        assigned = evidence.of_assignment(everyone, kind, seed, chosen)
        log = log_of(kind, parts.train, parts.test, seed) if kind in ("experiment", "logged") else None
        allowed = assigned.vetoed, tuple(chosen.accept)
        valued = ValuedUsers.of(kind, parts.train, parts.test, everyone.actions, economics, seed, log, *allowed)
    except InputError as error:
        return NotValued(str(error).rstrip("."))
    return Valued(valued, log, assigned.findings)


def of_policy(
    candidate: Contestant, users: JudgedUsers, score: np.ndarray, valued: Valued | NotValued, chosen: Chosen
) -> Findings:
    """What diagnostics find of the candidate's policy on test."""
    if candidate.decider is None or isinstance(valued, NotValued):
        return ()
    policy, test = candidate.decider.policy, users.parts.test
    if not {*policy.actions.values()} <= {*valued.of.actions}:
        return ()
    found = [*policy_findings.of_policy(policy_findings.Decided.of(policy, test, score))]
    if valued.log is not None and valued.of.evidence.measured:
        decision = valued.of.decide(policy, score)
        estimated = valued.of.evidence.kind == "logged"
        weights = evidence.Weights.of(valued.log, decision, valued.of.reward_slope, estimated, valued.of.evidence.group)
        found += [*evidence.of_weights(weights)]
    return chosen.settle(found)


def value_check(candidate: Contestant, scores: Scores, valued: Valued | NotValued, margin: float, sure: float) -> Check:
    """Paired difference of the values of the two policies, at the candidate's prices."""
    by = candidate.decider, (scores.champion or candidate).decider
    if by[0] is None or by[1] is None:
        return Check("value", "inconclusive", "one of them does not decide")
    if isinstance(valued, NotValued):
        return Check("value", "inconclusive", valued.why)
    users, own, other = valued.of, by[0].policy, by[1].policy
    if vetoed := users.evidence.vetoed:
        return Check(
            "value", "inconclusive", f"the evidence ({users.evidence.kind}) is vetoed by {' and '.join(vetoed)}"
        )
    if unknown := {*own.actions.values(), *other.actions.values()} - {*users.actions}:
        return Check("value", "inconclusive", f"no user ever got {', '.join(sorted(unknown))}")
    try:
        mine, champion = users.value(own, scores.own), users.value(other, scores.other)
    except InputError as error:
        return Check("value", "inconclusive", str(error).rstrip("."))
    basis, kind = mine.basis(champion), users.evidence.kind
    return quality_checks.value(mine.contribution, champion.contribution, kind, margin, sure, basis, mine.group)
