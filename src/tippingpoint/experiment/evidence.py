"""Evidence about users: which kind they carry, and their outcomes under each action, estimated on other users."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.splits import folds, pairs
from tippingpoint.data.users import Users
from tippingpoint.economics import Economics
from tippingpoint.models.chances import fit_chances
from tippingpoint.models.logistic import Logistic
from tippingpoint.offpolicy import evidence as counterfactual
from tippingpoint.offpolicy.evidence import MEASURE, Evidence, Kind, Log
from tippingpoint.offpolicy.hidden_driver import HiddenDriver
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.value import reward

Predict = Callable[[pd.DataFrame], np.ndarray]
"""(n, K) predictions under each action from the features of n users."""
ExpectedReward = Callable[[pd.DataFrame, tuple[str, ...]], np.ndarray]
"""(n, K) expected money per user from the features of n users and the names of K actions."""
MeasuredReward = Callable[[tuple[str, ...]], tuple[np.ndarray, np.ndarray]]
"""(n, K) doubly robust money, and spend, of n given users under each of K named actions."""
NO_MEASURES: "Measured" = {}
NONE = np.empty(0)
"""Responses, where none is stated."""
FOLDS = 5
"""Where what evidence rests on can only be fitted on the users it is about."""


@dataclass(frozen=True)
class MeasureModel:
    """What users had of a measure, on train.

    Parameters
    ----------
    expected
        The measure predicted under each action.
    counted
        (K,) share of users of each arm with any of it: these are to a measure what outcomes are.
    size
        Root mean square of the measure of those.
    """

    expected: Predict
    counted: np.ndarray
    size: float


Measured = Mapping[str, MeasureModel]
"""Models of measures, by name."""
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
    kind: Kind,
    train: Users,
    users: Users,
    response: np.ndarray,
    seed: int,
    log: Log | None = None,
    measured: Measured = NO_MEASURES,
) -> Evidence:
    """Outcome scores of users under each action; what they rest on is fitted on train.

    Parameters
    ----------
    response
        (K,) stated response of each action, read for `assumed` only.
    log
        The same users' log, where `log_of` made it already.
    measured
        Of the measures whose scores are wanted too, where evidence is from a log.

    Raises
    ------
    InputError
        Where a measure has missing values.
    """
    if kind == "truth" and users.truth is not None:
        return Evidence("truth", users.truth, group=users.codes)
    if kind == "assumed":
        scores = counterfactual.assumed(users.outcome, response, users.contract.good)
        return Evidence(kind, scores, group=users.codes)
    log = log or log_of(kind, train, users, seed)
    assert log.predicted is not None
    outcome_scores = counterfactual.doubly_robust(log.outcome, log.action, log.logging_probability, log.predicted)
    chance, estimated = log.logging_probability, kind == "logged"
    support = {
        "phi": Support.of(chance, log.predicted, estimated).together(outcome_scores - log.predicted, users.codes)
    }
    measures = {}
    for name, of in measured.items():
        observed, expected = _measure(users, name), of.expected(users.features)
        scores = measures[name] = counterfactual.doubly_robust(observed, log.action, chance, expected)
        own = Support.of(chance, np.broadcast_to(of.counted, chance.shape), estimated)
        support[f"{MEASURE}{name}"] = own.scaled(np.full(len(of.counted), of.size)).together(
            scores - expected, users.codes
        )
    hidden = HiddenDriver.of(log.outcome, log.action, chance, log.predicted) if estimated else None
    return Evidence(kind, outcome_scores, support, users.codes, hidden=hidden, measures=measures)


def _measure(users: Users, name: str) -> np.ndarray:
    assert users.measures is not None
    observed = users.measures[name].to_numpy(np.float64)
    if not np.isfinite(observed).all():
        raise InputError(f"data.measures.{name}", "values are missing", "Fill them, or leave it out.")
    return observed


def measure_names(users: Users) -> list[str]:
    """Names of the further measures users have."""
    return [] if users.measures is None else [str(name) for name in users.measures]


def check_measures(kind: Kind, users: Users, economics: Economics) -> None:
    """Refuse economics that count a measure which is not known under each action.

    Raises
    ------
    InputError
        Saying what to type instead.
    """
    there = measure_names(users)
    for name in economics.measures:
        if name not in there:
            what = f"no measure {name!r} in the data"
            raise InputError("economics.reward", what, f"Name it in data.measures. {nearest(name, there)}".rstrip())
        if kind not in ("experiment", "logged"):
            remedy = "Type evidence=experiment." if users.action is not None else "Type economics.reward=outcome."
            what = f"what {name!r} would be under another action is in no log ({kind} knows the outcome only)"
            raise InputError("economics.reward", what, remedy)


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


def fit_measures(train: Users, names: Iterable[str], seed: int) -> dict[str, MeasureModel]:
    """Models of measures by name: one ridge regression an action, fitted on train.

    Raises
    ------
    InputError
        Where a measure has missing values.
    """
    return {name: _fit_measure(train, name, seed) for name in names}


def _fit_measure(train: Users, measure: str, seed: int) -> MeasureModel:
    observed = _measure(train, measure)
    some = observed != 0
    size = float(np.sqrt(np.mean(observed[some] ** 2))) if some.any() else 0.0
    assert train.action is not None
    got = np.bincount(train.action, minlength=len(train.actions))
    counted = np.bincount(train.action, some, len(train.actions)) / np.maximum(got, 1)
    arms: list[Pipeline] = []
    for k in range(len(train.actions)):
        rows = np.flatnonzero(train.action == k)
        arm = train.take(rows if len(rows) > 1 else np.arange(len(train)))
        assert arm.measures is not None
        prepare = REWARD_MODEL.pipeline(arm.contract, seed).named_steps["prepare"]
        pipeline = Pipeline([("prepare", prepare), ("model", Ridge(10.0))])
        arms.append(pipeline.fit(arm.features, arm.measures[measure].to_numpy(np.float64)))

    def expected(features: pd.DataFrame) -> np.ndarray:
        return np.stack([of.predict(features) for of in arms], axis=1)

    return MeasureModel(expected, counted, size)


def reward_model(
    train: Users, economics: Economics, seed: int, predict: Predict | None = None
) -> ExpectedReward | None:
    """Expected money per user under each action, by one model an action fitted on train when first asked.

    None where no action was ever logged. `predict` is what `fit_rewards` gave for train, where it is at hand already.
    """
    if train.action is None:
        return None

    measured: Measured | None = None

    def expected_reward(features: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
        nonlocal predict, measured
        reward_intercept, reward_slope = economics.line(names, train.contract.good)
        predict = predict or fit_rewards(train, seed)
        measured = fit_measures(train, economics.measures, seed) if measured is None else measured
        codes = [train.actions.index(name) for name in names]
        further = expected_measures(measured, economics, features)
        money = reward_intercept + reward_slope * predict(features)[:, codes]
        return np.asarray(money if further is None else money + further[:, codes])

    return expected_reward


def measured_reward(
    train: Users, users: Users, economics: Economics, seed: int, predict: Predict | None = None
) -> MeasuredReward | None:
    """Doubly robust money of users under each action, and what it would spend, gathered when first asked.

    What it rests on is fitted on train; where users are these themselves, on other folds of them. The truth about
    generated users is not read: no policy could learn from it. None where no action was ever logged.
    """
    if users.action is None:
        return None
    known: Evidence | None = None

    def measured(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        nonlocal known
        rarely_taken(users, {*names})
        if known is None:
            known = _cross_fitted(train, users, economics, seed, predict)
        good, scores = users.contract.good, known.among([users.actions.index(name) for name in names])
        money = reward(scores, *economics.rewards(names, good, users.costs), economics.measures)
        spend_intercept, spend_slope = economics.spend(names, good)
        return money, np.asarray(spend_intercept + spend_slope * scores.outcome_scores)

    return measured


def _cross_fitted(train: Users, users: Users, economics: Economics, seed: int, predict: Predict | None) -> Evidence:
    """Evidence of users with a log, fitted on train, or where users are these themselves, on other folds of them."""
    kind: Kind = "logged" if users.logging_probability is None else "experiment"
    check_measures(kind, users, economics)

    def gathered(others: Users, own: Users, log: Log | None = None) -> Evidence:
        return gather_evidence(kind, others, own, NONE, seed, log, fit_measures(others, economics.measures, seed))

    if train is not users:
        return gathered(train, users, log_of(kind, train, users, seed, predict))
    assert users.action is not None
    scores = np.empty((len(users), len(users.actions)))
    measures = {name: np.empty_like(scores) for name in economics.measures}
    for others, held in pairs(folds(users.action * 2 + users.outcome, FOLDS, seed, users.codes)):
        found = gathered(users.take(others), users.take(held))
        scores[held] = found.outcome_scores
        for name, of in found.measures.items():
            measures[name][held] = of
    return Evidence(kind, scores, measures=measures, group=users.codes)


def expected_measures(measured: Measured, economics: Economics, features: pd.DataFrame) -> np.ndarray | None:
    """(n, K) money expected of the measures that count, under each action; None where only the outcome does."""
    found = [worth * measured[name].expected(features) for name, worth in economics.measures.items()]
    return np.sum(found, axis=0) if found else None
