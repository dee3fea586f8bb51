"""Random actions for a share of users, and the chances that are written down."""

import numpy as np
import pytest

from tippingpoint.decisions.randomization import Randomization

IDS = np.array([f"u{i}" for i in range(60_000)], dtype=object)
ACTION = np.arange(len(IDS)) % 3


@pytest.mark.parametrize("among", [(0, 1, 2), (0,), (1, 2)])
def test_each_action_is_taken_as_often_as_its_chance_says(among):
    exploration = Randomization(0.3, among, "salt")
    taken, explored = exploration.draw(IDS, ACTION)
    chance = exploration.chances(ACTION, 3)
    assert chance.sum(axis=1) == pytest.approx(1)
    assert explored.mean() == pytest.approx(0.3, abs=0.01)
    for policy in range(3):
        users = policy == ACTION
        for action in range(3):
            assert (taken[users] == action).mean() == pytest.approx(chance[users][0, action], abs=0.012)
    assert np.array_equal(taken[~explored], ACTION[~explored])


def test_the_draw_is_the_users_own_whatever_the_order_and_the_chunk():
    exploration = Randomization(0.2, (0, 1, 2), "salt")
    taken, explored = exploration.draw(IDS, ACTION)
    order = np.random.default_rng(0).permutation(len(IDS))[:5000]
    again, also = exploration.draw(IDS[order], ACTION[order])
    assert np.array_equal(again, taken[order])
    assert np.array_equal(also, explored[order])


def test_another_salt_draws_other_users():
    one, other = (Randomization(0.5, (0, 1), salt).draw(IDS, ACTION)[1] for salt in ("a", "b"))
    assert (one == other).mean() == pytest.approx(0.5, abs=0.02)
