"""Whether actions were assigned with the stated chances, on drawn assignments."""

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from tippingpoint.offpolicy.assignment import HALF, log_e_value, sample_ratio


def drawn(chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (rng.random((len(chances), 1)) > np.cumsum(chances, axis=1)[:, :-1]).sum(axis=1)


def test_with_one_chance_for_all_the_ratio_is_pearsons() -> None:
    chances = np.tile([0.5, 0.3, 0.2], (3000, 1))
    found = sample_ratio(drawn(chances, np.random.default_rng(0)), chances)
    expected = chisquare(found.counts, 3000 * chances[0])
    assert (found.statistic, found.p, found.freedom) == (
        pytest.approx(expected.statistic),
        pytest.approx(expected.pvalue),
        2,
    )


def test_with_each_users_own_chances_the_p_value_is_uniform_and_an_action_for_certain_adds_nothing() -> None:
    rng = np.random.default_rng(1)
    chances = rng.dirichlet([2, 1, 1], 400)
    chances[:100] = [1, 0, 0]
    p = [sample_ratio(drawn(chances, rng), chances).p for _ in range(400)]
    assert kstest(p, "uniform").pvalue > 0.01


def test_in_groups_the_p_value_is_that_of_the_groups_and_not_of_their_users() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(300), 4)
    chances = np.full((1200, 2), 0.5)
    together = [drawn(chances[::4], rng)[group] for _ in range(300)]
    p = np.array([[sample_ratio(action, chances, of).p for of in (group, None)] for action in together])
    assert kstest(p[:, 0], "uniform").pvalue > 0.01
    assert np.mean(p[:, 1] < 0.05) > 0.2


def test_users_lost_from_one_arm_are_found() -> None:
    rng = np.random.default_rng(3)
    chances = np.full((5000, 2), 0.5)
    action = drawn(chances, rng)
    kept = (action == 0) | (rng.random(5000) > 0.12)
    assert sample_ratio(action[kept], chances[kept]).p < 1e-3 < sample_ratio(action, chances).p


def told_by(x: np.ndarray, action: np.ndarray):
    """Fits shares of the actions below and above 0."""

    def fit(rows: np.ndarray):
        share = np.array([[np.mean(action[rows][(x[rows] > 0) == above] == k) for k in (0, 1)] for above in (0, 1)])
        return lambda held: share[(x[held] > 0).astype(int)]

    return fit


def test_under_the_stated_chances_the_mean_of_the_e_value_is_at_most_1() -> None:
    rng, found = np.random.default_rng(4), []
    chances, halves = np.full((60, 2), 0.5), (np.arange(30), np.arange(30, 60))
    for _ in range(600):
        x, action = rng.normal(size=60), drawn(chances, rng)
        found.append(np.exp(log_e_value(action, chances, halves, told_by(x, action))))
    assert np.mean(found) < 1 + 3 * np.std(found) / np.sqrt(600)
    assert np.mean(np.array(found) > 20) <= 0.05


def test_a_feature_that_tells_the_action_makes_it_grow_and_no_single_user_takes_more_than_half() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=400)
    action, chances = (x + rng.normal(size=400) > 0).astype(int), np.full((400, 2), 0.5)
    halves = np.arange(200), np.arange(200, 400)
    assert log_e_value(action, chances, halves, told_by(x, action)) > 10

    def wrong(rows: np.ndarray):
        return lambda held: np.stack([action[held] == 1, action[held] == 0], axis=1).astype(float)

    assert log_e_value(action, chances, halves, wrong) == pytest.approx(200 * np.log(HALF))
