"""Intervals that hold at every look at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import lambertw

from tests.conftest import ROUNDS
from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.confidence_sequence import confidence_sequence, first_look

HOLDOUT, ACTIONS = 0.05, 3


def explored(rng: np.random.Generator, n: int, days: int, base: float, lift: float) -> tuple:
    """Scores of a policy's uplift where 5 % get a random action of three: weights up to 60; and when to look."""
    p = rng.beta(2, 2 / base - 2, n)
    acts = p > np.quantile(p, 0.5)
    decided = np.where(acts, 1 + (p > np.quantile(p, 0.75)), 0)
    random = rng.integers(ACTIONS, size=n)
    taken = np.where(rng.random(n) < HOLDOUT, random, decided)
    chance = HOLDOUT / ACTIONS + (1 - HOLDOUT) * (taken == decided)
    y = rng.random(n) < p + lift * (taken > 0) * (1 - p)
    scores = (y - p) / chance * ((taken == decided) * 1.0 - (taken == 0))
    looks = np.linspace(n / days, n, days).astype(int)
    start = first_look(y, acts & (taken == decided), acts & (taken == 0), looks)
    truth = lift * np.mean(acts * (1 - p)) if lift else 0.0
    assert 1 / chance.min() == pytest.approx(ACTIONS / HOLDOUT)
    return scores, looks, start, truth


@pytest.mark.parametrize(("base", "lift"), [(0.1, 0.0), (0.3, 0.05)])
def test_all_daily_looks_cover_at_once_where_plain_intervals_visibly_fail(base: float, lift: float) -> None:
    rng, covered, plain, worlds = np.random.default_rng(0), 0, 0, min(1000, 200 * ROUNDS)
    for _ in range(worlds):
        scores, looks, start, truth = explored(rng, 20_000, 60, base, lift)
        if start is None:  # nothing was claimed
            covered, plain = covered + 1, plain + 1
            continue
        found = confidence_sequence(scores, looks[start:])
        covered += bool(((found.low <= truth) & (truth <= found.high)).all())
        plain += bool(((found.fixed_low <= truth) & (truth <= found.fixed_high)).all())
    assert covered / worlds >= 0.95
    assert plain / worlds < 0.9


def test_outcomes_of_one_batch_that_come_late_cover_at_all_looks_only_if_all_are_tuned_to_the_first() -> None:
    # One batch, decided at once; its users become known one after the other: x30,000 from first look to last.
    rng, looks, worlds = np.random.default_rng(3), np.geomspace(10, 300_000, 60).astype(int), min(400, 100 * ROUNDS)
    claims = {"first": 0, "each": 0}
    for _ in range(worlds):
        scores = rng.standard_normal(looks[-1], dtype=np.float32).astype(float)
        kept = confidence_sequence(scores, looks, first=10)
        claims["first"] += bool(((kept.low > 0) | (kept.high < 0)).any())
        wide = (kept.fixed_high - kept.fixed_low) / 2 * 1.5487  # what a look tuned to its own n says: a constant
        claims["each"] += bool((np.abs(kept.value) > wide).any())
    assert confidence_sequence(scores, looks[-1:]).high[0] == pytest.approx((kept.value + wide)[-1], rel=1e-3)
    assert claims["first"] <= 0.05 * worlds
    assert claims["each"] > 0.05 * worlds


def test_a_later_call_that_keeps_to_the_first_look_changes_nothing_it_said() -> None:
    scores = np.random.default_rng(2).normal(size=500)
    whole = confidence_sequence(scores, np.array([100, 500]))
    assert confidence_sequence(scores, np.array([500]), first=100).last == whole.last
    assert confidence_sequence(scores, np.array([500])).last != whole.last
    with pytest.raises(InputError, match="first: must be 2 at least; got 1"):
        confidence_sequence(scores, np.array([500]), first=1)


def test_of_scores_that_change_between_looks_one_plain_interval_is_left() -> None:
    found = confidence_sequence(np.random.default_rng(2).normal(size=500), np.array([100, 500]))
    once = found.one_look
    assert (once.looks.tolist(), once.value[0]) == ([500], found.value[-1])
    assert (once.last.low, once.last.high) == (found.fixed_low[-1], found.fixed_high[-1])


def test_radius_is_that_worked_out_by_hand() -> None:
    scores = np.tile([1.0, -1.0], 500)
    found = confidence_sequence(scores, np.array([100, 1000]))
    # x - log x = 1 - log 0.05²  =>  x = 9.2134, ρ² = 0.082134
    # at t = 100:  √(2 · 9.2134 / (100 · 8.2134) · log(√9.2134 / 0.05)) = √(0.0224351 · 4.10604) = 0.303512
    # at t = 1000: √(2 · 83.134 / (1000 · 82.134) · log(√83.134 / 0.05)) = √(0.00202435 · 5.20594) = 0.102658
    np.testing.assert_allclose(found.high, [0.303512, 0.102658], rtol=2e-5)
    np.testing.assert_allclose(found.low, -found.high)
    x = -lambertw(-(0.05**2) / np.e, -1).real  # as the paper writes the choice of ρ
    assert found.high[0] == pytest.approx(np.sqrt(2 * x / (100 * (x - 1)) * np.log(np.sqrt(x) / 0.05)), rel=1e-12)


def test_it_shrinks_towards_the_mean_and_stays_wider_than_a_plain_interval() -> None:
    scores = np.random.default_rng(1).normal(3.0, 2.0, 100_000)
    found = confidence_sequence(scores, np.array([100, 1000, 10_000, 100_000]))
    width = found.high - found.low
    assert (width[1:] < width[:-1] / 2.5).all()
    ratio = width / (found.fixed_high - found.fixed_low)
    np.testing.assert_allclose(ratio, [1.54, 1.66, 1.82, 1.97], atol=0.01)
    assert found.last.low < 3 < found.last.high
    assert found.verdict == "more than nothing"


@given(st.floats(-100, 100), st.floats(0.01, 100), st.integers(0, 2**32 - 1))
def test_units_and_origin_of_scores_change_nothing_else(shift: float, factor: float, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=300)
    looks = np.array([50, 200, 300])
    one, other = confidence_sequence(scores, looks), confidence_sequence(shift + factor * scores, looks)
    np.testing.assert_allclose(other.low, shift + factor * one.low, atol=1e-8)
    np.testing.assert_allclose(other.high, shift + factor * one.high, atol=1e-8)


def test_looking_again_later_changes_no_earlier_look() -> None:
    scores = np.random.default_rng(2).normal(size=500)
    early, late = (confidence_sequence(scores[:n], np.arange(100, n + 1, 100)) for n in (300, 500))
    np.testing.assert_array_equal(early.low, late.low[:3])


def test_the_first_look_waits_for_both_outcomes_of_both_arms() -> None:
    looks = np.array([10, 20, 30])
    acted = np.tile([True, False], 15)
    outcome = np.repeat([0, 1, 1], 10)
    assert first_look(outcome, acted, ~acted, looks, least=5) == 1
    assert first_look(outcome, acted, ~acted, looks, least=6) is None
    assert first_look(outcome, acted, np.zeros(30, bool), looks, least=1) is None


def test_of_scores_that_are_all_alike_nothing_is_uncertain() -> None:
    found = confidence_sequence(np.zeros(10), np.array([5, 10]))
    assert (found.low == 0).all()
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize("looks", [[], [1, 5], [5, 5], [5, 11]])
def test_looks_rise_within_the_scores(looks: list[int]) -> None:
    with pytest.raises(InputError, match="looks: must rise from 2"):
        confidence_sequence(np.ones(10), np.array(looks, dtype=int))


def test_a_share_of_the_chance_to_miss_widens_the_interval() -> None:
    scores, looks = np.random.default_rng(0).normal(size=400), np.array([100, 400])
    one, shared = (confidence_sequence(scores, looks, alpha=alpha) for alpha in (0.05, 0.01))
    assert ((shared.high - shared.low) > 1.1 * (one.high - one.low)).all()
