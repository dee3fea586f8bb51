"""The best tree of at most two questions over scores of actions: every one is tried, by sums over cells of pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-9
"""A gain below this share of what is at stake is rounding: the smaller tree is taken."""


@dataclass(frozen=True)
class Coded:
    """A feature as the search sees it.

    Parameters
    ----------
    code
        (n,) cells from 0.
    asks
        (questions, cells) bool: in which cells each question about it is answered yes.
    """

    code: np.ndarray
    asks: np.ndarray


@dataclass(frozen=True)
class Leaf:
    """Users who get one action, by its code."""

    action: int


@dataclass(frozen=True)
class Node:
    """A question about a feature, both by number, and what follows from either answer."""

    feature: int
    question: int
    yes: "Node | Leaf"
    no: "Node | Leaf"


Tree = Node | Leaf


def decided(tree: Tree, features: Sequence[Coded]) -> np.ndarray:
    """(n,) actions a tree gives the users of the features."""
    if isinstance(tree, Leaf):
        return np.full(len(features[0].code) if features else 1, tree.action)
    of = features[tree.feature]
    return np.where(of.asks[tree.question][of.code], decided(tree.yes, features), decided(tree.no, features))


@dataclass(frozen=True)
class Held:
    """What each leaf must hold.

    Parameters
    ----------
    counts
        (n, m) of what, by user: 1, or 1 for those with an outcome.
    least
        (m,) how many at least.
    """

    counts: np.ndarray
    least: np.ndarray

    @classmethod
    def of(cls, n: int, users: int, outcome: np.ndarray | None = None, outcomes: int = 0) -> "Held":
        """So many of n users, and so many with an (n,) outcome."""
        counts = [np.ones(n)] if outcome is None else [np.ones(n), outcome]
        return cls(np.column_stack(counts), np.array([users, outcomes][: len(counts)], dtype=np.float64))

    def enough(self, sums: np.ndarray) -> np.ndarray:
        """Whether leaves hold enough; `sums` end with those of the counts."""
        return np.asarray((sums[..., -len(self.least) :] >= self.least).all(axis=-1))


def best_trees(
    reward: np.ndarray,
    features: Sequence[Coded],
    depth: int,
    held: Held | None = None,
    cost: np.ndarray | None = None,
    limit: float = np.inf,
) -> list[Tree]:
    """Find for 0 to `depth` questions the tree of largest mean reward whose mean cost is within a limit.

    Exact among all trees of the features' questions: with a limit too, as each half of a tree is any point on its own
    frontier of reward and cost. Of equal trees the smaller one.

    Parameters
    ----------
    reward, cost
        (n, K) of each user under each action; a cost of the first action is 0.
    depth
        0, 1 or 2 questions on the way to a leaf.
    held
        What a leaf must hold; None: a user.
    """
    n, k = reward.shape
    held = held or Held.of(n, 1)
    cost = np.zeros_like(reward) if cost is None else cost
    columns = np.asfortranarray(np.concatenate([reward, cost, held.counts], axis=1))  # summed one by one
    floor = ROUNDING * float(np.abs(reward).sum())
    at_most = limit * n + (ROUNDING * float(np.abs(cost).sum()) if np.isfinite(limit) else 0.0)
    total = columns.sum(axis=0)
    value, tree = _constant(total, k, at_most)
    found_at = [tree]
    if depth > 0:
        options = _Options.of([_sums(of.code, columns, len(of.asks[0]))[None] for of in features], features, k, held)
        found, at = options.best(0, at_most)
        if found > value + floor:
            value, tree = found, options.tree(at)
        found_at.append(tree)
    if depth > 1:
        for f, of in enumerate(features):
            joint = [_joint(of, other, columns) for other in features]  # (cells, cells of the other, columns)
            asks = of.asks.astype(np.float64)
            yes = [np.tensordot(asks, table, axes=1) for table in joint]
            no = [table.sum(axis=0) - part for table, part in zip(joint, yes, strict=True)]
            left, right = (_Options.of(part, features, k, held) for part in (yes, no))
            for question in range(len(asks)):
                found, (i, j) = _together(left, right, question, at_most)
                if found > value + floor:
                    value, tree = found, Node(f, question, left.tree(i), right.tree(j))
        found_at.append(tree)
    return [pruned(of) for of in found_at]


def pruned(tree: Tree) -> Tree:
    """The same decisions without questions whose answer changes nothing."""
    if isinstance(tree, Leaf):
        return tree
    yes, no = pruned(tree.yes), pruned(tree.no)
    return yes if yes == no else Node(tree.feature, tree.question, yes, no)


@dataclass(frozen=True)
class _Options:
    """All trees of one question, or none, on each of R sets of users.

    Parameters
    ----------
    value, cost
        (R, N) sums over the set; a value of -inf where a leaf would be too small. The first K are the actions for all.
    asked
        (N, 4) feature, question, and actions of yes and no; -1 where nothing is asked.
    """

    value: np.ndarray
    cost: np.ndarray
    asked: np.ndarray

    @classmethod
    def of(cls, tables: list[np.ndarray], features: Sequence[Coded], k: int, held: Held) -> "_Options":
        """From (R, cells, 2·K + m) sums of each feature's cells."""
        total = tables[0].sum(axis=1)
        values, costs = [np.where(held.enough(total)[:, None], total[:, :k], -np.inf)], [total[:, k : 2 * k]]
        asked = [np.array([(-1, -1, action, action) for action in range(k)])]
        for f, (table, feature) in enumerate(zip(tables, features, strict=True)):
            yes = np.tensordot(table, feature.asks.astype(np.float64), axes=(1, 1)).transpose(0, 2, 1)
            no = total[:, None] - yes
            large = held.enough(np.minimum(yes, no))
            both = [yes[..., part, None] + no[..., None, part] for part in (slice(0, k), slice(k, 2 * k))]
            values.append(np.where(large[..., None, None], both[0], -np.inf).reshape(len(table), -1))
            costs.append(both[1].reshape(len(table), -1))
            at = np.indices((len(feature.asks), k, k)).reshape(3, -1).T
            asked.append(np.column_stack([np.full(len(at), f), at]))
        return cls(np.concatenate(values, axis=1), np.concatenate(costs, axis=1), np.concatenate(asked))

    def best(self, row: int, limit: float) -> tuple[float, int]:
        """The largest value within the limit, and where."""
        within = np.where(self.cost[row] <= limit, self.value[row], -np.inf)
        at = int(within.argmax())
        return float(within[at]), at

    def tree(self, at: int) -> Tree:
        """The tree of an option."""
        feature, question, yes, no = map(int, self.asked[at])
        return Leaf(yes) if feature < 0 else Node(feature, question, Leaf(yes), Leaf(no))


def _together(yes: _Options, no: _Options, row: int, limit: float) -> tuple[float, tuple[int, int]]:
    """The best pair of options of two sets of users whose costs together are within the limit."""
    if np.isinf(limit):
        (one, i), (other, j) = yes.best(row, limit), no.best(row, limit)
        return one + other, (i, j)
    by_cost = np.argsort(no.cost[row], kind="stable")
    best = np.maximum.accumulate(no.value[row][by_cost])  # the most that so much cost buys
    room = np.searchsorted(no.cost[row][by_cost], limit - yes.cost[row], side="right")
    both = np.where(room > 0, yes.value[row] + best[np.maximum(room, 1) - 1], -np.inf)
    i = int(both.argmax())
    if not np.isfinite(both[i]):
        return -np.inf, (0, 0)
    j = int(by_cost[no.value[row][by_cost[: room[i]]].argmax()])
    return float(both[i]), (i, j)


def _constant(total: np.ndarray, k: int, limit: float) -> tuple[float, Tree]:
    within = np.where(total[k : 2 * k] <= limit, total[:k], -np.inf)
    action = int(within.argmax())
    return float(within[action]), Leaf(action)


def _sums(code: np.ndarray, columns: np.ndarray, cells: int) -> np.ndarray:
    """(cells, C) sums of (n, C) columns."""
    return np.stack([np.bincount(code, column, cells) for column in columns.T], axis=1)


def _joint(first: Coded, second: Coded, columns: np.ndarray) -> np.ndarray:
    """(cells of the first, cells of the second, C) sums of (n, C) columns."""
    a, b = len(first.asks[0]), len(second.asks[0])
    return _sums(first.code * b + second.code, columns, a * b).reshape(a, b, -1)
