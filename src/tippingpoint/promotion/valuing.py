"""What the policies of a version and of the champion bring on the version's test users, and what is amiss with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.economics import Economics
from tippingpoint.evaluation.baselines import best_column
from tippingpoint.experiment.baselines import at_shares, everyone
from tippingpoint.experiment.collect import score_validation
from tippingpoint.experiment.diagnostics import Chosen, Findings, evidence
from tippingpoint.experiment.diagnostics import policy as policy_findings
from tippingpoint.experiment.evidence import kind_of, log_of, measure_names
from tippingpoint.experiment.guardrails import guarded
from tippingpoint.experiment.simulation_result import COLUMN
from tippingpoint.experiment.valuation import BindingUsers, ValuedUsers
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.evidence import Log
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.value import contest_of_values
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
    economics: Economics


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
        margins = [name for name in candidate.guardrails if name in measure_names(everyone)]
        given = everyone.actions, economics, seed, log, *allowed
        valued = ValuedUsers.of(kind, parts.train, parts.test, *given, further=margins)
    except InputError as error:
        return NotValued(str(error).rstrip("."))
    return Valued(valued, log, assigned.findings, economics)


def against_no_model(
    candidate: Contestant, users: JudgedUsers, score: np.ndarray, valued: Valued | NotValued
) -> list[Contrast]:
    """The candidate's policy against each that needs no model, all pairs at once; empty where nothing can be told."""
    if candidate.decider is None or isinstance(valued, NotValued) or not valued.of.evidence.measured:
        return []
    policy, of, parts, seed = candidate.decider.policy, valued.of, users.parts, int(candidate.model.config["seed"])
    if not {*policy.actions.values()} <= {*of.actions}:
        return []
    try:
        values = {candidate.uri: of.value(policy, score)} | everyone(of, valued.economics.priced)
        if policy_findings.reads(policy, parts.test.features):
            column, _ = best_column(parts.train, np.random.default_rng([seed, 7]))
            binding = BindingUsers.of(parts.train, parts.validation, valued.economics, seed)
            own = score_validation(candidate.uri, candidate.model, users.users, parts)
            alone = at_shares(binding, policy, own, column.score(parts.validation.features))
            values[f"{COLUMN}{column.column}"] = of.value(alone, column.score(parts.test.features))
    except InputError:  # what cannot be valued is said by the check of value
        return []
    verdicts = contest_of_values(values, np.random.default_rng([seed, 12]))
    return [seen for verdict in verdicts if (seen := verdict.seen_from(candidate.uri)) is not None]


def of_policy(
    candidate: Contestant,
    users: JudgedUsers,
    score: np.ndarray,
    valued: Valued | NotValued,
    without_model: Sequence[Contrast],
    chosen: Chosen,
) -> Findings:
    """What diagnostics find of the candidate's policy on test; `without_model` is what `against_no_model` gave."""
    if candidate.decider is None or isinstance(valued, NotValued):
        return ()
    policy, test = candidate.decider.policy, users.parts.test
    if not {*policy.actions.values()} <= {*valued.of.actions}:
        return ()
    found = [*policy_findings.of_policy(policy_findings.Decided.of(policy, test, score))]
    if valued.log is not None and valued.of.evidence.measured:
        decision = valued.of.decide(policy, score)
        estimated = valued.of.evidence.kind == "logged"
        measured = valued.of.measured_basis(decision)
        slope, group = valued.of.reward_slope, valued.of.evidence.group
        weights = evidence.Weights.of(valued.log, decision, slope, estimated, group, measured)
        found += [*evidence.of_weights(weights)]
    unit = f"{valued.economics.currency} per user"
    return chosen.settle([*found, policy_findings.better_without_a_model(candidate.uri, without_model, unit)])


def value_check(
    candidate: Contestant,
    scores: Scores,
    valued: Valued | NotValued,
    without_model: Sequence[Contrast],
    margin: float,
    sure: float,
) -> Check:
    """Paired difference of the values of the two policies, at the candidate's prices; then those to no model's.

    Without a champion the candidate's policy is held against what happens without it: everyone gets none.
    """
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
        mine = users.value(own, scores.own)
        nobody = np.zeros(len(users.users), dtype=np.int64)
        champion = users.value_of(nobody) if scores.champion is None else users.value(other, scores.other)
    except InputError as error:
        return Check("value", "inconclusive", str(error).rstrip("."))
    basis, kind = mine.basis(champion), users.evidence.kind
    found = quality_checks.value(mine.contribution, champion.contribution, kind, margin, sure, basis, mine.group)
    if not without_model:
        return found
    told = ", ".join(f"{of.second} {signed(of.difference)}" for of in without_model)
    figures = {f"over {of.second}": of.difference.value for of in without_model}
    return replace(found, said=f"{found.said}; over {told} (all at once, 95 %)", figures=found.figures | figures)


def guardrail_check(
    candidate: Contestant, scores: Scores, valued: Valued | NotValued, margins: Mapping[str, float], sure: float
) -> Check:
    """Whether the policy leaves each guarded measure within its margin, over everyone getting none, on test users."""
    if candidate.decider is None:
        return Check("guardrails", "inconclusive", "it does not decide")
    if isinstance(valued, NotValued):
        return Check("guardrails", "inconclusive", valued.why)
    of, policy = valued.of, candidate.decider.policy
    if unknown := {*policy.actions.values()} - {*of.actions}:
        return Check("guardrails", "inconclusive", f"no user ever got {', '.join(sorted(unknown))}")
    there = {name: margin for name, margin in margins.items() if name in of.evidence.measures}
    if lacking := [name for name in margins if name not in there]:
        what = f"what {' and '.join(lacking)} would be under another action is in no log"
        return Check("guardrails", "inconclusive", what)
    found = guarded(of, there, of.decide(policy, scores.own))
    return quality_checks.guardrails(
        [(one.measure, one.margin, one.difference) for one in found], of.evidence.kind, sure
    )


def signed(difference: Estimate) -> str:
    """`+0.1200 [+0.0500, +0.1900]`, or just the value where there is no interval."""
    if difference.low is None or difference.high is None:
        return f"{difference.value:+.4f}"
    return f"{difference.value:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
