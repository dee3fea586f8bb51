import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.conftest import ROUNDS
from tippingpoint.evaluation import auc_contributions, calibration_line, evaluate, metrics, reliability
from tippingpoint.offpolicy.statistics import mean


def sample(n: int, seed: int, signal: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = expit(-1 + signal * rng.normal(size=n))
    return (rng.random(n) < score).astype(np.int64), score


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=4, max_size=60))
def test_contributions_average_to_the_auc_ties_counted_half(pairs: list[tuple[int, int]]) -> None:
    outcome, score = np.array(pairs).T
    if 0 < outcome.sum() < len(outcome):
        assert auc_contributions(outcome, score / 4).mean() == pytest.approx(roc_auc_score(outcome, score), abs=1e-12)


def test_metrics_agree_with_scikit_learn() -> None:
    outcome, score = sample(3000, 0)
    score = score.round(2)  # ties
    found = evaluate(outcome, score, np.random.default_rng(0))
    assert found["roc_auc"].value == pytest.approx(roc_auc_score(outcome, score), abs=1e-12)
    assert found["pr_auc"].value == pytest.approx(average_precision_score(outcome, score), abs=1e-12)
    assert found["brier"].value == pytest.approx(np.mean((outcome - score) ** 2), abs=1e-12)
    assert found["calibration_error"].low is None


@pytest.mark.parametrize("rare", [0, 1])
@pytest.mark.parametrize("outcomes", [99, 100])
def test_a_pr_auc_has_an_interval_from_a_hundred_of_the_rarer_outcome_on(outcomes: int, rare: int) -> None:
    rng = np.random.default_rng(0)
    outcome = np.where(np.arange(600) < outcomes, rare, 1 - rare)
    found = evaluate(outcome, np.clip(0.3 + 0.2 * outcome + rng.normal(0, 0.1, 600), 0.01, 0.99), rng)
    assert (found["pr_auc"].low is not None) == (outcomes == 100)
    assert found["lift_10"].low is not None


@pytest.mark.worlds
def test_intervals_cover() -> None:
    """Of 95 % intervals in worlds with known values, 5 % miss, within three Monte-Carlo errors."""
    worlds = min(200, 50 * ROUNDS)
    big_outcome, big_score = sample(2_000_000, 1)
    truth = {"roc_auc": roc_auc_score(big_outcome, big_score), "calibration_slope": 1.0, "calibration_intercept": 0.0}
    truth |= {"brier": np.mean((big_outcome - big_score) ** 2)}
    truth |= {"lift_10": big_outcome[big_score >= np.quantile(big_score, 0.9)].mean() / big_outcome.mean()}
    hits = dict.fromkeys(truth, 0)
    for seed in range(worlds):
        found = evaluate(*sample(800, 100 + seed), np.random.default_rng(seed))
        for name, value in truth.items():
            hits[name] += found[name].low <= value <= found[name].high
    error = 3 * np.sqrt(worlds * 0.95 * 0.05)
    assert all(abs(count - 0.95 * worlds) <= error for count in hits.values()), hits


def test_overconfident_scores_have_a_slope_below_one() -> None:
    outcome, score = sample(20_000, 2)
    assert calibration_line(outcome, expit(2 * logit(score)))[0].value == pytest.approx(0.5, abs=0.05)


def test_scores_too_high_have_an_intercept_below_zero() -> None:
    outcome, score = sample(20_000, 2)
    slope, intercept = calibration_line(outcome, expit(logit(score) + 0.5))
    assert slope.value == pytest.approx(1, abs=0.1)
    assert intercept.value == pytest.approx(-0.5, abs=0.1)


def test_paired_differences_are_tighter_than_unpaired() -> None:
    outcome, score = sample(2000, 3)
    other = expit(logit(score) + 0.1 * np.random.default_rng(0).normal(size=2000))
    one, two = auc_contributions(outcome, score), auc_contributions(outcome, other)
    assert mean(one - two).se < 0.3 * mean(one).se


def test_constant_scores_are_measured_without_a_traceback() -> None:
    outcome, _ = sample(500, 4)
    found = evaluate(outcome, np.full(500, 0.3), np.random.default_rng(0))
    assert found["roc_auc"].value == 0.5
    assert found["lift_10"].value == pytest.approx(1)


def test_reliability_counts_everybody_once_in_bins_of_equal_size() -> None:
    rng = np.random.default_rng(4)
    score = rng.uniform(size=1003)
    outcome = (rng.uniform(size=1003) < score).astype(int)
    mean, outcomes, users = reliability(outcome, score)
    assert users.sum() == 1003
    assert np.ptp(users) <= 1
    assert outcomes.sum() == outcome.sum()
    assert (np.diff(mean) > 0).all()
    assert mean @ users == pytest.approx(score.sum())


def test_replicates_of_cells_have_the_error_of_replicates_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, score = sample(20_000, 3)
    score = score.round(3)  # ties
    exact = evaluate(outcome, score, np.random.default_rng(0))
    monkeypatch.setattr(metrics, "MANY", 10_000)
    monkeypatch.setattr(metrics, "CELLS", 500)
    in_cells = evaluate(outcome, score, np.random.default_rng(1))
    for name in ("pr_auc", "lift_10"):
        one, other = exact[name], in_cells[name]
        assert other.value == one.value
        assert other.se == pytest.approx(one.se, rel=0.15)  # 500 replicates each: about 4.5 % of noise in both
        assert other.low == pytest.approx(one.low, abs=one.se)
        assert other.high == pytest.approx(one.high, abs=one.se)
