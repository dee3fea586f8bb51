"""What a trial is told is what cross-validation finds, fold by fold."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.models.family import Family
from tippingpoint.policies.bands import Bands
from tippingpoint.tuning.folds import Folds, Priced, cut, prepare
from tippingpoint.tuning.objectives import Found, Stopped, cross_validate
from tippingpoint.tuning.worker import Silent

CONTRACT = FeatureSchema((Column("hours", "number"), Column("noise", "number"), Column("plan", "category")), "y")


def users(n: int = 900) -> Users:
    rng = np.random.default_rng(0)
    hours, plan = rng.lognormal(size=n), rng.choice(["a", "b", "c"], n)
    features = pd.DataFrame({"hours": hours, "noise": rng.normal(size=n), "plan": pd.Series(plan, dtype="str")})
    chance = 1 / (1 + np.exp(1.5 - hours - (plan == "a")))
    return Users(features, (rng.random(n) < chance).astype(np.int64), np.arange(n).astype(str).astype(object), CONTRACT)


def family(name: str, **parameters: object) -> Family:
    settings = Settings.from_config(compose("run", [f"model={name}"]))
    return settings.model[name].build(Family, "model").model_copy(update={"search": {}, **parameters})


def folds(folder: Path, families: dict[str, Family], k: int = 3) -> Folds:
    everyone = users()
    fits = np.ones(len(everyone), dtype=bool)
    return prepare(everyone, fits, cut(everyone, fits, k, 0), families, 0, folder)


def found(folder: Path, of: Family, objectives: tuple[str, ...], priced: Priced | None = None) -> Found:
    return cross_validate(of, "f", folds(folder, {"f": of}), objectives, priced, 1, Silent())


@pytest.mark.parametrize("name", ["logistic", "random_forest", "boosting"])
def test_each_fold_is_what_scikit_learn_finds(tmp_path: Path, name: str) -> None:
    of, everyone = family(name), users()
    theirs = cross_val_score(
        of.pipeline(CONTRACT, 0).set_params(),
        everyone.features,
        everyone.outcome,
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
        scoring="roc_auc",
    )
    assert found(tmp_path, of, ("roc_auc",)).values["roc_auc"] == pytest.approx(theirs, abs=1e-6)


def test_all_folds_get_the_rounds_their_mean_loss_is_lowest_after(tmp_path: Path) -> None:
    plain = family("boosting")
    watched = plain.model_validate({**plain.model_dump(), "search": {"n_estimators": {"high": 300, "patience": 20}}})
    mine = found(tmp_path, watched, ("log_loss",))
    assert mine.rounds is not None
    around = {
        rounds: found(tmp_path, family("boosting", n_estimators=rounds), ("log_loss",)).objectives()[0]
        for rounds in (mine.rounds - 20, mine.rounds - 3, mine.rounds)
    }
    assert mine.objectives()[0] == pytest.approx(around[mine.rounds], abs=1e-7)
    assert around[mine.rounds] == min(around.values())


def test_gain_is_the_paired_difference_positive_for_better(tmp_path: Path) -> None:
    for objective in ("roc_auc", "log_loss", "brier"):
        weak = found(tmp_path, family("logistic", C=1e-4), (objective,))
        strong = found(tmp_path, family("logistic"), (objective,))
        gain = strong.gain(weak)
        sign = 1 if objective == "roc_auc" else -1
        assert gain.value == pytest.approx(sign * (strong.objectives()[0] - weak.objectives()[0]), abs=1e-3)
        assert gain.value > 0
        assert gain.se is not None
        assert weak.gain(strong).value == pytest.approx(-gain.value)
        assert strong.gain(strong).se == 0


def test_an_objective_without_an_error_per_user_has_a_gain_without_interval(tmp_path: Path) -> None:
    gain = found(tmp_path, family("logistic"), ("pr_auc",)).gain(
        found(tmp_path, family("logistic", C=1e-4), ("pr_auc",))
    )
    assert gain.value > 0
    assert gain.se is None


def test_sizes_are_counted_in_the_users_own_columns(tmp_path: Path) -> None:
    sizes = found(tmp_path, family("logistic"), ("roc_auc", "features", "nodes")).values
    assert sizes["features"] == [3, 3, 3]
    assert sizes["nodes"] == [5, 5, 5]  # hours, noise, and three plans
    stump = found(tmp_path, family("boosting", max_depth=1, n_estimators=1), ("features", "nodes")).values
    assert stump["features"] == [1, 1, 1]
    assert stump["nodes"] == [3, 3, 3]
    forest = found(tmp_path, family("random_forest", max_depth=1, n_estimators=4), ("features", "nodes")).values
    assert forest["nodes"] == [12, 12, 12]


def test_money_is_decided_on_each_fold_by_a_policy_bound_on_the_others(tmp_path: Path) -> None:
    everyone, of = users(), family("logistic", calibrate=False)
    policy = Bands(
        name="two",
        version=1,
        cuts=[0.5],
        cut_belongs=["above"],
        bands=["low", "high"],
        actions={"low": "none", "high": "prompt"},
    )
    rng = np.random.default_rng(1)
    reward = np.stack([np.zeros(len(everyone)), rng.normal(size=len(everyone))], axis=1)
    spend = np.stack([np.zeros(len(everyone)), np.ones(len(everyone))], axis=1)
    priced = Priced(policy, everyone.features, ("none", "prompt"), reward, spend)
    mine = found(tmp_path, of, ("value", "spend"), priced)
    kept = StratifiedKFold(3, shuffle=True, random_state=0)
    score = cross_val_predict(
        of.pipeline(CONTRACT, 0), everyone.features, everyone.outcome, cv=kept, method="predict_proba"
    )[:, 1]
    for number, (_, held) in enumerate(kept.split(everyone.outcome, everyone.outcome)):
        acted = score[held] >= 0.5
        assert mine.values["spend"][number] == pytest.approx(acted.mean())
        assert mine.values["value"][number] == pytest.approx((reward[held, 1] * acted).mean())
    assert mine.contributions is not None
    assert mine.contributions.mean() == pytest.approx(np.mean(mine.values["value"]), abs=1e-3)


def test_a_watcher_is_told_after_each_fold_and_may_end_it(tmp_path: Path) -> None:
    told: list[tuple[int, float | None]] = []

    class Watcher(Silent):
        def fold(self, fold: int, value: Callable[[], float] | None) -> None:
            told.append((fold, value and value()))
            if fold == 1:
                raise Stopped

    of = family("logistic")
    with pytest.raises(Stopped):
        cross_validate(of, "f", folds(tmp_path, {"f": of}), ("roc_auc",), None, 1, Watcher())
    whole = found(tmp_path, of, ("roc_auc",)).values["roc_auc"]
    assert told == [(0, pytest.approx(whole[0])), (1, pytest.approx(whole[1]))]


def test_folds_are_stratified_and_their_columns_are_learnt_outside_them(tmp_path: Path) -> None:
    everyone = users()
    of = family("logistic")
    mine = folds(tmp_path, {"f": of})
    for number in range(3):
        held = mine.fold == number
        assert everyone.outcome[held].mean() == pytest.approx(everyone.outcome.mean(), abs=0.01)
        fit, inside = mine.prepared("f", number)
        step = of.pipeline(CONTRACT, 0).named_steps["prepare"].fit(everyone.features[~held])
        np.testing.assert_allclose(inside, step.transform(everyone.features[held]))
        np.testing.assert_allclose(fit, step.transform(everyone.features[~held]))
        assert roc_auc_score(everyone.outcome[held], inside[:, 0]) > 0.6


def test_more_folds_than_users_of_an_outcome_are_refused() -> None:
    rare = users(200)
    outcome = np.zeros(200, dtype=np.int64)
    outcome[:4] = 1
    rare = Users(rare.features, outcome, rare.user_id, CONTRACT)
    with pytest.raises(InputError, match="5 folds need 5 users of either outcome; there are 4"):
        cut(rare, np.ones(200, dtype=bool), 5, 0)


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_models_are_fitted_on_those_who_fit_and_judged_on_all(tmp_path: Path, name: str) -> None:
    everyone, of = users(), family(name)
    fits = np.random.default_rng(1).random(len(everyone)) < 0.6
    fold = cut(everyone, fits, 3, 0)
    for number in range(3):
        assert everyone.outcome[(fold == number) & fits].mean() == pytest.approx(
            everyone.outcome[fits].mean(), abs=0.01
        )
    mine = cross_validate(
        of, "f", prepare(everyone, fits, fold, {"f": of}, 0, tmp_path), ["roc_auc"], None, 1, Silent()
    )
    for number, value in enumerate(mine.values["roc_auc"]):
        seen, held = (fold != number) & fits, fold == number
        fitted = of.pipeline(CONTRACT, 0).fit(everyone.features[seen], everyone.outcome[seen])
        score = fitted.predict_proba(everyone.features[held])[:, 1]
        assert value == pytest.approx(roc_auc_score(everyone.outcome[held], score), abs=1e-6)
