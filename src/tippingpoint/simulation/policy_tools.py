"""`tippingpoint policy lint` and `diff`: what is wrong with a policy, and what changes between two."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import RenderableType

from tippingpoint.config.compose import option
from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.policies.clusters import Clusters, cluster
from tippingpoint.policies.direction import check_direction
from tippingpoint.policies.lint import ANSWERED, Difference, Lint, diff, lint
from tippingpoint.policies.policy import Policy
from tippingpoint.reports import figures
from tippingpoint.reports.result import Result
from tippingpoint.simulation import policy_report
from tippingpoint.simulation.policy_data import policy_data
from tippingpoint.simulation.settings import DiffSettings, LintSettings
from tippingpoint.tracking import backend
from tippingpoint.tracking.stored import fetch_version


@dataclass(frozen=True, repr=False)
class LintResult(Result):
    """What was found about a policy."""

    policy: Policy
    found: Lint
    clusters: Clusters | None = None

    @property
    def refused(self) -> bool:
        """Whether a remark waits for an answer: exit code 1."""
        return any(remark.kind not in ANSWERED for remark in self.found.remarks)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        remarks = [asdict(remark) for remark in self.found.remarks]
        about: dict[str, Any] = {
            "policy": self.policy.name,
            "version": self.policy.version,
            "digest": self.policy.digest,
        }
        about["bound_digest"] = self.policy.bound_digest
        found = {**about, "remarks": remarks, "segments": self.found.segments.to_dict("records")}
        if (of := self.clusters) is not None:
            found["clusters"] = {
                "columns": of.columns,
                "silhouettes": of.silhouettes,
                "agreement_ari": of.agreement,
                "users": of.table.to_dict("index"),
                "centres": of.centres.to_dict("index"),
            }
        return found

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return policy_report.lint_summary(self.policy, self.found, self.clusters)


@dataclass(frozen=True, repr=False)
class DiffResult(Result):
    """What changes from one policy to another."""

    first: str
    second: str
    found: Difference

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        movement = self.found.movement.to_dict("records")
        written = {"from": self.first, "to": self.second, "written": self.found.written}
        return {**written, "users_with_another_action": self.found.users, "movement": movement}

    def render(self) -> RenderableType:
        """One screen for a terminal."""
        return policy_report.diff_summary(self.first, self.second, self.found)


def policy_lint(settings: LintSettings) -> LintResult:
    """Look a policy over; a remark is something to answer, not an error.

    Raises
    ------
    InputError
        Where the policy, the users or the model are wrong or do not fit each other.
    """
    policy = settings.policy.build(Policy, "policy")
    data = policy_data(settings)
    check_direction(policy, data.users.contract)
    bound = data.bind(policy)
    features: pd.DataFrame = data.users.features
    found = lint(bound, features, data.score, set(data.economics.actions), data.given)
    clusters = None
    if settings.clusters:
        if len(found.segments) == 0:
            raise InputError("model", "segments need a score", "Type model=models:/NAME@challenger.")
        score = np.zeros(len(features)) if data.score is None else data.score
        segment = bound.assign(score, features)
        clusters = cluster(features, tuple(settings.clusters), segment, bound.segments, settings.seed)
        figures.clusters(Path(settings.to), features, clusters, segment, bound.segments)
    return LintResult(bound, found, clusters)


def policy_diff(settings: DiffSettings) -> DiffResult:
    """Say in words and numbers what changes from one policy to another on the same users.

    Raises
    ------
    InputError
        Where policies, users or the model are wrong or do not fit, or a score is needed and no model named.
    """
    first, second = (_policy(name, settings.config_dir) for name in settings.policies)
    data = policy_data(settings)
    if data.score is None and (first.reads_score or second.reads_score):
        raise InputError("model", "one of the policies reads the score", "Type model=models:/NAME@challenger.")
    score = np.zeros(len(data.users)) if data.score is None else data.score
    found = diff(data.bind(first), data.bind(second), data.users.features, (score, score))
    names = [f"{p.name} version {p.version} ({p.digest})" for p in (first, second)]
    return DiffResult(names[0], names[1], found)


def _policy(name: str, config_dir: str | None) -> Policy:
    if name.startswith("models:/"):
        node = json.loads(fetch_version(backend.connect(writing=False), name, "policy.json"))
    else:
        node = option("policy", name, config_dir)
    return Component.of(node, f"policy {name}").build(Policy, f"policy {name}")
