"""Power that is stated beforehand is the power there is."""

import numpy as np
import pytest

from tippingpoint.offpolicy.arm_sums import ArmSums
from tippingpoint.offpolicy.arms import Figure, arm_figures, differences
from tippingpoint.offpolicy.confidence_sequence import confidence_sequence
from tippingpoint.offpolicy.power import Design, Stratum, arms_design, held_out

WORLDS = 1_000


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_it_is_the_textbook_s_for_two_equal_arms() -> None:
    (design,) = arms_design([0.5, 0.5], 0.0, 10.0, 1.0, rng())
    # 2 (1.96 + 0.8416)² σ² / δ² users an arm
    assert design.needed(1.0) == pytest.approx(4 * (1.959964 + 0.841621) ** 2 * 100, abs=1)
    users = design.needed(1.0)
    assert users is not None
    assert design.smallest(users) == pytest.approx(1.0, rel=1e-3)
    assert design.power(1.0, users) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize(("rate", "users", "chances"), [(0.3, 2_000, (0.5, 0.5)), (0.04, 6_000, (0.8, 0.2))])
def test_arms_tell_an_effect_as_often_as_stated(rate: float, users: int, chances: tuple[float, float]) -> None:
    (design,) = arms_design(chances, rate, None, 1.0, rng())
    effect = design.smallest(users)
    assert effect is not None
    draw, told = rng(), 0
    of = Figure("y", "", np.tile([0.0, 1.0], (2, 1)), np.array([1.0, 0.0]), 1.0, (1,))
    for _ in range(WORLDS):
        arm = (draw.random(users) < chances[1]).astype(int)
        y = (draw.random(users) < rate + effect * arm).astype(float)
        sums = ArmSums.of(arm, np.column_stack([np.ones(users), y]), 2)
        (one,) = differences(arm_figures(sums, [of]), [[0]], draw)
        told += one.difference.low is not None and one.difference.low > 0
    assert told / WORLDS == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / WORLDS))


def decisions(draw: np.random.Generator, effect: float, users: int, design: Design) -> np.ndarray:
    """(users,) scores of gain as `measure` has them: half of the users get an action, drawn beside none."""
    (of,) = design.strata
    acted = draw.random(users) < of.share
    lot = draw.random(users)
    got, none = acted & (lot < of.chance), acted & (lot >= 1 - of.chance_reference)
    y = draw.random(users) < of.mean + effect * got
    return np.asarray(got * (y - of.mean) / of.chance - none * (y - of.mean) / of.chance_reference)


def test_a_policy_is_told_as_often_as_stated_at_one_look_and_at_many() -> None:
    chance, reference = held_out(0.3, 3, only_none=False)
    design = Design((Stratum(0.5, 0.3, chance, reference),))
    looks = np.arange(1, 11) * 1_000
    once, often = design.smallest(10_000), design.smallest_of_many(looks.tolist(), rng())[-1]
    assert once is not None
    assert often is not None
    assert often > once
    draw = rng()
    scores = np.stack([decisions(draw, once, 10_000, design) for _ in range(WORLDS)])
    low = scores.mean(axis=1) - 1.959964 * scores.std(axis=1) / 100
    assert (low > 0).mean() == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / WORLDS) + 0.005)
    start = looks[looks >= design.first]
    told = [(confidence_sequence(decisions(draw, often, 10_000, design), start).low > 0).any() for _ in range(WORLDS)]
    assert np.mean(told) == pytest.approx(0.8, abs=3 * np.sqrt(0.16 / WORLDS) + 0.02)


def test_leaving_users_alone_tells_more_than_drawing_from_all() -> None:
    found = []
    for only_none in (False, True):
        chance, reference = held_out(0.1, 3, only_none)
        found.append(Design((Stratum(0.3, 0.5, chance, reference),)).smallest(20_000))
    assert found[1] < found[0]


def test_few_expected_outcomes_tell_nothing() -> None:
    (design,) = arms_design([0.9, 0.1], 0.01, None, 1.0, rng())
    assert design.smallest(500) is None
    assert design.power(0.5, 500) == 0
