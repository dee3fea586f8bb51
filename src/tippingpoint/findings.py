"""What jobs find, in one shape for terminal, JSON, cards and MLflow."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tippingpoint import __version__
from tippingpoint.data.splits import Parts
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.explanation import Explanation
from tippingpoint.models.calibration import Model
from tippingpoint.models.family import Family
from tippingpoint.policies.policy import Policy
from tippingpoint.simulation.contest import Verdict
from tippingpoint.simulation.evidence import Evidence
from tippingpoint.simulation.statistics import Estimate
from tippingpoint.simulation.value import PolicyValue


@dataclass(frozen=True)
class Question:
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
    alpha, beta
        (K,) reward line of each action; (n, K) over the test users where prices are per user.
    best_auc
        The ROC AUC no score of the test users can have more than by chance; known for generated worlds only.
    train_on
        Whose outcomes a score predicts: under the logged mix of actions (`all`), or under `none` only.
    """

    name: str
    origin: str
    select_by: str
    explain_rows: int
    seed: int
    users: Users
    parts: Parts
    families: dict[str, Family]
    policy: Policy
    economics: Economics
    actions: tuple[str, ...]
    evidence: Evidence
    alpha: np.ndarray
    beta: np.ndarray
    best_auc: float | None = None
    train_on: Literal["all", "none"] = "all"

    def as_dict(self) -> dict[str, Any]:
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
                "log": contract.log or None,
                "intake": asdict(self.users.intake) if self.users.intake else None,
            },
            "policy": {
                "name": self.policy.name,
                "version": self.policy.version,
                "digest": self.policy.digest,
            },
            "economics": {"name": self.economics.name, "currency": self.economics.currency},
            "evidence": self.evidence.kind,
            "best_auc": self.best_auc,
        }


@dataclass(frozen=True)
class Candidate:
    """A fitted family and what test says of it.

    Parameters
    ----------
    policy
        The question's policy, bound to the model: what it learns is fixed on train and validation.
    validation
        The metric winners are chosen by, on validation.
    score
        (n,) scores of the test users.
    metrics
        Predictive metrics on test.
    value
        What the policy brings on test with these scores.
    segments
        One row a segment: size, mean score, outcome rate, uplift.
    seconds
        Wall time of `fit` and `explain`.
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

    def policy_metrics(self, kind: str) -> dict[str, Estimate]:
        """Value and uplift of the policy under names that carry the kind of evidence."""
        return {
            f"policy/{kind}/value_per_user": self.value.value,
            f"policy/{kind}/uplift_per_user": self.value.uplift,
            f"policy/{kind}/uplift_per_1000": self.value.outcomes_per_1000,
        }

    def as_dict(self, kind: str) -> dict[str, Any]:
        """Ready for JSON; metric names as in MLflow."""
        metrics = {f"test/{name}": estimate for name, estimate in self.metrics.items()} | self.policy_metrics(kind)
        return {
            "model": self.family,
            "calibration": self.model.calibration,
            "validation": self.validation,
            "metrics": {name: asdict(estimate) for name, estimate in metrics.items()},
            "segments": self.segments.astype(object).where(self.segments.notna(), None).to_dict("records"),
            "mean_abs_shap": dict(self.explanation.importance().itertuples(index=False)),
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Comparison:
    """Candidates side by side.

    Parameters
    ----------
    candidates
        Best first, by the metric on validation.
    auc, uplift
        Verdicts over all pairs on test: ROC AUC, and money per user under the policy. Without a measurement behind
        the uplift (evidence `assumed`) there are none.
    """

    question: Question
    candidates: list[Candidate]
    auc: list[Verdict]
    uplift: list[Verdict]

    @property
    def winner(self) -> Candidate:
        """The first on validation."""
        return self.candidates[0]

    def verdicts(self) -> pd.DataFrame:
        """One row a pair and measure."""
        measures = {"roc_auc": self.auc, f"uplift_per_user_{self.question.evidence.kind}": self.uplift}
        return pd.DataFrame(
            [
                {
                    "measure": measure,
                    "first": v.first,
                    "second": v.second,
                    **asdict(v.difference),
                    "verdict": v.word,
                }
                for measure, verdicts in measures.items()
                for v in verdicts
            ]
        )

    def leaderboard(self) -> pd.DataFrame:
        """One row a candidate: validation metric, then test and policy metrics with their intervals."""
        kind = self.question.evidence.kind
        rows = []
        for candidate in self.candidates:
            row: dict[str, Any] = {"model": candidate.family, "calibration": candidate.model.calibration}
            row[f"validation/{self.question.select_by}"] = candidate.validation
            tested = {f"test/{name}": estimate for name, estimate in candidate.metrics.items()}
            for name, estimate in (tested | candidate.policy_metrics(kind)).items():
                row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
            rows.append(row | {"fit_seconds": candidate.seconds["fit"]})
        return pd.DataFrame(rows).dropna(axis="columns", how="all")

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        kind = self.question.evidence.kind
        return {
            **self.question.as_dict(),
            "selected_by": f"validation/{self.question.select_by}",
            "winner": self.winner.family,
            "leaderboard": [candidate.as_dict(kind) for candidate in self.candidates],
            "verdicts": self.verdicts().to_dict("records"),
        }


@dataclass(frozen=True)
class Tried:
    """A trial of a search that ended: one set of hyper-parameters, judged by cross-validation.

    Parameters
    ----------
    number
        Its number in the study, which is its family's.
    state
        `complete`, `pruned` (ended early) or `failed`.
    values
        For each objective its mean over the folds; empty unless complete.
    folds
        For each objective its value on each fold.
    gain
        First objective over that of the family's own parameters, positive for better, as if it were the only trial.
    started, ended
        Milliseconds since 1970.
    seconds
        Time inside fit and predict.
    """

    study: str
    family: str
    number: int
    state: Literal["complete", "pruned", "failed"]
    parameters: dict[str, Any]
    values: dict[str, float]
    folds: dict[str, list[float]]
    gain: Estimate | None
    started: int
    ended: int
    seconds: float
    reason: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """What tells it from all others."""
        return self.study, self.number


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    maximize
        Whether more of the first objective is better.
    tried
        Trials that ended, in that order.
    best
        The best complete one by the first objective.
    gain
        Its first objective over that of its family's own parameters, positive for better, with an interval wide
        enough for so many trials had they been drawn blindly; without one where the objective has no error per user.
    baseline
        For each family the objectives of its own parameters.
    candidate
        The winner refitted on train and validation and measured on test; None where another machine did that.
    judged, gain_on_test
        ROC AUC, or under the objective `value` money per user, of the winner over its family's own parameters, both
        refitted, on test.
    before
        Complete trials that were there when this process began.
    put_back
        Trials that killed workers left, put in line again.
    front
        Of two objectives and more, the places of the trials that no other is better than in all.
    """

    objectives: tuple[str, ...]
    maximize: bool
    tried: list[Tried]
    best: Tried
    gain: Estimate
    baseline: dict[str, dict[str, float]]
    candidate: Candidate | None
    judged: str
    gain_on_test: Estimate | None
    before: int
    storage: str
    put_back: int
    front: tuple[tuple[str, int], ...] = ()

    @property
    def challenges(self) -> bool:
        """Whether the winner becomes challenger: the search flatters it, so below its defaults it is no gain."""
        return self.gain.value >= 0

    def count(self, state: str) -> int:
        """Trials that ended so."""
        return sum(trial.state == state for trial in self.tried)

    def table(self) -> pd.DataFrame:
        """One row a trial."""
        return pd.DataFrame(
            [
                {
                    "model": trial.family,
                    "trial": trial.number,
                    "state": trial.state,
                    **trial.values,
                    "gain": trial.gain.value if trial.gain else None,
                    "gain_se": trial.gain.se if trial.gain else None,
                    "seconds": (trial.ended - trial.started) / 1000,
                    **{f"model.{name}": value for name, value in trial.parameters.items()},
                    "reason": trial.reason,
                }
                for trial in self.tried
            ]
        )

    def as_dict(self, kind: str) -> dict[str, Any]:
        """Ready for JSON; `kind` is the evidence behind uplift."""
        return {
            "objectives": self.objectives,
            "trials": {state: self.count(state) for state in ("complete", "pruned", "failed")},
            "there_before": self.before,
            "tried_again": self.put_back,
            "best": asdict(self.best),
            "gain": asdict(self.gain),
            "becomes_challenger": self.challenges,
            "front": [number for _, number in self.front],
            "baseline": self.baseline,
            "winner": self.candidate.as_dict(kind) if self.candidate else None,
            "judged_on_test": self.judged,
            "gain_on_test": asdict(self.gain_on_test) if self.gain_on_test else None,
            "storage": self.storage,
        }


@dataclass(frozen=True)
class Filed:
    """Where something was filed: its run, the run's page, and the registered version if there is one."""

    run_id: str
    page: str
    registered: str | None


@dataclass(frozen=True)
class Provenance:
    """What would be needed to make the run again.

    Parameters
    ----------
    commit
        Commit of the checkout tippingpoint runs from; empty for an installed wheel.
    diff
        What differs from that commit, and the names of untracked files; empty when clean.
    packages
        Installed packages, `name==version`, sorted.
    """

    commit: str
    diff: str
    packages: tuple[str, ...]

    @property
    def lock_digest(self) -> str:
        """16 hex digits of the installed packages."""
        return hashlib.sha256("\n".join(self.packages).encode()).hexdigest()[:16]

    def tags(self) -> dict[str, str]:
        """MLflow tags."""
        git = {"mlflow.source.git.commit": self.commit} if self.commit else {}
        return {
            **git,
            "tippingpoint.version": __version__,
            "tippingpoint.dirty": str(bool(self.diff)).lower(),
            "tippingpoint.lock_digest": self.lock_digest,
        }
