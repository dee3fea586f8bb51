import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import precision_recall_curve, roc_curve

from tippingpoint.evaluation.association import wilson
from tippingpoint.evaluation.curves import GRID, confusion, curves, deciles, steps


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = expit(-1 + rng.normal(size=n))
    return (rng.random(n) < score).astype(np.int64), score


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_curves_are_those_of_scikit_learn() -> None:
    outcome, score = sample(4000, 0)
    found = curves(outcome, score, rng())
    false, true, _ = roc_curve(outcome, score, drop_intermediate=False)
    last = np.append(np.diff(false) > 0, True)
    np.testing.assert_allclose(found.roc.value, np.interp(GRID, false[last], true[last]), atol=1e-12)
    precision, recall, _ = precision_recall_curve(outcome, score)
    at = np.array([precision[recall >= x].max() for x in GRID[5:]])  # the best there is from this recall on
    assert np.all(found.pr.value[5:] <= at + 1e-12)
    assert np.abs(found.pr.value[5:] - at).max() < 0.02
    assert found.gains.value[[0, -1]].tolist() == [0, 1]


def test_a_score_for_all_gives_the_diagonals() -> None:
    outcome, _ = sample(500, 1)
    found = curves(outcome, np.full(500, 0.3), rng())
    np.testing.assert_allclose(found.roc.value, GRID, atol=1e-12)
    np.testing.assert_allclose(found.gains.value, GRID, atol=1e-12)
    np.testing.assert_allclose(found.pr.value, outcome.mean(), atol=1e-12)


@pytest.mark.worlds
def test_bands_cover_the_truth_pointwise() -> None:
    """Of 100 worlds a 95 % band misses a point of the true curve in about 5; 12 is three Monte-Carlo errors more."""
    truth = curves(*sample(1_000_000, 999), rng())
    missed = {"roc": 0, "pr": 0, "gains": 0}
    for seed in range(100):
        found = curves(*sample(1500, seed), np.random.default_rng(seed))
        for name in missed:
            curve, true = getattr(found, name), getattr(truth, name).value[30]
            missed[name] += not curve.low[30] <= true <= curve.high[30]
    assert all(count <= 12 for count in missed.values()), missed


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=12, max_size=80))
def test_deciles_count_everybody_once_and_do_not_depend_on_the_order_of_rows(pairs: list[tuple[int, int]]) -> None:
    outcome, score = np.array(pairs).T
    if not 0 < outcome.sum() < len(outcome):
        return
    table = deciles(outcome, score / 6)
    assert table["users"].sum() == len(outcome)
    assert table["outcomes"].sum() == pytest.approx(outcome.sum())
    assert table["captured"].iloc[-1] == pytest.approx(1)
    assert table[["captured_low", "captured_high"]].iloc[-1].isna().all()  # by construction, so nothing is uncertain
    assert (table["lift"] * table["users"]).sum() == pytest.approx(len(outcome))
    turned = deciles(outcome[::-1], score[::-1] / 6)
    np.testing.assert_allclose(turned["outcomes"], table["outcomes"])


def test_confusion_counts_those_above_each_cut_as_predicted() -> None:
    outcome, code = np.array([0, 1, 0, 1, 1, 0, 1]), np.array([0, 0, 1, 1, 2, 2, 2])
    table = confusion(outcome, code, ("low", "medium", "high"), (0.4, 0.7))
    assert table[["cut", "from", "tp", "fp", "fn", "tn"]].to_numpy().tolist() == [
        [0.4, "medium", 3, 2, 1, 1],
        [0.7, "high", 2, 1, 2, 2],
    ]
    assert table["precision"].tolist() == pytest.approx([3 / 5, 2 / 3])
    assert table["recall"].tolist() == pytest.approx([3 / 4, 2 / 4])
    low, high = wilson(np.array([3, 2]), np.array([5, 3]))
    assert table["precision_low"].tolist() == pytest.approx(low.tolist())
    assert table["precision_high"].tolist() == pytest.approx(high.tolist())


def test_a_policy_that_is_no_bands_is_shown_by_segment() -> None:
    outcome, code = np.array([0, 1, 0, 1, 1]), np.array([0, 0, 2, 2, 2])
    table = confusion(outcome, code, ("gold", "nobody", "rest"), None)
    assert table[["segment", "users", "outcomes"]].to_numpy().tolist() == [
        ["gold", 2, 1],
        ["nobody", 0, 0],
        ["rest", 3, 2],
    ]
    assert table["recall"].sum() == pytest.approx(1)
    assert np.isnan(table.loc[1, "precision"])


def test_a_cut_nobody_is_above_has_no_precision() -> None:
    table = confusion(np.array([0, 1]), np.array([0, 0]), ("low", "high"), (0.9,))
    assert table[["tp", "fp", "fn", "tn"]].to_numpy().tolist() == [[0, 0, 1, 1]]
    assert np.isnan(table.loc[0, "precision"])
    assert table.loc[0, "recall"] == 0


def test_steps_overlay_at_most_101_each_at_whole_steps() -> None:
    outcome, score = sample(2000, 3)
    found = steps(outcome, score, curves(outcome, score, rng()), deciles(outcome, score))
    names = ("roc/tpr", "pr/precision", "gains/captured", "lift/decile", "calibration/rate")
    assert set(found) == {f"curve/{name}" for name in names}
    for at, values in found.values():
        assert len(at) == len(values) <= 101
        assert at.dtype.kind == "i"
        assert np.isfinite(values).all()
