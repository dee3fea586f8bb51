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
from tippingpoint.comparison.settings import CompareRunsSettings
from tippingpoint.comparison.two_runs_found import Side, TwoRuns
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.data.model_output import probability
from tippingpoint.data.splits import Parts
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.evaluation import CONTRIBUTIONS
from tippingpoint.experiment.by_share import by_share, order
from tippingpoint.experiment.collect import score_users, users_of
from tippingpoint.experiment.diagnostics import Chosen, evidence
from tippingpoint.experiment.evidence import kind_of, log_of
from tippingpoint.experiment.revaluation import only
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.offpolicy.cells import Line, gather, grid, outcomes
from tippingpoint.offpolicy.statistics import mean
from tippingpoint.offpolicy.sufficient_statistics import MONEY
from tippingpoint.policies.policy import Policy
from tippingpoint.reports.progress import progress
from tippingpoint.reports.result import Result
from tippingpoint.tracking import backend
from tippingpoint.tracking.models import LoadedModel, load
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import StoredRun
from tippingpoint.tracking.stored import fetch, find

CUTS = 80
"""Cut-offs of the grid that uplift curves are read off."""


@dataclass(frozen=True, repr=False)
class TwoRunsResult(TwoRuns, Result):
    """What differs between two runs, ready to be shown."""

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
        runs = [find(client, name, where="runs")[0] for name in settings.runs]
        if runs[0].info.run_id == runs[1].info.run_id:
            raise InputError("runs", "both are the same run", "Name two different runs.")
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
        raise InputError("runs", f"nothing is known of {', '.join(sorted(unknown))} here", "Name other runs.")
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
    axis = order(policy, score)
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
