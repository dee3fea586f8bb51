"""SHAP values of a predicted effect, whatever learner and family: by permutations, on raw columns."""

from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.model_output import effects
from tippingpoint.models.learners.effects import output

PERMUTATIONS = 10
"""Each is walked forwards and backwards, from a background user of its own."""


def effect_values(
    classifier: Any, features: pd.DataFrame, background: pd.DataFrame, action: int, seed: int = 0
) -> tuple[np.ndarray, float, np.ndarray]:
    """SHAP values of what an action adds to the chance of the outcome, in outcomes per user.

    Castro, Gomez and Tejada's permutation sampling (2009), antithetic: column by column a background user becomes the
    user explained. Values add up exactly to the effect less the mean effect of the background users drawn; each by
    itself is an estimate.

    Parameters
    ----------
    features, background
        n users to explain and users to start from; the columns that the model reads.
    action
        Its column among the K actions.

    Returns
    -------
    values, base, explained
        (n, d), the mean effect of the background, and the (n,) effects.
    """
    rng, names, n = np.random.default_rng(seed), list(features.columns), len(features)
    starts = background.iloc[rng.integers(0, len(background), PERMUTATIONS)]
    walks: list[tuple[int, list[int]]] = []
    for k in range(PERMUTATIONS):
        order = rng.permutation(len(names)).tolist()
        walks += [(k, order), (k, order[::-1])]
    frames = []
    for k, order in walks:
        at = starts.iloc[np.full(n, k)].set_axis(features.index)
        frames.append(at)
        for j in order:
            at = at.assign(**{names[j]: features[names[j]]})
            frames.append(at)
    asked = pd.concat(frames, ignore_index=True)
    gained = effects(output(classifier, asked))[:, action].reshape(len(walks), len(names) + 1, n)
    values = np.zeros((n, len(names)))
    for (_, order), walked in zip(walks, gained, strict=True):
        values[:, order] += np.diff(walked, axis=0).T
    return values / len(walks), float(gained[:, 0].mean()), gained[0, -1]
