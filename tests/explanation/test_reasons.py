"""What moves a user to the next segment, and who is typical of one."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.explanation.explained import CONTRACT, users
from tippingpoint.explanation import typical_table, typical_users, what_moves
from tippingpoint.models.calibration import Model


class ByHand:
    """Scores: 0.2, 0.3 more from 10 visits on, 0.3 more on the plan `pro`."""

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        score = 0.2 + 0.3 * (features["visits"] >= 10) + 0.3 * (features["plan"] == "pro")
        return np.stack([1 - score, score], axis=1)


def segment(score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
    return (score > 0.4).astype(int) + (score > 0.7).astype(int)


HAND: Any = SimpleNamespace(classifier=ByHand(), pipeline=ByHand())
OTHERS = pd.DataFrame(
    {
        "visits": np.repeat([0.0, 5.0, 10.0, 20.0], 25),
        "plan": pd.Series(["free"] * 90 + ["pro"] * 10, dtype="str"),
        "age": np.arange(100.0),
    }
)


def one(visits: float, plan: str) -> pd.DataFrame:
    return pd.DataFrame({"visits": [visits], "plan": pd.Series([plan], dtype="str"), "age": [30.0]})


def test_the_smallest_single_change_is_found() -> None:
    move = what_moves(HAND, one(5, "free"), OTHERS, segment, toward=1)
    assert move is not None
    # From 5 to 10 visits passes a quarter of the users; 20 visits twice that; the plan is one that 90 % do not have.
    assert (move.column, move.before, move.after, move.size) == ("visits", 5.0, 10.0, 0.25)
    assert move.score == pytest.approx(0.5)
    down = what_moves(HAND, one(20, "pro"), OTHERS, segment, toward=1)
    assert down is not None
    assert (down.column, down.after, down.size) == ("plan", "free", pytest.approx(0.1))
    assert str(down) == "plan pro → free (score 0.50)"


def test_where_no_single_column_does_that_is_said() -> None:
    assert what_moves(HAND, one(5, "free"), OTHERS, segment, toward=2) is None


def test_the_largest_value_there_is_is_tried() -> None:
    others = OTHERS.assign(visits=[5.0] * 99 + [50.0], plan=pd.Series(["free"] * 100, dtype="str"))
    move = what_moves(HAND, one(5, "free"), others, segment, toward=1)
    assert move is not None
    assert (move.column, move.after, move.size) == ("visits", 50.0, 0.01)


def test_a_missing_number_may_be_what_moves() -> None:
    move = what_moves(HAND, one(np.nan, "free"), OTHERS, segment, toward=1)
    assert move is not None
    assert (move.column, move.after, move.size) == ("visits", 10.0, 0.75)


def test_typical_users_stand_in_the_middle_of_their_segments(fitted: Callable[[str], Model]) -> None:
    model, features = fitted("random_forest"), users(300, 6).features
    score = model.classifier.predict_proba(features)[:, 1]
    low, high = np.quantile(score, [0.5, 0.8])

    def bands(score: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        return (score >= low).astype(int) + (score >= high).astype(int)

    found, explanation = typical_users(model, CONTRACT, features, users().features, ("low", "medium", "high"), bands)
    assert [user.segment for user in found] == ["low", "medium", "high"]
    assert [user.toward for user in found] == ["medium", "high", "medium"]
    for code, user in enumerate(found):
        members = bands(score, features) == code
        away = np.abs(score[members] - np.median(score[members]))
        assert abs(user.score - np.median(score[members])) == pytest.approx(away.min())
        assert user.reasons[0][0] == features.columns[np.abs(explanation.values[user.row]).argmax()]
        if user.move:
            changed = explanation.features.iloc[[user.row]].assign(**{user.move.column: [user.move.after]})
            changed = changed.astype(features.dtypes.to_dict())
            after = model.classifier.predict_proba(changed)[:, 1]
            assert after[0] == pytest.approx(user.move.score)
            assert bands(after, changed)[0] == ["low", "medium", "high"].index(user.toward)
    table = typical_table(found)
    assert list(table["segment"]) == ["low", "medium", "high"]
    for user, text in zip(found, table["smallest_change"], strict=True):
        told = f"{user.move.column} " if user.move else "no value tried"
        assert text.startswith(told)
