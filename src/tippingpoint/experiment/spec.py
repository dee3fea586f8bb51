"""What is asked of one table of users, and the candidates that answer it, in one shape for all who show them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from tippingpoint.config.settings import Report
from tippingpoint.data.contract import TableSchema
from tippingpoint.data.profile import LEAK
from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts
from tippingpoint.data.users import FeatureSchema, Users
from tippingpoint.decisions import Deployment
from tippingpoint.economics import Economics
from tippingpoint.evaluation import auc_contributions
from tippingpoint.evaluation.evaluation import Evaluation
from tippingpoint.experiment.assumption import in_words, wanted
from tippingpoint.experiment.decision import Guardrail
from tippingpoint.experiment.diagnostics import Chosen, Findings
from tippingpoint.experiment.user_effects import effect_tables
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.explanation import Explanation, raw_columns
from tippingpoint.models.calibration import Model
from tippingpoint.models.effect_models import EffectLearner
from tippingpoint.models.effect_table import EffectTable
from tippingpoint.models.family import Family
from tippingpoint.models.learners.effects import models_of, predicts_effects
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.models.size import nodes, used
from tippingpoint.offpolicy.evidence import Evidence, Log
from tippingpoint.offpolicy.hidden_driver import FLIPS_FROM
from tippingpoint.offpolicy.statistics import Estimate, mean
from tippingpoint.offpolicy.value import PolicyValue
from tippingpoint.policies.policy import Policy

SHARES_SHOWN = 12
"""Columns whose share of mean |SHAP| is a metric."""
SHAP_SHARE = 0.90
BASELINE_METRICS = ("roc_auc", "log_loss", "brier")


@dataclass(frozen=True)
class ExperimentSpec:
    """What all candidates of a job share: users on their sides, a policy, prices, and evidence.

    Parameters
    ----------
    name
        What is asked (`conversion`); names experiment and registered model.
    origin
        Short name of where the users come from.
    select_by
        The metric on validation that winners are chosen by.
    actions
        The K actions that evidence speaks about, in order; `none` first.
    evidence
        Outcome scores of the test users under each action.
    reward_intercept, reward_slope
        (K,) reward line of each action; (n, K) over the test users where prices are per user.
    families, learners
        The family of each contestant; and of those that predict effects, the learner. A contestant of neither predicts
        the chance of the outcome.
    best_auc
        The ROC AUC no score of the test users can have more than by chance; known for generated worlds only.
    train_on
        Whose outcomes a score predicts: under the logged mix of actions (`all`), or under `none` only.
    report
        How much is written of each candidate.
    baselines
        What a model must beat and no model changes: a constant score, and each action for everyone.
    column
        The best single column as a score; None before it is looked for.
    alone
        ROC AUC of each column alone, cross-validated on the users that models are fitted on; the largest first.
    terms
        The contract of the table the users came from; None where it has none.
    config
        The composed config, as a run keeps it.
    source
        Where the users came from.
    chosen
        Which diagnostics are silenced and accepted.
    findings
        What diagnostics found of the users and of the evidence.
    log
        What was done to the test users, and what came of it; None where nothing was logged.
    guardrails
        By measure the worst effect of a policy that is accepted, per user.
    """

    name: str
    origin: str
    select_by: str
    explain_rows: int
    seed: int
    users: Users
    parts: Parts
    families: dict[str, Family]
    learners: dict[str, EffectLearner]
    policy: Policy
    economics: Economics
    actions: tuple[str, ...]
    evidence: Evidence
    reward_intercept: np.ndarray
    reward_slope: np.ndarray
    best_auc: float | None = None
    train_on: Literal["all", "none"] = "all"
    report: Report = "full"
    baselines: tuple["Baseline", ...] = ()
    column: "SingleColumn | None" = None
    alone: dict[str, float] = field(default_factory=dict)
    terms: TableSchema | None = None
    config: dict[str, Any] = field(default_factory=dict)
    source: Source | None = None
    chosen: Chosen = field(default_factory=Chosen)
    findings: Findings = ()
    log: Log | None = None
    guardrails: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        contract = self.users.contract
        return {
            "question": self.name,
            "data": {
                "origin": self.origin,
                "digest": self.users.digest,
                "users": len(self.users),
                "train": len(self.parts.train),
                "validation": len(self.parts.validation),
                "test": len(self.parts.test),
                "outcome": contract.outcome,
                "positive": contract.positive,
                "good": contract.good,
                "outcome_rate": float(self.users.outcome.mean()),
                "id": contract.user_id,
                "numbers": contract.names("number"),
                "categories": contract.names("category"),
                "dropped": contract.dropped,
                "reading": contract.reading or None,
                "as_of": contract.as_of,
                "log": contract.log or None,
                "intake": asdict(self.users.intake) if self.users.intake else None,
            },
            "policy": {
                "name": self.policy.name,
                "version": self.policy.version,
                "digest": self.policy.digest,
            },
            "economics": {"name": self.economics.name, "currency": self.economics.currency},
            "evidence": self.evidence.label,
            "findings": [finding.to_dict() for finding in self.findings],
            "best_auc": self.best_auc,
        }

    @cached_property
    def nuisances(self) -> dict[str, Nuisances]:
        """By family what its effect learners share, on train; each part is fitted when first asked for."""
        known = self.evidence.kind != "logged"
        return {
            of.family: Nuisances(self.families[name], self.parts.train, self.seed, known)
            for name, of in self.learners.items()
        }

    @cached_property
    def valued_on_validation(self) -> ValuedUsers:
        """The validation users with evidence and prices of each action."""
        parts, kind = self.parts, self.evidence.kind
        return ValuedUsers.of(kind, parts.train, parts.validation, self.actions, self.economics, self.seed)

    @cached_property
    def effects(self) -> dict[str, EffectTable]:
        """What actions add by who a user is, for those of which that can be learnt; one for all contestants."""
        parts = self.parts.train, self.parts.validation
        return effect_tables(self.evidence.kind, *parts, self.actions, self.economics, self.seed)

    @property
    def treating(self) -> tuple[str, ...]:
        """The actions but none that have a price."""
        return tuple(action for action in self.actions if action != "none" and action in self.economics.priced)

    @property
    def valued(self) -> ValuedUsers:
        """The test users with evidence and prices of each action."""
        lines = self.reward_intercept, self.reward_slope
        return ValuedUsers(self.parts.test, self.actions, self.evidence, *lines, self.economics.measures)

    @property
    def wanted(self) -> str:
        """What effects are counted in, as a noun: the outcome, or its absence where it is not wanted."""
        return wanted(self.users.contract.outcome, self.users.contract.good)

    @property
    def assumption(self) -> str:
        """What each action is assumed to do to the outcome, in words; empty where its effect is measured."""
        if self.evidence.kind != "assumed":
            return ""
        response, contract = self.economics.response(self.actions), self.users.contract
        rate = float(self.users.outcome.mean())
        return in_words(self.actions, response.tolist(), contract.outcome, rate, contract.good)

    @property
    def evidence_in_words(self) -> str:
        """Where uplift will come from: the kind of evidence, and what is assumed."""
        return f"uplift is {self.evidence.kind}{f': {self.assumption}' if self.assumption else ''}"

    @property
    def suspects(self) -> list[str]:
        """Columns that alone predict the outcome almost perfectly, as columns made from it would."""
        return [column for column, area in sorted(self.alone.items(), key=lambda item: -item[1]) if area >= LEAK]


@dataclass(frozen=True)
class Baseline:
    """What takes no model, on the same users: a score, a policy, or both.

    Parameters
    ----------
    name
        `constant`, `everyone ACTION` or `column NAME`.
    metrics
        Those of `evaluation.accuracy` on test; empty without a score.
    value
        Value of its policy; None where it is a score alone.
    """

    name: str
    metrics: dict[str, Estimate] = field(default_factory=dict)
    value: PolicyValue | None = None

    def judged(self, kind: str) -> dict[str, Estimate]:
        """What test says of it, under the names of `judged`."""
        return judged(self.metrics, self.value, kind)

    def to_dict(self, kind: str) -> dict[str, Any]:
        """Ready for JSON; metric names as in MLflow."""
        found = {"model": self.name, "metrics": {k: asdict(v) for k, v in self.judged(kind).items()}}
        return found if self.value is None else found | beyond_the_log(self.value, kind)


@dataclass(frozen=True)
class SingleColumn:
    """The column that alone ranks users best, as a score.

    Parameters
    ----------
    name
        `column NAME`.
    validation, test
        Scores of the users that policies are bound on, and of test; all was learnt on the users that models are
        fitted on.
    metrics
        Those of `evaluation.accuracy` on test.
    """

    name: str
    validation: np.ndarray
    test: np.ndarray
    metrics: dict[str, Estimate]


def beyond_the_log(value: PolicyValue, kind: str) -> dict[str, Any]:
    """What a hidden driver could do to an uplift, and of whom something can be said where overlap is vetoed."""
    found: dict[str, Any] = {}
    if (bounds := value.bounds) is not None:
        found["hidden_driver"] = {FLIPS_FROM: float(bounds.flips_from), "bounds": bounds.rows(f"uplift_{kind}")}
    if (common := value.common) is not None:
        found["common_support"] = asdict(common) | {"words": str(common)}
    return found


def judged(metrics: dict[str, Estimate], value: PolicyValue | None, kind: str) -> dict[str, Estimate]:
    """What test says of a score, under the names it has in MLflow; those of the policy carry the kind of evidence."""
    found = {f"test/{name}": estimate for name, estimate in metrics.items()}
    if value is None:
        return found
    return found | {
        f"policy/{kind}/value_per_user": value.value,
        f"policy/{kind}/uplift_per_user": value.uplift,
        f"policy/{kind}/uplift_per_1000": value.outcomes_per_1000,
    }


@dataclass(frozen=True)
class Candidate:
    """A fitted contestant and what test says of it.

    Parameters
    ----------
    family
        Its name beside others: that of its family, and of its learner where it predicts effects.
    policy
        The question's policy, bound to the model: what it learns is fixed on train and validation.
    validation
        The metric winners are chosen by, on validation.
    score
        (n,) scores of the test users.
    metrics
        Predictive metrics on test.
    value
        Value of the policy on test with these scores.
    column
        The best single column under the policy, at the shares of users that this model's cut-offs take; None before
        it is looked for. A policy that reads no score is the same with it, and it has no value.
    segments
        One row a segment: size, mean score, outcome rate, uplift.
    seconds
        Wall time of `fit` and `explain`.
    evaluation
        Curves, slices and what else test says of the scores.
    deployment
        What deciding for new users takes besides the model and the policy.
    out_of_fold
        (n,) scores of the validation users by models that were not fitted on them.
    development
        Train and validation together where it was fitted on both, once a search had chosen it; else None.
    fitted
        ROC AUC on the users it was fitted on.
    findings
        What diagnostics found of it and of its policy.
    heterogeneity, score_groups
        Whether effects differ along the score, and in groups of it (`score_effects.along_scores`); empty where they are
        not measured.
    predicted
        (n, K + 1) what an effect learner gives of the test users; None where the model predicts no effects.
    guardrails
        What its policy does to measures that must not get worse by more than a margin.
    """

    family: str
    model: Model
    policy: Policy
    validation: float
    score: np.ndarray
    metrics: dict[str, Estimate]
    value: PolicyValue
    segments: pd.DataFrame
    explanation: Explanation
    seconds: dict[str, float]
    evaluation: Evaluation
    deployment: Deployment
    out_of_fold: np.ndarray
    development: Users | None = None
    fitted: Estimate | None = None
    column: Baseline | None = None
    findings: Findings = ()
    heterogeneity: pd.DataFrame = field(default_factory=pd.DataFrame)
    score_groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    predicted: np.ndarray | None = None
    guardrails: tuple[Guardrail, ...] = ()

    @property
    def found(self) -> np.ndarray:
        """What the model gives of the test users, as `data.model_output` lays it out: what policies read."""
        return self.score if self.predicted is None else self.predicted

    def baselines(self, question: ExperimentSpec) -> tuple[Baseline, ...]:
        """What needs no model: of the question, and the best single column."""
        return (*question.baselines, *([self.column] if self.column else []))

    def policy_metrics(self, kind: str) -> dict[str, Estimate]:
        """Value and uplift of the policy under names that carry the kind of evidence."""
        guarded = {f"policy/{kind}/guardrail/{of.measure}_per_user": of.difference for of in self.guardrails}
        return judged({}, self.value, kind) | guarded

    @property
    def shap_shares(self) -> dict[str, float]:
        """Share of mean |SHAP| of the columns that have most of it, the largest first; empty where nothing moves."""
        found = self.explanation.importance().head(SHARES_SHOWN)
        total = float(self.explanation.importance()["mean_abs_shap"].sum())
        return {str(c): float(v) / total for c, v in found.itertuples(index=False)} if total > 0 else {}

    def size(self, contract: FeatureSchema) -> dict[str, Any]:
        """How much there is to read in it: columns used, columns that make up 90 % of mean |SHAP|, terms or nodes."""
        if predicts_effects(self.model.classifier):
            moved = self.explanation.importance()["mean_abs_shap"].to_numpy()
            within = (
                int(np.searchsorted(moved.cumsum(), SHAP_SHARE * moved.sum() * (1 - 1e-12)) + 1) if moved.any() else 0
            )
            of = "terms" if self.model.family.explained_as == "line" else "nodes"
            size = sum(map(nodes, models_of(self.model.classifier)))
            return {"columns_used": int((moved > 0).sum()), "columns_90": within, "size": size, "of": of}
        transformer, estimator = self.model.pipeline.named_steps["prepare"], self.model.pipeline.named_steps["model"]
        moved = self.explanation.importance()["mean_abs_shap"].cumsum().to_numpy()
        return {
            "columns_used": len(np.unique(raw_columns(transformer, contract)[used(estimator)])),
            "columns_90": int(np.searchsorted(moved, SHAP_SHARE * moved[-1] * (1 - 1e-12)) + 1) if moved[-1] else 0,
            "size": nodes(estimator),
            "of": "terms" if self.model.family.explained_as == "line" else "nodes",
        }

    def beside(self, question: ExperimentSpec) -> pd.DataFrame:
        """The model and each baseline on test; `roc_auc_gain` and `uplift_gain` are the model's over it, paired."""
        kind, outcome = question.evidence.kind, question.parts.test.outcome
        mine = auc_contributions(outcome, self.score)
        shared = {name: self.metrics[name] for name in BASELINE_METRICS}
        rows = [row_of(self.family, judged(shared, self.value, kind))]
        for baseline in self.baselines(question):
            gain = {}
            if question.column and baseline is self.column:
                terms = mine - auc_contributions(outcome, question.column.test)
                gain["roc_auc_gain"] = mean(terms, group=question.parts.test.codes)
            if baseline.value is not None:
                gain[f"uplift_gain_{kind}"] = self.value.over(baseline.value)
            rows.append(row_of(baseline.name, baseline.judged(kind) | gain))
        return pd.DataFrame(rows).dropna(axis="columns", how="all")

    def to_dict(self, kind: str) -> dict[str, Any]:
        """Ready for JSON; metric names as in MLflow."""
        metrics = judged(self.metrics, self.value, kind)
        return {
            "model": self.family,
            "calibration": self.model.calibration,
            "validation": self.validation,
            "metrics": {name: asdict(estimate) for name, estimate in metrics.items()},
            "segments": _records(self.segments),
            "heterogeneity": _records(self.heterogeneity),
            "uplift_by_score_group": _records(self.score_groups),
            "mean_abs_shap": dict(self.explanation.importance().itertuples(index=False)),
            "confusion": _records(self.evaluation.confusion),
            "worse_slices": _records(self.evaluation.worse),
            "findings": [finding.to_dict() for finding in self.findings],
            "seconds": self.seconds,
            **({"guardrails": [of.to_dict() for of in self.guardrails]} if self.guardrails else {}),
            **beyond_the_log(self.value, kind),
        }


def row_of(name: str, estimates: dict[str, Estimate]) -> dict[str, Any]:
    """A row of a table: each estimate under its name, with the ends of its interval."""
    row: dict[str, Any] = {"model": name}
    for metric, estimate in estimates.items():
        row |= {metric: estimate.value, f"{metric}_low": estimate.low, f"{metric}_high": estimate.high}
    return row


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.astype(object).where(table.notna(), None).to_dict("records")
