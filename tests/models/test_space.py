"""What may be tried for a hyper-parameter, and what is refused."""

import numpy as np
import pytest
from pydantic import ValidationError

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.models.boosting import Boosting
from tippingpoint.models.family import Family
from tippingpoint.models.random_forest import RandomForest
from tippingpoint.models.space import Dimension

FOREST = {"n_estimators": 10, "max_depth": 4, "min_samples_leaf": 5, "max_features": "sqrt", "calibrate": True}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "needs low and high"),
        ({"low": 1}, "needs low and high"),
        ({"low": 5, "high": 5}, "low 5 is not below high 5"),
        ({"low": 5, "high": 2}, "low 5 is not below high 2"),
        ({"low": 0, "high": 2, "log": True}, "starts above 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "has no step"),
        ({"choices": []}, "at least 1 item"),
        ({"patience": 50}, "patience goes with high alone"),
        ({"patience": 50, "low": 1, "high": 10}, "patience goes with high alone"),
        ({"low": 1, "high": 9, "step": 10}, "step 10 is wider than the range from 1 to 9"),
        ({"choices": ["a", 1, "a"]}, 'choices names "a" twice'),
        ({"low": "a", "high": 9}, "low 'a' is no number"),
        ({"low": 1, "high": 9, "log": "maybe"}, "log 'maybe' is neither true nor false"),
        ({"low": 1, "high": 9, "step": 0}, "step 0 is not above 0"),
        (5, "is neither a range nor choices"),
        ({"lo": 1, "high": 10}, "Extra inputs"),
    ],
)
def test_what_is_no_range_and_no_choice_is_refused(written: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Dimension.model_validate(written)


def test_choices_count_instead_of_the_range_they_are_laid_over() -> None:
    laid_over = {"low": 1, "high": 9, "log": True, "patience": None, "choices": [3, None]}
    assert Dimension.model_validate(laid_over) == Dimension(choices=(3, None))


def test_whole_ends_make_whole_numbers() -> None:
    assert Dimension(low=1, high=9).whole
    assert not Dimension(low=1.0, high=9).whole
    assert not Dimension(low=1, high=9, step=0.5).whole


def test_a_grid_holds_both_ends_and_every_step() -> None:
    assert Dimension(low=2, high=8, step=3).grid(99) == (2, 5, 8)
    assert Dimension(low=0.01, high=100.0, log=True).grid(5) == (0.01, 0.1, 1.0, 10.0, 100.0)
    assert Dimension(low=1, high=3).grid(10) == (1, 2, 3)
    assert Dimension(choices=["sqrt", None]).grid(3) == ("sqrt", None)


@pytest.mark.parametrize(
    ("search", "said"),
    [
        ({"depth": {"low": 1, "high": 3}}, "'depth', which the family lacks. Nearest: 'max_depth'"),
        ({"calibrate": {"choices": [True]}}, "which the family lacks"),
        ({"max_depth": {"low": 0, "high": 3}}, "search.max_depth tries 0"),
        ({"max_features": {"choices": ["sqrt", "root"]}}, "search.max_features tries 'root'"),
        ({"max_depth": {"high": 30, "patience": 5}}, "counts no rounds"),
        ({"max_depth": {"low": 1, "high": 3, "when": {"max_features": ["sqrt"]}}}, "depends on 'max_features'"),
    ],
)
def test_a_family_refuses_a_space_it_cannot_use(search: dict, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RandomForest.model_validate({**FOREST, "search": search})


@pytest.mark.parametrize("name", ["logistic", "random_forest", "boosting"])
def test_the_shipped_spaces_hold_the_shipped_defaults(name: str) -> None:
    settings = Settings.from_config(compose("run", [f"model={name}"]))
    family = settings.model[name].build(Family, "model")
    assert family.search
    for parameter, dimension in family.search.items():
        if not dimension.patience:
            assert dimension.holds(family.parameters()[parameter])


def test_rounds_are_watched_and_their_losses_are_those_of_the_model() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 3))
    y = (rng.random(600) < 1 / (1 + np.exp(-x[:, 0]))).astype(int)
    family = Boosting(
        n_estimators=80, max_depth=2, learning_rate=0.3, subsample=1, colsample_bytree=1, min_child_weight=1,
        reg_lambda=1, calibrate=False,
    )  # fmt: skip
    from xgboost import XGBClassifier

    seen: list[int] = []
    model = XGBClassifier(**family.parameters(), random_state=0)
    losses = family.fit_watched(
        model, x[:400], y[:400], (x[400:], y[400:]), 10, lambda number, _: bool(seen.append(number))
    )
    assert seen == list(range(1, len(losses) + 1))
    assert len(losses) < 80
    assert len(losses) == np.argmin(losses) + 1 + 10
    for rounds in (1, 7, len(losses)):
        score = family.score_after(model, x[400:], rounds)
        loss = -np.mean(np.where(y[400:] == 1, np.log(score), np.log1p(-score)))
        assert loss == pytest.approx(losses[rounds - 1], abs=1e-6)


def test_a_watcher_ends_a_fit() -> None:
    from xgboost import XGBClassifier

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 2)), rng.integers(0, 2, 200)
    family = Boosting(
        n_estimators=50, max_depth=2, learning_rate=0.1, subsample=1, colsample_bytree=1, min_child_weight=1,
        reg_lambda=1, calibrate=False,
    )  # fmt: skip
    model = XGBClassifier(**family.parameters())
    losses = family.fit_watched(model, x, y, (x, y), 50, lambda number, _: number == 6)
    assert len(losses) == 6
