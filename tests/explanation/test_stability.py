"""How much the ranking of columns changes between folds."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.explanation.explained import users
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.explanation import stability
from tippingpoint.explanation.stability import Stability
from tippingpoint.models.calibration import Model


def test_stability_is_1_where_all_folds_rank_alike_and_0_where_one_has_no_order() -> None:
    assert Stability(("a", "b", "c"), np.tile([2.0, 1.0, 3.0], (5, 1))).tau == 1
    assert Stability(("a", "b"), np.array([[1.0, 2.0], [2.0, 1.0]])).tau == -1
    assert Stability(("a", "b"), np.array([[1.0, 2.0], [1.5, 1.5]])).tau == 0
    assert np.isnan(Stability(("a",), np.ones((5, 1))).tau)


def test_what_matters_ranks_alike_in_each_fold(fitted: Callable[[str], Model]) -> None:
    family = fitted("logistic").family
    steady = stability(family, users(), seed=0)
    table = steady.table()
    assert set(table["feature"][:2]) == {"hours", "plan"}
    assert (table["lowest_rank"] <= table["mean_rank"]).all()
    assert (table["mean_rank"] <= table["highest_rank"]).all()
    np.testing.assert_array_equal(np.sort(steady.ranks, axis=1), np.tile([1, 2, 3, 4], (5, 1)))
    assert steady.tau > 0.6
    np.testing.assert_array_equal(steady.ranks, stability(family, users(), seed=0).ranks)


def test_where_nothing_matters_rankings_differ_and_columns_nobody_uses_change_nothing(
    fitted: Callable[[str], Model],
) -> None:
    family, found = fitted("logistic").family, []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        noise = {f"n{i}": rng.normal(size=600) for i in range(8)}
        ids, outcome = np.arange(600).astype(str).astype(object), rng.integers(0, 2, 600)
        two = []
        for columns in (noise, noise | {f"constant{i}": np.ones(600) for i in range(12)}):
            contract = FeatureSchema(tuple(Column(name, "number") for name in columns), "y")
            two.append(stability(family, Users(pd.DataFrame(columns), outcome, ids, contract), seed))
        assert two[0].columns == two[1].columns == tuple(noise)
        assert two[0].tau == pytest.approx(two[1].tau)
        found.append(two[0].tau)
    assert np.mean(found) < 0.5
