"""What a contract calls its columns stands wherever people read of them; files and keys have the names."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from tippingpoint.comparison.job import CompareResult, compare
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.data.contract import read_contract
from tippingpoint.data.profile import infer
from tippingpoint.decisions.reasons import Reasons
from tippingpoint.explanation import typical_users

CALLED = {"watch_hours_7d": "Watch hours in 7 days", "plan_kind": "Plan kind", "monthly_spend": "Monthly spend, €"}


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    n = 900
    hours, plan = rng.lognormal(1, 1, n), rng.choice(["basic", "free"], n)
    chance = 1 / (1 + np.exp(1.5 - 0.5 * np.log1p(hours) - (plan == "basic")))
    return pl.DataFrame(
        {
            "user_id": [f"u{k}" for k in range(n)],
            "watch_hours_7d": hours,
            "plan_kind": plan,
            "monthly_spend": [f"{value:.2f} €" for value in rng.lognormal(2, 1, n)],
            "paid": (rng.random(n) < chance).astype(int),
        }
    )


@pytest.fixture(scope="module")
def found(table: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> CompareResult:
    folder = tmp_path_factory.mktemp("labels")
    table.write_csv(path := folder / "users.csv")
    (contract := folder / "contract.yaml").write_text(infer(table, "paid", "user_id").as_yaml(), encoding="utf-8")
    words = [f"data.path={path}", f"data.contract={contract}", "data.target=paid", "model=logistic", "explain_rows=40"]
    return compare(
        CompareSettings.from_config(compose("compare", ["data=csv", "tracking.log=false", "report=light", *words]))
    )


def test_a_described_contract_proposes_them(table: pl.DataFrame, tmp_path: Path) -> None:
    (path := tmp_path / "c.yaml").write_text(infer(table, "paid", "user_id").as_yaml(), encoding="utf-8")
    contract = read_contract(path)
    assert contract.labels == CALLED
    assert not contract.columns["paid"].label
    assert "label" not in contract.model_copy(update={"columns": {"f0": contract.columns["paid"]}}).model_dump_json()


def test_explanations_are_in_labels_and_their_tables_in_names(found: CompareResult) -> None:
    (candidate,), question = found.comparison.candidates, found.comparison.question
    assert {candidate.explanation.label(name) for name in candidate.explanation.features} == set(CALLED.values())
    assert set(candidate.explanation.importance()["feature"]) == set(CALLED)
    test = question.parts.test
    policy = candidate.policy
    of = test.features, test.features, policy.segments, policy.assign
    users, _ = typical_users(candidate.model, test.contract, *of)
    for user in users:
        assert user.reasons[0][0] in CALLED.values()
        if user.move:
            assert str(user.move).startswith(CALLED[user.move.column])


def test_a_version_gives_its_reasons_in_labels(found: CompareResult) -> None:
    (candidate,), test = found.comparison.candidates, found.comparison.question.parts.test
    terms, family = candidate.deployment.terms, candidate.model.family
    columns = {column.name: column.kind for column in test.contract.columns}
    reasons = Reasons(family, candidate.model.classifier, columns, candidate.deployment.reference, (), terms.labels)
    first = pd.Series(reasons.words(test.features)[0]).dropna()
    assert first.str.startswith(tuple(CALLED.values())).all()


def test_a_figure_shows_the_label_and_the_name_under_the_pointer(found: CompareResult) -> None:
    figure = found.plot.importance().figure
    assert set(figure["layout"]["yaxis"]["ticktext"]) == set(CALLED.values())
    assert {row[0] for row in figure["data"][0]["customdata"]} == set(CALLED)
