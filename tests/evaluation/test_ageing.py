"""How a model ranks users who came later and later after it was fitted."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from tippingpoint.config.compose import compose
from tippingpoint.config.settings import Settings
from tippingpoint.data.users import Column, FeatureSchema, Users
from tippingpoint.evaluation.ageing import LEAST, by_age
from tippingpoint.experiment.answer import answer
from tippingpoint.experiment.build import ask
from tippingpoint.experiment.evaluation_figures import write_evaluation

FITTED = np.datetime64("2026-03-01")


def of_days(day: np.ndarray, outcome: np.ndarray) -> Users:
    return Users(
        features=pd.DataFrame({"x": day.astype(np.float64)}),
        outcome=outcome,
        user_id=np.array([f"u{k}" for k in range(len(day))], dtype=object),
        contract=FeatureSchema((Column("x", "number"),), "y"),
        moment=FITTED.astype("datetime64[us]") + (24 * day).astype("timedelta64[h]"),
        horizon_days=7,
    )


def test_each_point_is_the_area_of_its_weeks_and_a_model_that_wears_out_falls() -> None:
    rng = np.random.default_rng(0)
    day = rng.integers(0, 8 * 7, 8_000) + 0.5
    outcome = rng.integers(0, 2, len(day))
    score = outcome * (3 - day / 28) + rng.normal(size=len(day))
    table = by_age(of_days(day, outcome), score, FITTED)
    assert table["from_day"].tolist() == [0, 7, 14, 21, 28, 35, 42, 49]
    assert table["users"].sum() == len(day)
    for row in table.itertuples():
        of = (day >= row.from_day) & (day < row.to_day)
        assert row.roc_auc == pytest.approx(roc_auc_score(outcome[of], score[of]), abs=1e-12)
        assert row.roc_auc_low < row.roc_auc < row.roc_auc_high
    assert table["roc_auc_high"].iloc[-1] < table["roc_auc_low"].iloc[0]


def test_weeks_with_few_outcomes_go_with_the_next_and_what_is_left_with_the_one_before() -> None:
    day = np.repeat(np.arange(5) * 7.0, 60)
    outcome = np.tile([0, 1], 150)  # 30 of each a week
    table = by_age(of_days(day, outcome), day + outcome, FITTED)
    assert table[["from_day", "to_day", "users"]].to_numpy().tolist() == [[0, 14, 120], [14, 35, 180]]
    few = by_age(of_days(day[: LEAST - 1], outcome[: LEAST - 1]), day[: LEAST - 1], FITTED)
    assert few.empty


def test_a_split_by_time_files_the_curve_and_another_does_not(tmp_path: Path) -> None:
    rng, days = np.random.default_rng(1), pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 3, 31), eager=True)
    table = pl.DataFrame({"seen_on": days}).join(pl.DataFrame({"k": range(40)}), how="cross")
    x = rng.normal(size=len(table))
    table = table.drop("k").with_columns(x=pl.Series(x), y=pl.Series(rng.random(len(table)) < 1 / (1 + np.exp(-x))))
    table.write_csv(tmp_path / "users.csv")
    words = ["model=logistic", "data=csv", f"data.path={tmp_path / 'users.csv'}", "data.target=y", "explain_rows=20"]
    words += ["data.as_of=seen_on", "policy=top_fraction"]
    for by in (["split=time", "split.test_from=2026-03-01", "split.gap_days=14"], []):
        question = ask(Settings.from_config(compose("run", [*words, *by])))
        candidate = answer(question, "logistic")
        write_evaluation(tmp_path / by[0] if by else tmp_path / "hash", candidate, question)
        steps = candidate.evaluation.steps.get("curve/age/roc_auc")
        assert (steps is not None) == bool(by)
    assert not list((tmp_path / "hash").rglob("roc_auc_by_age*"))
    filed = pd.read_csv(tmp_path / "split=time/tables/roc_auc_by_age.csv")
    assert filed["from_day"].tolist() == [0, 7, 14, 21, 28]
    assert filed["users"].sum() == 31 * 40
    assert (tmp_path / "split=time/figures/roc_auc_by_age.png").stat().st_size > 5_000
