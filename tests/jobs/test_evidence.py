"""What evidence says of a policy, against the truth of the generated worlds."""

from functools import cache

import numpy as np
import pytest

from tippingpoint.data.generators.world import World
from tippingpoint.data.users import Users
from tippingpoint.jobs.question import estimate_logging, fit_rewards
from tippingpoint.settings import Settings, compose
from tippingpoint.simulation.evidence import Evidence, doubly_robust
from tippingpoint.simulation.value import policy_value

WORLDS = ("case_study", "streamzone", "retention")
SAMPLES = 200


@cache
def world(name: str, kind: str) -> tuple[World, Users, Users]:
    """A world under one logging policy, users to fit nuisances on, and other users."""
    overrides = [f"data={name}", f"data.logging.kind={kind}", "data.logging.slope=1.5", "data.users=12000"]
    made = Settings.from_config(compose("run", overrides)).data.build(World, "data")
    users = made.load()
    return made, users.take(np.arange(6000)), users.take(np.arange(6000, 12000))


def decide(made: World, users: Users) -> np.ndarray:
    """A policy that acts on the likelier half, one action on the upper and another on the lower of them."""
    score = made.score(users)
    return np.digitize(score, np.quantile(score, [0.5, 0.75]))


def uplift(phi: np.ndarray, decision: np.ndarray, kind: str) -> float:
    """Outcomes per user over everyone getting none."""
    return policy_value(Evidence(kind, phi), np.zeros(3), np.ones(3), decision).uplift.value


@pytest.mark.parametrize("kind", ["randomised", "by_score"])
@pytest.mark.parametrize("name", WORLDS)
def test_the_doubly_robust_mean_of_200_logs_is_the_truth(name: str, kind: str) -> None:
    """Only the logs are drawn anew; the estimate's mean over them is the truth within three Monte-Carlo errors."""
    made, train, users = world(name, kind)
    decision, predicted = decide(made, users), fit_rewards(train, 0)(users.features)
    chances, rng, found = users.logging_probability, np.random.default_rng(7), np.empty(SAMPLES)
    for sample in range(SAMPLES):
        action = (rng.random((len(users), 1)) > np.cumsum(chances[:, :-1], axis=1)).sum(axis=1)
        outcome = (rng.random(len(users)) < users.truth[np.arange(len(users)), action]).astype(np.int64)
        found[sample] = uplift(doubly_robust(outcome, action, chances, predicted), decision, "experiment")
    error = found.std(ddof=1) / np.sqrt(SAMPLES)
    assert abs(found.mean() - uplift(users.truth, decision, "truth")) < 3 * error


@pytest.mark.parametrize("name", ["case_study", "streamzone"])
def test_without_the_confounder_the_estimate_is_visibly_off_and_its_kind_says_so(name: str) -> None:
    made, train, users = world(name, "confounded")
    assert users.logging_probability is None  # so that it can never be called an experiment
    decision = decide(made, users)
    phi = doubly_robust(
        users.outcome, users.action, estimate_logging(train, users, 0), fit_rewards(train, 0)(users.features)
    )
    value = policy_value(Evidence("logged", phi), np.zeros(3), np.ones(3), decision).uplift
    truth = uplift(users.truth, decision, "truth")
    assert value.value - truth > 2 * value.se
