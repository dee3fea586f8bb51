"""Every pair of cut-offs at once: the same numbers as one pair at a time, and a band over all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.cells import Cells, Line, contrast, gather, grid
from tippingpoint.offpolicy.evidence import Evidence
from tippingpoint.offpolicy.surface import held, sheet, surface
from tippingpoint.offpolicy.value import policy_value

seeds = st.integers(0, 2**32 - 1)


def world(seed: int, n: int = 600, cuts: int = 12) -> tuple[np.ndarray, Evidence, Line, Cells]:
    rng = np.random.default_rng(seed)
    score = np.round(rng.random(n), 2)
    evidence = Evidence("experiment", rng.normal(0.3, 1.0, (n, 3)))
    return score, evidence, Line(*rng.normal(0, 10, (2, 3))), gather(grid(score, cuts), score, evidence)


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_every_pair_is_what_users_say_one_pair_at_a_time(seed: int):
    score, evidence, line, cells = world(seed)
    found = surface(cells, [0, 2, 1], line, np.random.default_rng(0))
    cell = np.searchsorted(cells.cuts, score, side="right")
    for i in range(len(cells.cuts)):
        for j in range(i, len(cells.cuts)):
            direct = policy_value(
                evidence, line.reward_intercept, line.reward_slope, cells.decision([0, 2, 1], [i, j])[cell]
            )
            for quantity, expected in [
                (found.value, direct.value),
                (found.uplift, direct.uplift),
                (found.outcomes, direct.outcomes_per_1000),
            ]:
                assert quantity.value[i, j] == pytest.approx(expected.value, rel=1e-10, abs=1e-10)
                assert quantity.se[i, j] == pytest.approx(expected.se, rel=1e-10, abs=1e-10)


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_one_cut_off_and_three_are_the_same_sums(seed: int):
    _, _, line, cells = world(seed, cuts=6)
    rng = np.random.default_rng(0)
    for actions in ([0, 1], [0, 1, 2, 1]):
        found = surface(cells, actions, line, rng)
        for at in np.argwhere(np.isfinite(found.value.value)):
            assert list(at) == sorted(at)
            expected = contrast(cells, line, cells.decision(actions, at))
            assert found.value.value[tuple(at)] == pytest.approx(expected.value, rel=1e-10, abs=1e-10)
            assert found.value.se[tuple(at)] == pytest.approx(expected.se, rel=1e-10, abs=1e-10)


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_none_for_all_has_uplift_exactly_zero_and_no_width(seed: int):
    _, _, line, cells = world(seed)
    nobody = surface(cells, [0, 1, 2], line, np.random.default_rng(0)).uplift
    assert (nobody.value[-1, -1], nobody.se[-1, -1], nobody.changed[-1, -1]) == (0, 0, 0)
    assert not nobody.supported[-1, -1]
    same = surface(cells, [0, 0, 0], line, np.random.default_rng(0)).uplift
    assert (same.value[np.isfinite(same.value)] == 0).all()
    assert (same.se[np.isfinite(same.se)] == 0).all()
    assert np.isnan(same.critical)


def test_pairs_with_few_users_or_no_spread_are_outside_the_band():
    _, _, line, cells = world(2)
    found = surface(cells, [0, 1, 2], line, np.random.default_rng(0), least=100).uplift
    few = (found.changed < 100) & np.isfinite(found.value)
    assert few.any()
    assert not found.supported[few].any()
    assert np.isnan(found.band_low[few]).all()
    assert np.isfinite(found.low[few]).all()
    assert np.isfinite(found.band_low[found.supported]).all()
    flat = Evidence("truth", np.tile([0.1, 0.2, 0.3], (600, 1)))
    score = np.random.default_rng(0).random(600)
    certain = surface(gather(grid(score, 5), score, flat), [1, 1, 1], line, np.random.default_rng(0)).uplift
    assert not certain.supported.any()


def test_a_band_is_wider_than_one_interval_and_narrower_than_bonferroni():
    from scipy.stats import norm

    _, _, line, cells = world(3, n=5000, cuts=30)
    found = surface(cells, [0, 1, 2], line, np.random.default_rng(0)).uplift
    assert norm.ppf(0.975) < found.critical < norm.ppf(1 - 0.025 / found.supported.sum())


def test_the_band_agrees_with_multipliers_drawn_for_every_user():
    score, evidence, line, cells = world(4, n=2000, cuts=10)
    found = surface(cells, [0, 1, 2], line, np.random.default_rng(0)).uplift
    cell = np.searchsorted(cells.cuts, score, side="right")
    gain = [
        policy_value(
            evidence, line.reward_intercept, line.reward_slope, cells.decision([0, 1, 2], at)[cell]
        ).contribution
        for at in np.argwhere(found.supported)
    ]
    standard = np.stack([(g - g.mean()) / g.std() / np.sqrt(len(g)) for g in gain])
    drawn = np.abs(standard @ np.random.default_rng(1).standard_normal((2000, 4000))).max(axis=0)
    assert found.critical == pytest.approx(np.quantile(drawn, 0.95), rel=0.04)


@pytest.mark.parametrize("actions", [[0, 1], [0, 2, 1], [0, 1, 2, 1]])
def test_draws_told_apart_in_single_precision_leave_the_band_as_double_precision_has_it(
    actions: list[int], monkeypatch: pytest.MonkeyPatch
):
    _, _, line, cells = world(6, n=3000, cuts=20)
    none = np.zeros(len(cells.count), dtype=np.int64)
    found = sheet(cells, actions, line, none, np.random.default_rng(3)).critical
    monkeypatch.setattr("tippingpoint.offpolicy.surface.ROUGH", np.inf)  # all draws are computed exactly
    assert sheet(cells, actions, line, none, np.random.default_rng(3)).critical == found


def test_the_same_seed_gives_the_same_bytes():
    _, _, line, cells = world(5)
    first, second = (surface(cells, [0, 1, 2], line, np.random.default_rng(7)) for _ in range(2))
    assert first.uplift.critical == second.uplift.critical
    assert first.uplift.value.tobytes() == second.uplift.value.tobytes()


@settings(deadline=None, max_examples=10)
@given(seeds, st.floats(0.01, 1000))
def test_scaling_money_scales_the_surface_and_leaves_the_band_level(seed: int, factor: float):
    _, _, line, cells = world(seed)
    once = surface(cells, [0, 1, 2], line, np.random.default_rng(0))
    scaled = surface(
        cells, [0, 1, 2], Line(line.reward_intercept * factor, line.reward_slope * factor), np.random.default_rng(0)
    )
    np.testing.assert_allclose(scaled.uplift.value, once.uplift.value * factor, rtol=1e-9, atol=1e-9 * factor)
    np.testing.assert_allclose(scaled.uplift.se, once.uplift.se * factor, rtol=1e-7, atol=1e-9 * factor)
    assert scaled.uplift.critical == pytest.approx(once.uplift.critical, rel=1e-6)
    np.testing.assert_array_equal(scaled.outcomes.value, once.outcomes.value)


@settings(deadline=None, max_examples=10)
@given(seeds)
def test_any_banded_policy_can_be_the_reference(seed: int):
    _, _, line, cells = world(seed)
    champion = cells.decision([0, 2, 1], [3, 8])
    against = sheet(cells, [0, 2, 1], line, champion, np.random.default_rng(0))
    assert (against.value[3, 8], against.se[3, 8]) == (0, 0)
    four = [1, 2, 0, 1]
    itself = sheet(cells, four, line, cells.decision(four, [1, 3, 8]), np.random.default_rng(0))
    assert (itself.value[1, 3, 8], itself.se[1, 3, 8]) == (0, 0)
    expected = contrast(cells, line, cells.decision([0, 2, 1], [2, 9]), champion)
    assert against.value[2, 9] == pytest.approx(expected.value, abs=1e-10)
    assert against.se[2, 9] == pytest.approx(expected.se, abs=1e-10)
    assert against.at((2, 9)).low == pytest.approx(expected.low, abs=1e-9)


def test_what_was_assumed_has_values_without_intervals():
    score, evidence, line, _ = world(7)
    cells = gather(grid(score, 8), score, Evidence("assumed", evidence.outcome_scores))
    found = surface(cells, [0, 1, 2], line, np.random.default_rng(0)).uplift
    assert np.isfinite(found.value[0, 3])
    assert np.isnan(found.se).all()
    assert found.at((0, 3)).se is None


def test_too_many_choices_and_unpriced_actions_are_refused():
    score, _, _, cells = world(8)
    with pytest.raises(InputError, match="action 2 has no price"):
        surface(cells, [0, 2], Line(np.array([0, 1, np.nan]), np.ones(3)), np.random.default_rng(0))
    wide = gather(np.linspace(0, 1, 400), score, Evidence("truth", np.zeros((600, 3))))
    with pytest.raises(InputError, match="too many choices"):
        surface(wide, [0, 1, 2, 1], Line(np.zeros(3), np.ones(3)), np.random.default_rng(0))


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_with_cut_offs_held_every_pair_between_them_is_that_policy(seed: int):
    _, _, line, cells = world(seed)
    rng = np.random.default_rng(seed)
    at = sorted(rng.integers(0, len(cells.cuts), 4).tolist())
    actions, none = [0, 2, 1, 0, 2], np.zeros(len(cells.count), dtype=np.int64)
    for first in range(3):
        found = sheet(cells, held(cells, actions, at, first), line, none, np.random.default_rng(0), least=2)
        low, high = at[first - 1] if first else 0, at[first + 2] if first < 2 else len(cells.cuts) - 1
        for i in range(low, high + 1):
            for j in range(i, high + 1):
                one = contrast(cells, line, cells.decision(actions, [*at[:first], i, j, *at[first + 2 :]]), none)
                assert found.value[i, j] == pytest.approx(one.value, abs=1e-9)
                assert found.se[i, j] == pytest.approx(one.se, abs=1e-7)
