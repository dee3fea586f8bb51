from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.evaluation import auc_contributions, calibration_line
from tippingpoint.evaluation.metrics import area
from tippingpoint.evaluation.slices import CLOSE, slices, worst
from tippingpoint.offpolicy.statistics import mean


def world(n: int, seed: int, columns: int = 6, rate: float = -1.0) -> tuple[Users, np.ndarray]:
    """Users whose scores are their chances; no column says more."""
    rng = np.random.default_rng(seed)
    score = expit(rate + rng.normal(size=n))
    table: dict[str, object] = {f"n{i}": rng.normal(size=n) for i in range(columns // 2)}
    table |= {f"c{i}": pd.Series(rng.choice(list("abcde"), n), dtype="str") for i in range(columns - columns // 2)}
    contract = FeatureSchema(tuple(Column(name, "number" if name[0] == "n" else "category") for name in table), "y")
    ids = np.arange(n).astype(str).astype(object)
    return Users(pd.DataFrame(table), (rng.random(n) < score).astype(np.int64), ids, contract), score


def test_a_slice_is_measured_as_if_it_were_alone() -> None:
    users, score = world(3000, 0)
    score = score.round(2)  # ties
    table = slices(users, score).set_index(["column", "slice"])
    inside = (users.features["c0"] == "b").to_numpy()
    row, y = table.loc[("c0", "b")], users.outcome
    alone = area(mean(auc_contributions(y[inside], score[inside])))
    assert row["roc_auc"] == pytest.approx(roc_auc_score(y[inside], score[inside]), abs=1e-12)
    assert (row["roc_auc_low"], row["roc_auc_high"]) == pytest.approx((alone.low, alone.high), abs=2e-3)
    assert row["roc_auc_rest"] == pytest.approx(roc_auc_score(y[~inside], score[~inside]), abs=1e-12)
    _, intercept = calibration_line(y[inside], np.clip(score[inside], 1e-15, 1 - 1e-15))
    assert row["intercept"] == pytest.approx(intercept.value, abs=1e-5)
    assert (row["intercept_low"], row["intercept_high"]) == pytest.approx((intercept.low, intercept.high), abs=1e-4)
    assert (row["users"], row["outcomes"]) == (inside.sum(), y[inside].sum())
    assert row["mean_score"] == pytest.approx(score[inside].mean())


def test_every_user_is_in_one_slice_of_each_column() -> None:
    users, score = world(2000, 1)
    users.features.loc[::7, "n0"] = np.nan
    users.features.loc[::5, "c1"] = None
    users.features["c2"] = pd.Series([f"rare {i % 300}" for i in range(2000)], dtype="str")
    table = slices(users, score)
    assert set(table.groupby("column")["users"].sum()) == {2000}
    assert {"missing"} <= set(table.loc[table["column"] == "n0", "slice"])
    assert table.loc[table["column"] == "c2", "slice"].str.endswith(" others").sum() == 1


def test_rows_may_come_in_any_order() -> None:
    users, score = world(1500, 2)
    order = np.random.default_rng(0).permutation(1500)
    pd.testing.assert_frame_equal(slices(users, score), slices(users.take(order), score[order]))


@pytest.mark.worlds
@pytest.mark.parametrize("rate", [-1.0, -3.0])
def test_with_no_difference_at_most_one_world_in_twenty_lists_a_slice(rate: float) -> None:
    """100 worlds; 12 is three Monte-Carlo errors above 5 %."""
    assert sum(len(worst(slices(*world(2000, seed, rate=rate)))) > 0 for seed in range(100)) <= 12


def test_a_slice_whose_scores_are_noise_is_listed_as_ranking_worse() -> None:
    users, score = world(5000, 3)
    rng, inside = np.random.default_rng(1), (users.features["c1"] == "d").to_numpy()
    score[inside] = rng.permutation(score[inside])
    listed = worst(slices(users, score))
    assert listed[["column", "slice", "worse"]].iloc[0].tolist() == ["c1", "d", "ranks worse"]


@pytest.mark.parametrize(("by", "word"), [(0.7, "scores too high"), (-0.7, "scores too low")])
def test_a_slice_whose_scores_are_off_is_listed_with_the_side(by: float, word: str) -> None:
    users, score = world(5000, 4)
    inside = (users.features["n0"] > 0.9).to_numpy()
    shifted = expit(logit(score) + by * inside)
    listed = worst(slices(users, shifted))
    assert listed["column"].iloc[0] == "n0"
    assert word in listed["worse"].iloc[0]


def test_scores_that_lie_close_are_not_called_wrong() -> None:
    rng = np.random.default_rng(5)
    group = rng.random(8000) < 0.4
    score = expit(-1 + np.where(group, 0.15, 1.5) * rng.normal(size=8000))
    features = pd.DataFrame({"plan": pd.Series(np.where(group, "flat", "wide"), dtype="str")})
    ids = np.arange(8000).astype(str).astype(object)
    users = Users(
        features, (rng.random(8000) < score).astype(int), ids, FeatureSchema((Column("plan", "category"),), "y")
    )
    table = slices(users, score).set_index("slice")
    assert table["worse"].to_dict() == {"flat": "ranks worse as its scores lie close", "wide": ""}
    assert worst(table).empty
    table.loc["flat", "worse"] = f"{CLOSE}; scores too high"
    assert worst(table)["worse"].tolist() == [f"{CLOSE}; scores too high"]


def test_scores_that_are_every_user_s_chance_have_no_worse_slice() -> None:
    """40 worlds, columns drive the score; 6 is three Monte-Carlo errors above 5 %."""
    listed, close = 0, 0
    for seed in range(40):
        users, _ = world(3000, seed)
        drive = 1.5 * users.features["n0"] + 0.7 * users.features["n1"] + (users.features["c0"] == "a")
        score = expit(-1.5 + drive.to_numpy())
        users = replace(users, outcome=(np.random.default_rng(seed + 1000).random(3000) < score).astype(np.int64))
        table = slices(users, score)
        listed += len(worst(table)) > 0
        close += (table["worse"] == CLOSE).any()
    assert listed <= 6
    assert close >= 30


def test_few_users_are_told_nothing_of() -> None:
    users, score = world(120, 6)
    table = slices(users, score)
    assert len(table)
    assert table["roc_auc"].isna().all()
    assert (table["worse"] == "").all()


def test_a_slice_that_is_right_is_not_listed_because_all_others_are_off() -> None:
    users, score = world(5000, 8)
    right = (users.features["n1"] > 0.5).to_numpy()
    off = expit(logit(score) + 0.8 * ~right)
    listed = worst(slices(users, off))
    assert "scores too low" not in "".join(listed["worse"])
