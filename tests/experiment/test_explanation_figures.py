"""The files of an explanation: complete, drawn, and small."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.experiment import explanation_figures
from tippingpoint.experiment.explanation_figures import write_explanations
from tippingpoint.explanation import Explanation, explain, strongest_partner
from tippingpoint.models.calibration import fit
from tippingpoint.models.family import Family
from tippingpoint.policies.bands import Bands

LONG = "a_column_with_a_name_that_is_far_too_long_to_be_shown_whole"
CONTRACT = FeatureSchema(
    (Column("spent_in_$", "number"), Column("gap", "number"), Column("plan", "category"), Column(LONG, "number")), "y"
)
POLICY = Bands(
    name="p", version=1, cuts=(0.3, 0.5), cut_belongs=("above", "above"), bands=("low", "medium", "high"),
    actions={"low": "none", "medium": "none", "high": "none"},
)  # fmt: skip
FULL = {"shap.png", "dependence.png", "partial_dependence.png", "typical_users.png"}


def users(n: int, seed: int) -> Users:
    rng = np.random.default_rng(seed)
    spent, plan = rng.lognormal(3, 2, n), rng.choice(["a", "b", "a plan with a long name"], n)
    features = pd.DataFrame(
        {
            "spent_in_$": spent,
            "gap": np.where(rng.random(n) < 0.4, np.nan, rng.normal(size=n)),
            "plan": pd.Series(np.where(rng.random(n) < 0.1, None, plan), dtype="str"),
            LONG: rng.normal(size=n),
        }
    )
    chance = 1 / (1 + np.exp(2 - 0.4 * np.log1p(spent) - (plan == "a")))
    return Users(features, (rng.random(n) < chance).astype(np.int64), np.arange(n).astype(str).astype(object), CONTRACT)


def explained(name: str, rows: int = 60) -> tuple:
    family = Settings.from_config(compose("run", [f"model={name}"])).model[name].build(Family, f"model.{name}")
    train = users(900, 0)
    model = fit(family, train, users(400, 1), 0)
    return explain(model, CONTRACT, users(rows, 2).features, train.features), model, train


def drawn(path: Path) -> np.ndarray:
    """Share of pixels in each quarter of a figure that are not white."""
    image = imread(path)[:, :, :3]
    h, w = (size // 2 for size in image.shape[:2])
    quarters = [image[:h, :w], image[:h, w:], image[h:, :w], image[h:, w:]]
    return np.array([(quarter.min(axis=2) < 0.95).mean() for quarter in quarters])


@pytest.mark.parametrize("name", ["logistic", "random_forest", "boosting"])
def test_a_full_report_has_every_figure_and_table(name: str, tmp_path: Path) -> None:
    explanation, model, train = explained(name)
    found = write_explanations(tmp_path, explanation, model, POLICY, train, explanation.features, name, 0)
    assert set(found) == {"explanation/stability"}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == FULL
    tables = {path.name: pd.read_csv(path) for path in (tmp_path / "tables").iterdir()}
    coefficients = {"coefficients.csv"} if name == "logistic" else set()
    assert set(tables) == coefficients | {
        "mean_abs_shap.csv", "typical_users.csv", "interactions.csv", "importance_stability.csv",
    }  # fmt: skip
    assert all(len(table) for table in tables.values())
    if coefficients:
        assert {"odds_ratio_low", "odds_ratio_high"} <= set(tables["coefficients.csv"])
    for figure in FULL:
        assert drawn(tmp_path / "figures" / figure).min() > 0.004, figure
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.*")) < 500_000


def test_a_light_report_costs_no_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explanation, model, train = explained("logistic")
    monkeypatch.setattr(explanation_figures, "stability", None)
    assert (
        write_explanations(tmp_path, explanation, model, POLICY, train, explanation.features, "logistic", 0, "light")
        == {}
    )
    assert {path.name for path in tmp_path.rglob("*.*")} == {"shap.png", "mean_abs_shap.csv", "coefficients.csv"}
    table = pd.read_csv(tmp_path / "tables/coefficients.csv")
    assert list(table) == ["feature", "term", "unit", "coefficient", "odds_ratio"]


def test_one_user_in_one_segment_is_enough(tmp_path: Path) -> None:
    explanation, model, train = explained("random_forest", rows=1)
    write_explanations(tmp_path, explanation, model, POLICY, train, explanation.features, "random_forest", 0)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == FULL
    (typical,) = pd.read_csv(tmp_path / "tables/typical_users.csv").to_dict("records")
    assert typical["smallest_change"]


def test_the_same_explanation_gives_the_same_bytes(tmp_path: Path) -> None:
    explanation, model, train = explained("boosting")
    for folder in ("one", "two"):
        write_explanations(tmp_path / folder, explanation, model, POLICY, train, explanation.features, "boosting", 0)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name


def test_the_shade_is_the_column_that_bends_another() -> None:
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"])
    a, b, c = features.to_numpy().T
    bent = Explanation(np.stack([a + a * b, a * b, c], axis=1), 0.0, np.zeros(300), features, "log-odds")
    assert strongest_partner(bent, "c") is None
    steps = Explanation(np.stack([a + 0.7 * b, b, c], axis=1), 0.0, np.zeros(300), features, "log-odds")
    assert strongest_partner(steps, "a") == "b"
