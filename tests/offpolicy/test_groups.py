"""Users in groups: every error is over groups. Each user written twice, with the pair as its group, changes nothing."""

from dataclasses import replace

import numpy as np
import pytest

from tippingpoint.evaluation import evaluate
from tippingpoint.offpolicy.cells import Cells, Line, contrast, gather, grid
from tippingpoint.offpolicy.contest import contest_of_cells
from tippingpoint.offpolicy.evidence import Evidence, doubly_robust
from tippingpoint.offpolicy.ranking import autoc, qini, uplift_at
from tippingpoint.offpolicy.statistics import mean
from tippingpoint.offpolicy.sufficient_statistics import join
from tippingpoint.offpolicy.support import Support
from tippingpoint.offpolicy.surface import sheet
from tippingpoint.offpolicy.value import contest_of_values, policy_value

N = 3000
LINE = Line(np.array([1.0, 0.5, 0.2]), np.array([9.0, 9.5, 10.0]))
PRICES = LINE.reward_intercept, LINE.reward_slope


@pytest.fixture
def drawn() -> tuple[np.ndarray, Evidence]:
    rng = np.random.default_rng(3)
    score, chances = rng.random(N), np.tile([0.5, 0.3, 0.2], (N, 1))
    action = (rng.random((N, 1)) > [0.5, 0.8]).sum(axis=1)
    outcome = (rng.random(N) < 0.2 + 0.4 * score).astype(np.float64)
    return score, Evidence("experiment", doubly_robust(outcome, action, chances, np.tile(score[:, None], 3)))


def twice(evidence: Evidence) -> Evidence:
    return Evidence(evidence.kind, np.repeat(evidence.outcome_scores, 2, axis=0), group=np.repeat(np.arange(N), 2))


def bands(score: np.ndarray) -> np.ndarray:
    return np.where(score >= 0.7, 1, np.where(score >= 0.4, 2, 0))


def of_pairs(of: Cells) -> tuple[np.ndarray, ...]:
    found = sheet(of, (0, 2, 1), LINE, of.decision((0, 0, 0), (0, 0)), np.random.default_rng(0), least=20)
    return found.value, found.se, np.array(found.critical)


def test_a_policys_figures_are_those_of_the_pairs(drawn: tuple[np.ndarray, Evidence]) -> None:
    score, evidence = drawn
    once = policy_value(evidence, *PRICES, bands(score))
    both = policy_value(twice(evidence), *PRICES, np.repeat(bands(score), 2))
    for name in ("value", "uplift", "outcomes_per_1000"):
        assert vars(getattr(both, name)) == pytest.approx(vars(getattr(once, name)))
    high = score >= 0.7
    assert both.among(np.repeat(high, 2)).se == pytest.approx(once.among(high).se)
    other = np.where(score >= 0.5, 1, 0)
    over = policy_value(evidence, *PRICES, other), policy_value(twice(evidence), *PRICES, np.repeat(other, 2))
    assert both.over(over[1]).se == pytest.approx(once.over(over[0]).se)
    verdicts = [
        contest_of_values({"a": a, "b": b}, np.random.default_rng(0))[0] for a, b in ((once, over[0]), (both, over[1]))
    ]
    assert verdicts[1].difference.se == pytest.approx(verdicts[0].difference.se)


def test_cells_know_groups_that_lie_in_several_of_them(drawn: tuple[np.ndarray, Evidence]) -> None:
    score, evidence = drawn
    rng = np.random.default_rng(5)
    group = rng.integers(0, N // 3, N)
    grouped = Evidence(evidence.kind, evidence.outcome_scores, group=group)
    cuts = grid(score, 15, include=(0.4, 0.7))
    cells = gather(cuts, score, grouped)
    decision = cells.decision((0, 2, 1), cells.at((0.4, 0.7)))
    none = np.zeros(len(decision), dtype=np.int64)
    expected = policy_value(grouped, *PRICES, bands(score)).uplift
    assert contrast(cells, LINE, decision, none).se == pytest.approx(expected.se)
    value, se, _ = of_pairs(cells)
    at = cells.at((0.4, 0.7))
    assert (value[at], se[at]) == (pytest.approx(expected.value), pytest.approx(expected.se))
    for i, j in ((0, 3), (2, 2), (4, 11)):
        decided = cells.decision((0, 2, 1), (i, j))[np.searchsorted(cuts, score, side="right")]
        assert se[i, j] == pytest.approx(policy_value(grouped, *PRICES, decided).uplift.se)
    added = gather(
        cuts, score[group < 300], Evidence("experiment", evidence.outcome_scores[group < 300], group=group[group < 300])
    )
    rest = gather(
        cuts,
        score[group >= 300],
        Evidence("experiment", evidence.outcome_scores[group >= 300], group=group[group >= 300]),
    )
    assert (added + rest).together == pytest.approx(cells.together)
    assert (added + rest).groups == cells.groups


def test_the_band_of_pairs_is_that_of_users_alone(drawn: tuple[np.ndarray, Evidence]) -> None:
    score, evidence = drawn
    cuts = grid(score, 15)
    value, se, critical = of_pairs(gather(cuts, score, evidence))
    again = of_pairs(gather(cuts, np.repeat(score, 2), twice(evidence)))
    assert again[0] == pytest.approx(value, nan_ok=True)
    assert again[1] == pytest.approx(se, nan_ok=True)
    assert again[2] == pytest.approx(critical, rel=0.05)  # other draws of the same noise


def test_contests_of_cells_are_those_of_users(drawn: tuple[np.ndarray, Evidence]) -> None:
    score, evidence = drawn
    group = np.random.default_rng(5).integers(0, N // 3, N)
    grouped = Evidence(evidence.kind, evidence.outcome_scores, group=group)
    decisions = {"a": bands(score), "b": np.where(score >= 0.5, 1, 0)}
    joint = join(decisions, grouped)
    priced = joint.cells.coefficients(LINE, range(3))
    (of_cells,) = contest_of_cells(
        joint.cells, {k: priced[d] for k, d in joint.decisions.items()}, np.random.default_rng(0)
    )
    values = {name: policy_value(grouped, *PRICES, decision) for name, decision in decisions.items()}
    (of_users,) = contest_of_values(values, np.random.default_rng(0))
    assert of_cells.difference.se == pytest.approx(of_users.difference.se)


@pytest.mark.parametrize("metric", [autoc, qini, lambda s, e, g=None: uplift_at(0.3, s, e, g)])
def test_rankings_are_those_of_the_pairs(drawn: tuple[np.ndarray, Evidence], metric) -> None:
    score, evidence = drawn
    effect = evidence.outcome_scores[:, 1] - evidence.outcome_scores[:, 0]
    both = metric(np.repeat(score, 2), np.repeat(effect, 2), np.repeat(np.arange(N), 2))
    assert both.se == pytest.approx(metric(score, effect).se, rel=1e-2)


def test_metrics_of_scores_are_those_of_the_pairs() -> None:
    rng = np.random.default_rng(1)
    score = rng.beta(2, 5, 4000)
    outcome = (rng.random(4000) < score).astype(np.int64)
    once = evaluate(outcome, score, np.random.default_rng(0))
    both = evaluate(np.repeat(outcome, 2), np.repeat(score, 2), np.random.default_rng(0), np.repeat(np.arange(4000), 2))
    for name, of in once.items():
        if of.se is not None:
            close = 0.1 if name.startswith("calibration") else 0.01  # the sandwich against the information
            assert both[name].se == pytest.approx(of.se, rel=close), name


def test_rows_that_hang_together_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(500), 4)
    values = rng.normal(size=500)[group] + rng.normal(size=2000)
    assert mean(values, group=group).se > 1.4 * mean(values).se


def test_a_pair_of_one_user_rests_on_as_many_outcomes_as_that_user(drawn: tuple[np.ndarray, Evidence]) -> None:
    score, evidence = drawn
    predicted = np.tile(score[:, None], 3) * 0.5
    support = Support.of(np.tile([0.5, 0.3, 0.2], (N, 1)), predicted, estimated=False)
    once = policy_value(replace(evidence, support={"phi": support}), *PRICES, bands(score))
    both = Support.of(np.tile([0.5, 0.3, 0.2], (2 * N, 1)), np.repeat(predicted, 2, axis=0), estimated=False)
    pairs = twice(evidence)
    residual = pairs.outcome_scores - np.repeat(predicted, 2, axis=0)
    pairs = replace(pairs, support={"phi": both.together(residual, pairs.group)})
    twice_over = policy_value(pairs, *PRICES, np.repeat(bands(score), 2))
    none = [policy_value(of, *PRICES, np.zeros(n, dtype=np.int64)) for of, n in ((evidence, N), (pairs, 2 * N))]
    of_users, of_pairs = (value.basis(other) for value, other in ((once, none[0]), (twice_over, none[1])))
    assert of_users is not None
    assert of_pairs is not None
    assert of_pairs.expected == pytest.approx(of_users.expected)
    assert of_pairs.noise / (2 * N) ** 2 == pytest.approx(of_users.noise / N**2)
    cells = gather(grid(np.repeat(score, 2), 10), np.repeat(score, 2), pairs)
    L = cells.coefficients(LINE, [0, 1])
    behind = cells.behind(np.tile(L[1] - L[0], (len(cells.count), 1)))
    assert behind is not None
    assert behind.total().expected == pytest.approx(0.5 * replace(behind.total(), apart=1.0).expected)


def test_a_band_needs_as_many_groups_as_users(drawn: tuple[np.ndarray, Evidence]) -> None:
    score, evidence = drawn
    where, none = grid(score, 10), np.zeros(11, dtype=np.int64)
    alone, pairs = (
        sheet(gather(where, x, of), (0, 2, 1), LINE, none[: len(where) + 1], np.random.default_rng(0), least=700)
        for x, of in ((score, evidence), (np.repeat(score, 2), twice(evidence)))
    )
    assert (alone.supported == pairs.supported).all()
    assert alone.supported.any()
    assert not alone.supported[np.isfinite(alone.value)].all()
