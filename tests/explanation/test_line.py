"""Coefficients with intervals."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tests.explanation.explained import CONTRACT, users
from tippingpoint.explanation import coefficients
from tippingpoint.explanation.line import _refit
from tippingpoint.models.calibration import Model, fit


def test_bootstrap_intervals_hold_the_coefficients_and_shrink_with_users(fitted: Callable[[str], Model]) -> None:
    model = fitted("logistic")
    few = coefficients(model, CONTRACT, users(), seed=0)
    assert (few["coefficient_low"] < few["coefficient"]).all()
    assert (few["coefficient"] < few["coefficient_high"]).all()
    np.testing.assert_allclose(np.exp(few["coefficient_low"]), few["odds_ratio_low"])
    pd.testing.assert_frame_equal(few, coefficients(model, CONTRACT, users(), seed=0))
    hours = few.loc[few["term"] == "hours"].iloc[0]
    assert hours["coefficient_low"] > 0
    many = coefficients(fit(model.family, users(12_000, 9), users(600, 1), 0), CONTRACT, users(12_000, 9))
    width = [
        (table["coefficient_high"] - table["coefficient_low"])[table["term"] == "hours"].item() for table in (few, many)
    ]
    assert width[1] == pytest.approx(width[0] / np.sqrt(10), rel=0.35)


def test_a_refit_is_scikit_learn_s_with_users_counted() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)) ** 3  # long tails, on which plain steps of Newton's run away
    y = (rng.random(300) < 1 / (1 + np.exp(2 - x[:, 0]))).astype(int)
    times = rng.integers(0, 4, 300)
    theirs = LogisticRegression(C=5.0, tol=1e-10, max_iter=10_000).fit(x, y, sample_weight=times)
    start, penalty = np.array([3.0, -3.0, 3.0, -3.0, 0.0]), np.array([0.2, 0.2, 0.2, 0.2, 0.0])
    ours = _refit(start, np.column_stack([x, np.ones(300)]), y, times, penalty)
    np.testing.assert_allclose(ours, [*theirs.coef_[0], *theirs.intercept_], atol=0.002)
