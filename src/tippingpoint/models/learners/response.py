"""The chance of the outcome itself: what every model gave before there were effect learners."""

from typing import Any

import numpy as np

from tippingpoint.models.learners.learner import Learner
from tippingpoint.models.learners.nuisances import Nuisances


class Response(Learner):
    """No effect is learnt: the score is P(outcome), calibrated on validation (`models.calibration`)."""

    def parts(self, given: Nuisances) -> tuple[list[Any], np.ndarray]:
        raise NotImplementedError("models.calibration fits it")
