"""The decision on a model under its policy, from what its job measured."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tippingpoint.core.overrides import override
from tippingpoint.core.run_reference import RunReference
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.decision import Case, Decision, Word, decide, losers, losing_in_words, signed
from tippingpoint.experiment.judged import Baseline
from tippingpoint.experiment.simulation_result import NONE
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.statistics import LEAST_CHANGED
from tippingpoint.offpolicy.value import contest_of_values
from tippingpoint.reports.estimates import interval

TABLES = "input=users.csv to=decisions.parquet"
"""What `score` reads and writes, as a user would call it."""


def of_candidate(question: ExperimentSpec, candidate: Candidate, filed: RunReference | None) -> Decision:
    """The decision on a model that stands alone."""
    baselines, name = candidate.baselines(question), candidate.family
    contrasts: list[Contrast] = []
    if question.evidence.measured:
        rng = np.random.default_rng([question.seed, 12])
        without = {of.name: of.value for of in baselines if of.value is not None}
        contrasts = contest_of_values({name: candidate.value} | without, rng)
    return decided(question, candidate, name, baselines, contrasts, ranks(candidate, []), filed)


def decided(
    question: ExperimentSpec,
    candidate: Candidate,
    contestant: str,
    baselines: Sequence[Baseline],
    contrasts: Sequence[Contrast],
    ranking: str,
    filed: RunReference | None,
) -> Decision:
    """The decision on a candidate, which is called `contestant` in the contrasts."""
    evidence = question.evidence
    simpler = {of.name: of.value.uplift for of in baselines if of.value is not None and of.name != NONE}
    return decide(
        Case(
            what=f"{candidate.family} under {question.policy.name}",
            contestant=contestant,
            kind=evidence.kind,
            vetoed=evidence.vetoed,
            uplift=candidate.value.uplift,
            unit=f"{question.economics.currency} per user",
            simpler=simpler,
            contrasts=contrasts,
            ranking=ranking,
            following=following(evidence.vetoed, filed),
            guardrails=candidate.guardrails,
            losing=_losing(question, candidate),
        )
    )


def _losing(question: ExperimentSpec, candidate: Candidate) -> str:
    """Which segments' actions lose money on test, and what the policy brings without them; empty where none does."""
    value, policy, test = candidate.value, candidate.policy, question.parts.test
    if value.uplift.low is None:
        return ""
    code = policy.assign(candidate.score if candidate.predicted is None else candidate.predicted, test.features)
    acted = {
        segment: code == s
        for s, segment in enumerate(policy.segments)
        if policy.actions[segment] != "none" and (code == s).sum() >= LEAST_CHANGED
    }
    dropped = losers({segment: value.among(members) for segment, members in acted.items()})
    if not dropped:
        return ""
    members = np.any([acted[segment] for segment in dropped], axis=0)
    contribution = np.where(members, 0, value.contribution)
    left = replace(value, contribution=contribution, weight=np.where(members[:, None], 0, value.weight))
    brings = signed(left.among(np.ones(len(test), dtype=bool)))
    unit = f"{question.economics.currency} per user"
    without = f"Without {' and '.join(dropped)} the policy brings {brings} {unit}, on the same users."
    return f"{losing_in_words(dropped, policy.actions, unit)} {without}"


def ranks(candidate: Candidate, pairs: Sequence[Contrast]) -> str:
    """How well a model ranks users, and which of the others are told from it, of pairs in which it comes first."""
    of = candidate.metrics["roc_auc"]
    area = f"ROC AUC {interval(of, 3)} on test"
    if of.high is not None and of.high < 0.5:
        return f"{candidate.family} ranks users the wrong way round: {area}."
    if of.low is None or of.low <= 0.5:
        return f"Whether {candidate.family} ranks users at all is inconclusive: {area}."
    said = {"better": "better than {}", "worse": "worse than {}", "inconclusive": "not told apart from {}"}
    clauses = [
        clause.format(" and ".join(pair.second for pair in pairs if pair.verdict == word))
        for word, clause in said.items()
        if any(pair.verdict == word for pair in pairs)
    ]
    first = f"{candidate.family} ranks best on validation" if pairs else f"{candidate.family} ranks users"
    return f"{first}: {area}{''.join(f', {clause}' for clause in clauses)}."


def following(vetoed: Sequence[str], filed: RunReference | None) -> dict[Word, str]:
    """What to type next, by word; of a version that is registered only."""
    if filed is None or filed.registered is None:
        return {}
    version = override("model", filed.registered)
    first = f"tippingpoint diagnostics {vetoed[0]}" if vetoed else f"tippingpoint score {version} {TABLES} holdout=0.1"
    return {
        "Ship": f"tippingpoint promote {version}",
        "Do not ship": f"tippingpoint simulate {override('models', [filed.run_id])}",
        "Test first": first,
    }
