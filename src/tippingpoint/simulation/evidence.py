"""Where a counterfactual comes from: phi[i, a] stands for user i's outcome under action a."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["truth", "experiment", "logged", "assumed"]


@dataclass(frozen=True)
class Evidence:
    """Outcome scores of n users under K actions; the first action is `none`.

    Parameters
    ----------
    kind
        `truth` (a generator knows), `experiment` (known logging probabilities), `logged` (estimated ones) or
        `assumed` (a stated response). One ranking never mixes kinds.
    phi
        (n, K) array whose column means estimate the mean outcome under each action.
    """

    kind: Kind
    phi: np.ndarray

    @property
    def measured(self) -> bool:
        """Whether intervals may be given: never for what was merely assumed."""
        return self.kind != "assumed"


def doubly_robust(
    outcome: np.ndarray, action: np.ndarray, logging_probability: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """Augmented inverse-probability scores (Robins, Rotnitzky & Zhao 1994; Dudík et al. 2011).

    phi[i, a] = p[i, a] + 1[action_i = a] / e[i, a] · (y_i - p[i, a]). Unbiased whatever `predicted` is, as long as
    it was fitted on other users and the logging probabilities are right.

    Parameters
    ----------
    outcome
        (n,) observed outcomes.
    action
        (n,) codes of what was done.
    logging_probability, predicted
        (n, K) chance of each action, and a prediction of the outcome under it.
    """
    rows = np.arange(len(outcome))
    phi = predicted.astype(np.float64, copy=True)
    phi[rows, action] += (outcome - predicted[rows, action]) / logging_probability[rows, action]
    return phi


def assumed(outcome: np.ndarray, response: np.ndarray) -> np.ndarray:
    """(n, K) observed outcome times the (K,) stated ratio of responses. Not a measurement."""
    return outcome[:, None] * response[None, :]
