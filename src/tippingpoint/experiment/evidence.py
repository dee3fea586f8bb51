"""Evidence about users: which kind they carry, and their outcomes under each action, estimated on other users."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.models.chances import fit_chances
from tippingpoint.models.logistic import Logistic
from tippingpoint.offpolicy import evidence as counterfactual
from tippingpoint.offpolicy.evidence import Evidence, Kind, Log
from tippingpoint.offpolicy.hidden_driver import HiddenDriver
from tippingpoint.offpolicy.support import Support

Predict = Callable[[pd.DataFrame], np.ndarray]
"""(n, K) predictions under each action from the features of n users."""
ExpectedReward = Callable[[pd.DataFrame, tuple[str, ...]], np.ndarray]
"""(n, K) expected money per user from the features of n users and the names of K actions."""
REWARD_MODEL = Logistic(C=0.3, max_iter=1000, calibrate=False)
"""Predicts outcomes under each action, for doubly robust evidence; one a data set: no contestant has its own."""


def kinds_at_hand(users: Users) -> list[Kind]:
    """The kinds of evidence these users carry, best first."""
    at_hand: dict[Kind, bool] = {
        "truth": users.truth is not None,
        "experiment": users.logging_probability is not None,
        "logged": users.action is not None and users.logging_probability is None,
        "assumed": users.action is None,
    }
    return [kind for kind, there in at_hand.items() if there]


def kind_of(wanted: str, users: Users) -> Kind:
    """The kind of evidence these users carry: the one that is wanted, or for `auto` the best at hand.

    Raises
    ------
    InputError
        When they do not carry the one that is wanted.
    """
    have = kinds_at_hand(users)
    if wanted == "logged" and users.action is not None:
        return "logged"  # known chances may be left aside, to see what estimating them would have said
    for kind in have:
        if wanted in ("auto", kind):
            return kind
    raise InputError("evidence", f"these users carry no {wanted!r}", nearest("", have))


def rarely_taken(users: Users, decided: set[str]) -> list[str]:
    """Actions taken for too few of these users to say anything about.

    Raises
    ------
    InputError
        Where a policy decides one of them, or `none` is one.
    """
    assert users.action is not None
    counts = np.bincount(users.action, minlength=len(users.actions))
    rare = [action for action, count in zip(users.actions, counts, strict=True) if count < counterfactual.LEAST_ARM]
    if {*rare} & {*decided, "none"}:
        counterfactual.check_support(users.action, users.actions)
    return rare


def gather_evidence(
    kind: Kind, train: Users, users: Users, response: np.ndarray, seed: int, log: Log | None = None
) -> Evidence:
    """Outcome scores of users under each action; what they rest on is fitted on train.

    Parameters
    ----------
    response
        (K,) stated response of each action, read for `assumed` only.
    log
        The same users' log, where `log_of` made it already.
    """
    if kind == "truth" and users.truth is not None:
        return Evidence("truth", users.truth, group=users.codes)
    if kind == "assumed":
        if not users.contract.good:  # a response is stated for those who pay: here, those with outcome 0
            return Evidence(kind, 1 - counterfactual.assumed(1 - users.outcome, response), group=users.codes)
        return Evidence(kind, counterfactual.assumed(users.outcome, response), group=users.codes)
    log = log or log_of(kind, train, users, seed)
    assert log.predicted is not None
    outcome_scores = counterfactual.doubly_robust(log.outcome, log.action, log.logging_probability, log.predicted)
    support = Support.of(log.logging_probability, log.predicted, estimated=kind == "logged")
    support = support.together(outcome_scores - log.predicted, users.codes)
    hidden = None
    if kind == "logged":
        hidden = HiddenDriver.of(log.outcome, log.action, log.logging_probability, log.predicted)
    return Evidence(kind, outcome_scores, {"phi": support}, users.codes, hidden=hidden)


def log_of(
    kind: Kind, train: Users, users: Users, seed: int, predict: Predict | None = None, chances: Predict | None = None
) -> Log:
    """What was done to users, with which chance (for `logged`, estimated on train), and predictions.

    `predict` and `chances` are what `fit_rewards` and `fit_logging` gave for train, where they are at hand already.
    """
    assert users.action is not None
    known = users.logging_probability if kind == "experiment" else None
    chance = (chances or fit_logging(train, seed))(users.features) if known is None else known
    return Log(users.outcome, users.action, chance, (predict or fit_rewards(train, seed))(users.features))


def fit_logging(train: Users, seed: int) -> Predict:
    """The chance of each action given the features, in place of `logging_probability`; fitted on train.

    What drove the action and is in no feature stays unknown: that is why such evidence is called `logged`, not
    `experiment`. Small chances are raised (`clip`), so that no single user outweighs the rest.
    """
    estimated = fit_chances(train, counterfactual.LEAST_ARM, seed)
    return lambda features: counterfactual.clip(estimated(features))


def fit_rewards(train: Users, seed: int) -> Predict:
    """P(outcome | action, features), one model an action fitted on train (a T-learner).

    An action under which fewer than two users of either outcome were seen gets their mean outcome.
    """
    arms: list[Pipeline | float] = []
    for k in range(len(train.actions)):
        arm = train.take(np.flatnonzero(train.action == k))
        if np.bincount(arm.outcome, minlength=2).min() < 2:
            arms.append(float(arm.outcome.mean() if len(arm) else train.outcome.mean()))
        else:
            arms.append(REWARD_MODEL.pipeline(arm.contract, seed).fit(arm.features, arm.outcome))

    def predict(features: pd.DataFrame) -> np.ndarray:
        predicted = np.empty((len(features), len(arms)))
        for k, of in enumerate(arms):
            predicted[:, k] = of if isinstance(of, float) else of.predict_proba(features)[:, 1]
        return predicted

    return predict


def fit_measure(train: Users, measure: str, seed: int) -> Predict:
    """E(measure | action, features), one ridge regression an action fitted on train."""
    assert train.measures is not None
    arms: list[Pipeline] = []
    for k in range(len(train.actions)):
        rows = np.flatnonzero(train.action == k)
        arm = train.take(rows if len(rows) > 1 else np.arange(len(train)))
        assert arm.measures is not None
        prepare = REWARD_MODEL.pipeline(arm.contract, seed).named_steps["prepare"]
        pipeline = Pipeline([("prepare", prepare), ("model", Ridge(10.0))])
        arms.append(pipeline.fit(arm.features, arm.measures[measure].to_numpy(np.float64)))

    return lambda features: np.stack([of.predict(features) for of in arms], axis=1)


def reward_model(
    train: Users, economics: Economics, seed: int, predict: Predict | None = None
) -> ExpectedReward | None:
    """Expected money per user under each action, by one model an action fitted on train when first asked.

    None where no action was ever logged. `predict` is what `fit_rewards` gave for train, where it is at hand already.
    """
    if train.action is None:
        return None

    def expected_reward(features: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
        nonlocal predict
        reward_intercept, reward_slope = economics.line(names, train.contract.good)
        predict = predict or fit_rewards(train, seed)
        predicted = predict(features)[:, [train.actions.index(name) for name in names]]
        return np.asarray(reward_intercept + reward_slope * predicted)

    return expected_reward
