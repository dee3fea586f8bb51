"""A fitted contestant and what test says of it, in one shape for all who show it."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.users import FeatureSchema, Users
from tippingpoint.decisions import Deployment
from tippingpoint.evaluation import auc_contributions
from tippingpoint.evaluation.evaluation import Evaluation
from tippingpoint.experiment.decision import Guardrail
from tippingpoint.experiment.diagnostics import Findings
from tippingpoint.experiment.judged import Baseline, beyond_the_log, judged, row_of
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.explanation import Explanation, raw_columns
from tippingpoint.models.calibration import Model
from tippingpoint.models.learners.effects import models_of, predicts_effects
from tippingpoint.models.size import nodes, used
from tippingpoint.offpolicy.statistics import Estimate, mean
from tippingpoint.offpolicy.value import PolicyValue
from tippingpoint.policies.policy import Policy

SHARES_SHOWN = 12
"""Columns whose share of mean |SHAP| is a metric."""
SHAP_SHARE = 0.90
BASELINE_METRICS = ("roc_auc", "log_loss", "brier")


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
        of = {"line": "terms", "trees": "nodes", "any": "numbers"}[self.model.family.explained_as]
        if predicts_effects(self.model.classifier):
            moved = self.explanation.importance()["mean_abs_shap"].to_numpy()
            within = (
                int(np.searchsorted(moved.cumsum(), SHAP_SHARE * moved.sum() * (1 - 1e-12)) + 1) if moved.any() else 0
            )
            size = sum(map(nodes, models_of(self.model.classifier)))
            return {"columns_used": int((moved > 0).sum()), "columns_90": within, "size": size, "of": of}
        transformer, estimator = self.model.pipeline.named_steps["prepare"], self.model.pipeline.named_steps["model"]
        moved = self.explanation.importance()["mean_abs_shap"].cumsum().to_numpy()
        return {
            "columns_used": len(np.unique(raw_columns(transformer, contract)[used(estimator)])),
            "columns_90": int(np.searchsorted(moved, SHAP_SHARE * moved[-1] * (1 - 1e-12)) + 1) if moved[-1] else 0,
            "size": nodes(estimator),
            "of": of,
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


def _records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.astype(object).where(table.notna(), None).to_dict("records")
