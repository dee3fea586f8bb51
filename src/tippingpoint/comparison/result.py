"""Everything one comparison finds, and its tables."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from tippingpoint.comparison.crossfit import CrossFit
from tippingpoint.comparison.repeats import Repeats
from tippingpoint.experiment.diagnostics import Findings
from tippingpoint.experiment.findings import all_of
from tippingpoint.experiment.spec import Candidate, ExperimentSpec, judged, row_of
from tippingpoint.offpolicy.contest import Contrast
from tippingpoint.offpolicy.hidden_driver import FLIPS_FROM
from tippingpoint.offpolicy.value import PolicyValue


@dataclass(frozen=True)
class Comparison:
    """Candidates side by side.

    Parameters
    ----------
    candidates
        Best first, by the metric on validation.
    auc, uplift
        Verdicts over all pairs on test: ROC AUC, and money per user under the policy. Without a measurement behind
        the uplift (evidence `assumed`, or vetoed) there are none.
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
    def values(self) -> dict[str, PolicyValue]:
        """What the policy is worth with each score, candidates first."""
        return {of.family: of.value for of in self.candidates} | {of.name: of.value for of in self.question.baselines}

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
        kind = self.question.evidence.kind
        rows = []
        for candidate in self.candidates:
            row: dict[str, Any] = {"model": candidate.family, "calibration": candidate.model.calibration}
            row[f"validation/{self.question.select_by}"] = candidate.validation
            row |= row_of(candidate.family, judged(candidate.metrics, candidate.value, kind))
            row |= row_of(candidate.family, self.crossfit.metrics(candidate.family, kind)) if self.crossfit else {}
            if (bounds := candidate.value.bounds) is not None:
                row[f"policy/{kind}/{FLIPS_FROM}"] = float(bounds.flips_from)
            rows.append(row | {"fit_seconds": candidate.seconds["fit"]})
        rows += [row_of(b.name, judged(b.metrics, b.value, kind)) for b in self.question.baselines]
        return pd.DataFrame(rows).dropna(axis="columns", how="all")

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
            "leaderboard": [candidate.to_dict(kind) for candidate in self.candidates],
            "verdicts": self.verdicts().to_dict("records"),
            "findings": [finding.to_dict() for finding in self.findings],
            **({"crossfit": self.crossfit.to_dict(kind)} if self.crossfit else {}),
            **({"repeats": self.repeats.to_dict()} if self.repeats else {}),
        }
