"""The line through effects against its textbook formula; what it says where they are known."""

import numpy as np
import pytest

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.effect_line import effect_line
from tippingpoint.offpolicy.ranking import autoc, qini
from tippingpoint.offpolicy.support import Support


def draw(slope: float, n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.gamma(2.0, 0.05, n)
    return score, 0.02 + slope * score + rng.normal(size=n) * (0.2 + score)


def test_it_is_least_squares_with_errors_that_are_robust():
    score, effect = draw(0.7)
    found = effect_line(score, effect)
    x = np.stack([np.ones_like(score), score - score.mean()], axis=1)
    inverse = np.linalg.inv(x.T @ x)
    fitted = inverse @ x.T @ effect
    left = (effect - x @ fitted) / (1 - np.einsum("ij,jk,ik->i", x, inverse, x))
    errors = np.sqrt(np.diag(inverse @ (x.T * left**2) @ x @ inverse))
    assert (found.average.value, found.slope.value) == pytest.approx(tuple(fitted))
    assert found.slope.se == pytest.approx(errors[1], rel=1e-3)
    assert found.level.value == pytest.approx(float((effect - score).mean()))


@pytest.mark.parametrize(("slope", "direction"), [(1.0, "rises"), (-1.0, "falls")])
def test_effects_that_differ_are_told_to(slope: float, direction: str):
    assert effect_line(*draw(slope)).direction == direction


def test_a_score_without_differences_tells_none():
    assert effect_line(np.full(100, 0.2), np.random.default_rng(0).normal(size=100)).direction == "inconclusive"


def test_every_row_twice_in_a_group_is_no_more_than_once():
    score, effect = draw(0.7)
    group = np.tile(np.arange(len(score)), 2)
    once, twice = effect_line(score, effect), effect_line(np.tile(score, 2), np.tile(effect, 2), group)
    assert twice.slope.se == pytest.approx(once.slope.se, rel=1e-2)


def test_a_line_that_rests_on_too_few_outcomes_has_no_interval():
    score, effect = draw(0.7, 400)
    support = Support.of(np.full((400, 2), 0.5), np.full((400, 2), 0.002), estimated=False)
    found = effect_line(score, effect, basis=support.behind(np.tile([-1.0, 1.0], (400, 1))))
    assert found.slope.low is None
    assert found.direction == "inconclusive"


def test_what_one_ranking_has_over_another_is_the_difference_and_pairs_users():
    score, effect = draw(1.0)
    other = score + np.random.default_rng(1).normal(size=len(score)) * 0.02
    for metric in (autoc, qini):
        found = metric(score, effect, over=other)
        assert found.value == pytest.approx(metric(score, effect).value - metric(other, effect).value, abs=1e-12)
        assert found.se < 0.8 * np.hypot(metric(score, effect).se, metric(other, effect).se)
        assert metric(score, effect, over=score).se == pytest.approx(0, abs=1e-12)


def test_impossible_input_is_refused():
    with pytest.raises(InputError, match="do not fit"):
        effect_line(np.zeros(3), np.zeros(4))
