"""Ranking metrics against grf's formula and other libraries' numbers; their errors against half-samples."""

import json
from pathlib import Path

import numpy as np
import other_libraries
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.ranking import autoc, qini, uplift_at

CASES = json.loads((Path(__file__).parents[1] / "reference" / "uplift_metrics.json").read_text())["cases"]
seeds = st.integers(0, 2**32 - 1)

OTHERS = {
    "scikit_uplift.qini_auc_score": other_libraries.sklift_qini_auc_score,
    "scikit_uplift.qini_auc_score_no_negative": lambda y, s, t: other_libraries.sklift_qini_auc_score(y, s, t, False),
    "scikit_uplift.uplift_auc_score": other_libraries.sklift_uplift_auc_score,
    "scikit_uplift.uplift_at_30_overall": lambda y, s, t: other_libraries.sklift_uplift_at_k_overall(y, s, t, 0.3),
    "scikit_uplift.uplift_at_30_by_group": lambda y, s, t: other_libraries.sklift_uplift_at_k_by_group(y, s, t, 0.3),
    "causalml.auuc_normalized": other_libraries.causalml_auuc_score,
    "causalml.qini_normalized": other_libraries.causalml_qini_score,
}
COMPARED = [
    pytest.param(case, library, key, id=f"{case['name']}-{library}-{key}")
    for case in CASES
    for library, numbers in case["reference"].items()
    for key in numbers
]


def arrays(case: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    y, s, t = (np.array(case[name]) for name in ("outcome", "score", "treated"))
    return y, s, t, y * (t / case["propensity"] - (1 - t) / (1 - case["propensity"]))


@pytest.mark.parametrize(("case", "library", "key"), COMPARED)
def test_metric_is_the_reference_one(case: dict, library: str, key: str):
    y, s, t, effect = arrays(case)
    expected = pytest.approx(case["reference"][library][key], abs=1e-9)
    if library == "grf_formula_on_ipw_scores":
        assert {"autoc": autoc, "qini": qini}[key](s, effect).value == expected
    else:
        assert OTHERS[f"{library}.{key}"](y, s, t) == expected


def draw(seed: int, n: int = 1000, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    effect = rng.normal(score - 0.5, 1.0)
    return (score if levels is None else np.floor(score * levels)), effect


def toc_mean(score: np.ndarray, effect: np.ndarray, by_share: bool) -> float:
    """grf's estimate_rate, step by step: average within ties, cumulative means, mean over all ends."""
    order = np.argsort(-score, kind="stable")
    s, e = score[order], effect[order].copy()
    for level in np.unique(s):
        e[s == level] = e[s == level].mean()
    i = np.arange(1, len(s) + 1)
    toc = np.cumsum(e) / i - e.mean()
    return float((toc * (i / len(s) if by_share else 1)).mean())


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([None, 3, 17]))
def test_the_weights_are_grfs_steps(seed: int, levels: int | None):
    score, effect = draw(seed, 200, levels)
    assert autoc(score, effect).value == pytest.approx(toc_mean(score, effect, False), abs=1e-12)
    assert qini(score, effect).value == pytest.approx(toc_mean(score, effect, True), abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from([2, 7]))
def test_row_order_and_order_within_ties_change_nothing(seed: int, levels: int):
    score, effect = draw(seed, 200, levels)
    shuffled = np.random.default_rng(seed).permutation(200)
    for metric in (autoc, qini, lambda s, e: uplift_at(0.3, s, e)):
        a, b = metric(score, effect), metric(score[shuffled], effect[shuffled])
        assert a.value == pytest.approx(b.value, abs=1e-12)
        assert a.se == pytest.approx(b.se, abs=1e-12)


@pytest.mark.parametrize("levels", [None, 5])
@pytest.mark.parametrize("metric", [autoc, qini])
def test_the_error_is_that_of_half_samples(metric, levels: int | None):
    score, effect = draw(3, 2000, levels)
    rng = np.random.default_rng(0)
    halves = [rng.permutation(2000)[:1000] for _ in range(800)]
    expected = np.std([metric(score[h], effect[h]).value for h in halves])
    assert metric(score, effect).se == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("levels", [None, 5])
def test_intervals_cover_the_population_value(levels: int | None):
    population = {}
    score, effect = draw(99, 2_000_000, levels)
    metrics = {"autoc": autoc, "qini": qini, "uplift_at": lambda s, e: uplift_at(0.3, s, e)}
    population = {name: metric(score, effect).value for name, metric in metrics.items()}
    covered = dict.fromkeys(metrics, 0)
    for seed in range(400):
        sample = draw(seed, 1000, levels)
        for name, metric in metrics.items():
            found = metric(*sample)
            covered[name] += found.low <= population[name] <= found.high
    for name, count in covered.items():
        assert 0.90 < count / 400 <= 0.99, name


def test_a_score_that_says_nothing_ranks_nothing():
    effect = np.random.default_rng(0).normal(size=100)
    same = np.ones(100)
    assert autoc(same, effect).value == pytest.approx(0, abs=1e-12)
    assert qini(same, effect).value == pytest.approx(0, abs=1e-12)
    assert uplift_at(0.3, same, effect).value == pytest.approx(effect.mean())


def test_uplift_at_takes_its_share_of_ties():
    score, effect = np.array([3.0, 2, 2, 1]), np.array([1.0, 0.5, 0.1, 0.0])
    assert uplift_at(0.25, score, effect).value == pytest.approx(1.0)
    assert uplift_at(0.5, score, effect).value == pytest.approx((1.0 + 0.3) / 2)
    assert uplift_at(1.0, score, effect).value == pytest.approx(effect.mean())


def test_impossible_input_is_refused():
    with pytest.raises(InputError, match="do not fit"):
        autoc(np.zeros(3), np.zeros(4))
    with pytest.raises(InputError, match="missing or infinite"):
        qini(np.array([0, np.nan]), np.zeros(2))
    with pytest.raises(InputError, match="must lie in"):
        uplift_at(0, np.arange(3), np.zeros(3))
    with pytest.raises(InputError, match="both 0 and 1"):
        other_libraries.causalml_qini_score(np.zeros(3), np.arange(3), np.ones(3))
    with pytest.raises(InputError, match="one arm has no user"):
        other_libraries.sklift_uplift_at_k_overall(np.zeros(4), np.arange(4), np.array([1, 0, 0, 0]), 0.5)
