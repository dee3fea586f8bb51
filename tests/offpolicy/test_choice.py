"""Choosing cut-offs: by brute force, under a budget, honestly."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.best_cuts import best_cuts
from tippingpoint.offpolicy.cells import Cells, Line, contacts, contrast, gather, grid
from tippingpoint.offpolicy.choice import choose, cut_regret, inconclusive, regret, valued
from tippingpoint.offpolicy.evidence import Evidence
from tippingpoint.offpolicy.frontier import frontier

seeds = st.integers(0, 2**32 - 1)
LINE = Line(np.array([0.0, -0.05, -0.1]), np.ones(3))


def two_halves(seed: int, n: int = 1000, cuts: int = 8, lift: float = 0.0) -> tuple[Cells, Cells]:
    rng = np.random.default_rng(seed)
    score = rng.random((2, n))
    outcome_scores = rng.normal(0, 1, (2, n, 3)) + lift * (score[..., None] - 0.5) * np.array([0, 1, 2])
    where = grid(score[0], cuts)
    first, second = (gather(where, s, Evidence("experiment", p)) for s, p in zip(score, outcome_scores, strict=True))
    return first, second


def brute(cells: Cells, actions: list[int], spend: Line, budget: float, least: int) -> float:
    """Largest uplift by trying everything; a band that is acted on is empty or holds `least` users."""
    best, none = -np.inf, np.zeros(len(cells.count), dtype=int)
    for at in combinations_with_replacement(range(len(cells.cuts)), len(actions) - 1):
        band = cells.decision(range(len(actions)), at)
        sizes = [cells.count[band == k].sum() for k in range(len(actions))]
        if any(a and 0 < size < least for a, size in zip(actions, sizes, strict=True)):
            continue
        decision = cells.decision(actions, at)
        if contrast(cells, spend, decision, none).value <= budget:
            best = max(best, contrast(cells, LINE, decision, none).value)
    return best


def uplift(cells: Cells, actions: list[int], at: tuple[int, ...] | None) -> float:
    return valued(cells, actions, LINE, at).uplift.value


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from([[0, 1], [0, 2, 1], [1, 0, 2], [0, 1, 2, 1], [2, 0, 1, 0, 2]]))
def test_the_best_cut_offs_are_the_best_of_all(seed: int, actions: list[int]):
    cells, _ = two_halves(seed)
    at = best_cuts(cells, actions, LINE, least=1)
    expected = brute(cells, actions, contacts(3), np.inf, 1)
    assert uplift(cells, actions, at) == pytest.approx(max(expected, 0) if actions[0] == 0 else expected)


@settings(deadline=None, max_examples=20)
@given(seeds, st.floats(0.2, 1.0))
def test_a_budget_is_kept_and_used_as_well_as_can_be(seed: int, budget: float):
    cells, _ = two_halves(seed)
    at = best_cuts(cells, [0, 2, 1], LINE, contacts(3), budget, least=1)
    assert valued(cells, [0, 2, 1], LINE, at).spend.value <= budget + 1e-12
    assert uplift(cells, [0, 2, 1], at) == pytest.approx(max(brute(cells, [0, 2, 1], contacts(3), budget, 1), 0))


@settings(deadline=None, max_examples=20)
@given(seeds, st.floats(0.2, 0.99))
def test_more_bands_keep_a_budget_too(seed: int, budget: float):
    cells, _ = two_halves(seed)
    actions = [0, 1, 2, 1]
    at = best_cuts(cells, actions, LINE, contacts(3), budget, least=1)
    assert valued(cells, actions, LINE, at).spend.value <= budget + 1e-12
    assert uplift(cells, actions, at) <= brute(cells, actions, contacts(3), budget, 1) + 1e-12


def test_bands_hold_enough_users():
    cells, _ = two_halves(1, cuts=40, lift=1.0)
    for actions in ([0, 1, 2, 1], [0, 2, 1]):
        at = best_cuts(cells, actions, LINE, least=200)
        assert valued(cells, actions, LINE, at).spend.value * cells.users >= 200
    band = cells.decision(range(4), best_cuts(cells, [0, 1, 2, 1], LINE, least=200))
    sizes = [cells.count[band == k].sum() for k in (1, 2, 3)]
    assert all(size == 0 or size >= 200 for size in sizes)


def test_acting_on_no_one_is_a_choice():
    cells, test = two_halves(2)
    losing = Line(np.array([0.0, -5.0, -9.0]), np.ones(3))
    found = choose(cells, test, [0, 1, 2], losing).honest
    assert found.at is None
    assert found.cuts is None
    assert (found.uplift.value, found.uplift.se, found.spend.value) == (0, 0, 0)
    assert choose(cells, test, [1, 2, 1], losing).honest.at is not None
    assert best_cuts(cells, [0, 1, 2], LINE, contacts(3), 0.0) is None


def test_no_choice_within_budget_is_said():
    cells, _ = two_halves(3)
    with pytest.raises(InputError, match=r"no choice of cut-offs spends 0\.1 per user or less"):
        best_cuts(cells, [1, 2, 1], LINE, contacts(3), 0.1)
    with pytest.raises(InputError, match=r"no choice of cut-offs spends 0\.1 per user or less"):
        best_cuts(cells, [1, 2, 1, 2], LINE, contacts(3), 0.1)


def test_honest_and_apparent_differ_only_in_where_they_were_chosen():
    validation, test = two_halves(4, lift=0.5)
    found = choose(validation, test, [0, 1, 2], LINE)
    assert found.honest.at == best_cuts(validation, [0, 1, 2], LINE)
    assert found.apparent.at == best_cuts(test, [0, 1, 2], LINE)
    assert found.honest.uplift == valued(test, [0, 1, 2], LINE, found.honest.at).uplift
    assert found.apparent.uplift.value >= found.honest.uplift.value
    assert found.honest.cuts == tuple(test.cuts[list(found.honest.at)])


def test_the_inconclusive_set_holds_the_chosen_and_drops_the_worst():
    validation, test = two_halves(5, n=20_000, cuts=20, lift=1.0)
    at = best_cuts(validation, [0, 1, 2], LINE)
    stays, difference = inconclusive(test, [0, 1, 2], LINE, at, np.random.default_rng(0))
    assert stays[at]
    assert stays.any()
    assert not stays.all()
    assert (difference.value[stays].mean()) > difference.value[difference.supported & ~stays].mean()
    assert not stays[np.isnan(difference.value)].any()


def test_the_frontier_rises_in_spend_and_uplift_and_flattens():
    validation, test = two_halves(6, n=20_000, cuts=40, lift=1.0)
    steps = frontier(validation, validation, [0, 1, 2], LINE, contacts(3))
    spend, gain = (np.array([getattr(s.point, name).value for s in steps]) for name in ("spend", "uplift"))
    assert steps[0].point.at is None
    assert steps[0].marginal is None
    assert (np.diff(spend) > 0).all()
    assert (np.diff(gain) > 0).all()
    marginal = np.array([s.marginal.value for s in steps[1:]])
    np.testing.assert_allclose(marginal, np.diff(gain) / np.diff(spend), rtol=1e-9)
    assert (np.diff(marginal) < 1e-12).all()
    assert max(gain) == pytest.approx(uplift(validation, [0, 1, 2], best_cuts(validation, [0, 1, 2], LINE)))
    elsewhere = frontier(validation, test, [0, 1, 2], LINE, contacts(3))
    assert [s.point.at for s in elsewhere] == [s.point.at for s in steps]


@settings(deadline=None, max_examples=10)
@given(seeds, st.sampled_from([[0, 1, 2], [0, 2, 1, 2], [0, 1, 0, 2], [1, 0, 2, 1]]))
def test_the_frontier_is_the_hull_of_all_choices_for_any_number_of_cut_offs(seed: int, actions: list[int]):
    cells, _ = two_halves(seed, lift=1.0)
    none, spend = np.zeros(len(cells.count), dtype=int), contacts(3)
    found = [(s.point.spend.value, s.point.uplift.value) for s in frontier(cells, cells, actions, LINE, spend, least=1)]
    for at in combinations_with_replacement(range(len(cells.cuts)), len(actions) - 1):
        decision = cells.decision(actions, at)
        x, y = (contrast(cells, line, decision, none).value for line in (spend, LINE))
        assert x >= found[0][0] - 1e-12 or actions[0] == 0
        if x >= found[0][0]:
            assert y <= np.interp(x, *zip(*found, strict=True)) + 1e-9  # nothing lies above it
    slopes = np.diff(found, axis=0)
    assert (np.diff(slopes[:, 1] / slopes[:, 0]) < 1e-9).all()


def test_a_marginal_uplift_has_the_delta_error():
    rng = np.random.default_rng(7)
    score, outcome_scores = rng.random(5000), rng.normal(0, 1, (5000, 3)) + np.array([0, 0.3, 0.5])
    cells = gather(grid(score, 3), score, Evidence("experiment", outcome_scores))
    steps = frontier(cells, cells, [0, 1], LINE, contacts(3))
    step = steps[-1]
    cell = np.searchsorted(cells.cuts, score, side="right")
    before, after = (
        (np.zeros(4, int) if s.point.at is None else cells.decision([0, 1], s.point.at))[cell] for s in steps[-2:]
    )
    money = LINE.reward_intercept + LINE.reward_slope * outcome_scores
    rows = np.arange(5000)
    gain, spent = money[rows, after] - money[rows, before], (after > 0) * 1.0 - (before > 0)
    ratio = gain.mean() / spent.mean()
    assert step.marginal.value == pytest.approx(ratio)
    expected = np.sqrt(((gain - ratio * spent) ** 2).sum()) / 5000 / spent.mean()
    assert step.marginal.se == pytest.approx(expected)


def test_regret_is_zero_for_the_oracle_and_counts_what_others_leave():
    truth = np.array([[0.0, 1.0, np.nan], [3.0, 1.0, np.nan], [0.0, 4.0, np.nan]])
    assert regret(truth, np.array([1, 0, 1])).value == 0
    assert regret(truth, np.array([0, 0, 1])).value == pytest.approx(1 / 3)


def test_cut_regret_is_against_the_best_cut_offs_by_the_truth():
    rng = np.random.default_rng(8)
    score = rng.random(4000)
    p = np.stack([0.3 + 0 * score, 0.3 + 0.4 * (score - 0.4), 0.3 + 0.7 * (score - 0.6)], axis=1)
    cells = gather(grid(score, 30), score, Evidence("truth", p))
    best = best_cuts(cells, [0, 1, 2], LINE)
    assert cut_regret(cells, [0, 1, 2], LINE, best).value == 0
    assert cut_regret(cells, [0, 1, 2], LINE, (0, 0)).value > 0
    assert cut_regret(cells, [0, 1, 2], LINE, None).value == pytest.approx(uplift(cells, [0, 1, 2], best))
    with pytest.raises(InputError, match="regret needs the truth"):
        cut_regret(two_halves(9)[0], [0, 1, 2], LINE, best)


def test_more_bands_use_a_budget_where_no_price_of_spend_would():
    rng = np.random.default_rng(1)  # worth rises with spend in a line: a Lagrangian takes no one or everyone
    score = rng.random(4000)
    outcome_scores = np.stack([np.zeros(4000), np.full(4000, 0.2), np.full(4000, 0.3)], axis=1)
    cells = gather(grid(score, 80), score, Evidence("truth", outcome_scores))
    actions = [0, 1, 2, 1, 2]
    at = best_cuts(cells, actions, LINE, contacts(3), 0.1)
    found = valued(cells, actions, LINE, at)
    assert 0.1 - 1 / 78 < found.spend.value <= 0.1  # to within a cell of the grid
    assert found.uplift.value == pytest.approx(found.spend.value * 0.2)  # all of them get the better action
