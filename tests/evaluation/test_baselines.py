import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.evaluation.baselines import best_column
from tippingpoint.evaluation.learning import learning_curve
from tippingpoint.models.logistic import Logistic


def users(n: int, seed: int) -> Users:
    """The outcome hangs on how far `bent` is from 0; `many` has a value for every two users and says nothing."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame(
        {
            "bent": np.where(rng.random(n) < 0.05, np.nan, rng.normal(size=n)),
            "noise": rng.normal(size=n),
            "many": pd.Series([f"v{i}" for i in rng.integers(n // 2, size=n)], dtype="str"),
            "plan": pd.Series(rng.choice(["a", "b", None], n), dtype="str"),
        }
    )
    chance = 0.1 + 0.35 * (features["bent"].abs().fillna(0) > 1) + 0.1 * (features["plan"] == "a")
    kinds = {"bent": "number", "noise": "number", "many": "category", "plan": "category"}
    contract = FeatureSchema(tuple(Column(name, kind) for name, kind in kinds.items()), "y")
    ids = np.array([f"{seed}-{i}" for i in range(n)], dtype=object)
    return Users(features, (rng.random(n) < chance.to_numpy()).astype(np.int64), ids, contract)


def test_the_best_column_is_found_though_it_bends_and_another_has_a_value_for_each_user() -> None:
    column, alone = best_column(users(4000, 0), np.random.default_rng(0))
    assert column.column == "bent"
    assert list(alone) == sorted(alone, key=lambda name: -alone[name])
    assert alone["many"] == pytest.approx(0.5, abs=0.05)
    assert alone["noise"] == pytest.approx(0.5, abs=0.05)


def test_its_score_is_calibrated_and_as_good_as_train_said_on_users_it_never_saw() -> None:
    column, alone = best_column(users(4000, 0), np.random.default_rng(0))
    test = users(4000, 1)
    score = column.score(test.features)
    assert roc_auc_score(test.outcome, score) == pytest.approx(alone["bent"], abs=0.03)
    assert score.mean() == pytest.approx(test.outcome.mean(), abs=0.03)


def test_values_that_train_did_not_have_get_a_score() -> None:
    train = users(1000, 2).take(np.arange(1000))
    train.features["bent"] = 0.0
    train.features["plan"] = pd.Series(np.where(train.outcome == 1, "a", "b"), dtype="str")
    column, _ = best_column(train, np.random.default_rng(0))
    assert column.column == "plan"
    score = column.score(pd.DataFrame({"plan": pd.Series(["a", "b", "new", None], dtype="str")}))
    assert score[0] > score[2] == score[3] > score[1]
    assert np.isfinite(score).all()


def test_the_last_point_of_a_learning_curve_is_the_model_itself() -> None:
    train, test = users(2000, 3), users(1500, 4)
    family = Logistic(C=1.0, max_iter=500, calibrate=False)
    score = family.pipeline(train.contract, 0).fit(train.features, train.outcome).predict_proba(test.features)[:, 1]
    table = learning_curve(family, train, test, score, 0)
    assert table["users"].tolist() == [500, 1000, 2000]  # a tenth has too few users with the outcome
    assert table["roc_auc"].iloc[-1] == pytest.approx(roc_auc_score(test.outcome, score), abs=1e-12)
    assert (table["roc_auc_low"] < table["roc_auc"]).all()
    np.testing.assert_allclose(table["gain"][1:], np.diff(table["roc_auc"]), atol=1e-12)
    assert not {"gain_low", "gain_high"} & set(table), "other users drawn for a part would change more than test noise"
    again = learning_curve(family, train, test, score, 0)
    pd.testing.assert_frame_equal(table, again)
