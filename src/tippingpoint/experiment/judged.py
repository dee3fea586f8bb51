"""What test says of a score and of a policy, in one shape for models and for what takes no model."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tippingpoint.offpolicy.hidden_driver import FLIPS_FROM
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.value import PolicyValue


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


def row_of(name: str, estimates: dict[str, Estimate]) -> dict[str, Any]:
    """A row of a table: each estimate under its name, with the ends of its interval."""
    row: dict[str, Any] = {"model": name}
    for metric, estimate in estimates.items():
        row |= {metric: estimate.value, f"{metric}_low": estimate.low, f"{metric}_high": estimate.high}
    return row
