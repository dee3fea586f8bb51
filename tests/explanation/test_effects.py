"""How the score goes with one column, and with two."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.explanation.explained import CONTRACT, users
from tippingpoint.explanation import effects, interactions
from tippingpoint.models.calibration import Model


def test_partial_dependence_is_the_mean_over_users_of_the_score_with_the_column_set(
    fitted: Callable[[str], Model],
) -> None:
    model, features = fitted("boosting"), users(60, 6).features.iloc[:50]
    hours, plan = effects(model, features, ["hours", "plan"], features)
    assert hours.lines.shape == (50, len(hours.points))
    assert hours.mean[-1] > hours.mean[0]
    for point, mean in zip(plan.points, plan.mean, strict=True):
        set_to = features.assign(plan=pd.Series([point] * 50, index=features.index, dtype="str"))
        assert mean == pytest.approx(model.classifier.predict_proba(set_to)[:, 1].mean())
    assert effects(model, features, ["gap"], features.assign(gap=np.nan)) == []


def test_interactions_are_none_in_a_line_and_found_where_they_are(fitted: Callable[[str], Model]) -> None:
    names = [column.name for column in CONTRACT.columns]
    features = users(60, 6).features
    assert interactions(fitted("logistic"), features, names)["strength"].max() < 1e-9
    found = interactions(fitted("boosting"), features, names)
    assert set(found.loc[0, ["feature_a", "feature_b"]]) == {"hours", "plan"}
    assert len(found) == 6
    assert found["share"].between(0, 1).all()
