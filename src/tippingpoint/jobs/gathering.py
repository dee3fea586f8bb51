"""One pass over users: models score them, policies decide, and what is left is statistics."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.errors import InputError, nearest
from tippingpoint.evaluation import calibration_line
from tippingpoint.gathered import Gathered, Scored, join, segment_cells
from tippingpoint.jobs.question import gather_evidence, kind_of, log_of, reward_model
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Known, Policy
from tippingpoint.settings import Component, SimulateSettings, Split, validate
from tippingpoint.simulated import BEST, ORACLE, PAIR
from tippingpoint.simulation.cells import gather, grid
from tippingpoint.simulation.evidence import LEAST_ARM, Evidence, Kind, Log, check_support, diagnose
from tippingpoint.simulation.ranking import autoc, qini, uplift_at
from tippingpoint.simulation.statistics import Estimate
from tippingpoint.tracking.models import LoadedModel

CUTS = 200
"""Cut-offs of the grid, where nothing else is asked."""
SHARES = (0.1, 0.2, 0.3, 0.5)
"""Of users, for uplift@k."""
TOP = 3
"""Features a segment is described by."""


def gather_users(
    settings: SimulateSettings, models: dict[str, LoadedModel], policies: dict[str, Policy], economics: Economics
) -> Gathered:
    """Read the users the models were judged on, or others, and gather what any price needs.

    Raises
    ------
    InputError
        Where users, models, policies and economics do not fit each other.
    """
    source, users, parts = _users(settings, models)
    kind = kind_of(settings.evidence, users)
    actions, excluded = _actions(kind, parts, policies, economics)
    alpha, beta = economics.line(actions, users.contract.good)
    keep = [users.actions.index(a) for a in actions] if kind != "assumed" else list(range(len(actions)))
    response = economics.response(actions)
    both = {"validation": parts.validation, "test": parts.test}
    cuts, seed = settings.cuts or CUTS, settings.seed or 0
    logs = {
        name: log_of(kind, parts.train, part, seed) if kind in ("experiment", "logged") else None
        for name, part in both.items()
    }
    evidence = {
        name: Evidence(kind, gather_evidence(kind, parts.train, part, response, seed, logs[name]).phi[:, keep])
        for name, part in both.items()
    }

    worth = reward_model(parts.train, economics, seed)

    scores = {
        name: {model: score_users(model, of, part) for model, of in models.items()} for name, part in both.items()
    }
    experimented = users.action is not None
    bound: dict[str, dict[str, Policy]] = {}
    for model in models:
        known = Known(
            parts.train.features,
            parts.validation.features,
            scores["validation"][model],
            worth if experimented else None,
        )
        bound[model] = {name: policy.bind(known) for name, policy in policies.items()}
    decisions: dict[str, dict[str, np.ndarray]] = {}
    for name, part in both.items():
        decisions[name] = {
            f"{model}{PAIR}{policy}": of.decide(scores[name][model], part.features, actions)
            for model in models
            for policy, of in bound[model].items()
        }
        if experimented:
            decisions[name][BEST] = np.nanargmax(worth(part.features, actions), axis=1)
        if kind == "truth":
            decisions[name][ORACLE] = np.nanargmax(alpha + beta * evidence[name].phi, axis=1)
    segments, groups = _segments(parts.test, scores["test"], bound)
    tables = {"movement": _movement(groups, bound)}
    if kind != "assumed":
        tables["ranking"] = _ranking(scores["test"], evidence["test"], actions, users.contract.good)
    if (log := logs["test"]) is not None:
        tables["evidence"] = _diagnostics(log, decisions["test"], keep)
        tables["reward_model"] = _reward_model(log, users.actions)
    first = next(iter(models.values()))
    return Gathered(
        about={
            "question": first.question,
            "outcome": users.contract.outcome,
            "good": users.contract.good,
            "origin": source.origin,
            "data_digest": users.digest,
            "kind": kind,
            "actions": list(actions),
            "excluded": excluded,
            "economics": economics.model_dump(mode="json"),
            "prices": economics.model_dump(mode="json"),
            "response": response.tolist(),
            "users": {"all": len(users), **{name: len(part) for name, part in both.items()}},
            "models": {name: {"run_id": m.run_id, "model_id": m.model_id} for name, m in models.items()},
            "policies": {name: policy.specification() for name, policy in policies.items()},
            "bound": {m: {n: p.bound() | {"digest": p.bound_digest} for n, p in of.items()} for m, of in bound.items()},
            "cuts": cuts,
            "seed": seed,
        },
        scored={model: _scored(cuts, {p: scores[p][model] for p in both}, evidence, policies) for model in models},
        validation=join(decisions["validation"], evidence["validation"]),
        test=join(decisions["test"], evidence["test"]),
        segments=segments,
        segment_cells=segment_cells(
            [(code, len(bound[m][p].segments)) for (m, p), code in groups.items()], evidence["test"]
        ),
        tables={name: table for name, table in tables.items() if len(table)},
    )


def _users(settings: SimulateSettings, models: dict[str, LoadedModel]) -> tuple[Source, Users, Parts]:
    """The users all models were judged on, or those of `data`, split as the models' runs did."""
    first, *others = models.values()
    for key in ("data", "split") if settings.data is None else ("split",):
        for other in others:
            if other.config[key] != first.config[key]:
                raise InputError(
                    "models",
                    f"runs {first.run_id} and {other.run_id} differ in {key}: no users are unseen by both",
                    "Simulate them apart, or fit both on the same users.",
                )
    component = settings.data or Component.model_validate(first.config["data"])
    source = component.build(Source, "data")  # type: ignore[type-abstract]
    users = source.load()
    if settings.data is None and users.digest != first.data_digest:
        raise InputError(
            "data",
            f"{source.origin} no longer holds the users run {first.run_id} was judged on"
            f" (digest {users.digest}, was {first.data_digest})",
            "Bring them back, or type data=… to simulate on other users.",
        )
    for name, model in models.items():
        check_columns(name, model, users)
    return source, users, split(users, validate(Split, first.config["split"], "split"))


def _actions(
    kind: Kind, parts: Parts, policies: dict[str, Policy], economics: Economics
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Actions that are priced and were taken often enough, and why the others are left out."""
    decided = {action for policy in policies.values() for action in policy.actions.values()}
    economics.check(decided | {"none"})
    if kind == "assumed":
        return ("none", *sorted(set(economics.actions) - {"none"})), {}
    logged = parts.test.actions
    for action in sorted(decided - set(logged)):
        raise InputError(
            "policy.actions",
            f"no user ever got {action!r}, so nothing is known about it",
            f"{nearest(action, logged)} Give each segment one of these in policy.actions.",
        )
    excluded = {action: "has no price" for action in logged if action not in economics.actions}
    if kind != "truth":
        for part in (parts.validation, parts.test):
            assert part.action is not None
            counts = np.bincount(part.action, minlength=len(logged))
            rare = [a for a, count in zip(logged, counts, strict=True) if count < LEAST_ARM]
            if {*rare} & {*decided, "none"}:
                check_support(part.action, logged)
            excluded |= dict.fromkeys(rare, f"was taken for fewer than {LEAST_ARM} users")
    return tuple(action for action in logged if action not in excluded), excluded


def check_columns(name: str, model: LoadedModel, users: Users) -> None:
    """Refuse users without the columns a model reads."""
    there = {column.name: column.kind for column in users.contract.columns}
    for column, kind in model.columns.items():
        if column not in there:
            raise InputError("data", f"{name} reads {column!r}, which is not there", nearest(column, there))
        if there[column] != kind:
            raise InputError("data", f"{name} reads {column!r} as a {kind}, here it is a {there[column]}")


def score_users(name: str, model: LoadedModel, users: Users) -> np.ndarray:
    """(n,) scores of users whose columns the model must find.

    Raises
    ------
    InputError
        Where columns do not fit or scores come out missing.
    """
    check_columns(name, model, users)
    score = model.classifier.predict_proba(users.features[list(model.columns)])[:, 1].astype(np.float64)
    if broken := int((~np.isfinite(score)).sum()):
        raise InputError(f"models.{name}", f"{broken} of {len(users)} scores are missing or infinite", "Fit it again.")
    return np.asarray(score)


def _scored(
    cuts: int, scores: dict[str, np.ndarray], evidence: dict[str, Evidence], policies: dict[str, Policy]
) -> Scored:
    own = [cut for policy in policies.values() if isinstance(policy, Bands) for cut in policy.grid_cuts]
    edges = grid(scores["validation"], cuts, own)
    return Scored(*(gather(edges, scores[part], evidence[part]) for part in ("validation", "test")))


Groups = dict[tuple[str, str], np.ndarray]


def _segments(
    users: Users, scores: dict[str, np.ndarray], bound: dict[str, dict[str, Policy]]
) -> tuple[pd.DataFrame, Groups]:
    """One row a model, policy and segment, without money; and each user's segment."""
    rows: list[dict[str, Any]] = []
    groups: Groups = {}
    for model, policies in bound.items():
        for name, policy in policies.items():
            code = groups[model, name] = policy.segment(scores[model], users.features)
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
                        "mean_score": float(scores[model][members].mean()) if size else np.nan,
                        "outcome_rate": float(users.outcome[members].mean()) if size else np.nan,
                        "top_features": _distinct(users, members),
                    }
                )
    return pd.DataFrame(rows), groups


def _distinct(users: Users, members: np.ndarray) -> str:
    """Features in which a segment differs most from everyone, in standard deviations."""
    if not members.any() or members.all():
        return ""
    found: dict[str, float] = {}
    for column in users.contract.columns:
        values = users.features[column.name]
        if column.kind == "number":
            of = {column.name: values.to_numpy(np.float64)}
        else:
            of = {f"{column.name}={v}": (values == v).to_numpy(np.float64) for v in values.value_counts().index[:5]}
        for name, x in of.items():
            deviation = float(np.nanstd(x))
            inside = x[members & np.isfinite(x)]
            if deviation > 0 and len(inside):
                found[name] = (float(inside.mean()) - float(np.nanmean(x))) / deviation
    top = sorted(found, key=lambda name: -abs(found[name]))[:TOP]
    return ", ".join(f"{name} {found[name]:+.1f} sd" for name in top)


def _movement(groups: Groups, bound: dict[str, dict[str, Policy]]) -> pd.DataFrame:
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


def _ranking(scores: dict[str, np.ndarray], evidence: Evidence, actions: tuple[str, ...], good: bool) -> pd.DataFrame:
    """How well each score ranks users for each action; effects in wanted outcomes per user."""
    rows = []
    for model, score in scores.items():
        for k, action in enumerate(actions[1:], start=1):
            effect = (evidence.phi[:, k] - evidence.phi[:, 0]) * (1 if good else -1)
            found: dict[str, Estimate] = {"autoc": autoc(score, effect), "qini": qini(score, effect)}
            found |= {f"uplift_at_{share:.0%}": uplift_at(share, score, effect) for share in SHARES}
            for name, e in found.items():
                ends = {"value": e.value, "se": e.se, "low": e.low, "high": e.high}
                rows.append({"model": model, "action": action, "measure": name, "evidence": evidence.kind, **ends})
    return pd.DataFrame(rows)


def _diagnostics(log: Log, decisions: dict[str, np.ndarray], keep: Sequence[int]) -> pd.DataFrame:
    """What the log can say about each contestant; decisions are codes among the actions that were kept."""
    rows = []
    for name, decision in decisions.items():
        of = diagnose(log, np.asarray(keep)[decision])
        rows.append(
            {
                "contestant": name,
                "effective_sample_size": of.effective_sample_size,
                "largest_weight": of.largest_weight,
                "share_clipped": of.clipped,
                "smallest_chance": float(log.logging_probability[:, list(keep)].min()),
            }
        )
    return pd.DataFrame(rows)


def _reward_model(log: Log, actions: tuple[str, ...]) -> pd.DataFrame:
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
