"""What is asked of one table of users, in one shape for all who answer it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from tippingpoint.config.settings import Report
from tippingpoint.data.contract import TableSchema
from tippingpoint.data.profile import LEAK
from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.experiment.assumption import in_words, wanted
from tippingpoint.experiment.diagnostics import Chosen, Findings
from tippingpoint.experiment.judged import Baseline, SingleColumn
from tippingpoint.experiment.user_effects import effect_tables
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.models.effect_models import EffectLearner
from tippingpoint.models.effect_table import EffectTable
from tippingpoint.models.family import Family
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.offpolicy.evidence import Evidence, Log
from tippingpoint.policies.policy import Policy


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
    baselines: tuple[Baseline, ...] = ()
    column: SingleColumn | None = None
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
