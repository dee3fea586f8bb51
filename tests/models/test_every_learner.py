"""Every effect learner with a YAML, over the three families, honours this contract."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io

from tests.refusals import refuses
from tippingpoint.config.compose import compose, config_folder
from tippingpoint.config.settings import Settings
from tippingpoint.data.model_output import by_action, effects, probability
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.models.calibration import Model
from tippingpoint.models.effect_models import fit_effects, refit_effects, trusted_types
from tippingpoint.models.family import Family
from tippingpoint.models.learners.learner import Learner
from tippingpoint.models.learners.nuisances import Nuisances
from tippingpoint.models.learners.response import Response

NAMES = sorted(p.stem for p in (config_folder() / "learner").glob("*.yaml") if p.stem not in ("all", "response"))
CONTRACT = FeatureSchema((Column("x", "number"), Column("z", "number"), Column("plan", "category")), "y")
CHANCES = np.array([0.5, 0.3, 0.2])
SMALL = {
    "logistic": {},
    "random_forest": {"n_estimators": 25, "max_depth": 5},
    "boosting": {"n_estimators": 60, "learning_rate": 0.1},
}


def users(n: int = 6000, seed: int = 0, known: bool = True, group: bool = False) -> Users:
    """Whom `help` moves by 0.2 · x where x > 0 and by 0 elsewhere; `hurt` takes 0.1 from everyone."""
    rng = np.random.default_rng(seed)
    x, z, plan = rng.uniform(-1, 1, n), rng.normal(size=n), rng.choice(["a", "b"], n)
    none = 0.3 + 0.1 * np.tanh(z)
    truth = np.stack([none, none + 0.4 * np.maximum(x, 0), none - 0.1], axis=1)
    # Where chances are not known they follow a feature.
    chance = np.tile(CHANCES, (n, 1))
    if not known:
        chance[:, 0], chance[:, 1] = 0.25 + 0.3 * (z > 0), 0.55 - 0.3 * (z > 0)
    action = (rng.random((n, 1)) > np.cumsum(chance[:, :-1], axis=1)).sum(axis=1)
    outcome = (rng.random(n) < truth[np.arange(n), action]).astype(np.int64)
    features = pd.DataFrame({"x": x, "z": z, "plan": pd.Series(plan, dtype="str")})
    ids = np.array([f"u{i}" for i in range(n)], dtype=object)
    return Users(
        features, outcome, ids, CONTRACT, ("none", "help", "hurt"), action,
        logging_probability=chance if known else None, truth=truth,
        group=np.array([f"g{i // 3}" for i in range(n)], dtype=object) if group else None,
    )  # fmt: skip


def family_of(name: str) -> Family:
    settings = Settings.from_config(compose("run", [f"model={name}"]))
    return settings.model[name].build(Family, name).having(SMALL[name])


def learner_of(name: str) -> Learner:
    settings = Settings.from_config(compose("run", [f"learner={name}"]))
    return settings.learner[name].build(Learner, name)


@cache
def nuisances(family: str) -> Nuisances:
    return Nuisances(family_of(family), users(), seed=0)


@cache
def fitted(family: str, name: str) -> Model:
    return fit_effects(learner_of(name), nuisances(family))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", SMALL)
def test_it_finds_whom_an_action_moves(family: str, name: str) -> None:
    model, test = fitted(family, name), users(4000, 1)
    found = model.output(test)
    assert found.shape == (4000, 4)
    assert test.truth is not None
    true, told = test.truth - test.truth[:, :1], effects(found)
    assert not told[:, 0].any()
    assert np.abs(told.mean(axis=0) - true.mean(axis=0)).max() < 0.04
    if (family, name) == ("logistic", "s"):
        return  # one slope for everyone, as its docstring says
    moved = np.argsort(-told[:, 1])[:1200]
    best = np.argsort(-true[:, 1])[:1200]
    assert true[moved, 1].mean() > 0.75 * true[best, 1].mean()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", SMALL)
def test_its_chances_are_those_of_the_logged_mix(family: str, name: str) -> None:
    found, test = fitted(family, name).output(users(4000, 1)), users(4000, 1)
    assert abs(probability(found).mean() - test.outcome.mean()) < 0.03
    action = nuisances(family).action
    mixed = by_action(found) @ (np.bincount(action) / len(action))
    assert np.abs(mixed - probability(found)).max() < 0.05  # but where chances are cut off at 0 and 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", SMALL)
def test_what_is_saved_holds_no_more_types_than_family_and_learner_trust(family: str, name: str) -> None:
    model, test = fitted(family, name), users(50, 2)
    assert model.trusted == trusted_types(family_of(family), learner_of(name))
    saved = skops.io.dumps(model.classifier)
    assert set(skops.io.get_untrusted_types(data=saved)) <= set(model.trusted)
    loaded = skops.io.loads(saved, trusted=list(model.trusted))
    assert np.allclose(loaded.predict(test.features), model.output(test), atol=1e-12)


def test_a_saved_learner_loads_where_this_package_is_not(tmp_path: Path) -> None:
    given, test = Nuisances(family_of("logistic"), users(2000), seed=0), users(20, 2)
    fitted = {name: fit_effects(learner_of(name), given) for name in ("s", "dr")}
    test.features.to_parquet(tmp_path / "rows.parquet")
    for name, model in fitted.items():
        skops.io.dump(model.classifier, tmp_path / f"{name}.skops")
    script = """
import json, sys
sys.modules["tippingpoint"] = None
import pandas, skops.io
folder, given = sys.argv[1], json.loads(sys.argv[2])
rows = pandas.read_parquet(f"{folder}/rows.parquet")
print(json.dumps({n: skops.io.load(f"{folder}/{n}.skops", trusted=t).predict(rows).tolist() for n, t in given.items()}))
"""
    asked = json.dumps({name: list(model.trusted) for name, model in fitted.items()})
    done = subprocess.run([sys.executable, "-c", script, tmp_path, asked], capture_output=True, text=True, check=True)
    for name, found in json.loads(done.stdout).items():
        assert np.allclose(found, fitted[name].output(test), atol=1e-12)


def test_learners_of_one_family_share_what_they_rest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[int] = []
    family = family_of("logistic")
    model = type(family.pipeline(CONTRACT, 0).named_steps["model"])
    plain = model.fit
    monkeypatch.setattr(model, "fit", lambda self, x, y: fits.append(len(y)) or plain(self, x, y))
    given = Nuisances(family, users(2000), seed=0)
    for name in ("t", "x", "r", "dr"):
        fit_effects(learner_of(name), given)
    assert len(fits) == 3 + 3 * 3  # a model an action, and one more for each fold


def test_chances_that_are_not_known_are_estimated() -> None:
    given = Nuisances(family_of("logistic"), users(4000, known=False), seed=0)
    assert np.allclose(given.chance.sum(axis=1), 1)
    high = given.users.features["z"].to_numpy() > 0
    assert abs(given.chance[high, 0].mean() - 0.55) < 0.05
    assert abs(given.chance[~high, 0].mean() - 0.25) < 0.05
    told = effects(fit_effects(learner_of("dr"), given).output(given.users))
    assert abs(told[:, 2].mean() + 0.1) < 0.05


def test_folds_keep_groups_whole() -> None:
    given = Nuisances(family_of("logistic"), users(3000, group=True), seed=0)
    assert given.users.codes is not None
    assert all(len(np.unique(given.fold[given.users.codes == g])) == 1 for g in range(0, 1000, 50))


def test_fitted_on_everyone_it_still_says_what_models_of_others_give() -> None:
    given = Nuisances(family_of("random_forest"), users(3000), seed=0)
    model, found = refit_effects(learner_of("t"), given)
    assert found.shape == (3000, 4)
    of_itself = model.output(given.users)
    outcome = given.users.outcome
    apart = [np.mean((probability(f) - outcome) ** 2) for f in (of_itself, found)]
    assert apart[0] < apart[1]  # it knows its own users better


def test_users_to_whom_nothing_was_done_are_refused() -> None:
    few = users(500)
    nothing = Users(few.features, few.outcome, few.user_id, CONTRACT)
    with refuses("learner", "no action was logged", "learner=response"):
        Nuisances(family_of("logistic"), nothing, seed=0)


def test_an_arm_with_hardly_any_user_is_refused() -> None:
    all_users = users(2000)
    assert all_users.action is not None
    few = all_users.take((all_users.action != 2) | (np.arange(2000) < 15))
    with refuses("learner", "'hurt' was taken for", "at least 10 of either outcome"):
        Nuisances(family_of("logistic"), few, seed=0)


def test_a_family_without_a_regression_is_told_which_learners_it_has() -> None:
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import Pipeline

    from tippingpoint.models.logistic import Logistic

    class Bayes(Logistic):
        def pipeline(self, contract: FeatureSchema, seed: int) -> Pipeline:
            return Pipeline([super().pipeline(contract, seed).steps[0], ("model", GaussianNB())])

        regression = Family.regression

    given = Nuisances(Bayes(), users(2000), seed=0)
    assert fit_effects(learner_of("t"), given).output(users(10, 1)).shape == (10, 4)
    with refuses("learner", "no regression goes with GaussianNB", "learner=t"):
        fit_effects(learner_of("dr"), given)


def test_response_is_the_default() -> None:
    settings = Settings.from_config(compose("run", []))
    assert [type(part.build(Learner, "learner")) for part in settings.learner.values()] == [Response]
