"""Asking: every component built, users loaded and split, evidence gathered, before any model is fitted."""

import numpy as np

from tippingpoint.data.source import Source
from tippingpoint.data.splits import Parts, split
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.errors import InputError, nearest
from tippingpoint.findings import Question
from tippingpoint.models.family import Family
from tippingpoint.models.logistic import Logistic
from tippingpoint.policies.policy import Policy
from tippingpoint.settings import Settings
from tippingpoint.simulation import evidence as counterfactual
from tippingpoint.simulation.evidence import Evidence, Kind

LEAST_CHANCE = 0.01
REWARD_MODEL = Logistic(C=0.3, max_iter=1000, calibrate=False)
"""Predicts outcomes under each action, for doubly robust evidence; one a data set: no contestant has its own."""


def ask(settings: Settings) -> Question:
    """Build every component, load and split the users, and gather the evidence.

    Raises
    ------
    InputError
        For anything the config or the data get wrong; nothing is logged by then.
    """
    families = {name: part.build(Family, f"model.{name}") for name, part in settings.model.items()}  # type: ignore[type-abstract]
    policy = settings.policy.build(Policy, "policy")  # type: ignore[type-abstract]
    economics = settings.economics.build(Economics, "economics")
    source = settings.data.build(Source, "data")  # type: ignore[type-abstract]
    decided = set(policy.actions.values())
    economics.check(decided | {"none"})
    users = source.load()
    parts = split(users, settings.split)
    kind = _kind(settings, users)
    actions = users.actions if kind != "assumed" else ("none", *sorted(decided - {"none"}))
    for action in sorted(decided - set(actions)):
        raise InputError(
            "policy.actions",
            f"no user ever got {action!r}, so nothing is known about it",
            f"{nearest(action, actions)} Give each segment one of these in policy.actions.",
        )
    alpha, beta = economics.line(actions, users.contract.good)
    return Question(
        name=source.question,
        origin=source.origin,
        select_by=settings.select_by,
        explain_rows=settings.explain_rows,
        seed=settings.seed,
        users=users,
        parts=parts,
        families=families,
        policy=policy,
        economics=economics,
        actions=actions,
        evidence=_evidence(kind, parts, economics.response(actions), settings.seed),
        alpha=alpha,
        beta=beta,
    )


def _kind(settings: Settings, users: Users) -> Kind:
    """The strongest evidence at hand, or the one that `evidence` names."""
    at_hand: dict[Kind, bool] = {
        "truth": users.truth is not None,
        "experiment": users.logging_probability is not None,
        "logged": users.action is not None,
        "assumed": users.action is None,
    }
    have = [kind for kind, there in at_hand.items() if there]
    if settings.evidence == "auto":
        return have[0]
    if settings.evidence not in have:
        raise InputError("evidence", f"these users carry no {settings.evidence!r}", nearest("", have))
    return settings.evidence


def _evidence(kind: Kind, parts: Parts, response: np.ndarray, seed: int) -> Evidence:
    test = parts.test
    if kind == "truth" and test.truth is not None:
        return Evidence("truth", test.truth)
    if kind != "assumed" and test.action is not None:
        predicted = predict_rewards(parts.train, test, seed)
        known = test.logging_probability if kind == "experiment" else None
        chances = estimate_logging(parts.train, test, seed) if known is None else known
        return Evidence(kind, counterfactual.doubly_robust(test.outcome, test.action, chances, predicted))
    if not test.contract.good:  # a response is stated for those who pay: here, those with outcome 0
        return Evidence("assumed", 1 - counterfactual.assumed(1 - test.outcome, response))
    return Evidence("assumed", counterfactual.assumed(test.outcome, response))


def estimate_logging(train: Users, test: Users, seed: int) -> np.ndarray:
    """(n, K) chance of each action given the features, for test users; the model is fitted on train.

    A lightly penalised multinomial logistic regression. What drove the action and is in no feature stays unknown:
    that is why such evidence is called `logged`, not `experiment`. Chances are raised to 0.01 before the row is
    scaled to sum to 1, so that no single user outweighs the rest.
    """
    model = REWARD_MODEL.model_copy(update={"C": 10.0})
    pipeline = model.pipeline(train.contract, seed).fit(train.features, train.action)
    chances = np.full((len(test), len(test.actions)), LEAST_CHANCE)
    chances[:, pipeline.classes_] = np.maximum(pipeline.predict_proba(test.features), LEAST_CHANCE)
    return chances / chances.sum(axis=1, keepdims=True)


def predict_rewards(train: Users, test: Users, seed: int) -> np.ndarray:
    """(n, K) P(outcome | action, features) of test users, one model an action fitted on train (a T-learner).

    An action under which fewer than two users of either outcome were seen gets their mean outcome.
    """
    predicted = np.empty((len(test), len(test.actions)))
    for k in range(len(test.actions)):
        arm = train.take(np.flatnonzero(train.action == k))
        if np.bincount(arm.outcome, minlength=2).min() < 2:
            predicted[:, k] = arm.outcome.mean() if len(arm) else train.outcome.mean()
            continue
        pipeline = REWARD_MODEL.pipeline(arm.contract, seed).fit(arm.features, arm.outcome)
        predicted[:, k] = pipeline.predict_proba(test.features)[:, 1]
    return predicted
