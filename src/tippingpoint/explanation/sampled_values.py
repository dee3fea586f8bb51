"""SHAP values of whatever a model answers, of any learner and family: by permutations, on raw columns."""

from collections.abc import Callable

import numpy as np
import pandas as pd

PERMUTATIONS = 10
"""Each is walked forwards and backwards, from a background user of its own."""


def sampled_values(
    answer: Callable[[pd.DataFrame], np.ndarray], features: pd.DataFrame, background: pd.DataFrame, seed: int = 0
) -> tuple[np.ndarray, float, np.ndarray]:
    """SHAP values of an answer, such as a chance or what an action adds to it.

    Castro, Gomez and Tejada's permutation sampling (2009), antithetic: column by column a background user becomes the
    user explained. Values add up exactly to the answer less the mean answer of the background users drawn; each by
    itself is an estimate.

    Parameters
    ----------
    answer
        Gives (m,) numbers of m users.
    features, background
        n users to explain and users to start from; the columns that the model reads.

    Returns
    -------
    values, base, explained
        (n, d), the mean answer of the background, and the (n,) answers.
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
    gained = np.asarray(answer(asked), dtype=np.float64).reshape(len(walks), len(names) + 1, n)
    values = np.zeros((n, len(names)))
    for (_, order), walked in zip(walks, gained, strict=True):
        values[:, order] += np.diff(walked, axis=0).T
    return values / len(walks), float(gained[:, 0].mean()), gained[0, -1]
