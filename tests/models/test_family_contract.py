"""Every family with a YAML, shipped or of the user's own, honours this contract."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from tippingpoint.config.compose import compose, config_folder
from tippingpoint.config.settings import Settings
from tippingpoint.core.errors import InputError
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.explanation import coefficients, explain, raw_columns
from tippingpoint.models.calibration import Model, fit, refit
from tippingpoint.models.family import Family

NAMES = sorted(path.stem for path in (config_folder() / "model").glob("*.yaml") if path.stem != "all")
CONTRACT = FeatureSchema(
    (Column("hours", "number"), Column("gap", "number"), Column("plan", "category"), Column("plan_tier", "category")),
    "y",
)


def users(n: int = 1500, seed: int = 0) -> Users:
    rng = np.random.default_rng(seed)
    hours, plan = rng.lognormal(size=n) * 10, rng.choice(["a", "b", "tier_a"], n)
    features = pd.DataFrame(
        {
            "hours": hours,
            "gap": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "plan": pd.Series(plan, dtype="str"),
            "plan_tier": pd.Series(rng.choice(["a", "x", None], n), dtype="str"),
        }
    )
    chance = 1 / (1 + np.exp(2 - np.log1p(hours) - (plan == "a")))
    ids = np.array([f"{seed}-{i}" for i in range(n)], dtype=object)
    return Users(features, (rng.random(n) < chance).astype(np.int64), ids, CONTRACT)


@pytest.fixture(scope="module", params=NAMES)
def family(request: pytest.FixtureRequest) -> Family:
    settings = Settings.from_config(compose("run", [f"model={request.param}"]))
    return settings.model[request.param].build(Family, f"model.{request.param}")


@pytest.fixture(scope="module")
def model(family: Family) -> Model:
    return fit(family, users(), users(600, 1), seed=0)


def test_scores_are_probabilities_that_rank(model: Model) -> None:
    test = users(2000, 2)
    score = model.score(test)
    assert score.shape == (2000,)
    assert np.all((score >= 0) & (score <= 1))
    assert score[test.outcome == 1].mean() > score[test.outcome == 0].mean() + 0.02
    assert abs(score.mean() - test.outcome.mean()) < 0.05


def test_the_pipeline_clones(family: Family) -> None:
    pipeline = family.pipeline(CONTRACT, 3)
    assert repr(clone(pipeline)) == repr(pipeline)


def test_the_same_seed_gives_the_same_scores(family: Family, model: Model) -> None:
    again = fit(family, users(), users(600, 1), seed=0)
    np.testing.assert_allclose(again.score(users(100, 5)), model.score(users(100, 5)), rtol=0, atol=1e-12)


def test_saved_and_loaded_with_its_constant_trust_list_it_scores_the_same(model: Model) -> None:
    saved = skops.io.dumps(model.classifier)
    assert set(skops.io.get_untrusted_types(data=saved)) <= set(model.family.trusted)
    loaded = skops.io.loads(saved, trusted=list(model.family.trusted))
    features = users(50, 3).features
    np.testing.assert_allclose(loaded.predict_proba(features), model.classifier.predict_proba(features), atol=1e-12)


def test_what_was_never_seen_in_training_still_gets_a_score(model: Model) -> None:
    odd = users(4, 4).features.assign(plan=["unseen", None, "a", "b"], hours=[np.nan, -5.0, 1e12, 0.0])
    odd["plan"] = odd["plan"].astype("str")
    assert np.isfinite(model.classifier.predict_proba(odd)).all()


def test_raw_columns_may_be_whole_numbers_in_any_order_among_others(model: Model) -> None:
    raw = pd.DataFrame({"extra": ["?"], "plan_tier": ["x"], "plan": ["a"], "gap": [1], "hours": [3]})
    same = pd.DataFrame({"hours": [3.0], "gap": [1.0], "plan": ["a"], "plan_tier": ["x"]})
    np.testing.assert_array_equal(model.classifier.predict_proba(raw), model.classifier.predict_proba(same))


def test_a_single_class_is_refused(family: Family) -> None:
    train = users()
    with pytest.raises(InputError, match="have the same outcome"):
        fit(family, train.take(np.flatnonzero(train.outcome == 1)), users(600, 1), seed=0)


def test_explanations_add_up_to_the_output_in_the_user_s_columns(model: Model) -> None:
    explanation = explain(model, CONTRACT, users(40, 6).features, users().features)
    assert explanation.values.shape == (40, 4)
    assert explanation.gap < 1e-5
    assert set(explanation.importance()["feature"][:2]) == {"hours", "plan"}


def test_made_columns_are_traced_to_the_column_they_came_from(model: Model) -> None:
    """Flipping one raw column changes only what was made of it."""
    prepare = model.pipeline.named_steps["prepare"]
    source = raw_columns(prepare, CONTRACT)
    before = users(30, 7).features
    for at, column in enumerate(CONTRACT.columns):
        values = before[column.name]
        other = -values if column.kind == "number" else values.map({"a": "b", "b": "a", "x": "a"}).astype("str")
        one, two = (np.asarray(prepare.transform(x)) for x in (before, before.assign(**{column.name: other})))
        changed = ~np.isclose(one, two, equal_nan=True).all(axis=0)
        assert set(source[changed]) == {at}


def test_coefficients_are_named_after_the_user_s_columns() -> None:
    family = Settings.from_config(compose("run", ["model=logistic"])).model["logistic"].build(Family, "model.logistic")
    table = coefficients(fit(family, users(), users(600, 1), 0), CONTRACT)
    assert table["feature"][0] == "hours"
    units = table.set_index("term")["unit"]
    assert units["hours"] == "standard deviation of arcsinh(x)"
    assert set(units[units.index.str.startswith("plan_")]) == {"no (0) to yes (1)"}
    assert table["coefficient"][0] > 0
    assert table.loc[table["term"] == "plan_a", "coefficient"].item() > 0


def test_calibration_is_kept_where_it_helps() -> None:
    """Trees to purity on noise are far too sure of themselves; a sigmoid mends what a plain forest gets right."""
    settings = compose("run", ["model=random_forest", "model.random_forest.min_samples_leaf=1"])
    node = Settings.from_config(settings).model["random_forest"]
    sure = node.build(Family, "model").model_copy(update={"max_depth": None, "max_features": 1.0, "n_estimators": 30})
    assert fit(sure, users(), users(600, 1), 0).calibration == "sigmoid"
    plain = sure.model_copy(update={"calibrate": False})
    assert fit(plain, users(), users(600, 1), 0).calibration == "none"


def test_a_refit_on_all_users_scores_them_out_of_fold_and_saves_as_the_family_trusts(family: Family) -> None:
    everyone, test = users(1500), users(2000, 2)
    model, out_of_fold = refit(family, everyone, 0)
    inside, outside = roc_auc_score(everyone.outcome, out_of_fold), roc_auc_score(test.outcome, model.score(test))
    assert inside == pytest.approx(outside, abs=0.04), "no user is scored by a model that saw it"
    assert abs(out_of_fold.mean() - everyone.outcome.mean()) < 0.02
    assert set(skops.io.get_untrusted_types(data=skops.io.dumps(model.classifier))) <= set(family.trusted)


def wide(n: int, seed: int) -> Users:
    rng = np.random.default_rng(seed)
    town = rng.integers(0, 30, n)
    features = pd.DataFrame({"hours": np.where(rng.random(n) < 0.3, 0.0, rng.normal(size=n)), "town": town.astype(str)})
    features.loc[rng.random(n) < 0.2, "hours"] = np.nan
    contract = FeatureSchema((Column("hours", "number"), Column("town", "category")), "y")
    chance = 1 / (1 + np.exp(0.5 - (town % 3) - features["hours"].fillna(-1)))
    return Users(features, (rng.random(n) < chance).astype(np.int64), np.array([f"{i}" for i in range(n)]), contract)


def test_a_wide_table_is_sparse_and_scores_as_a_dense_one(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = wide(1200, 0), wide(300, 1)
    found = {}
    for share in (0.0, 0.1):  # never sparse, and as it is
        monkeypatch.setattr("tippingpoint.models.family.SPARSE", share)
        model = fit(family, train, wide(400, 2), seed=0)
        assert model.pipeline[0].sparse_output_ == (share > 0)
        told = explain(model, train.contract, test.features, train.features)
        found[share] = (model.score(test), told.values, told.output)
    for dense, sparse in zip(*found.values(), strict=True):
        np.testing.assert_allclose(sparse, dense, atol=1e-6)
