"""The search against trying every tree one by one."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.policies.tree_search import Coded, Held, Leaf, Node, Tree, best_trees


def decide(tree: Tree, asked: list[np.ndarray]) -> np.ndarray:
    """(n,) actions; `asked` holds (questions, n) answers a feature."""
    if isinstance(tree, Leaf):
        return np.full(asked[0].shape[1], tree.action)
    return np.where(asked[tree.feature][tree.question], decide(tree.yes, asked), decide(tree.no, asked))


def every(asked: list[np.ndarray], k: int, depth: int) -> list[np.ndarray]:
    """Decisions of every tree, with how many users each leaf holds at least."""
    n = asked[0].shape[1]
    found = [(np.full(n, a), n) for a in range(k)]
    if depth:
        below = every(asked, k, depth - 1)
        for answers in (row for of in asked for row in of):
            for (yes, _), (no, _) in product(below, below):
                found.append((np.where(answers, yes, no), 0))
    return found


def world(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray, list[Coded], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    numbers, groups = rng.integers(0, 4, n), rng.integers(0, 3, n)
    coded = [
        Coded(numbers, np.arange(4)[None] > np.arange(3)[:, None]),
        Coded(groups, np.eye(3, dtype=bool)),
    ]
    reward = rng.normal(size=(n, k)) + 0.8 * np.outer(numbers - 1.5, np.arange(k)) * (groups[:, None] == 1)
    cost = rng.random((n, k)) * (np.arange(k) > 0)
    return reward, cost, coded, [of.asks[:, of.code] for of in coded]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3]), st.sampled_from([1, 2]), st.sampled_from([np.inf, 0.4, 0.1]))
def test_no_tree_is_better(seed: int, k: int, depth: int, limit: float):
    reward, cost, coded, asked = world(seed, 30, k)
    rows = np.arange(30)
    trees = [
        reward[rows, decision].sum()
        for decision, _ in every(asked, k, depth)
        if cost[rows, decision].sum() <= limit * 30 + 1e-9
    ]
    decision = decide(best_trees(reward, coded, depth, cost=cost, limit=limit)[-1], asked)
    assert reward[rows, decision].sum() == pytest.approx(max(trees))
    assert cost[rows, decision].sum() <= limit * 30 + 1e-6


def leaves(tree: Tree, asked: list[np.ndarray], users: np.ndarray) -> list[int]:
    if isinstance(tree, Leaf):
        return [int(users.sum())]
    yes = asked[tree.feature][tree.question]
    return leaves(tree.yes, asked, users & yes) + leaves(tree.no, asked, users & ~yes)


@pytest.mark.parametrize("seed", range(5))
def test_every_leaf_holds_enough_users(seed: int):
    reward, _, coded, asked = world(seed, 60, 3)
    assert min(leaves(best_trees(reward, coded, 2, Held.of(60, 15))[-1], asked, np.ones(60, dtype=bool))) >= 15
    assert best_trees(reward, coded, 2, Held.of(60, 31))[-1] == best_trees(reward, coded, 0)[-1]


def test_where_nothing_differs_everyone_gets_one_action():
    reward = np.tile([0.0, 1.0], (50, 1))
    coded = [Coded(np.arange(50) % 5, np.arange(5)[None] > np.arange(4)[:, None])]
    assert best_trees(reward, coded, 2)[-1] == Leaf(1)
    assert best_trees(reward, coded, 2, cost=np.tile([0.0, 1.0], (50, 1)), limit=0.0)[-1] == Leaf(0)


def test_a_question_whose_answer_changes_nothing_is_left_out():
    reward = np.tile([0.0, 1.0], (40, 1))
    reward[:10] = 1.0, 0.0
    coded = [Coded(np.repeat(np.arange(4), 10), np.arange(4)[None] > np.arange(3)[:, None])]
    assert best_trees(reward, coded, 2)[-1] == Node(0, 0, Leaf(1), Leaf(0))
