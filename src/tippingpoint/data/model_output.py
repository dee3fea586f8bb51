"""How what a model gives of users is laid out, for whoever reads it: models, policies, reports."""

import numpy as np


def probability(found: np.ndarray) -> np.ndarray:
    """(n,) chances of the outcome, under the mix of actions the model was fitted on.

    Parameters
    ----------
    found
        (n,) chances themselves; or of an effect learner (n, K + 1): the chance, the chance under none, and what each
        other action adds to that.
    """
    return found if found.ndim == 1 else np.clip(found[:, 0], 0, 1)


def by_action(found: np.ndarray) -> np.ndarray:
    """(n, K) chances of the outcome under each action, none first, of what an effect learner gives."""
    reached = found[:, 1:].copy()
    reached[:, 1:] += found[:, 1:2]
    return np.clip(reached, 0, 1)


def effects(found: np.ndarray) -> np.ndarray:
    """(n, K) what each action adds to the chance under none, 0 for none itself, of what an effect learner gives."""
    added = found[:, 1:].copy()
    added[:, 0] = 0
    return added
