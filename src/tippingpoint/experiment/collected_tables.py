"""Tables that one pass over users leaves and no price changes: segments, movement, diagnostics."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.model_output import probability
from tippingpoint.data.users import Users
from tippingpoint.evaluation import calibration_line
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.offpolicy.evidence import FLOOR, Kind, Log, diagnose
from tippingpoint.offpolicy.sufficient_statistics import PAIR
from tippingpoint.policies.policy import Policy

TOP = 3
"""Features a segment is described by."""
Groups = dict[tuple[str, str], np.ndarray]


def segments_of(
    users: Users, scores: dict[str, np.ndarray], bound: dict[str, dict[str, Policy]]
) -> tuple[pd.DataFrame, Groups]:
    """One row a model, policy and segment, without money; and each user's segment."""
    rows: list[dict[str, Any]] = []
    groups: Groups = {}
    for model, policies in bound.items():
        for name, policy in policies.items():
            code = groups[model, name] = policy.assign(scores[model], users.features)
            for s, segment in enumerate(policy.segments):
                members = code == s
                size = int(members.sum())
                rows.append(
                    {
                        "model": model,
                        "policy": name,
                        "segment": segment,
                        "action": policy.actions[segment],
                        "users": size,
                        "share": size / len(users),
                        "mean_score": float(probability(scores[model])[members].mean()) if size else np.nan,
                        "outcome_rate": float(users.outcome[members].mean()) if size else np.nan,
                        "top_features": _distinct(users, members),
                    }
                )
    return pd.DataFrame(rows), groups


def break_even_responses(segments: pd.DataFrame, groups: Groups, valued: ValuedUsers) -> list[float]:
    """From which response on each row's action pays, at the prices of those in the segment, each their own."""
    found = []
    at: dict[tuple[str, str], int] = {}
    for row in segments.itertuples():
        pair = str(row.model), str(row.policy)
        s = at[pair] = at.get(pair, -1) + 1  # rows of a policy are in the order of its segments
        found.append(valued.break_even(groups[pair] == s, str(row.action)))
    return found


def _distinct(users: Users, members: np.ndarray) -> str:
    """Features in which a segment differs most from everyone, in standard deviations."""
    if not members.any() or members.all():
        return ""
    found: dict[str, float] = {}
    for column in users.contract.columns:
        values, called = users.features[column.name], users.contract.label(column.name)
        if column.kind == "number":
            of = {called: values.to_numpy(np.float64)}
        else:
            of = {f"{called}={v}": (values == v).to_numpy(np.float64) for v in values.value_counts().index[:5]}
        for name, x in of.items():
            deviation = float(np.nanstd(x))
            inside = x[members & np.isfinite(x)]
            if deviation > 0 and len(inside):
                found[name] = (float(inside.mean()) - float(np.nanmean(x))) / deviation
    top = sorted(found, key=lambda name: -abs(found[name]))[:TOP]
    return ", ".join(f"{name} {found[name]:+.1f} sd" for name in top)


def movement(groups: Groups, bound: dict[str, dict[str, Policy]]) -> pd.DataFrame:
    """How users move between segments: between two policies of a model, and between two models under a policy."""
    rows = []
    for (m1, p1), (m2, p2) in combinations(groups, 2):
        if (m1 == m2) == (p1 == p2):
            continue
        first, second = bound[m1][p1], bound[m2][p2]
        count = np.zeros((len(first.segments), len(second.segments)), dtype=np.int64)
        np.add.at(count, (groups[m1, p1], groups[m2, p2]), 1)
        for i, j in np.argwhere(count):
            a, b = first.segments[i], second.segments[j]
            rows.append(
                {
                    "from": f"{m1}{PAIR}{p1}",
                    "to": f"{m2}{PAIR}{p2}",
                    "from_segment": a,
                    "to_segment": b,
                    "users": int(count[i, j]),
                    "same_action": first.actions[a] == second.actions[b],
                }
            )
    return pd.DataFrame(rows)


def diagnostics(kind: Kind, log: Log, decisions: dict[str, np.ndarray], keep: Sequence[int]) -> pd.DataFrame:
    """What the log can say about each contestant; decisions are codes among the actions that were kept.

    Chances that are known are never clipped, only those estimated for `logged`.
    """
    rows: list[dict[str, Any]] = []
    for name, decision in decisions.items():
        of = diagnose(log, np.asarray(keep)[decision], FLOOR if kind == "logged" else None)
        rows.append(
            {
                "contestant": name,
                "effective_sample_size": of.effective_sample_size,
                "largest_weight": of.largest_weight,
                **({} if of.clipped is None else {"share_clipped": of.clipped}),
                "smallest_chance": float(log.logging_probability[:, list(keep)].min()),
            }
        )
    return pd.DataFrame(rows)


def calibration_of_rewards(log: Log, actions: tuple[str, ...]) -> pd.DataFrame:
    """Calibration of the outcome model on each arm of test: slope 1 and intercept 0 are perfect."""
    assert log.predicted is not None
    rows = []
    for k, action in enumerate(actions):
        arm = log.action == k
        row: dict[str, Any] = {"action": action, "users": int(arm.sum())}
        if np.bincount(log.outcome[arm].astype(np.int64), minlength=2).min() > 1:
            predicted = np.clip(log.predicted[arm, k], 1e-9, 1 - 1e-9)
            for name, e in zip(("slope", "intercept"), calibration_line(log.outcome[arm], predicted), strict=True):
                row |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
        rows.append(row)
    return pd.DataFrame(rows)
