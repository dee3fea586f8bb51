"""What diagnostics find of a fitted model and its policy, from what was measured anyway."""

from collections.abc import Iterator

import numpy as np

from tippingpoint.evaluation import auc_contributions
from tippingpoint.experiment.diagnostics import Finding, Findings, evidence, model, policy
from tippingpoint.experiment.spec import Candidate, ExperimentSpec
from tippingpoint.offpolicy.contest import contest
from tippingpoint.offpolicy.statistics import mean


def of_candidate(candidate: Candidate, question: ExperimentSpec) -> Findings:
    """What is told of a candidate, as the question's settings have it."""
    return question.chosen.settle(_of_candidate(candidate, question), candidate.family)


def all_of(question: ExperimentSpec, *candidates: Candidate) -> Findings:
    """What was found in a job: of the users and the evidence, then of each candidate."""
    return (*question.findings, *(finding for candidate in candidates for finding in candidate.findings))


def _of_candidate(candidate: Candidate, question: ExperimentSpec) -> Iterator[Finding | None]:
    test = question.parts.test
    gain = None
    if question.baselines:
        own, column = (auc_contributions(test.outcome, of.score) for of in (candidate, question.baselines[-1]))
        gain = mean(own - column)
    yield from model.of_scores(
        model.Scored(
            metrics=candidate.metrics,
            fitted=candidate.fitted,
            outcome=test.outcome,
            slices=candidate.evaluation.slices,
            worse=candidate.evaluation.worse,
            column=question.baselines[-1].name if question.baselines else "",
            gain=gain,
            gap=candidate.explanation.gap,
        )
    )
    if question.evidence.measured:
        yield evidence.inconclusive_uplift(candidate.value.uplift)
    yield from policy.of_policy(policy.Decided.of(candidate.policy, test, candidate.score))
    yield without_a_model(candidate, question)


def without_a_model(candidate: Candidate, question: ExperimentSpec) -> Finding | None:
    """Whether one action for everyone, or the best single column, is better than the candidate's policy."""
    if not question.evidence.measured:
        return None
    valued = question.valued
    money = {candidate.family: candidate.value.contribution}
    for k, action in enumerate(question.actions[1:], start=1):
        if np.isfinite(question.reward_intercept[..., k] + question.reward_slope[..., k]).all():
            everyone = np.full(len(valued.users), k)
            money[f"everyone {action}"] = valued.reward[np.arange(len(everyone)), everyone] - valued.reward[:, 0]
    for baseline in question.baselines[-1:]:
        money[baseline.name] = baseline.value.contribution
    verdicts = contest(money, np.random.default_rng([question.seed, 12]))
    return policy.better_without_a_model(candidate.family, verdicts, f"{question.economics.currency} per user")
