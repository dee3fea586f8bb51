"""Sufficient statistics of score cells: what holds whatever the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy import cells as module
from tippingpoint.offpolicy.cells import Cells, Line, contacts, contrast, gather, grid, outcomes
from tippingpoint.offpolicy.evidence import Evidence
from tippingpoint.offpolicy.value import policy_value

seeds = st.integers(0, 2**32 - 1)


def users(seed: int, n: int = 400, k: int = 3) -> tuple[np.ndarray, Evidence]:
    rng = np.random.default_rng(seed)
    return np.round(rng.random(n), 2), Evidence("experiment", rng.normal(0.3, 1.0, (n, k)))


def prices(seed: int, k: int = 3) -> Line:
    return Line(*np.random.default_rng(seed).normal(0, 10, (2, k)))


def rows(evidence: Evidence, pick: np.ndarray | slice) -> Evidence:
    return Evidence(evidence.kind, evidence.outcome_scores[pick])


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(0, 400))
def test_merged_chunks_are_the_whole(seed: int, split: int):
    score, evidence = users(seed)
    cuts = grid(score, 15)
    whole = gather(cuts, score, evidence)
    merged = gather(cuts, score[:split], rows(evidence, slice(split))) + gather(
        cuts, score[split:], rows(evidence, slice(split, None))
    )
    np.testing.assert_allclose(merged.gram, whole.gram, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_row_order_changes_nothing(seed: int):
    score, evidence = users(seed)
    shuffled = np.random.default_rng(seed).permutation(len(score))
    cuts = grid(score, 15)
    again = gather(cuts, score[shuffled], rows(evidence, shuffled))
    np.testing.assert_array_equal(grid(score[shuffled], 15), cuts)
    np.testing.assert_allclose(again.gram, gather(cuts, score, evidence).gram, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_equal_scores_share_a_cell(seed: int):
    score, _ = users(seed)
    cuts = grid(score, 15)
    cell = np.searchsorted(cuts, score, side="right")
    assert all(len(np.unique(cell[score == s])) == 1 for s in np.unique(score))


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_a_grid_reaches_from_everyone_to_no_one(seed: int):
    score, evidence = users(seed)
    cuts = grid(score, 15)
    cells = gather(cuts, score, evidence)
    assert cells.count[0] == 0
    assert cells.count[-1] == 0
    assert (np.diff(cuts) > 0).all()


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(0, 13), st.integers(0, 13))
def test_any_price_gives_what_users_give(seed: int, i: int, j: int):
    score, evidence = users(seed)
    cuts, line = grid(score, 14), prices(seed)
    i, j = sorted((min(i, len(cuts) - 1), min(j, len(cuts) - 1)))
    cells = gather(cuts, score, evidence)
    decision = cells.decision([0, 2, 1], [i, j])
    direct = policy_value(
        evidence, line.reward_intercept, line.reward_slope, decision[np.searchsorted(cuts, score, side="right")]
    )
    none = np.zeros_like(decision)
    for found, expected in [
        (contrast(cells, line, decision), direct.value),
        (contrast(cells, line, decision, none), direct.uplift),
        (contrast(cells, outcomes(3), decision, none).scaled(1000), direct.outcomes_per_1000),
    ]:
        assert found.value == pytest.approx(expected.value, rel=1e-10, abs=1e-10)
        assert found.se == pytest.approx(expected.se, rel=1e-10, abs=1e-10)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_none_for_all_is_exactly_nothing(seed: int):
    score, evidence = users(seed)
    cells = gather(grid(score, 15), score, evidence)
    none = cells.decision([0, 0, 0], [3, 7])
    found = contrast(cells, prices(seed), none, none)
    assert (found.value, found.se) == (0, 0)


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(0.01, 1000))
def test_scaling_money_scales_values(seed: int, factor: float):
    score, evidence = users(seed)
    cells, line = gather(grid(score, 15), score, evidence), prices(seed)
    decision = cells.decision([1, 0, 2], [3, 7])
    once = contrast(cells, line, decision)
    scaled = contrast(cells, Line(line.reward_intercept * factor, line.reward_slope * factor), decision)
    assert scaled.value == pytest.approx(once.value * factor, rel=1e-9)
    assert scaled.se == pytest.approx(once.se * factor, rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(0, 1))
def test_splitting_a_cell_changes_no_policy_at_old_cuts(seed: int, further: float):
    score, evidence = users(seed)
    cuts, line = grid(score, 15), prices(seed)
    old, new = gather(cuts, score, evidence), gather(np.unique([*cuts, further]), score, evidence)
    kept = [float(cuts[3]), float(cuts[7])]
    before, after = (contrast(c, line, c.decision([0, 2, 1], c.at(kept))) for c in (old, new))
    assert after.value == pytest.approx(before.value, rel=1e-10, abs=1e-10)
    assert after.se == pytest.approx(before.se, rel=1e-10, abs=1e-10)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch):
    score, evidence = users(1, 10_000)
    cuts = grid(score, 15)
    whole = gather(cuts, score, evidence)
    monkeypatch.setattr(module, "BLOCK", 777)
    np.testing.assert_allclose(gather(cuts, score, evidence).gram, whole.gram, rtol=1e-12)


def test_a_cut_belongs_above_and_its_next_float_below():
    score = np.array([0.2, 0.4, 0.4, 0.7])
    cuts = np.array([0.4, np.nextafter(0.7, 1)])
    cells = gather(cuts, score, Evidence("truth", np.zeros((4, 2))))
    np.testing.assert_array_equal(cells.count, [1, 3, 0])


def test_measures_are_worth_what_the_line_says():
    rng = np.random.default_rng(3)
    score, outcome_scores, spend = rng.random(500), rng.random((500, 2)), rng.normal(20, 5, (500, 2))
    cells = gather(grid(score, 10), score, Evidence("experiment", outcome_scores), measures={"spend": spend})
    line = Line(np.array([0.0, -1.0]), np.zeros(2), {"spend": np.ones(2)})
    everyone = np.ones(len(cells.count), dtype=int)
    found = contrast(cells, line, everyone)
    assert found.value == pytest.approx(spend[:, 1].mean() - 1)
    assert found.se == pytest.approx(spend[:, 1].std(ddof=1) / np.sqrt(500))


def test_contacts_are_counted_exactly():
    score, evidence = users(5)
    cells = gather(grid(score, 10), score, evidence)
    decision = cells.decision([0, 2], [4])
    acted = int((score >= cells.cuts[4]).sum())
    assert contrast(cells, contacts(3), decision).value * cells.users == pytest.approx(acted, abs=1e-9)


def test_what_was_assumed_has_no_interval():
    score, evidence = users(7)
    cells = gather(grid(score, 10), score, Evidence("assumed", evidence.outcome_scores))
    found = contrast(cells, prices(7), cells.decision([0, 1], [3]))
    assert (found.se, found.low, found.high) == (None, None, None)


def _of(score: np.ndarray, evidence: Evidence) -> Cells:
    return gather(grid(score, 10), score, evidence)


def test_impossible_input_is_refused():
    score, evidence = users(9)
    broken = score.copy()
    broken[3] = np.nan
    with pytest.raises(InputError, match="score: 1 are missing"):
        gather(grid(score, 10), broken, evidence)
    with pytest.raises(InputError, match="score: 1 are missing"):
        grid(broken)
    with pytest.raises(InputError, match="do not fit 400 users × 3 actions"):
        gather(grid(score, 10), score[:7], evidence)
    with pytest.raises(InputError, match="must be finite and rise"):
        gather(np.array([0.7, 0.4]), score, evidence)
    with pytest.raises(InputError, match="at least two cut-offs"):
        grid(score, 1)
    missing = evidence.outcome_scores.copy()
    missing[5, 2] = np.nan
    with pytest.raises(InputError, match=r"evidence.phi: missing or infinite under action 2"):
        gather(grid(score, 10), score, Evidence("experiment", missing))
    with pytest.raises(InputError, match="users × actions"):
        Evidence("truth", score)


def test_cells_of_different_kinds_are_never_mixed():
    score, evidence = users(11)
    with pytest.raises(InputError, match="same cut-offs, actions and kind of evidence"):
        _of(score, evidence) + _of(score, Evidence("truth", evidence.outcome_scores))
    with pytest.raises(InputError, match="same cut-offs"):
        _of(score, evidence) + gather(grid(score, 5), score, evidence)


def test_questions_the_cells_cannot_answer_are_refused():
    score, evidence = users(13)
    cells = gather(np.array([0.2, 0.4, 0.8]), score, evidence)
    with pytest.raises(InputError, match=r"policy.cuts: 0.5 is not in the grid. Nearest: 0.4"):
        cells.at([0.5])
    with pytest.raises(InputError, match="must rise"):
        cells.at([0.8, 0.2])
    with pytest.raises(InputError, match="3 bands need 2 rising cut-offs"):
        cells.decision([0, 1, 2], [1])
    with pytest.raises(InputError, match="hold no 'spend'"):
        contrast(cells, Line(np.zeros(3), np.zeros(3), {"spend": np.ones(3)}), cells.decision([0, 1], [1]))
    with pytest.raises(InputError, match="must price 3 actions"):
        contrast(cells, Line(np.zeros(2), np.zeros(2)), cells.decision([0, 1], [1]))
    unpriced = Line(np.array([0, 1, np.nan]), np.array([1, 1, np.nan]))
    with pytest.raises(InputError, match="action 2 has no price"):
        contrast(cells, unpriced, cells.decision([0, 2], [1]))
    assert contrast(cells, unpriced, cells.decision([0, 1], [1])).se is not None
