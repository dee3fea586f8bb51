"""One contestant's answer to a question: fitted, calibrated, measured, priced and explained."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd

from tippingpoint.config.settings import Split
from tippingpoint.core.strict import validate
from tippingpoint.data.model_output import probability
from tippingpoint.data.splits import sides
from tippingpoint.data.users import Users
from tippingpoint.decisions import Deployment, deployment
from tippingpoint.evaluation import auc_contributions, evaluate
from tippingpoint.evaluation.evaluation import evaluation
from tippingpoint.evaluation.learning import learning_curve
from tippingpoint.experiment import fitting
from tippingpoint.experiment.baselines import of_column
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.diagnostics.policy import reads
from tippingpoint.experiment.findings import of_candidate
from tippingpoint.experiment.guardrails import guarded
from tippingpoint.experiment.score_effects import along_scores, ranks_by
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.experiment.user_effects import checked
from tippingpoint.experiment.valuation import BindingUsers
from tippingpoint.explanation import Explanation, background_of, explain
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, Estimate, mean
from tippingpoint.offpolicy.value import PolicyValue
from tippingpoint.policies.policy import Policy

FITTED = 10_000
"""Users a model was fitted on that it is scored on too: it ranks them better than others if it overfits."""


def answer(question: ExperimentSpec, family: str, development: Users | None = None) -> Candidate:
    """Fit one family on train, calibrate on validation, and measure, price and explain it on test.

    Parameters
    ----------
    development
        Where the choice is made already: train and validation together, on all of which it is fitted. Out-of-fold
        scores stand for those of validation.
    """
    seed, test = question.seed, question.parts.test
    start = time.perf_counter()
    fitted = fitting.fit(question, family, development)
    seconds = {"fit": time.perf_counter() - start}
    found = fitted.model.output(test)
    score = probability(found)
    binding = BindingUsers.of(fitted.train, fitted.validation, question.economics, seed)
    policy = binding.bind(question.policy, fitted.found)
    value = question.valued.value(policy, found)
    metrics = evaluate(test.outcome, score, np.random.default_rng([seed, 1]), test.codes)
    by = {family: ranks_by(found, test.actions, question.actions, test.contract.good)}
    of_actions = question.evidence, question.actions, test.contract.good
    heterogeneity, score_groups = along_scores(by, None, *of_actions, predicts=found.ndim > 1)
    start = time.perf_counter()
    explanation = _explained(question, fitted)
    seconds["explain"] = time.perf_counter() - start
    learning = None
    if question.report == "full" and family not in question.learners:
        learning = learning_curve(question.families[family], fitted.seen, test, score, seed)
    segment, rng = policy.assign(found, test.features), np.random.default_rng([seed, 6])
    beside = _deployment(question, fitted)
    some = fitted.seen.take(np.random.default_rng([seed, 13]).permutation(len(fitted.seen))[:FITTED])
    candidate = Candidate(
        family=family,
        model=fitted.model,
        policy=policy,
        validation=fitted.judged(question, policy, binding),
        score=score,
        metrics=metrics,
        value=value,
        segments=_segments(question, policy, found, value),
        explanation=explanation,
        seconds=seconds,
        evaluation=evaluation(
            test, score, segment, policy.segments, policy.score_cuts, learning, rng, _fitted_as_of(question)
        ),
        deployment=beside.model_copy(update={"checks": checked(beside, policy, test, found, value)}),
        out_of_fold=_out_of_fold(question, fitted, development),
        development=development,
        fitted=mean(auc_contributions(some.outcome, fitted.model.score(some)), group=some.codes),
        heterogeneity=heterogeneity,
        score_groups=score_groups,
        predicted=None if found.ndim == 1 else found,
        guardrails=guarded(question.valued, question.guardrails, question.valued.decide(policy, found)),
        column=of_column(question, binding, policy, probability(fitted.found), reads(policy, test.features)),
    )
    return replace(candidate, findings=of_candidate(candidate, question))


def _fitted_as_of(question: ExperimentSpec) -> np.datetime64 | None:
    """The day that test begins with, where users are split by time."""
    split = validate(Split, question.config["split"], "split")
    return np.datetime64(split.test_from) if split.by == "time" else None


def _explained(question: ExperimentSpec, fitted: fitting.Fit) -> Explanation:
    """SHAP of test users drawn by the seed."""
    test, seed = question.parts.test, question.seed
    rows = np.sort(np.random.default_rng([seed, 2]).permutation(len(test))[: question.explain_rows])
    background = background_of(fitted.seen.features, seed)
    return explain(fitted.model, test.contract, test.features.iloc[rows], background)


def _deployment(question: ExperimentSpec, fitted: fitting.Fit) -> Deployment:
    """What goes with the version, to decide for others and to notice that they are others."""
    asked = question.name, question.evidence, question.terms, question.economics, question.actions
    effects = {} if fitted.found.ndim > 1 else question.effects
    return deployment(*asked, fitted.seen.features, fitted.validation, fitted.found, effects)


def _out_of_fold(question: ExperimentSpec, fitted: fitting.Fit, development: Users | None) -> np.ndarray:
    """What models that did not see them give of validation users."""
    if development is None:
        return fitted.found
    return fitted.found[sides(development, validate(Split, question.config["split"], "split")) == 1]


def _segments(question: ExperimentSpec, policy: Policy, found: np.ndarray, value: PolicyValue) -> pd.DataFrame:
    test, kind = question.parts.test, question.evidence.kind
    code, score = policy.assign(found, test.features), probability(found)
    rows = []
    for s, segment in enumerate(policy.segments):
        members, action = code == s, policy.actions[segment]
        size = int(members.sum())
        gain = value.among(members) if size else Estimate(float("nan"))
        measured = question.evidence.measured and (size >= LEAST_CHANGED or (size > 0 and action == "none"))
        row = {
            "segment": segment,
            "action": action,
            "users": size,
            "share": size / len(test),
            "mean_score": float(score[members].mean()) if size else np.nan,
            "outcome_rate": float(test.outcome[members].mean()) if size else np.nan,
            f"uplift_per_user_{kind}": gain.value,
            f"uplift_per_user_{kind}_low": gain.low if measured else np.nan,
            f"uplift_per_user_{kind}_high": gain.high if measured else np.nan,
        }
        if kind == "assumed" and size and action != "none":
            row["break_even_response"] = question.valued.break_even(members, action)
        rows.append(row)
    return pd.DataFrame(rows)
