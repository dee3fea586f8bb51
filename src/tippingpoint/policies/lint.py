"""What is wrong with a policy, on a grid of the features' ranges and on users; and what changes between two."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.rules import SCORE, Rules

QUANTILES = np.linspace(0, 1, 5)
LARGEST_GRID = 200_000
LEAST_ARM = 100
ANSWERED = ("overlap", "hardly given", "not looked at")
"""Remarks that are only told: of rules that overlap the first wins, as their order says."""
NUMBER = re.compile(r"(?<![\w.'])\d+(?:\.\d+)?(?![\w.'])")


@dataclass(frozen=True)
class Remark:
    """Something to answer. `users` are those of the data it is about; 0 where it only shows on the grid."""

    kind: str
    what: str
    users: int


@dataclass(frozen=True)
class Lint:
    """Remarks, and one row a segment: action, users, share."""

    remarks: list[Remark]
    segments: pd.DataFrame


def lint(
    policy: Policy,
    features: pd.DataFrame,
    score: np.ndarray | None,
    prices: set[str],
    given: Mapping[str, int] | None,
) -> Lint:
    """Look for gaps, overlaps, segments no one reaches, and actions nothing is known of.

    Parameters
    ----------
    policy
        Bound, where it learns anything.
    score
        (n,) scores; None where no model is at hand: then only what needs no score is looked at.
    prices
        Actions the economics know.
    given
        Users each action was taken for; None where nothing was logged.
    """
    remarks = _actions(policy, prices, given)
    if policy.reads_score and score is None:
        remarks.append(
            Remark("not looked at", "who is in which segment: type model=models:/NAME@challenger for scores", 0)
        )
        return Lint(remarks, pd.DataFrame())
    at_hand = np.zeros(len(features)) if score is None else score
    if isinstance(policy, Rules):
        found = _rules(policy, features, policy.axis(at_hand))
        remarks += [of for of in found if not (policy.chosen_by_outcomes and of.kind in ("overlap", "gap"))]
    counts = np.bincount(policy.assign(at_hand, features), minlength=len(policy.segments))
    axis = policy.axis(at_hand) if isinstance(policy, Bands) else np.zeros(1)
    reached = _reached(policy, counts, (float(axis.min()), float(axis.max())))
    return Lint([*remarks, *reached.remarks], reached.segments)


def lint_of_counts(policy: Policy, counts: np.ndarray, scores: tuple[float, float], prices: set[str]) -> Lint:
    """As `lint` of a bound policy that reads the score alone, from (segments,) users and the span of their scores."""
    reached = _reached(policy, counts, scores)
    return Lint([*_actions(policy, prices, None), *reached.remarks], reached.segments)


def _reached(policy: Policy, counts: np.ndarray, scores: tuple[float, float]) -> Lint:
    """Sizes of segments, and those that no one reaches."""
    total = counts.sum()
    rows = [
        {"segment": s, "action": policy.actions[s], "users": int(n), "share": n / total}
        for s, n in zip(policy.segments, counts, strict=True)
    ]
    why = "; scores run from {:.3f} to {:.3f}".format(*scores) if isinstance(policy, Bands) else ""
    remarks = [Remark("unreachable", f"no user is {row['segment']}{why}", 0) for row in rows if not row["users"]]
    if policy.chosen_by_outcomes:  # what learns from outcomes may leave an action out
        remarks = []
    return Lint(remarks, pd.DataFrame(rows))


def _actions(policy: Policy, prices: set[str], given: Mapping[str, int] | None) -> list[Remark]:
    remarks = []
    for action in sorted(set(policy.actions.values())):
        if action not in prices:
            remarks.append(Remark("unpriced", f"{action} has no price in the economics", 0))
        if given is not None and (users := given.get(action, 0)) < LEAST_ARM:
            what = "was never given" if not users else f"was given to {users} users only"
            remarks.append(Remark("never given" if not users else "hardly given", f"{action} {what}", users))
    return remarks


def _rules(policy: Rules, features: pd.DataFrame, score: np.ndarray) -> list[Remark]:
    held = policy.matches(score, features)
    points, point_scores = _grid(policy, features, score)
    on_grid = policy.matches(point_scores, points)
    described: Any = _described(policy, points, point_scores)
    remarks = []
    gap, users = ~on_grid.any(axis=1), int((~held.any(axis=1)).sum())
    if gap.any():
        where = _regions(described[np.asarray(gap)])
        remarks.append(Remark("gap", f"no rule covers users with {where}: they become {policy.otherwise}", users))
    elif users:
        remarks.append(Remark("gap", f"no rule covers some users: they become {policy.otherwise}", users))
    for i, j in combinations(range(len(policy.rules)), 2):
        first, second = policy.rules[i], policy.rules[j]
        both = on_grid[:, i] & on_grid[:, j]
        users = int((held[:, i] & held[:, j]).sum())
        if first.segment != second.segment and (both.any() or users):
            where = f"users with {_regions(described[both])}" if both.any() else "some users"
            what = f"{first.segment} and {second.segment} both fit {where}: {first.segment} comes first and gets them"
            remarks.append(Remark("overlap", what, users))
    for k, rule in enumerate(policy.rules):
        earlier = on_grid[:, :k].any(axis=1) | ~on_grid[:, k]
        if earlier.all() and not (held[:, k] & ~held[:, :k].any(axis=1)).any():
            remarks.append(Remark("unreachable", f"rule {k + 1} ({rule.segment}: {rule.when}) never decides", 0))
    return remarks


def _grid(policy: Rules, features: pd.DataFrame, score: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
    """Points over the ranges of the columns the rules read: quantiles, and every written number and its sides."""
    written = [float(n) for rule in policy.rules for n in NUMBER.findall(rule.when)]
    axes: dict[str, list[Any]] = {}
    for column in policy.columns:
        values = score if column == SCORE else features[column]
        if column != SCORE and features[column].dtype.kind not in "fiu":
            axes[column] = sorted(features[column].dropna().unique())
            continue
        x = np.asarray(values, dtype=np.float64)
        x = x[np.isfinite(x)]
        low, high = x.min(), x.max()
        edges = [e for n, level in policy.levels.items() if level.column == column for e in (policy.edges or {})[n]]
        near = [v for cut in written + edges for v in (np.nextafter(cut, -np.inf), cut, np.nextafter(cut, np.inf))]
        inside = [v for v in near if low <= v <= high]
        axes[column] = sorted({*np.quantile(x, QUANTILES).tolist(), *inside})
    size = int(np.prod([len(values) for values in axes.values()]))
    if size > LARGEST_GRID:  # a random part of the grid: what it shows is there, what it misses may be
        rng = np.random.default_rng(0)
        picked = {name: rng.choice(np.asarray(values), LARGEST_GRID) for name, values in axes.items()}
        points = pd.DataFrame(picked)
    else:
        points = pd.DataFrame(list(product(*axes.values())), columns=list(axes))
    scores = points.pop(SCORE).to_numpy(np.float64) if SCORE in points else np.zeros(len(points))
    needed = {level.column for level in policy.levels.values()} - set(points.columns)
    return points.assign(**{name: float(features[name].median()) for name in needed}), scores


def _described(policy: Rules, points: pd.DataFrame, score: np.ndarray) -> pd.DataFrame:
    """Points in the words of the rules: levels by name, other columns as they are."""
    table = policy.table(score, points).to_pandas()
    roots = {name for condition in policy.conditions for name in condition.meta.root_names()}
    return table[[name for name in table.columns if name in roots]]


def _regions(points: pd.DataFrame) -> str:
    """Where points lie: their names, and the span of their numbers for each."""
    words = [str(c) for c in points if points[c].dtype.kind not in "fiu"]
    numbers = [str(c) for c in points if c not in words]
    groups: Any = points.groupby(words, sort=False, dropna=False) if words else [((), points)]
    found: dict[str, list[str]] = {}
    for names, group in groups:
        spans = [f"{c} {_span(group[c].min(), group[c].max())}" for c in numbers]
        found.setdefault(" and ".join(spans), []).append(" ".join(map(str, names)))
    return "; ".join(
        " and ".join(filter(None, [f"{', '.join(words)} {' or '.join(names)}" if words else "", spans]))
        for spans, names in found.items()
    )


def _span(low: float, high: float) -> str:
    # The grid has a point on either side of every written number: one next to it is said as above or below it.
    first, last = f"{low:.6g}", f"{high:.6g}"
    if first == last and low == high:
        return first
    above, below = "above " if low > float(first) else "", "below " if high < float(last) else ""
    return f"{above}{first} to {below}{last}"


@dataclass(frozen=True)
class Difference:
    """What changes from one policy to another.

    Parameters
    ----------
    written
        One line a changed key of the specification; one for all that is gone, one for all that is new.
    movement
        One row a pair of segments with users in both: users, share, and both actions.
    """

    written: list[str]
    movement: pd.DataFrame

    @property
    def users(self) -> int:
        """Users who get another action."""
        moved = self.movement
        return int(moved.loc[moved["from_action"] != moved["to_action"], "users"].sum())


def diff(first: Policy, second: Policy, features: pd.DataFrame, scores: tuple[np.ndarray, np.ndarray]) -> Difference:
    """Compare two bound policies, as written and on the same users; each on its own model's scores, mostly the same."""
    a, b = ({"kind": type(policy).__name__} | dict(_flat(policy.specification())) for policy in (first, second))
    a.pop("_target_"), b.pop("_target_")
    written = [f"{key}: {a[key]} → {b[key]}" for key in a if key in b and a[key] != b[key]]
    for word, one, other in (("gone", a, b), ("new", b, a)):
        if lone := [f"{key} {value}" for key, value in one.items() if key not in other]:
            written.append(f"{word}: {'; '.join(lone)}")
    codes = first.assign(scores[0], features), second.assign(scores[1], features)
    count = np.zeros((len(first.segments), len(second.segments)), dtype=np.int64)
    np.add.at(count, codes, 1)
    rows = [
        {
            "from": first.segments[i],
            "to": second.segments[j],
            "from_action": first.actions[first.segments[i]],
            "to_action": second.actions[second.segments[j]],
            "users": int(count[i, j]),
            "share": count[i, j] / len(features),
        }
        for i, j in np.argwhere(count)
    ]
    return Difference(written, pd.DataFrame(rows))


def _flat(node: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(node, Mapping):
        return [leaf for key, value in node.items() for leaf in _flat(value, f"{path}.{key}" if path else str(key))]
    if path == "rules":
        return [(f"rule {k}", f"{rule['segment']} when {rule['when']}") for k, rule in enumerate(node, start=1)]
    return [(path, str(node))]
