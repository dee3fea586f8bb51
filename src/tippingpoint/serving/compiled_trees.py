"""Trees of a forest or of boosting as arrays, and the walk down them, compiled."""

import json
import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit


class Trees(NamedTuple):
    """Nodes of all trees, one tree after the other.

    Parameters
    ----------
    root
        (trees,) where each tree begins.
    left, right
        Children, counted over all trees; -1 at a leaf.
    feature, threshold
        A user goes left where the feature, in float32, is at most the threshold.
    missing_left
        Whether a user without the feature goes left.
    value
        What a leaf adds, in the type the library adds it up in.
    start
        What is there before the first tree.
    """

    root: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    start: float


def of_forest(forest: Any) -> Trees:
    """Those of a scikit-learn forest; they add up to the probability of class 1 times the number of trees."""
    return _joined(
        [
            (t.children_left, t.children_right, t.feature, t.threshold, t.missing_go_to_left, t.value[:, 0, 1])
            for t in (tree.tree_ for tree in forest.estimators_)
        ],
        np.float64,
        0.0,
    )


def of_boosting(model: Any) -> Trees:
    """Those of XGBoost; they add up to the log-odds."""
    learner: dict[str, Any] = json.loads(model.get_booster().save_raw("json"))["learner"]
    base = np.float32(learner["learner_model_param"]["base_score"].strip("[]"))
    trees: list[tuple[np.ndarray, ...]] = []
    for tree in learner["gradient_booster"]["model"]["trees"]:
        condition = np.array(tree["split_conditions"], np.float32)
        # XGBoost goes left below the threshold: at most the number before it.
        below = np.nextafter(condition, np.float32(-np.inf))
        left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
        trees.append((left, right, np.array(tree["split_indices"]), below, np.array(tree["default_left"]), condition))
    return _joined(trees, np.float32, -np.log(np.float32(1) / base - np.float32(1)))


def add_up(trees: Trees, x: np.ndarray) -> np.ndarray:
    """(n,) sums over all trees for (n, f) prepared columns."""
    found = np.full(len(x), trees.start, trees.value.dtype)
    _walk(*trees[:7], x.astype(np.float32), found)
    return found


def chance(margin: np.ndarray) -> np.ndarray:
    """(n,) float32 probabilities of float32 log-odds, in the steps of XGBoost."""
    found = np.empty_like(margin)
    _chances(margin, found)
    return found


def _joined(trees: list[tuple[np.ndarray, ...]], kind: type, start: float) -> Trees:
    sizes = [len(tree[0]) for tree in trees]
    root = np.cumsum([0, *sizes[:-1]])
    shift = np.repeat(root, sizes)
    left, right, feature, threshold, missing, value = (np.concatenate(part) for part in zip(*trees, strict=True))
    return Trees(
        root,
        np.where(left < 0, -1, left + shift),
        np.where(right < 0, -1, right + shift),
        feature.astype(np.int64),
        threshold.astype(np.float64),
        missing.astype(np.bool_),
        np.ascontiguousarray(value, dtype=kind),
        start,
    )


def _compiled(function: Any) -> Any:
    """Machine code, kept on disk where there is a folder to keep it in."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # neither beside this file nor in the user's own cache folder can it be written
        return njit(nogil=True)(function)


@_compiled
def _walk(root, left, right, feature, threshold, missing_left, value, x, found):  # type: ignore[no-untyped-def]  # numba compiles it
    for first in root:
        for i in range(len(x)):
            node = first
            while left[node] >= 0:
                v = x[i, feature[node]]
                goes_left = missing_left[node] if math.isnan(v) else v <= threshold[node]
                node = left[node] if goes_left else right[node]
            found[i] += value[node]


@_compiled
def _chances(margin, found):  # type: ignore[no-untyped-def]
    one = np.float32(1)
    for i in range(len(margin)):
        found[i] = one / (math.exp(min(-margin[i], np.float32(88.7))) + one + np.float32(1e-16))
