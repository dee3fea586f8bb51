"""What a hidden driver of the action could do to an uplift, in worlds in which one does its worst."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import ROUNDS
from tippingpoint.offpolicy.cells import Line, gather, grid, linear, outcomes
from tippingpoint.offpolicy.evidence import Evidence, doubly_robust
from tippingpoint.offpolicy.hidden_driver import FACTORS, Bounds, HiddenDriver
from tippingpoint.offpolicy.sensitivity import blocks, bounds, flips_at_cut_offs
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.value import policy_value

COUNT = outcomes(2)
LINE = Line(np.array([0.0, -0.01]), np.array([1.0, 2.0]))


def world(seed: int, n: int, factor: float, rate: float = 0.2) -> tuple[np.ndarray, Evidence, float]:
    """Scores, evidence from a log, and the true effect where a driver of the odds by `factor` hides it as far as any.

    Who got the action is as likely to have the outcome as `p` says and who did not as `q`; the driver has it that the
    others, treated alike, would have had it `factor` times less often with the action, and more often without.
    """
    rng = np.random.default_rng([seed, 1])
    x = rng.random(n)
    e, p, q = 0.2 + 0.5 * x, rate * (0.5 + 0.5 * x), rate * (0.3 + 0.5 * x)
    action = (rng.random(n) < e).astype(np.int64)
    outcome = (rng.random(n) < np.where(action == 1, p, q)).astype(np.float64)
    without = np.maximum(p / factor, 1 - factor * (1 - p))
    treated = np.minimum(factor * q, 1 - (1 - q) / factor)
    effect = float((e * p + (1 - e) * without - (e * treated + (1 - e) * q)).mean())
    chances, predicted = np.stack([1 - e, e], axis=1), np.stack([q, p], axis=1) * rng.uniform(0.9, 1.1)
    arrays = outcome, action, chances, np.clip(predicted, 0.001, 0.999)
    support = {"phi": Support.of(chances, arrays[3], estimated=True)}
    return x, Evidence("logged", doubly_robust(*arrays), support, hidden=HiddenDriver.of(*arrays)), effect


def found(x: np.ndarray, evidence: Evidence, line: Line = COUNT) -> Bounds | None:
    """Bounds of acting on everyone."""
    cells = gather(grid(x, 8), x, evidence, blocks(evidence.hidden))
    L = cells.coefficients(line, [0, 1])
    return bounds(cells, np.tile(L[1] - L[0], (len(cells.count), 1)))


@pytest.mark.worlds
@pytest.mark.parametrize(("factor", "rate"), [(1.5, 0.2), (3.0, 0.2), (1.5, 0.6), (2.0, 0.95)])
def test_the_truth_lies_within_the_bounds_at_the_true_factor(factor: float, rate: float) -> None:
    at, worlds, held, plain = list(FACTORS).index(factor), 150 * ROUNDS, 0, 0
    for seed in range(worlds):
        x, evidence, effect = world(seed, 4000, factor, rate)
        of = found(x, evidence)
        held += of.low_end[at] <= effect <= of.high_end[at]
        plain += of.low_end[0] <= effect <= of.high_end[0]
    assert held / worlds >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / worlds)
    assert plain / worlds < 0.1


def test_a_driver_that_does_its_worst_reaches_the_bound_and_no_further() -> None:
    x, evidence, effect = world(0, 200_000, 1.5)
    of, at = found(x, evidence), list(FACTORS).index(1.5)
    assert of.low[at] == pytest.approx(effect, abs=0.006)
    assert effect < of.low_end[0]
    assert of.low_end[at] < effect


def test_bounds_begin_with_the_interval_and_widen() -> None:
    x, evidence, _ = world(1, 20_000, 2.0)
    of = found(x, evidence)
    cells = gather(grid(x, 8), x, evidence)
    L = cells.coefficients(outcomes(2), [0, 1])
    plain = linear(cells, np.tile(L[1] - L[0], (len(cells.count), 1)))
    assert [of.low[0], of.low_end[0], of.high_end[0]] == pytest.approx([plain.value, plain.low, plain.high])
    assert (np.diff(of.low) < 0).all()
    assert (np.diff(of.high) > 0).all()


def test_cells_and_users_agree_at_any_price() -> None:
    x, evidence, _ = world(2, 20_000, 2.0)
    for line in (outcomes(2), LINE, replace(LINE, reward_slope=-LINE.reward_slope)):
        value = policy_value(evidence, line.reward_intercept, line.reward_slope, np.ones(len(x), dtype=np.int64))
        of_cells, of_users = found(x, evidence, line), value.bounds
        for end in ("low", "high", "low_end", "high_end"):
            assert getattr(of_users, end) == pytest.approx(getattr(of_cells, end))


def test_an_outcome_that_costs_turns_the_bounds() -> None:
    x, evidence, _ = world(2, 20_000, 2.0)
    gains, costs = (found(x, evidence, Line(np.zeros(2), np.array([slope, slope]))) for slope in (1.0, -1.0))
    assert costs.low == pytest.approx(-gains.high)
    assert costs.flips_from == pytest.approx(gains.flips_from)


def test_the_sign_is_open_from_where_the_interval_holds_zero() -> None:
    x, evidence, _ = world(3, 20_000, 2.0)
    of = found(x, evidence)
    factor = float(of.flips_from)
    assert 1 < factor < FACTORS[-1]
    assert np.interp(factor, FACTORS, of.low_end) == pytest.approx(0, abs=1e-12)
    hidden = HiddenDriver(evidence.hidden.seldom[:500], evidence.hidden.often[:500])
    few = replace(evidence, outcome_scores=evidence.outcome_scores[:500], support={}, hidden=hidden)
    open_ = found(x[:500], few)
    assert open_.low_end[0] < 0 < open_.high_end[0]
    assert float(open_.flips_from) == 1
    assert (float(replace(of, low_end=of.low_end + 9).flips_from)) == FACTORS[-1]


def test_every_choice_of_cut_offs_has_its_own() -> None:
    x, evidence, _ = world(4, 20_000, 2.0)
    cells = gather(grid(x, 8), x, evidence, blocks(evidence.hidden))
    table = flips_at_cut_offs(cells, (0, 1), outcomes(2))
    for cut in (0, 3, 6):
        L, decision = cells.coefficients(outcomes(2), [0, 1]), cells.decision((0, 1), (cut,))
        one = bounds(cells, L[decision] - L[0])
        assert table[cut] == pytest.approx(float(one.flips_from))
    assert np.isnan(table[-1])  # acts on no one
    pairs = flips_at_cut_offs(cells, (0, 1, 1), outcomes(2))
    assert pairs[3, 3] == pytest.approx(table[3])
    assert np.isnan(pairs[4, 3])


def test_groups_widen_the_ends_only() -> None:
    x, evidence, _ = world(5, 6000, 2.0)
    alone, group = found(x, evidence), np.repeat(np.arange(3000), 2)
    order = np.argsort(evidence.outcome_scores[:, 1], kind="stable")  # who is alike lives together
    grouped = np.empty(6000, dtype=np.int64)
    grouped[order] = group
    together = found(x, replace(evidence, group=grouped))
    assert together.low == pytest.approx(alone.low)
    assert (together.low_end < alone.low_end).all()


def test_known_chances_leave_nothing_to_hide() -> None:
    x, evidence, _ = world(6, 1000, 2.0)
    known = replace(evidence, kind="experiment", hidden=None)
    assert found(x, known) is None
    assert flips_at_cut_offs(gather(grid(x, 8), x, known), (0, 1), outcomes(2)) is None
    assert policy_value(known, np.zeros(2), np.ones(2), np.ones(1000, dtype=np.int64)).bounds is None


def test_sums_that_rounding_takes_below_zero_give_an_error_of_zero(recwarn: pytest.WarningsRecorder) -> None:
    square = np.zeros((3, 3))
    square[0, 0] = -1e-18
    of = Bounds.of(np.array([0.2, 0.0, 0.0]), square, -1e-18, 100, 100)
    assert of.low_end == pytest.approx(of.low)
    assert not recwarn
