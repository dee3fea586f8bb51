"""Asking: every component built, users loaded and split, evidence gathered, before any model is fitted."""

import contextlib
from dataclasses import replace

import numpy as np

from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.data.column_roles import Roles
from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.experiment.diagnostics import Chosen, data, evidence
from tippingpoint.experiment.evidence import kind_of, log_of, measure_names, rarely_taken
from tippingpoint.experiment.guardrails import check_guardrails
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.models.effect_models import EffectLearner
from tippingpoint.models.family import Family
from tippingpoint.models.learners.learner import Learner
from tippingpoint.models.learners.response import Response
from tippingpoint.offpolicy.evidence import Kind, Log
from tippingpoint.policies.direction import check_direction
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.top_fraction import Ranked


def ask(settings: Settings, source: Source | None = None) -> ExperimentSpec:
    """Build every component, load and split the users (of `source` if that is built already), and gather the evidence.

    Raises
    ------
    InputError
        For anything the config or the data get wrong; nothing is logged by then.
    """
    chosen = Chosen.of(settings.diagnostics)
    families, learners = contestants(settings)
    policy = settings.policy.build(Policy, "policy")
    economics = settings.economics.build(Economics, "economics")
    source = source or settings.data.build(Source, "data")
    if not settings.tracking.log:
        source = source.model_copy(update={"quarantine": None})
    decided = set(policy.actions.values())
    _refuse_named_control(policy, source)
    economics.check(decided | {"none"})
    _refuse_without_effects(policy, families, learners)
    _refuse_effects_on_measures(policy, economics, learners)
    users = source.loaded
    _refuse_idle_costs(users, economics)
    check_direction(policy, users.contract)
    parts = split(users, settings.split)
    kind = kind_of(settings.evidence, users)
    actions = users.actions if kind != "assumed" else ("none", *sorted(decided - {"none"}))
    _refuse_unknown_actions(policy, actions, economics)
    if kind in ("experiment", "logged"):
        rarely_taken(parts.test, decided)
    assigned = evidence.of_assignment(users, kind, settings.seed, chosen)
    found = (*chosen.settle(data.of_users(users)), *assigned.findings, *chosen.settle(evidence.of_kind(users, kind)))
    log, allowed = _log(kind, parts, settings.seed), (assigned.vetoed, chosen.accept)
    margins = settings.guardrails or {}
    check_guardrails(kind, measure_names(users), margins, users.action is not None)
    given = actions, economics, settings.seed, log, *allowed
    valued = ValuedUsers.of(kind, parts.train, parts.test, *given, further=tuple(margins))
    question = ExperimentSpec(
        name=source.question,
        origin=source.origin,
        select_by="value" if learners else settings.select_by,
        explain_rows=settings.explain_rows,
        seed=settings.seed,
        users=users,
        parts=parts,
        families=families,
        learners=learners,
        policy=policy,
        economics=economics,
        actions=actions,
        evidence=valued.evidence,
        reward_intercept=valued.reward_intercept,
        reward_slope=valued.reward_slope,
        best_auc=source.best_auc(parts.test),
        train_on=source.train_on,
        report=settings.reported,
        terms=source.terms,
        config=settings.model_dump(mode="json"),
        source=source,
        chosen=chosen,
        findings=found,
        log=log,
        guardrails=margins,
    )
    _ = question.nuisances  # what learners cannot learn from is refused here, before a run is opened
    return question


def contestants(settings: Settings) -> tuple[dict[str, Family], dict[str, EffectLearner]]:
    """The family of every contestant, each family with each learner; and the learner of those that predict effects.

    Raises
    ------
    InputError
        For what the config gets wrong.
    """
    families = {name: part.build(Family, f"model.{name}") for name, part in settings.model.items()}
    found: dict[str, Family] = {}
    learners: dict[str, EffectLearner] = {}
    for learner, part in settings.learner.items():
        of = part.build(Learner, f"learner.{learner}")
        for name, family in families.items():
            one = EffectLearner(name, learner, of)
            if one.name in found:
                raise InputError("learner", f"two contestants are called {one.name}", "Give one of them another key.")
            if isinstance(of, Response):
                found[name] = family
            else:
                found[one.name], learners[one.name] = family.searched_whole(), one
    return found, learners


def _refuse_without_effects(policy: Policy, families: dict[str, Family], learners: dict[str, EffectLearner]) -> None:
    """Refuse a policy that goes by effects beside a contestant that predicts none, before any user is read."""
    if policy.reads_effects and (lacking := [name for name in families if name not in learners]):
        own = " To rank each contestant by its own score type policy.by=own." if isinstance(policy, Ranked) else ""
        what = f"{policy.name} goes by the effect of an action; {lacking[0]} predicts the chance of the outcome alone"
        raise InputError("policy", what, f"Type learner=dr, or another policy.{own}")


def _refuse_effects_on_measures(policy: Policy, economics: Economics, learners: dict[str, EffectLearner]) -> None:
    """Refuse to count in a measure's money what is predicted of the outcome, before any user is read."""
    if learners and economics.measures and policy.counts_money:
        what = f"{', '.join(economics.measures)} is money, and predicted effects are of the outcome, not of it"
        remedy = "Type policy=top_fraction policy.by=effect, economics.reward=outcome, or learner=response."
        raise InputError("economics.reward", what, remedy)


def asked_of(question: ExperimentSpec, parts: Parts) -> ExperimentSpec:
    """Ask the same of users on other sides: the evidence of the new test users is fitted on the new train users."""
    kind = question.evidence.kind
    log = _log(kind, parts, question.seed)
    allowed = question.evidence.vetoed, question.chosen.accept
    prices = question.actions, question.economics, question.seed
    valued = ValuedUsers.of(kind, parts.train, parts.test, *prices, log, *allowed, further=tuple(question.guardrails))
    return replace(
        question,
        parts=parts,
        evidence=valued.evidence,
        reward_intercept=valued.reward_intercept,
        reward_slope=valued.reward_slope,
        log=log,
        best_auc=None,
        baselines=(),
    )


def _log(kind: Kind, parts: Parts, seed: int) -> Log | None:
    return log_of(kind, parts.train, parts.test, seed) if kind in ("experiment", "logged") else None


def _refuse_idle_costs(users: Users, economics: Economics) -> None:
    if users.costs is not None and not economics.per_user:
        what = f"{', '.join(map(str, users.costs))}: the economics {economics.name} read no costs of each user"
        raise InputError("data.costs", what, "Type economics=cost_columns, or data.drop instead of data.costs.")


def _refuse_named_control(policy: Policy, source: Source) -> None:
    control = source.control if isinstance(source, Roles) else None
    if control != "none" and control in policy.actions.values():
        typed = " ".join(override(f"policy.actions.{s}", "none") for s, a in policy.actions.items() if a == control)
        raise InputError("policy.actions", f"the control {control!r} is called none here", f"Type {typed}.")


def _refuse_unknown_actions(policy: Policy, actions: tuple[str, ...], economics: Economics) -> None:
    if unknown := sorted({*policy.actions.values()} - {*actions}):
        what = f"no user ever got {unknown[0]!r}, so nothing is known about it"
        typed = " ".join([*_given_instead(policy, actions), *_lacking_prices(actions, economics)])
        raise InputError("policy.actions", what, f"{nearest(unknown[0], actions)} Type {typed}, or other actions.")


def _given_instead(policy: Policy, actions: tuple[str, ...]) -> list[str]:
    """Words that give a policy actions users got: all where it chooses among them; else no two segments the same."""
    others = [action for action in actions if action != "none"]
    if policy.chosen_by_outcomes:
        try:
            whole = override("+policy.actions", {action: action for action in ("none", *others)})
        except ValueError:  # its segments may go by any name, and some names can stand in a file only
            named = {f"action_{k}": action for k, action in enumerate(others, start=1)}
            whole = override("+policy.actions", {"none": "none"} | named)
        return ["'~policy.actions'", whole]
    left = [action for action in others if action not in policy.actions.values()]
    wrong = [segment for segment, action in policy.actions.items() if action not in actions]
    idle = ["none"] * (len(wrong) - len(left))
    return [override(f"policy.actions.{of}", action) for of, action in zip(wrong, [*idle, *left], strict=False)]


def _lacking_prices(actions: tuple[str, ...], economics: Economics) -> list[str]:
    """The word that prices actions which have no price, with a cost to fill in; none where it cannot be typed."""
    lacking = [action for action in actions if action not in economics.priced]
    if not lacking or economics.per_user:
        return []
    with contextlib.suppress(ValueError):
        return [override("+economics.actions", {action: {"contact_cost": 0} for action in lacking})]
    return []


def fitted_on(question: ExperimentSpec, users: Users) -> np.ndarray:
    """(n,) bool, those of users a model is fitted and calibrated on: all, or whose action is none.

    Raises
    ------
    InputError
        When of those too few are left of either outcome.
    """
    if question.train_on == "all" or users.action is None:
        return np.ones(len(users), dtype=bool)
    left: np.ndarray = users.action == 0
    if np.bincount(users.outcome[left], minlength=2).min() < 2:
        what = f"none was done to only {left.sum():,} users of a part, too few of either outcome"
        raise InputError("data.train_on", what, "Type data.train_on=all.")
    return left
