"""Drift of columns and score against the users a model learnt from."""

import numpy as np
import pandas as pd
import pytest

from tippingpoint.decisions.drift import SCORE, Reference


def users(n: int, seed: int, moved: float = 0.0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    hours = rng.gamma(2.0, 1.0 + moved, n)
    hours[rng.random(n) < 0.1] = np.nan
    plan = pd.Series(rng.choice(["a", "b", None], n, p=[0.6, 0.3, 0.1]), dtype="str")
    return pd.DataFrame({"hours": hours, "plan": plan}), rng.random(n)


def test_users_of_the_same_kind_have_not_moved_and_others_have():
    reference = Reference.of(*users(20_000, 1))
    same = reference.drift(reference.count(*users(20_000, 2)))
    assert set(same["column"]) == {"hours", "plan", SCORE}
    assert set(same["drift"]) == {"same"}
    longer = reference.drift(reference.count(*users(20_000, 3, moved=1.0)))
    assert longer.loc[0, "column"] == "hours"
    assert longer.loc[0, "drift"] == "shifted"


@pytest.mark.parametrize("n", [10, 30, 100, 300, 1000])
@pytest.mark.parametrize("learnt", [500, 20_000])
def test_a_few_users_of_the_same_kind_are_hardly_ever_said_to_have_moved_and_many_of_another_are(learnt, n):
    reference = Reference.of(*users(learnt, 1))
    said = [set(reference.drift(reference.count(*users(n, seed)))["drift"]) for seed in range(2, 102)]
    assert sum(not words <= {"same", "inconclusive"} for words in said) <= 3
    assert any("inconclusive" in words for words in said) == (n <= 300)
    words = [
        reference.drift(reference.count(*users(n, s, moved=1.0))).set_index("column")["drift"]["hours"]
        for s in range(20)
    ]
    assert (n < 100) or set(words) == {"shifted"}
    assert (n > 10) or set(words) == {"inconclusive"}


def test_rare_values_that_every_batch_has_others_of_are_one_bin():
    rng, share = np.random.default_rng(0), 1 / np.arange(1, 61) ** 1.5

    def some(n: int) -> tuple[pd.DataFrame, np.ndarray]:
        names = np.array([f"c{i}" for i in range(60)])[rng.choice(60, n, p=share / share.sum())]
        return pd.DataFrame({"country": pd.Series(names, dtype="str")}), np.full(n, 0.5)

    reference = Reference.of(*some(500))
    found = [reference.drift(reference.count(*some(5000))).set_index("column") for _ in range(50)]
    assert {of["drift"]["country"] for of in found} <= {"same", "inconclusive"}


def test_a_category_never_seen_counts_as_another_and_a_missing_one_as_missing():
    reference = Reference.of(*users(1000, 1))
    features = pd.DataFrame({"hours": [1.0, np.nan], "plan": pd.Series(["new", None], dtype="str")})
    assert reference.count(features, np.array([0.5, 0.5]))["plan"].tolist()[-2:] == [1, 1]
    assert reference.count(features, np.array([0.5, 0.5]))["hours"].sum() == 2


def test_counts_of_chunks_add_to_those_of_all():
    reference, (features, score) = Reference.of(*users(500, 1)), users(500, 2)
    whole = reference.count(features, score)
    parts = [reference.count(features.iloc[rows], score[rows]) for rows in (slice(0, 123), slice(123, 500))]
    for name, counts in whole.items():
        assert counts.tolist() == (parts[0][name] + parts[1][name]).tolist()


def test_the_index_is_the_sum_over_bins_of_the_difference_times_the_log_ratio():
    reference = Reference(edges={"x": [0.0]}, categories={}, shares={"x": [0.5, 0.5, 0.0]}, users={"x": 1000})
    found = reference.drift({"x": np.array([30, 70, 0])})
    assert found.loc[0, "psi"] == pytest.approx(-0.2 * np.log(0.6) + 0.2 * np.log(1.4))


def test_a_value_on_an_edge_counts_below_it_and_bins_are_those_of_a_search():
    edges = [0.0, 1.0, 2.5]
    reference = Reference(edges={"x": edges}, categories={}, shares={"x": [0.2] * 5}, users={"x": 1000})
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.5, 9.0, np.nan, np.inf])
    found = reference.count(pd.DataFrame({"x": values}), np.zeros(8))["x"]
    known = np.searchsorted(edges, values[~np.isnan(values)], side="left")
    assert found.tolist() == [*np.bincount(known, minlength=4).tolist(), 1]
