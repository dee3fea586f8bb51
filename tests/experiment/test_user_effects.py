"""Expected gains by user are shown where test users bear them out, and nowhere else; the truth is known here."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.data.generators.retention import Retention
from tippingpoint.data.splits import split
from tippingpoint.data.users import Users
from tippingpoint.decisions.deployment import Deployment, SegmentCheck, deployment
from tippingpoint.economics import Economics
from tippingpoint.experiment.user_effects import checked, effect_tables
from tippingpoint.experiment.valuation import BindingUsers, ValuedUsers
from tippingpoint.offpolicy.evidence import Kind
from tippingpoint.policies.policy import Policy

SEED = 5
CHANCES = np.array([0.5, 0.25, 0.25])


@cache
def asked() -> tuple[Settings, Policy, Economics]:
    settings = Settings.from_config(compose("run", ["data=retention", "policy=retention"]))
    return settings, settings.policy.build(Policy, "policy"), settings.economics.build(Economics, "economics")


def logged_again(users: Users, chance: np.ndarray) -> Users:
    """The same users, had actions been taken with (n, K) chances, which are not told."""
    rng, rows = np.random.default_rng(SEED), np.arange(len(users))
    action = (rng.random((len(users), 1)) > chance.cumsum(axis=1)[:, :-1]).sum(axis=1).astype(np.int64)
    assert users.truth is not None
    outcome = (rng.random(len(users)) < users.truth[rows, action]).astype(np.int64)
    return replace(users, action=action, outcome=outcome, logging_probability=None)


def deployed(
    n: int, kind: Kind, exploring: float | None = None, strength: float = 1.1
) -> tuple[Deployment, dict[str, float]]:
    """What goes with a version of rules, and the true gain of each segment that acts, per user of test.

    Parameters
    ----------
    exploring
        The share of users whose action was drawn where the rules themselves gave actions; None: actions were drawn.
    strength
        Log-odds the discount adds for those who can be persuaded.
    """
    settings, policy, economics = asked()
    users = Retention(users=n, strength={"discount_10": strength, "reactivation_email": 0.8}).load()
    flat = np.full(n, 0.5)  # the rules read no score
    first = split(users, settings.split)
    bound = BindingUsers.of(first.train, first.validation, economics, 0).bind(policy, flat[: len(first.validation)])
    if exploring is not None:
        decided = bound.decide(flat, users.features, users.actions)
        users = logged_again(users, (1 - exploring) * np.eye(3)[decided] + exploring * CHANCES)
    parts = split(users, settings.split)
    test, validation, actions = parts.test, parts.validation, users.actions
    valued = ValuedUsers.of(kind, parts.train, test, actions, economics, 0)
    tables = effect_tables(kind, parts.train, validation, actions, economics, 0)
    found = flat[: len(validation)]
    about = ("renewal", valued.evidence, None, economics, actions, parts.train.features, validation, found, tables)
    of, score = deployment(*about), flat[: len(test)]
    checks = checked(of, bound, test, score, valued.value(bound, score))
    known = ValuedUsers.of("truth", parts.train, test, actions, economics, 0).value(bound, score)
    segment = bound.assign(score, test.features)
    truth = {name: known.among(segment == bound.segments.index(name)).value for name in checks}
    return of.model_copy(update={"checks": checks}), truth


def test_a_log_of_the_rules_themselves_tells_no_gain_and_the_reason_is_said() -> None:
    of, truth = deployed(6000, "logged", exploring=0.0)
    assert set(of.withheld) == {"dormant", "risky_medium"} == set(truth)
    assert "not identified" in of.withheld_in_words


@pytest.mark.parametrize(("n", "kind", "exploring"), [(10_000, "experiment", None), (10_000, "logged", 0.2)])
def test_a_few_hundred_users_of_a_segment_do_not_tell_its_gain(n: int, kind: Kind, exploring: float | None) -> None:
    of, truth = deployed(n, kind, exploring)
    assert "dormant" in truth
    for name, check in of.checks.items():
        assert name in of.withheld or check.expected * truth[name] > 0, name
    assert of.withheld


def test_enough_of_an_experiment_tell_the_gain_with_its_sign() -> None:
    of, truth = deployed(40_000, "experiment", strength=2.5)
    assert "dormant" not in of.withheld
    expected = of.checks["dormant"].expected
    assert truth["dormant"] / 2 < expected < truth["dormant"] * 2
    for name in {*of.checks} - {*of.withheld}:
        assert of.checks[name].expected * truth[name] > 0, name


@pytest.mark.parametrize(
    ("expected", "low", "high", "why"),
    [
        (3.0, 2.0, 6.0, ""),
        (1.0, 2.0, 6.0, ""),  # drawn towards the mean: less is promised than is there
        (7.0, 2.0, 6.0, "smaller than expected"),
        (-1.0, 2.0, 6.0, "other sign"),
        (-1.0, -6.0, -2.0, "smaller than expected"),
        (3.0, -1.0, 6.0, "inconclusive"),
        (3.0, None, None, "not identified"),
    ],
)
def test_a_gain_is_shown_where_its_sign_and_size_are_borne_out(
    expected: float, low: float | None, high: float | None, why: str
) -> None:
    check = SegmentCheck(expected=expected, measured=4.0 if (low or 0) > -2 else -4.0, low=low, high=high)
    assert why in check.withheld if why else not check.withheld
