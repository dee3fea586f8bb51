"""SHAP values of forests: the definition, shap's own, and what a forest may throw at the kernel."""

import os
import subprocess
import sys
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from tippingpoint.explanation import forest as kernel
from tippingpoint.explanation.forest import forest_values


def expected(tree: Any, x: np.ndarray, known: tuple[int, ...], node: int = 0) -> float:
    """Output of a tree where only some features are known: both sides of other splits, by their training weight."""
    left, right = tree.children_left[node], tree.children_right[node]
    if left < 0:
        return float(tree.value[node, 0, 1] / tree.value[node, 0].sum())
    value = np.float32(x[tree.feature[node]])
    if tree.feature[node] in known:
        goes = tree.missing_go_to_left[node] if np.isnan(value) else value <= tree.threshold[node]
        return expected(tree, x, known, left if goes else right)
    weight = tree.weighted_n_node_samples
    sides = (weight[side] / weight[node] * expected(tree, x, known, side) for side in (left, right))
    return sum(sides)


def by_definition(forest: RandomForestClassifier, x: np.ndarray) -> np.ndarray:
    """Shapley values over all subsets."""
    d = len(x)
    values = np.zeros(d)
    for estimator in forest.estimators_:
        worth = {s: expected(estimator.tree_, x, s) for k in range(d + 1) for s in combinations(range(d), k)}
        for s, of in worth.items():
            for j in set(range(d)) - set(s):
                weight = factorial(len(s)) * factorial(d - len(s) - 1) / factorial(d)
                values[j] += weight * (worth[tuple(sorted((*s, j)))] - of)
    return values / len(forest.estimators_)


def table(n: int, d: int, seed: int, missing: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(n, d)) * 2, 1)
    y = (rng.random(n) < 1 / (1 + np.exp(-x[:, 0] * np.sign(x[:, -1])))).astype(int)
    y[:2] = 0, 1
    x[rng.random((n, d)) < missing] = np.nan
    return x, y


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(4, 60),
    d=st.integers(1, 4),
    depth=st.integers(1, 7),  # deeper than there are features: they come again on a path
    trees=st.integers(1, 3),
    bootstrap=st.booleans(),
    missing=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 10_000),
)
def test_values_are_shapley_s_by_definition(
    n: int, d: int, depth: int, trees: int, bootstrap: bool, missing: float, seed: int
) -> None:
    x, y = table(n, d, seed, missing)
    forest = RandomForestClassifier(trees, max_depth=depth, bootstrap=bootstrap, random_state=seed).fit(x, y)
    asked, _ = table(3, d, seed + 1, missing)
    values, base = forest_values(forest, asked)
    for row, own in zip(asked, values, strict=True):
        np.testing.assert_allclose(own, by_definition(forest, row), atol=1e-12)
    np.testing.assert_allclose(base + values.sum(axis=1), forest.predict_proba(asked)[:, 1], atol=1e-12)


@pytest.mark.parametrize(("depth", "leaf"), [(12, 1), (10, 20), (None, 1)])
def test_values_equal_shap_s(depth: int | None, leaf: int) -> None:
    shap = pytest.importorskip("shap")
    x, y = table(1500, 15, 0)
    forest = RandomForestClassifier(30, max_depth=depth, min_samples_leaf=leaf, random_state=0).fit(x, y)
    theirs = shap.TreeExplainer(forest, feature_perturbation="tree_path_dependent")
    values, base = forest_values(forest, x[:40])
    np.testing.assert_allclose(values, theirs.shap_values(x[:40], check_additivity=False)[:, :, 1], atol=1e-10)
    assert base == pytest.approx(theirs.expected_value[1], abs=1e-12)


def test_trees_that_are_a_single_leaf_give_nothing() -> None:
    x, y = table(50, 3, 0)
    forest = ExtraTreesClassifier(4, min_samples_leaf=50, random_state=0).fit(x, y)
    values, base = forest_values(forest, x[:7])
    np.testing.assert_array_equal(values, np.zeros((7, 3)))
    assert base == pytest.approx(y.mean())


def test_a_user_s_values_do_not_depend_on_the_company_nor_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = table(700, 6, 3)
    forest = RandomForestClassifier(10, max_depth=8, random_state=0).fit(x, y)
    monkeypatch.setattr(kernel, "cores", lambda: 1)
    alone, _ = forest_values(forest, x)
    monkeypatch.setattr(kernel, "cores", lambda: 3)
    together, _ = forest_values(forest, x)
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(forest_values(forest, x[333:334])[0], alone[333:334])


PROBE = """
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from tippingpoint.explanation.forest import _walk, forest_values
forest = RandomForestClassifier(2, max_depth=2, random_state=0).fit([[0], [1], [2], [3]], [0, 1, 0, 1])
forest_values(forest, np.zeros((3, 1)))
print(sum(_walk.stats.cache_hits.values()), sum(_walk.stats.cache_misses.values()))
"""


def test_machine_code_is_kept_between_processes() -> None:
    x, y = table(20, 2, 0)
    forest_values(RandomForestClassifier(2, max_depth=2, random_state=0).fit(x, y), x)
    source = str(Path(kernel.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=200, env=environment)
    assert done.stdout.split() == ["1", "0"], done.stderr


def test_code_that_no_folder_can_keep_is_compiled_all_the_same() -> None:
    made: dict[str, Any] = {}
    exec("def double(x):\n    return 2 * x", made)  # of no file, so beside no file
    assert kernel._compiled(made["double"])(21) == 42
