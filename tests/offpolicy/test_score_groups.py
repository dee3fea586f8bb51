"""Groups of users sorted by a score: who is in them, and what can be told of their effects."""

import numpy as np
import pytest
from scipy.stats import norm

from tippingpoint.offpolicy.score_groups import score_groups
from tippingpoint.offpolicy.support import Support


def draw(slope: float, n: int = 5000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    return score, slope * score + rng.normal(size=n)


def test_groups_are_fifths_with_their_mean_effects():
    score, effect = draw(1.0)
    found = score_groups(score, effect)
    assert found.users.tolist() == [1000] * 5
    z = norm.ppf(0.5 + 0.95 ** (1 / 5) / 2)
    for low, high, e in zip(found.low, found.high, found.effects, strict=True):
        own = effect[(score >= low) & (score <= high)]
        assert e.value == pytest.approx(own.mean())
        assert e.high - e.value == pytest.approx(z * own.std(ddof=1) / np.sqrt(1000))


def test_users_of_equal_score_are_never_apart():
    score, effect = draw(1.0)
    found = score_groups(np.floor(score * 3), effect)
    assert len(found.users) == 3
    assert (found.low == found.high).all()


@pytest.mark.parametrize(("slope", "direction"), [(1.0, "rises"), (-1.0, "falls"), (0.0, "inconclusive")])
def test_the_direction_is_the_true_one(slope: float, direction: str):
    assert score_groups(*draw(slope)).direction == direction


def test_effects_that_go_up_and_down_are_mixed():
    score, effect = draw(0.0)
    found = score_groups(score, effect + 2 * (np.abs(score - 0.5) < 0.2))
    assert found.direction == "mixed"
    assert found.monotone is None


def test_the_monotone_reading_is_in_order_and_never_wider():
    score, effect = draw(0.0)
    found = score_groups(score, effect + (score > 0.5), groups=10)
    assert found.direction == "rises"
    values = [e.value for e in found.effects]
    assert values != sorted(values)
    read = found.monotone
    assert [e.value for e in read] == sorted(values)
    widest = max(e.high - e.low for e in found.effects)
    assert max(e.high - e.low for e in read) <= widest + 1e-12


def test_small_groups_and_few_outcomes_have_no_interval():
    score, effect = draw(1.0, 200)
    assert all(e.low is None for e in score_groups(score, effect).effects)
    score, effect = draw(1.0)
    support = Support.of(np.full((5000, 2), 0.5), np.full((5000, 2), 0.005), estimated=False)
    found = score_groups(score, effect, basis=support.behind(np.tile([-1.0, 1.0], (5000, 1))))
    assert all(e.low is None for e in found.effects)
    assert found.direction == "inconclusive"
