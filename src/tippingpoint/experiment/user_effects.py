"""What each action adds by who a user is, learnt once for a question; expected gains of scores rest on it."""

import numpy as np

from tippingpoint.data.splits import folds, pairs
from tippingpoint.data.users import Users
from tippingpoint.decisions.deployment import Deployment, SegmentCheck
from tippingpoint.economics import Economics
from tippingpoint.experiment.evidence import fit_logging, fit_rewards, log_of
from tippingpoint.models.effect_table import MOST_USERS, EffectTable, fit_tables
from tippingpoint.offpolicy.evidence import LEAST_ARM, Kind, doubly_robust
from tippingpoint.offpolicy.value import PolicyValue
from tippingpoint.policies.policy import Policy

HALVES = 2


def effect_tables(
    kind: Kind, train: Users, validation: Users, actions: tuple[str, ...], economics: Economics, seed: int
) -> dict[str, EffectTable]:
    """Tables of effects by action, fitted on train and calibrated on validation; empty where evidence is assumed.

    For `truth` they are fitted to the known chances, else to doubly robust scores whose nuisances are of other users.
    Actions that too few of train got have none; neither has any action where further measures are the reward.

    Parameters
    ----------
    actions
        Those wanted, `none` first.
    """
    if kind == "assumed" or economics.measures:
        return {}
    wanted = list(actions[1:])
    if kind != "truth":
        assert train.action is not None
        counts = np.bincount(train.action, minlength=len(train.actions))
        enough = {a for a, count in zip(train.actions, counts, strict=True) if count >= LEAST_ARM}
        wanted = [action for action in wanted if action in enough] if "none" in enough else []
    if not wanted:
        return {}
    if len(train) > MOST_USERS:
        train = train.take(np.sort(np.random.default_rng([seed, 17]).permutation(len(train))[:MOST_USERS]))
    own, others = _scores(kind, train, validation, seed)
    codes = [train.actions.index(action) for action in wanted]
    tables = fit_tables(train, own[:, codes] - own[:, :1])
    measured = others[:, codes] - others[:, :1]
    return {
        action: table.calibrated(validation.features, measured[:, k], len(train))
        for k, (action, table) in enumerate(zip(wanted, tables, strict=True))
    }


def _scores(kind: Kind, train: Users, validation: Users, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, K) outcome scores of train and of validation, none resting on a model that was fitted on the user."""
    if kind == "truth":
        assert train.truth is not None
        assert validation.truth is not None
        return train.truth, validation.truth
    assert train.action is not None
    own, others = (np.zeros((len(users), len(train.actions))) for users in (train, validation))
    for outside, inside in pairs(folds(train.action * 2 + train.outcome, HALVES, seed, train.codes)):
        half = train.take(outside)
        predict, chances = fit_rewards(half, seed), fit_logging(half, seed) if kind == "logged" else None
        for users, found, rows in ((train.take(inside), own, inside), (validation, others, slice(None))):
            log = log_of(kind, half, users, seed, predict, chances)
            assert log.predicted is not None
            found[rows] += doubly_robust(log.outcome, log.action, log.logging_probability, log.predicted)
    return own, others / HALVES


def checked(
    deployment: Deployment, policy: Policy, users: Users, found: np.ndarray, value: PolicyValue
) -> dict[str, SegmentCheck]:
    """What each acting segment was expected to gain, and what evidence of n users of test says of it.

    Parameters
    ----------
    found, value
        What the model gives of these users, and the value of the policy on them.
    """
    if not deployment.tells_gains:
        return {}
    segment, checks = policy.assign(found, users.features), {}
    for code, name in enumerate(policy.segments):
        members = segment == code
        if policy.actions[name] == "none" or not members.any():
            continue
        rows, costs = np.flatnonzero(members), users.costs
        action = np.full(len(rows), deployment.actions.index(policy.actions[name]))
        own = None if costs is None else costs.iloc[rows]
        features = users.features.iloc[rows]
        expected = deployment.expected_value(found[rows], features, action, own)
        gain = deployment.gained(found[rows], features, expected, own).mean()
        if np.isfinite(gain):
            of = value.among(members)
            checks[name] = SegmentCheck(expected=float(gain), measured=of.value, low=of.low, high=of.high)
    return checks
