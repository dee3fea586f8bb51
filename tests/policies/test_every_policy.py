"""What every policy with a YAML must do, shipped or new."""

import numpy as np
import pandas as pd
import pytest
import yaml

from tippingpoint.config.compose import config_folder
from tippingpoint.core.strict import Component
from tippingpoint.policies.effects import Predicted
from tippingpoint.policies.policy import FitContext, Policy

NAMES = sorted(path.stem for path in (config_folder() / "policy").glob("*.yaml"))
SCORE = np.linspace(0, 1, 500)
EFFECTS = np.column_stack([SCORE, SCORE / 2, SCORE / 4, np.sin(7 * SCORE) / 9])
"""What a model of effects gives of the same users: chances, those under none, and what two actions add."""


def built(node: object) -> Policy:
    return Component.model_validate(node).build(Policy, "policy")


def expected_reward(features: pd.DataFrame, actions: tuple[str, ...]) -> np.ndarray:
    return features["hours"].to_numpy()[:, None] * np.arange(len(actions))


def measured(actions: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    rewards = np.random.default_rng(1).normal(size=(len(SCORE), len(actions)))
    return rewards + np.outer(SCORE, np.arange(len(actions))), np.ones_like(rewards)


def context(policy: Policy, features: pd.DataFrame) -> FitContext:
    predicted = Predicted(("none", "discount_10", "checkout_prompt"), True, EFFECTS, *[lambda names: LINES] * 2)
    given = predicted if policy.reads_effects else None
    return FitContext(features, features, SCORE, expected_reward, given, measured)


LINES = np.zeros(3), np.full(3, 10.0)
"""Rewards of the three actions: 10 for an outcome."""


def found_by(policy: Policy) -> np.ndarray:
    return EFFECTS if policy.reads_effects else SCORE


@pytest.fixture(params=NAMES)
def policy(request: pytest.FixtureRequest) -> Policy:
    return built(yaml.safe_load((config_folder() / f"policy/{request.param}.yaml").read_text()))


@pytest.fixture
def features() -> pd.DataFrame:
    columns = ("hours", "monthly_watch_hours", "days_since_last_login")
    return pd.DataFrame(np.random.default_rng(0).gamma(2, 30, (len(SCORE), 3)), columns=list(columns))


def test_puts_each_user_into_one_segment_alone_or_among_others(policy: Policy, features: pd.DataFrame) -> None:
    bound = policy.bind(context(policy, features))
    found = found_by(policy)
    segment = bound.assign(found, features)
    assert segment.shape == SCORE.shape
    assert set(segment) <= set(range(len(bound.segments)))
    alone = [bound.assign(found[i : i + 1], features.iloc[i : i + 1])[0] for i in range(0, len(SCORE), 50)]
    assert alone == segment[::50].tolist()


def test_decides_the_same_built_again_of_its_specification(policy: Policy, features: pd.DataFrame) -> None:
    bound, again = (of.bind(context(policy, features)) for of in (policy, built(policy.specification())))
    actions = tuple(dict.fromkeys(bound.actions.values()))
    assert again.bound_digest == bound.bound_digest
    found = found_by(policy)
    assert np.array_equal(again.decide(found, features, actions), bound.decide(found, features, actions))


def test_another_version_has_another_digest(policy: Policy) -> None:
    assert built(policy.specification() | {"version": 99}).digest != policy.digest
