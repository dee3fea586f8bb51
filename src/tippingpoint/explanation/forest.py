"""Exact path-dependent SHAP values of a scikit-learn forest, for a block of users at a time.

Let a leaf have value v, and let each feature j on its path have r_j, the share of the training weight that follows
the path at j's splits, and o_j, whether the user does (1) or not (0). With the features of S known the leaf counts
v·Π_{j∈S} o_j·Π_{j∉S} r_j, so the Shapley value of feature i is

    φ_i = v·∫₀¹ (o_i − r_i)·Π_{j≠i} q_j(t) dt,   q_j(t) = (1 − t)·r_j + t·o_j

(Owen's multilinear extension). The integrand is a polynomial of a degree below the number m of features on the path:
Gauss-Legendre with ⌈m/2⌉ points is exact; it is stable as well, since all points lie inside (0, 1), where q_j > 0. The
product of all q_j is carried down a tree, its sums over leaves are carried up, and a split takes its part of them
with ψ_i = (o_i − r_i) / q_i. That is O(leaves·m) a user and tree, where Lundberg et al. (2020) take O(leaves·m²). As
o_j is 0 or 1, all that a split can do is one of three constants for each point, made once a tree; the loop over a
block of users is left with picking constants, multiplying and adding, several users an instruction.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from tippingpoint.core.threads import cores

Forest: TypeAlias = RandomForestClassifier | ExtraTreesClassifier
BLOCK = 32
"""Users that go down a tree side by side."""
LEAST = 128
"""Users worth a thread of their own."""


class Trees(NamedTuple):
    """Nodes of all trees, one tree after the other; children count from the first node of their tree.

    Parameters
    ----------
    start
        (trees + 1,) where each tree begins.
    left, right
        Children; -1 at a leaf.
    feature, threshold
        A user goes left where the feature, in float32, is at most the threshold.
    missing_left
        Whether a user without the feature goes left.
    weight
        Training weight of the node.
    value
        Share of outcome 1 in it.
    """

    start: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    weight: np.ndarray
    value: np.ndarray


class Splits(NamedTuple):
    """The splits of one tree in the order they are met.

    A user at a split is in one of three states: 0, off the path by an earlier split of the same feature; 1, goes left;
    2, goes right. Constants are those of state 0 and what states 1 and 2 add to them.

    Parameters
    ----------
    node, level
        Where the split is, and how many are above it.
    earlier, needed
        The level above that split the same feature last (-1: none), and the state there that leads here.
    kept
        Share of the training weight that follows the path at this feature, if it ends left and right.
    down
        What the edge that leads here multiplies the product by.
    up
        Difference of ψ that it makes to the feature of the split above.
    leaf_sum, leaf_value
        The same for children that are leaves: their sum, and what they give the split's own feature.
    has_leaf
        Whether there are any.
    """

    node: np.ndarray
    level: np.ndarray
    earlier: np.ndarray
    needed: np.ndarray
    kept: np.ndarray
    down: np.ndarray
    up: np.ndarray
    leaf_sum: np.ndarray
    leaf_value: np.ndarray
    has_leaf: np.ndarray


def forest_values(forest: Forest, x: np.ndarray) -> tuple[np.ndarray, float]:
    """SHAP values of the probability of class 1.

    Parameters
    ----------
    x
        (n, f) columns as the forest takes them.

    Returns
    -------
    numpy.ndarray, float
        (n, f) values, and the probability for the average user of the sample the trees were grown on.
    """
    trees = flattened(forest)
    depth = max(tree.tree_.max_depth for tree in forest.estimators_)
    workers = max(1, min(cores(), len(x) // LEAST))
    # A user's values are the same whoever else is in the block.
    with ThreadPoolExecutor(workers) as pool:
        values = np.concatenate(list(pool.map(lambda part: _sums(trees, depth, part), np.array_split(x, workers))))
    return values / len(forest.estimators_), float(trees.value[trees.start[:-1]].mean())


def _sums(trees: Trees, depth: int, x: np.ndarray) -> np.ndarray:
    """(n, f) values of the users x, summed over the trees."""
    rows, columns = x.shape
    blocks = -(-rows // BLOCK)
    turned = np.zeros((blocks * BLOCK, columns), np.float32)
    turned[:rows] = x
    turned = np.ascontiguousarray(turned.reshape(blocks, BLOCK, columns).transpose(0, 2, 1))
    found = np.zeros(turned.shape)
    points, weights = np.polynomial.legendre.leggauss(max(1, -(-min(depth, columns) // 2)))
    points, weights = (points + 1) / 2, weights / 2
    most = int(np.diff(trees.start).max()) // 2
    (node, level, earlier, needed), constants = np.empty((4, most), np.int64), np.empty((4, most, len(points), 3))
    kept, has_leaf = np.empty((most, 2)), np.empty(most, np.bool_)
    splits = Splits(
        node, level, earlier, needed, kept, constants[0], constants[1], constants[2], constants[3], has_leaf
    )
    stack, (path, went) = np.empty((depth + 2, 4), np.int64), np.empty((2, depth + 1), np.int64)
    product, total = np.empty((2, depth + 1, len(points), BLOCK))
    product[0] = weights[:, None]
    left, right = np.empty((2, depth + 1, BLOCK))
    _walk(trees, points, splits, stack, path, went, product, total, left, right, turned, found)
    return found.transpose(0, 2, 1).reshape(-1, columns)[:rows]


def flattened(forest: Forest) -> Trees:
    """The trees of a forest as arrays."""
    trees = [tree.tree_ for tree in forest.estimators_]

    def of(name: str) -> np.ndarray:
        return np.concatenate([getattr(tree, name) for tree in trees])

    classes = of("value")[:, 0]
    return Trees(
        start=np.cumsum([0, *(tree.node_count for tree in trees)]),
        left=of("children_left"),
        right=of("children_right"),
        feature=of("feature"),
        threshold=of("threshold"),
        missing_left=of("missing_go_to_left").astype(np.bool_),
        weight=of("weighted_n_node_samples"),
        value=classes[:, 1] / classes.sum(axis=1),
    )


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code, kept on disk from process to process where there is a folder to keep it in."""
    # Fused multiply-adds; division by zero gives what IEEE says, so that loops need no check.
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither beside this file nor in the user's own cache folder can it be written
        return njit(**options)(function)


@_compiled
def _plan(trees, base, points, splits, stack, path, went):  # type: ignore[no-untyped-def]  # numba types it
    """Fill in the splits of the tree that begins at node `base`; returns how many there are."""
    if trees.left[base] < 0:
        return 0
    count, top = 0, 1
    # Splits to come: node, level, split above, and on which of its sides.
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, 0, -1, 0
    while top > 0:
        top -= 1
        child, level, above, side = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
        node, i = base + child, count
        count += 1
        if level > 0:
            went[level - 1] = side
        path[level] = i
        splits.node[i], splits.level[i] = node, level
        earlier = _earlier(trees.feature, splits.node, path, level)
        splits.earlier[i] = earlier
        old = 1.0
        if earlier >= 0:
            splits.needed[i] = 1 + went[earlier]
            old = splits.kept[path[earlier], went[earlier]]
        if above >= 0:
            before = splits.earlier[above]
            known = 1.0 if before < 0 else splits.kept[path[before], went[before]]
            _edge(splits.down, splits.up, i, points, known, splits.kept[above, side], side)
        splits.has_leaf[i] = False
        splits.leaf_sum[i], splits.leaf_value[i] = 0.0, 0.0
        for side in range(1, -1, -1):
            child = trees.right[node] if side else trees.left[node]
            new = old * trees.weight[base + child] / trees.weight[node]
            splits.kept[i, side] = new
            if trees.left[base + child] >= 0:
                stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = child, level + 1, i, side
                top += 1
            else:
                splits.has_leaf[i] = True
                _leaf(splits.leaf_sum, splits.leaf_value, i, points, old, new, side, trees.value[base + child])
    return count


@_compiled
def _earlier(feature, node, path, level):  # type: ignore[no-untyped-def]
    """The level above that split the same feature last; -1 for none."""
    for up in range(level - 1, -1, -1):
        if feature[node[path[up]]] == feature[node[path[level]]]:
            return up
    return -1


@_compiled
def _edge(down, up, i, points, known, new, side):  # type: ignore[no-untyped-def]
    """Fill in the constants of the edge that leads to a split from one side of the split above."""
    for k in range(len(points)):
        t = points[k]
        in_old, out_new = (1 - t) * known + t, (1 - t) * new
        in_new = out_new + t
        psi = (1 - known) / in_old
        down[i, k, 0] = new / known
        down[i, k, 1 + side] = in_new / in_old - new / known
        down[i, k, 2 - side] = out_new / in_old - new / known
        up[i, k, 1 + side] = (1 - new) / in_new - psi
        up[i, k, 2 - side] = -1 / (1 - t) - psi


@_compiled
def _leaf(leaf_sum, leaf_value, i, points, old, new, side, v):  # type: ignore[no-untyped-def]
    """Add a leaf of value `v` to the constants of the split above it."""
    for k in range(len(points)):
        t = points[k]
        in_old, in_new = (1 - t) * old + t, (1 - t) * new + t
        psi = (1 - old) / in_old
        stays, leaves = in_new / in_old, (1 - t) * new / in_old
        leaf_sum[i, k, 0] += v * new / old
        leaf_sum[i, k, 1 + side] += v * (stays - new / old)
        leaf_sum[i, k, 2 - side] += v * (leaves - new / old)
        leaf_value[i, k, 1 + side] += v * stays * ((1 - new) / in_new - psi)
        leaf_value[i, k, 2 - side] += v * leaves * (-1 / (1 - t) - psi)


@_compiled
def _descend(trees, splits, count, path, product, total, left, right, x, found):  # type: ignore[no-untyped-def]  # noqa: C901
    """Take one block of users (features, BLOCK) through the splits of one tree.

    It stays one function: with its inner loops in functions of their own, 1,000 users and 100 trees of depth 12 took
    1.5 (inlined) to 2.7 times as long.
    """
    points = product.shape[1]
    for i in range(count):
        level, node, earlier = splits.level[i], splits.node[i], splits.earlier[i]
        if level > 0:
            for k in range(points):
                c0, c1, c2 = splits.down[i, k, 0], splits.down[i, k, 1], splits.down[i, k, 2]
                for b in range(BLOCK):
                    c = c0 + left[level - 1, b] * c1 + right[level - 1, b] * c2
                    product[level, k, b] = product[level - 1, k, b] * c
        path[level] = i
        feature, threshold, missing_left = trees.feature[node], trees.threshold[node], trees.missing_left[node]
        for b in range(BLOCK):
            value = np.float64(x[feature, b])
            goes = (value <= threshold) | (missing_left & (value != value))
            left[level, b], right[level, b] = 1.0 if goes else 0.0, 0.0 if goes else 1.0
        if earlier >= 0:
            on_path = left[earlier] if splits.needed[i] == 1 else right[earlier]
            for b in range(BLOCK):
                left[level, b] *= on_path[b]
                right[level, b] *= on_path[b]
        if splits.has_leaf[i]:
            for k in range(points):
                c0, c1, c2 = splits.leaf_sum[i, k, 0], splits.leaf_sum[i, k, 1], splits.leaf_sum[i, k, 2]
                d1, d2 = splits.leaf_value[i, k, 1], splits.leaf_value[i, k, 2]
                for b in range(BLOCK):
                    p = product[level, k, b]
                    total[level, k, b] = p * (c0 + left[level, b] * c1 + right[level, b] * c2)
                    found[feature, b] += p * (left[level, b] * d1 + right[level, b] * d2)
        else:
            total[level, :, :] = 0.0
        # Splits below which all is done, lowest first: their sums go to the split above, and its feature gets its part.
        next_level = splits.level[i + 1] if i + 1 < count else 1
        for done in range(level, max(next_level, 1) - 1, -1):
            feature = trees.feature[splits.node[path[done - 1]]]
            for k in range(points):
                d1, d2 = splits.up[path[done], k, 1], splits.up[path[done], k, 2]
                for b in range(BLOCK):
                    s = total[done, k, b]
                    total[done - 1, k, b] += s
                    found[feature, b] += s * (left[done - 1, b] * d1 + right[done - 1, b] * d2)


@_compiled
def _walk(trees, points, splits, stack, path, went, product, total, left, right, x, found):  # type: ignore[no-untyped-def]  # numba types it
    """Take all blocks of users (blocks, features, BLOCK) through all trees."""
    for tree in range(len(trees.start) - 1):
        count = _plan(trees, trees.start[tree], points, splits, stack, path, went)
        for block in range(len(x)):
            _descend(trees, splits, count, path, product, total, left, right, x[block], found[block])
