"""Which trials end early: the worst share of those that came as far."""

from dataclasses import dataclass

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tippingpoint.tuning.samplers import STARTUP

LEAST = 5
"""Complete trials that came as far, without which none is called bad."""


@dataclass(frozen=True)
class WorstShare(BasePruner):
    """Ends a trial whose last report is among the worst share of what complete trials reported there.

    Optuna's own percentile pruner holds a trial's best report so far against theirs: after a lucky first fold, or a
    boosting round reported on another scale, it never prunes.
    """

    share: float

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial shall end."""
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        step = trial.last_step
        there = [t.intermediate_values[step] for t in complete if step in t.intermediate_values]
        if step is None or len(complete) < STARTUP or len(there) < LEAST:
            return False
        sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
        bound = np.quantile(sign * np.array(there), 1 - self.share)
        return not sign * trial.intermediate_values[step] <= bound  # what is not a number ends too
