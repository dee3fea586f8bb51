"""Everything one comparison finds, and its tables."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.comparison.crossfit import CrossFit
from tippingpoint.comparison.repeats import Repeats
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.decision import Guardrail
from tippingpoint.experiment.diagnostics import Findings
from tippingpoint.experiment.findings import all_of
from tippingpoint.experiment.judged import Baseline, judged, row_of
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.hidden_driver import FLIPS_FROM
from tippingpoint.offpolicy.value import PolicyValue

ANY = ", any model"
"""Ends the name of a policy that decides alike with every model: one contestant, not one a model."""


@dataclass(frozen=True)
class Comparison:
    """Candidates side by side.

    Parameters
    ----------
    candidates
        Best first, by the metric on validation.
    auc, uplift
        Verdicts over all pairs on test: ROC AUC of the models, and money per user under the policy, also of policies
        that need no model. Without a measurement behind the uplift (evidence `assumed`, or vetoed) there are none.
    crossfit
        What the policy brings on all users, where that was asked for.
    repeats
        What further splits said, where that was asked for.
    """

    question: ExperimentSpec
    candidates: list[Candidate]
    auc: list[Contrast]
    uplift: list[Contrast]
    crossfit: CrossFit | None = None
    repeats: Repeats | None = None

    @property
    def winner(self) -> Candidate:
        """The first on validation."""
        return self.candidates[0]

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """What needs no model; the best single column at the shares of users that the winner's cut-offs take."""
        return self.winner.baselines(self.question)

    @cached_property
    def alike(self) -> str:
        """What the policy is called where it decides alike with every model, so that it counts once; else ''."""
        first, *others = (candidate.value.weight for candidate in self.candidates)
        same = bool(others) and all(np.array_equal(first, other) for other in others)
        return f"{self.question.policy.name}{ANY}" if same else ""

    @property
    def without_model(self) -> tuple[Baseline, ...]:
        """Rows of the leaderboard that are no model's: the policy where it decides alike with all, and baselines."""
        alike = (Baseline(self.alike, value=self.winner.value),) if self.alike else ()
        return (*alike, *self.baselines)

    @property
    def guardrails(self) -> dict[str, tuple[Guardrail, ...]]:
        """By model, what its policy does to measures that must not get worse by more than a margin."""
        return {candidate.family: candidate.guardrails for candidate in self.candidates}

    @property
    def contestant(self) -> str:
        """The winner in the contest of uplift."""
        return self.alike or self.winner.family

    @property
    def shown_uplift(self) -> list[Contrast]:
        """Of the pairs in uplift those of two models, and of the winner with what needs no model."""
        models = {candidate.family for candidate in self.candidates}
        return [v for v in self.uplift if {v.first, v.second} <= models or self.contestant in (v.first, v.second)]

    @property
    def values(self) -> dict[str, PolicyValue]:
        """What each policy is worth: with each model's scores, or once where it decides alike; then without a model."""
        alike = {self.alike: self.winner.value} if self.alike else {of.family: of.value for of in self.candidates}
        return alike | {of.name: of.value for of in self.baselines if of.value is not None}

    @property
    def findings(self) -> Findings:
        """What was found of the users and the evidence, then of each candidate, the winner first."""
        return all_of(self.question, *self.candidates)

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
                    "verdict": v.verdict,
                }
                for measure, verdicts in measures.items()
                for v in verdicts
            ]
        )

    def leaderboard(self) -> pd.DataFrame:
        """One row a candidate, then one a baseline: validation metric, then those of test and policy with intervals."""
        kind, alike = self.question.evidence.kind, self.alike
        rows = []
        for candidate in self.candidates:
            row: dict[str, Any] = {"model": candidate.family, "calibration": candidate.model.calibration}
            row[f"validation/{self.question.select_by}"] = candidate.validation
            row |= row_of(candidate.family, judged(candidate.metrics, None if alike else candidate.value, kind))
            if not alike and (bounds := candidate.value.bounds) is not None:
                row[f"policy/{kind}/{FLIPS_FROM}"] = float(bounds.flips_from)
            row |= self._on_all_users(candidate.family)
            rows.append(row | {"fit_seconds": candidate.seconds["fit"]})
        rows += [row_of(of.name, of.judged(kind)) | self._on_all_users(of.name) for of in self.without_model]
        return pd.DataFrame(rows).dropna(axis="columns", how="all")

    def _on_all_users(self, name: str) -> dict[str, Any]:
        """Columns of what a contestant brings on all users, where that was asked for."""
        if self.crossfit is None or name not in self.crossfit.values:
            return {}
        return row_of(name, self.crossfit.metrics(name, self.question.evidence.kind))

    @cached_property
    def interpretability(self) -> pd.DataFrame:
        """One row a candidate: how much there is to read in it, against ROC AUC and what the policy is worth."""
        kind, contract = self.question.evidence.kind, self.question.users.contract
        rows = []
        for candidate in self.candidates:
            measured = {
                "roc_auc": candidate.metrics["roc_auc"],
                f"value_per_user_{kind}": candidate.value.value,
                f"uplift_per_user_{kind}": candidate.value.uplift,
            }
            rows.append({"model": candidate.family, **candidate.size(contract)} | row_of(candidate.family, measured))
        return pd.DataFrame(rows).dropna(axis="columns", how="all")

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        kind = self.question.evidence.kind
        return {
            **self.question.to_dict(),
            "selected_by": f"validation/{self.question.select_by}",
            "winner": self.winner.family,
            "leaderboard": [candidate.to_dict(kind) for candidate in self.candidates]
            + [self._beside_winner(of, kind) for of in self.without_model],
            "verdicts": self.verdicts().to_dict("records"),
            "findings": [finding.to_dict() for finding in self.findings],
            **({"crossfit": self.crossfit.to_dict(kind)} if self.crossfit else {}),
            **({"repeats": self.repeats.to_dict()} if self.repeats else {}),
        }

    def _beside_winner(self, baseline: Baseline, kind: str) -> dict[str, Any]:
        """A baseline ready for JSON, with what the contest says of the winner against it."""
        found = (verdict.seen_from(self.contestant) for verdict in self.uplift)
        told = {of.second: asdict(of.difference) | {"verdict": of.verdict} for of in found if of is not None}
        against = {"winner_against_it": told[baseline.name]} if baseline.name in told else {}
        return baseline.to_dict(kind) | against
