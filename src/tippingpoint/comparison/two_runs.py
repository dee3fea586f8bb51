"""`tippingpoint compare runs=[A,B]`: what differs between two runs, or versions, on the same test users."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import RenderableType

from tippingpoint.comparison import two_runs_page
from tippingpoint.config.settings import CompareRunsSettings, SimulateSettings
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.model_output import probability
from tippingpoint.data.splits import Parts
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.evaluation import CONTRIBUTIONS, LOWER_IS_BETTER
from tippingpoint.experiment.by_share import Steps, by_share
from tippingpoint.experiment.collect import score_users, users_of
from tippingpoint.experiment.diagnostics import Chosen, Findings, evidence
from tippingpoint.experiment.evidence import kind_of, log_of
from tippingpoint.experiment.revaluation import only
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.offpolicy.cells import Line, gather, grid, outcomes
from tippingpoint.offpolicy.statistics import Estimate, mean
from tippingpoint.offpolicy.sufficient_statistics import MONEY
from tippingpoint.policies.policy import Policy
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.models import LoadedModel, fetch, find, load
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import StoredRun

CUTS = 80
"""Cut-offs of the grid that uplift curves are read off."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Parameters
    ----------
    name
        As it was typed.
    score, decision
        What its model gives of the n test users, and (n,) codes of the actions its own policy gives them.
    curves
        Money and outcomes by share treated, as runs file them.
    shares
        Share of mean |SHAP| by column, as its run has them.
    """

    name: str
    run: StoredRun
    model: LoadedModel
    policy: Policy
    score: np.ndarray
    decision: np.ndarray
    curves: Steps
    shares: Mapping[str, float]

    @property
    def label(self) -> str:
        """What pages call it."""
        return f"{self.name} ({self.run.info.run_name})" if self.name.startswith("models:/") else self.run.info.run_name


@dataclass(frozen=True, repr=False)
class TwoRunsResult(Result):
    """What differs between two runs.

    Parameters
    ----------
    differing
        One row a key of their configs that differs.
    metrics
        Paired difference of each metric on the same test users, the second less the first.
    value
        What the second's policy brings more than the first's, money per user, each with its own scores; None where
        evidence is assumed.
    movement
        One row a pair of actions, for users whose action changes: how many, and what that brings in all.
    """

    first: Side
    second: Side
    kind: str
    currency: str
    users: int
    differing: pd.DataFrame
    metrics: dict[str, Estimate]
    value: Estimate | None
    movement: pd.DataFrame
    findings: Findings
    page: str = ""

    @property
    def changed(self) -> int:
        """Users whose action changes."""
        return int(self.movement["users"].sum()) if len(self.movement) else 0

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "first": self.first.run.info.run_id,
            "second": self.second.run.info.run_id,
            "evidence": self.kind,
            "users": self.users,
            "users_with_another_action": self.changed,
            "differing": self.differing.to_dict("records"),
            "metrics": {name: vars(of) for name, of in self.metrics.items()},
            "value_per_user": None if self.value is None else vars(self.value),
            "movement": self.movement.to_dict("records"),
            "page": self.page or None,
        }

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return two_runs_page.summary(self)


def compare_runs(settings: CompareRunsSettings) -> TwoRunsResult:
    """Hold two runs' models and policies against each other on the test users of the first; nothing is fitted again.

    Raises
    ------
    InputError
        When one of them has no model, or no users are unseen by both.
    OutsideError
        When the store cannot be used.
    """
    with progress(4) as step:
        step("opening the store")
        client = backend.connect(writing=settings.tracking.log)
        step("loading models")
        runs = [find(client, name)[0] for name in settings.runs]
        if runs[0].info.run_id == runs[1].info.run_id:
            raise InputError("runs", "both are the same run", "Name two.")
        models = {run.info.run_id: load(client, run) for run in runs}
        step("reading users")
        _, users, parts = users_of(SimulateSettings(data=settings.data), models, None)
        step("scoring test users with both")
        found = _compared(client, settings, runs, models, users, parts)
        if settings.to is not None:
            Path(settings.to).write_text(two_runs_page.page(found))
        if settings.tracking.log:
            found = replace(found, page=two_runs_page.record(client, found))
    return found


def _compared(
    client: Client,
    settings: CompareRunsSettings,
    runs: list[StoredRun],
    models: dict[str, LoadedModel],
    users: Users,
    parts: Parts,
) -> TwoRunsResult:
    first = models[runs[0].info.run_id]
    config, seed = first.config, int(first.config["seed"])
    economics = Component.of(config["economics"], "economics").build(Economics, "economics")
    kind, chosen = kind_of(config["evidence"], users), Chosen.of(settings.diagnostics, config)
    assigned = evidence.of_assignment(users, kind, seed, chosen)
    log = log_of(kind, parts.train, parts.test, seed) if kind in ("experiment", "logged") else None
    policies = [_policy(client, run) for run in runs]
    given = {action for policy in policies for action in policy.actions.values()}
    actions = users.actions if kind != "assumed" else ("none", *sorted(economics.priced - {"none"}))
    if unknown := given - {*actions}:
        raise InputError("runs", f"nothing is known of {', '.join(sorted(unknown))} here", "Name others.")
    valued = ValuedUsers.of(
        kind, parts.train, parts.test, actions, economics, seed, log, assigned.vetoed, tuple(chosen.accept)
    )
    sides = [
        _side(client, name, run, models[run.info.run_id], policy, valued)
        for name, run, policy in zip(settings.runs, runs, policies, strict=True)
    ]
    one, other = sides
    outcome, group = parts.test.outcome, parts.test.codes
    scores = [probability(side.score) for side in sides]
    metrics = {m: mean(of(outcome, scores[1]) - of(outcome, scores[0]), group=group) for m, of in CONTRIBUTIONS.items()}
    values = [valued.value_of(side.decision) for side in sides]
    gain = values[1].contribution - values[0].contribution
    return TwoRunsResult(
        first=one,
        second=other,
        kind=kind,
        currency=economics.currency,
        users=len(parts.test),
        differing=differing(
            *({"family": of.model.name, "users": of.model.data_digest} | of.model.config for of in sides)
        ),
        metrics=metrics,
        value=values[1].over(values[0]) if valued.evidence.measured else None,
        movement=_movement(one, other, actions, gain),
        findings=assigned.findings,
    )


def _policy(client: Client, run: StoredRun) -> Policy:
    """The policy a run's model was judged with, bound."""
    where = f"run {run.info.run_id} policy.json"
    return Component.of(json.loads(fetch(client, run.info.run_id, "policy.json")), where).build(Policy, where)


def _side(client: Client, name: str, run: StoredRun, model: LoadedModel, policy: Policy, valued: ValuedUsers) -> Side:
    score = score_users(model.name, model, valued.users)
    line, money = Line(valued.reward_intercept, valued.reward_slope), {}
    if valued.reward_intercept.ndim == 2:  # prices of each user's own
        line, money = only(MONEY, len(valued.actions)), {MONEY: valued.reward}
    axis = policy.axis(score)
    cells = gather(grid(axis, CUTS), axis, valued.evidence, money)
    priced = [k for k, of in enumerate(np.atleast_2d(valued.reward_slope).T) if np.isfinite(of).all()]
    prefix = "shap_share/"
    metrics = client.get_run(run.info.run_id).data.metrics
    shares = {key.removeprefix(prefix): value for key, value in metrics.items() if key.startswith(prefix)}
    curves = by_share(cells, line, outcomes(len(valued.actions)), valued.actions, priced)
    return Side(name, run, model, policy, score, valued.decide(policy, score), curves, shares)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> pd.DataFrame:
    """One row a key of two configs whose values differ; `–` where a side has none."""
    first, second = dict(_leaves(one)), dict(_leaves(other))
    keys = [key for key in dict.fromkeys([*first, *second]) if first.get(key) != second.get(key)]
    rows = [{"key": key, "first": first.get(key, "–"), "second": second.get(key, "–")} for key in keys]
    return pd.DataFrame(rows, columns=["key", "first", "second"])


def _leaves(node: Mapping[str, Any], path: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            found += _leaves(value, f"{path}{key}.")
        elif not path.startswith("tracking."):
            found.append((f"{path}{key}", str(value)))
    return found


def _movement(one: Side, other: Side, actions: tuple[str, ...], gain: np.ndarray) -> pd.DataFrame:
    """One row a pair of actions with users in it, the most users first; what they bring is summed."""
    rows = []
    for i, before in enumerate(actions):
        for j, after in enumerate(actions):
            members = (one.decision == i) & (other.decision == j)
            if i != j and members.any():
                rows.append(
                    {"from": before, "to": after, "users": int(members.sum()), "gain": float(gain[members].sum())}
                )
    found = pd.DataFrame(rows, columns=["from", "to", "users", "gain"])
    return found.sort_values("users", ascending=False, ignore_index=True)


def better(metric: str, difference: Estimate) -> str:
    """`better`, `worse` or `inconclusive`: what a paired difference says of the second."""
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return "inconclusive"
    return "better" if (difference.value > 0) != (metric in LOWER_IS_BETTER) else "worse"
