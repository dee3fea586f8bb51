"""What diagnostics find of a fitted model and its policy, from what was measured anyway."""

from collections.abc import Iterator

import numpy as np

from tippingpoint.evaluation import auc_contributions
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.diagnostics import Finding, Findings, evidence, model, policy
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.statistics import mean
from tippingpoint.offpolicy.value import contest_of_values


def of_candidate(candidate: Candidate, question: ExperimentSpec) -> Findings:
    """What is told of a candidate, as the question's settings have it."""
    return question.chosen.settle(_of_candidate(candidate, question), candidate.family)


def all_of(question: ExperimentSpec, *candidates: Candidate) -> Findings:
    """What was found in a job: of the users and the evidence, then of each candidate."""
    return (*question.findings, *(finding for candidate in candidates for finding in candidate.findings))


def _of_candidate(candidate: Candidate, question: ExperimentSpec) -> Iterator[Finding | None]:
    test = question.parts.test
    gain, column = None, question.column
    if column is not None:
        own, other = (auc_contributions(test.outcome, score) for score in (candidate.score, column.test))
        gain = mean(own - other, group=test.codes)
    yield from model.of_scores(
        model.Scored(
            metrics=candidate.metrics,
            fitted=candidate.fitted,
            outcome=test.outcome,
            slices=candidate.evaluation.slices,
            worse=candidate.evaluation.worse,
            column=column.name if column else "",
            gain=gain,
            gap=candidate.explanation.gap,
        )
    )
    decision = question.valued.decide(candidate.policy, candidate.found)
    if question.log is not None and question.evidence.measured:
        kept = np.array([question.users.actions.index(action) for action in question.actions])
        slope = np.zeros((len(test), len(question.users.actions)))
        slope[:, kept] = np.nan_to_num(question.reward_slope)
        estimated, measured = question.evidence.kind == "logged", question.valued.measured_basis(decision)
        of = question.log, kept[decision], slope, estimated, test.codes, measured
        yield from evidence.of_weights(evidence.Weights.of(*of))
    if question.evidence.measured:
        yield evidence.inconclusive_uplift(candidate.value.uplift)
    yield from policy.of_policy(policy.Decided.of(candidate.policy, test, candidate.found))
    yield without_a_model(candidate, question)


def without_a_model(candidate: Candidate, question: ExperimentSpec) -> Finding | None:
    """Whether one action for everyone, or the best single column, is better than the candidate's policy."""
    if not question.evidence.measured:
        return None
    without = {of.name: of.value for of in candidate.baselines(question) if of.value is not None}
    rng = np.random.default_rng([question.seed, 12])
    verdicts = contest_of_values({candidate.family: candidate.value} | without, rng)
    return policy.better_without_a_model(candidate.family, verdicts, f"{question.economics.currency} per user")
