"""What two runs, or versions, differ in on the same test users."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.evaluation import LOWER_IS_BETTER
from tippingpoint.experiment.by_share import Steps
from tippingpoint.experiment.diagnostics import Findings
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.policies.policy import Policy
from tippingpoint.tracking.models import LoadedModel
from tippingpoint.tracking.runs import StoredRun


@dataclass(frozen=True)
class Side:
    """One of the two.

    Parameters
    ----------
    name
        As it was typed.
    score, decision
        What its model gives of the n test users, and (n,) codes of the actions its own policy gives them.
    curves
        Money and outcomes by share treated, as runs file them.
    shares
        Share of mean |SHAP| by column, as its run has them.
    """

    name: str
    run: StoredRun
    model: LoadedModel
    policy: Policy
    score: np.ndarray
    decision: np.ndarray
    curves: Steps
    shares: Mapping[str, float]

    @property
    def label(self) -> str:
        """What pages call it."""
        return f"{self.name} ({self.run.info.run_name})" if self.name.startswith("models:/") else self.run.info.run_name


@dataclass(frozen=True, repr=False)
class TwoRuns:
    """What differs between two runs.

    Parameters
    ----------
    differing
        One row a key of their configs that differs.
    metrics
        Paired difference of each metric on the same test users, the second less the first.
    value
        What the second's policy brings more than the first's, money per user, each with its own scores; None where
        evidence is assumed.
    movement
        One row a pair of actions, for users whose action changes: how many, and what that brings in all.
    """

    first: Side
    second: Side
    kind: str
    currency: str
    users: int
    differing: pd.DataFrame
    metrics: dict[str, Estimate]
    value: Estimate | None
    movement: pd.DataFrame
    findings: Findings
    page: str = ""

    @property
    def changed(self) -> int:
        """Users whose action changes."""
        return int(self.movement["users"].sum()) if len(self.movement) else 0

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "first": self.first.run.info.run_id,
            "second": self.second.run.info.run_id,
            "evidence": self.kind,
            "users": self.users,
            "users_with_another_action": self.changed,
            "differing": self.differing.to_dict("records"),
            "metrics": {name: vars(of) for name, of in self.metrics.items()},
            "value_per_user": None if self.value is None else vars(self.value),
            "movement": self.movement.to_dict("records"),
            "page": self.page or None,
        }


def better(metric: str, difference: Estimate) -> str:
    """`better`, `worse` or `inconclusive`: what a paired difference says of the second."""
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return "inconclusive"
    return "better" if (difference.value > 0) != (metric in LOWER_IS_BETTER) else "worse"
