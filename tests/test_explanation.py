"""Explanations of all families: exact, additive, in the user's own columns; what they refuse; what moves a user."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from tippingpoint.composing import compose
from tippingpoint.data.users import Column, Contract, Users
from tippingpoint.errors import InputError
from tippingpoint.explanation import (
    coefficients,
    effects,
    explain,
    interactions,
    raw_columns,
    stability,
    typical_table,
    typical_users,
    what_moves,
)
from tippingpoint.explanation.line import _refit
from tippingpoint.explanation.stability import Stability
from tippingpoint.models.calibration import Model, fit
from tippingpoint.models.family import Family
from tippingpoint.settings import Settings

CONTRACT = Contract(
    (Column("hours", "number"), Column("gap", "number"), Column("plan", "category"), Column("noise", "number")), "y"
)
FAMILIES = ("logistic", "random_forest", "boosting")


def users(n: int = 1200, seed: int = 0) -> Users:
    rng = np.random.default_rng(seed)
    hours, plan = rng.lognormal(size=n) * 10, rng.choice(["a", "b", "c"], n)
    features = pd.DataFrame(
        {
            "hours": hours,
            "gap": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "plan": pd.Series(plan, dtype="str"),
            "noise": rng.normal(size=n),
        }
    )
    chance = 1 / (1 + np.exp(3 - np.log1p(hours) * np.where(plan == "a", 1.5, 0.5)))
    ids = np.array([f"{seed}-{i}" for i in range(n)], dtype=object)
    return Users(features, (rng.random(n) < chance).astype(np.int64), ids, CONTRACT)


@pytest.fixture(scope="module")
def fitted() -> Callable[[str], Model]:
    made: dict[str, Model] = {}

    def model(name: str) -> Model:
        if name not in made:
            settings = Settings.from_config(compose("run", [f"model={name}"]))
            family = settings.model[name].build(Family, f"model.{name}")
            made[name] = fit(family, users(), users(600, 1), seed=0)
        return made[name]

    return model


def folded(model: Model, values: np.ndarray) -> np.ndarray:
    """Values of prepared columns, summed over the columns they came from."""
    source = raw_columns(model.pipeline.named_steps["prepare"], CONTRACT)
    return np.stack([values[:, source == at].sum(axis=1) for at in range(len(CONTRACT.columns))], axis=1)


@pytest.mark.parametrize("name", FAMILIES)
def test_values_equal_shap_s_in_the_user_s_columns(name: str, fitted: Callable[[str], Model]) -> None:
    shap = pytest.importorskip("shap")
    model, asked, background = fitted(name), users(40, 6).features, users().features
    x, centre = (np.asarray(model.pipeline[0].transform(part), dtype=np.float64) for part in (asked, background))
    if name == "logistic":
        theirs = shap.LinearExplainer(model.pipeline[-1], shap.maskers.Independent(centre, max_samples=len(centre)))
        expected, base = theirs.shap_values(x), theirs.expected_value
    else:
        theirs = shap.TreeExplainer(model.pipeline[-1], feature_perturbation="tree_path_dependent")
        values = np.asarray(theirs.shap_values(x, check_additivity=False))
        expected = values[:, :, 1] if values.ndim == 3 else values
        base = np.ravel(theirs.expected_value)[-1]
    explanation = explain(model, CONTRACT, asked, background)
    np.testing.assert_allclose(explanation.values, folded(model, expected), atol=1e-6)
    assert explanation.base == pytest.approx(float(base), abs=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_base_and_values_add_up_to_the_named_output(name: str, fitted: Callable[[str], Model]) -> None:
    model, asked = fitted(name), users(200, 6).features
    explanation = explain(model, CONTRACT, asked, users().features)
    chance = model.pipeline.predict_proba(asked)[:, 1].astype(np.float64)
    output = chance if explanation.space.startswith("probability") else np.log(chance / (1 - chance))
    assert explanation.space == ("probability" if name == "random_forest" else "log-odds") + " before calibration"
    np.testing.assert_allclose(explanation.base + explanation.values.sum(axis=1), output, atol=2e-5)
    assert explanation.gap < (5e-6 if name == "boosting" else 1e-12)  # XGBoost answers in float32


def test_a_column_that_says_nothing_gets_nothing_of_a_line(fitted: Callable[[str], Model]) -> None:
    asked = users(100, 3).features
    model = fitted("logistic")
    constant = asked.assign(hours=7.0)
    explanation = explain(model, CONTRACT, constant, constant)
    np.testing.assert_allclose(explanation.values[:, 0], 0, atol=1e-12)


def test_columns_come_in_the_contract_s_order_and_others_are_left_out(fitted: Callable[[str], Model]) -> None:
    model, asked = fitted("random_forest"), users(20, 6).features
    odd = asked[["plan", "noise", "gap", "hours"]].assign(extra=1.0)
    one, two = (explain(model, CONTRACT, features, asked) for features in (asked, odd))
    np.testing.assert_array_equal(one.values, two.values)
    assert list(two.features.columns) == [column.name for column in CONTRACT.columns]


def with_last_step(model: Model, step: Any) -> Model:
    x = model.pipeline[0].transform(users().features)
    pipeline = Pipeline([("prepare", model.pipeline[0]), ("model", step.fit(np.nan_to_num(x), users().outcome))])
    return replace(model, pipeline=pipeline, classifier=pipeline)


def test_other_trees_that_shap_knows_are_explained(fitted: Callable[[str], Model]) -> None:
    model = with_last_step(fitted("boosting"), HistGradientBoostingClassifier(max_iter=20, random_state=0))
    assert explain(model, CONTRACT, users(20, 6).features, users().features).gap < 1e-6


def test_bad_input_is_told_in_one_message(fitted: Callable[[str], Model]) -> None:
    model, asked = fitted("boosting"), users(5).features
    with pytest.raises(InputError, match="no users to explain"):
        explain(model, CONTRACT, asked.iloc[:0], asked)
    with pytest.raises(InputError, match=r"the model reads 'hours', which the users do not have. Nearest: 'hour'"):
        explain(model, CONTRACT, asked.rename(columns={"hours": "hour"}), asked)
    for name in ("boosting", "logistic"):
        unknown = with_last_step(fitted(name), KNeighborsClassifier())
        with pytest.raises(InputError, match="a KNeighborsClassifier cannot be explained exactly"):
            explain(unknown, CONTRACT, asked, asked)


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
            contract = Contract(tuple(Column(name, "number") for name in columns), "y")
            two.append(stability(family, Users(pd.DataFrame(columns), outcome, ids, contract), seed))
        assert two[0].columns == two[1].columns == tuple(noise)
        assert two[0].tau == pytest.approx(two[1].tau)
        found.append(two[0].tau)
    assert np.mean(found) < 0.5


def test_a_refit_is_scikit_learn_s_with_users_counted() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)) ** 3  # long tails, on which plain steps of Newton's run away
    y = (rng.random(300) < 1 / (1 + np.exp(2 - x[:, 0]))).astype(int)
    times = rng.integers(0, 4, 300)
    theirs = LogisticRegression(C=5.0, tol=1e-10, max_iter=10_000).fit(x, y, sample_weight=times)
    start, penalty = np.array([3.0, -3.0, 3.0, -3.0, 0.0]), np.array([0.2, 0.2, 0.2, 0.2, 0.0])
    ours = _refit(start, np.column_stack([x, np.ones(300)]), y, times, penalty)
    np.testing.assert_allclose(ours, [*theirs.coef_[0], *theirs.intercept_], atol=0.002)
