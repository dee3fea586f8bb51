"""What a policy is judged on without a fit: filed statistics where they answer, else the test users themselves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import Component
from tippingpoint.economics import Economics
from tippingpoint.experiment.collect import score_users, score_validation
from tippingpoint.experiment.diagnostics import Chosen, Finding, Findings
from tippingpoint.experiment.guardrails import guarded
from tippingpoint.experiment.revaluation import only, priced_line, usable
from tippingpoint.experiment.valuation import BindingUsers
from tippingpoint.offpolicy.cells import Cells, linear
from tippingpoint.offpolicy.evidence import MEASURE
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.sufficient_statistics import SufficientStatistics
from tippingpoint.offpolicy.support import Basis
from tippingpoint.policies.lint import Lint, lint, lint_of_counts
from tippingpoint.policies.policy import FitContext, Policy
from tippingpoint.promotion.contestants import Contestant, JudgedUsers, champion_scores
from tippingpoint.promotion.valuing import NotValued, against_no_model, of_policy, valued_users
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.runs import in_pages
from tippingpoint.tracking.stored import STATISTICS, fetch
from tippingpoint.tracking.tags import DATA, JOB, PARENT

MOST_BETWEEN = 0.02
"""Share of test users between a policy's cut-offs and the filed ones next to them up to which statistics answer."""
LATEST = 20
"""Simulations of a model that are looked at, the newest first."""


@dataclass(frozen=True)
class Gain:
    """What a policy brings more than another, money per test user, and for how many it decides otherwise."""

    over: str
    estimate: Estimate
    changed: int
    basis: Basis | None


@dataclass(frozen=True)
class PolicyValues:
    """What a policy brings.

    Parameters
    ----------
    kind
        Of the evidence.
    source
        Where figures come from, as a clause.
    not_valued
        Why there are none; '' where there are.
    guarded
        Name and margin of each guarded measure, and what the policy does to it over everyone getting none.
    """

    kind: str
    users: int
    source: str
    gains: tuple[Gain, ...]
    lint: Lint
    findings: Findings
    not_valued: str = ""
    guarded: tuple[tuple[str, float, Estimate], ...] = ()


@dataclass(frozen=True)
class FiledGround:
    """Statistics that a simulation left of a model's users.

    Parameters
    ----------
    model
        The model's name there.
    run_id
        Of the simulation.
    """

    statistics: SufficientStatistics
    model: str
    run_id: str

    @property
    def cells(self) -> Cells:
        """The test users by score."""
        return self.statistics.scored[self.model].test

    def why_not(self, policy: Policy) -> str:
        """Why they do not answer what a bound policy brings, in a clause; '' where they do."""
        if not policy.by_score_alone or policy.reads_effects:
            return f"{policy.name} may read columns, which filed statistics do not hold"
        if unknown := {*policy.actions.values()} - {*self.statistics.about["actions"]}:
            return f"the filed statistics know nothing of {', '.join(sorted(unknown))}"
        if (between := self._between(policy)) > MOST_BETWEEN:
            near = [
                float(f"{self.cells.cuts[np.abs(self.cells.cuts - cut).argmin()]:.6g}")
                for cut in policy.score_cuts or ()
            ]
            return f"{between:.1%} of the users lie between its cut-offs and the filed ones next to them ({near})"
        return ""

    def values(self, candidate: Contestant, champion: Contestant, chosen: Chosen) -> PolicyValues:
        """What the candidate's policy brings over the champion's, and over the same action for everyone."""
        assert candidate.decider is not None
        assert champion.decider is not None
        about, cells = self.statistics.about, self.cells
        policy, actions = candidate.decider.policy, tuple(about["actions"])
        line = priced_line(about, economics := _economics(candidate))
        known = usable(economics, actions)
        coefficients = cells.coefficients(line, known)
        own = self._decided(policy)
        others = {champion.uri: self._decided(champion.decider.policy)}
        others |= {f"everyone {actions[k]}": np.full(len(own), k) for k in reversed(known)}
        gains = []
        for name, decision in others.items():
            difference = coefficients[own] - coefficients[decision]
            changed = round(float(cells.count[own != decision].sum()))
            behind = cells.behind(difference)
            basis = None if behind is None else behind.total()
            gains.append(Gain(name, linear(cells, difference), changed, basis))
        counts = np.bincount(self._segments(policy)[1], cells.count, len(policy.segments)).round().astype(int)
        span = float(cells.cuts[0]), float(cells.cuts[-1])
        found = [Finding.from_dict(node) for node in about["findings"]]
        told = chosen.settle([one for one in found if not one.of])
        return PolicyValues(
            about["kind"],
            cells.users,
            self._said(policy),
            tuple(gains),
            lint_of_counts(policy, counts, span, set(economics.priced)),
            told,
            "the evidence is assumed: no experiment stands behind it" if about["kind"] == "assumed" else "",
            tuple(self._guarded(candidate.guardrails, own)),
        )

    def _guarded(self, margins: Mapping[str, float], decision: np.ndarray) -> Iterator[tuple[str, float, Estimate]]:
        about, cells = self.statistics.about, self.cells
        for name, margin in margins.items():
            if name in about["measures"]:
                of = cells.coefficients(only(f"{MEASURE}{name}", cells.actions), range(cells.actions))
                yield name, margin, linear(cells, of[decision] - of[0])

    def _said(self, policy: Policy) -> str:
        said = f"from the filed statistics of simulation {self.run_id}, no user was read"
        between = self._between(policy)
        return said + (f"; {between:.1%} of the users lie between its cut-offs and the filed ones" if between else "")

    def _segments(self, policy: Policy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Segments at the lower end, the middle and the upper end of each cell: where they differ, a cut-off lies in
        it, and the middle says which of the cell's ends is nearer.
        """
        cuts = self.cells.cuts
        low = np.concatenate([[min(0.0, cuts[0])], cuts])
        high = np.concatenate([np.nextafter(cuts, -np.inf), [max(1.0, cuts[-1])]])
        none = pd.DataFrame(index=range(len(low)))
        first, middle, last = (policy.segment(at, none) for at in (low, (low + high) / 2, high))
        return first, middle, last

    def _decided(self, policy: Policy) -> np.ndarray:
        actions = self.statistics.about["actions"]
        return np.array([actions.index(policy.actions[s]) for s in policy.segments])[self._segments(policy)[1]]

    def _between(self, policy: Policy) -> float:
        first, _, last = self._segments(policy)
        return float(self.cells.count[first != last].sum()) / self.cells.users


@dataclass(frozen=True)
class UsersGround:
    """The users themselves."""

    users: JudgedUsers
    origin: str

    @classmethod
    def of(cls, users: JudgedUsers, why: str) -> Self:
        """Users that were read, and why."""
        return cls(users, f"{len(users.parts.test):,} test users were read, as {why}")

    def bind(self, policy: Policy, source: Contestant) -> Policy:
        """The policy with what it learns fixed on validation, or train."""
        parts, model = self.users.parts, source.model
        score = score_validation(source.uri, model, self.users.users, parts)
        binding = BindingUsers.of(parts.train, parts.validation, _economics(source), int(model.config["seed"]))
        return binding.bind(policy, score)

    def values(self, candidate: Contestant, champion: Contestant, chosen: Chosen) -> PolicyValues:
        """As `FiledGround.values`, of models that need not be the same."""
        assert candidate.decider is not None
        assert champion.decider is not None
        users, test, policy = self.users, self.users.parts.test, candidate.decider.policy
        score = score_users(candidate.uri, candidate.model, test)
        other, unlike = champion_scores(candidate, champion, users, score)
        economics, valued = _economics(candidate), valued_users(candidate, users, chosen)
        given = None
        if users.users.action is not None:
            counts = np.bincount(users.users.action, minlength=len(users.users.actions))
            given = dict(zip(users.users.actions, counts.tolist(), strict=True))
        found = lint(policy, test.features, score, set(economics.priced), given)
        if isinstance(valued, NotValued):
            return PolicyValues("assumed", len(test), self.origin, (), found, valued.findings, valued.why)
        findings = valued.findings + of_policy(
            candidate, users, score, valued, against_no_model(candidate, users, score, valued), chosen
        )
        of, kind, actions = valued.of, valued.of.evidence.kind, valued.of.actions
        if unknown := {*policy.actions.values(), *champion.decider.policy.actions.values()} - {*actions}:
            why = f"no user ever got {', '.join(sorted(unknown))}"
            return PolicyValues(kind, len(test), self.origin, (), found, findings, why)
        decided = {} if unlike else {champion.uri: of.decide(champion.decider.policy, other)}
        decided |= {f"everyone {actions[k]}": np.full(len(test), k) for k in reversed(usable(economics, actions))}
        own = of.decide(policy, score)
        mine = of.value_of(own)
        gains = []
        for name, decision in decided.items():
            theirs = of.value_of(decision)
            basis = mine.basis(theirs)
            gains.append(Gain(name, mine.over(theirs), int((own != decision).sum()), basis))
        there = {name: margin for name, margin in candidate.guardrails.items() if name in of.evidence.measures}
        kept = tuple((one.measure, one.margin, one.difference) for one in guarded(of, there, own))
        return PolicyValues(kind, len(test), self.origin, tuple(gains), found, findings, unlike, kept)


def filed_ground(client: Client, of: Contestant, policies: Sequence[Policy]) -> FiledGround | str:
    """The newest filed statistics of a version's model that answer what bound policies bring; why there are none."""
    why = "no simulation of its model is filed"
    for found in _simulations(client, of):
        reasons = [reason for policy in policies if (reason := found.why_not(policy))]
        if not reasons:
            return found
        why = reasons[0]
    return why


def _simulations(client: Client, of: Contestant) -> Iterator[FiledGround]:
    """Statistics of simulations of a version's model on its own users, by its own evidence, the newest first."""
    model, prices = of.model, _economics(of).specification()
    kind = of.decider.deployment.evidence if of.decider else ""
    for run_id in dict.fromkeys([of.fitted_in, model.run_id]):
        of_model = f"tags.`{JOB}` = 'simulated' and tags.{DATA} = '{model.data_digest}' and params.run_id = '{run_id}'"
        latest = in_pages(client, [model.experiment], of_model, ["attributes.start_time DESC"], LATEST)
        for child in latest:
            parent = child.data.tags[PARENT]
            try:
                statistics = SufficientStatistics.load(fetch(client, parent, STATISTICS))
            except InputError:  # lost, or of another version
                continue
            about = statistics.about
            name = next((name for name, one in about["models"].items() if one["run_id"] == run_id), None)
            own = about["per_user_prices"] and about["prices"] != prices
            if name is not None and about["kind"] == kind and not own:
                yield FiledGround(statistics, name, parent)


def bound_on_scores(policy: Policy, source: Contestant) -> Policy | str:
    """The policy with what it learns fixed without any user; why that cannot be."""
    if policy.reads_effects or source.model.actions is not None:
        return "effects are predicted, which filed statistics do not hold"
    if not policy.learnt:
        return policy
    if not policy.by_score_alone:
        return f"{policy.name} may read columns, or learn from them"
    if source.model.out_of_fold is None:
        return f"{policy.name} learns from the scores of validation, which run {source.model.run_id} did not keep"
    return policy.bind(FitContext(pd.DataFrame(), pd.DataFrame(), source.model.out_of_fold))


def _economics(of: Contestant) -> Economics:
    node: Any = of.model.config["economics"]
    return Component.of(node, "economics").build(Economics, "economics")
