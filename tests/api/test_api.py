"""`import tippingpoint as tp`: what a notebook asks, answered with nothing written, or as the command line does."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from rich.console import Console

import tippingpoint as tp
from tippingpoint.api.components import component_of, families_of
from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.compose import compose
from tippingpoint.core.strict import Component
from tippingpoint.economics import Economics
from tippingpoint.models.family import Family
from tippingpoint.policies.policy import Policy


@pytest.fixture(scope="module")
def users() -> Any:
    return tp.generate("case_study", users=1_200)


@pytest.fixture(scope="module")
def result(users: Any) -> Any:
    return tp.compare(users, models=["logistic", tp.Boosting(n_estimators=20)], explain_rows=20, track=False)


@pytest.fixture(scope="module")
def new() -> pd.DataFrame:
    """Users the models have not seen, as a file would hold them."""
    return tp.generate("case_study", users=3_000, seed=1).loaded.table()


def test_importing_takes_no_time_and_loads_no_library() -> None:
    code = "import sys, tippingpoint; print([m for m in ('numpy', 'pandas', 'mlflow', 'hydra') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_loads_and_says_what_it_is() -> None:
    for name in tp.__all__:
        found = getattr(tp, name)
        assert name == "__version__" or found.__doc__
    with pytest.raises(AttributeError):
        tp.nothing  # noqa: B018  # reading it is the point


def test_without_tracking_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    users = tp.read_users(new.head(1_000), target="converted", drop=["action"])
    result = tp.compare(users, models="logistic", explain_rows=10, track=False)
    tp.simulate(result, cuts=10)
    tp.tune(users, "logistic", trials=1, explain_rows=10, track=False)
    decided = tp.score(new, result.best, holdout=0.5)
    tp.measure(decided, new[["user_id", "converted"]])
    assert not list(tmp_path.iterdir())


def test_a_result_is_a_table_in_a_notebook_and_short_elsewhere(result: Any) -> None:
    html, text = result._repr_html_(), repr(result)
    assert html.count("<table>") == 1
    assert "<td>logistic</td>" in html
    assert len(text.splitlines()) <= 40
    assert "logistic" in text


def test_the_leaderboard_is_ordered_and_the_best_model_predicts(result: Any, new: pd.DataFrame) -> None:
    board = result.leaderboard()
    assert result.best.name == board["model"].iloc[0]
    score = result.best.predict(new)
    assert score.shape == (len(new),)
    assert np.all((score >= 0) & (score <= 1))
    np.testing.assert_array_equal(score, result.best.predict(pl.from_pandas(new)))
    written = new.assign(sessions_7d=[" ", *new["sessions_7d"].astype(str)[1:]])
    np.testing.assert_array_equal(score[1:], result.best.predict(written)[1:])
    with pytest.raises(tp.InputError, match="'many' is not a number"):
        result.best.predict(new.assign(sessions_7d="many"))


def test_each_figure_has_the_table_it_is_drawn_from(result: Any) -> None:
    what_if = tp.simulate(result, policies=["top_fraction"], cuts=15)
    plots = [getattr(result.plot, name)() for name in ("uplift", "roc", "calibration", "differences", "importance")]
    plots += [getattr(what_if.plot, name)() for name in ("uplift", "cut_offs", "targeting", "frontier")]
    for plot in plots:
        assert len(plot.data)
        assert plot.figure.data
    uplift = result.plot.uplift()
    assert list(uplift.figure.data[0].x) == pytest.approx(list(uplift.data["uplift"]), rel=1e-4, abs=1e-6)


def test_decisions_of_a_frame_are_those_of_its_policy(result: Any, new: pd.DataFrame) -> None:
    decided = tp.score(new, result.best)
    assert len(decided.decisions) == len(new)
    score = decided.decisions["propensity_score"].to_numpy()
    np.testing.assert_allclose(score, result.best.predict(new), atol=1e-12)
    segments = [result.best.policy.segments[k] for k in result.best.policy.segment(score, new)]
    assert decided.decisions["segment"].tolist() == segments


def test_what_decisions_brought_is_told_of_a_model_in_memory(result: Any, new: pd.DataFrame) -> None:
    decided = tp.score(new, result.best, holdout=0.5)
    came = tp.measure(decided, new[["user_id", "converted"]])
    assert came.to_dict()["versions"][0]["version"] == "memory:" + result.best.name


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda users: tp.generate("nowhere"), "data"),
        (lambda users: tp.read_users("there_is_none.csv", target="y"), "data.path=there_is_none.csv"),
        (lambda users: tp.read_users(pd.DataFrame({"a": [1, 2], "b": [0, 1]}), target="c"), "data.target"),
        (lambda users: tp.compare(users, models="nobody", track=False), "model"),
        (lambda users: tp.compare(users, models="logistic", policy="none_such", track=False), "policy"),
        (lambda users: tp.compare(users, models="logistic", sed=1, track=False), "sed"),
        (lambda users: tp.score("users.csv", None, track=False), "to"),
    ],
)
def test_what_is_wrong_is_an_input_error_that_says_where(
    make: Any, where: str, users: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(tp.InputError) as error:
        make(users)
    assert error.value.where.startswith(where)


@pytest.mark.parametrize("experiment", ["case_study", "retention"])
def test_objects_are_the_components_the_command_line_composes(experiment: str) -> None:
    asked = CompareSettings.from_config(compose("compare", [f"data={experiment}"]))
    for name, family in families_of("all").items():
        assert family == asked.model[name].build(Family, "model")
        assert component_of(family).build(Family, "model") == family
    policy, economics = asked.policy.build(Policy, "policy"), asked.economics.build(Economics, "economics")
    again = Component.model_validate(component_of(policy).as_written()).build(Policy, "policy")
    assert again.digest == policy.digest
    assert component_of(economics).build(Economics, "economics") == economics


def test_tracked_it_files_what_the_command_line_files(stored: Path, call: Any) -> None:
    from mlflow import MlflowClient

    words = ["data.users=1000", "explain_rows=10", "report=none", "model=[logistic]"]
    assert call("compare", *words) == 0
    tp.compare(tp.generate("case_study", users=1_000), models="logistic", explain_rows=10, report="none")
    client = MlflowClient()
    one, two = client.get_model_version("conversion", "1"), client.get_model_version("conversion", "2")
    same = (
        "policy_digest",
        "policy_bound_digest",
        "data_digest",
        "deployment_digest",
        "evidence",
        "economics",
        "model",
    )
    for tag in same:
        assert one.tags.get(tag) == two.tags.get(tag), tag
    runs = [client.get_run(version.run_id).data for version in (one, two)]
    assert runs[0].metrics.keys() == runs[1].metrics.keys()
    assert runs[0].metrics["test/roc_auc"] == runs[1].metrics["test/roc_auc"]
    first, second = (dict(map(same_number, run.params.items())) for run in runs)
    assert first == second


def same_number(param: tuple[str, str]) -> tuple[str, str | float]:
    """A parameter as filed; a YAML's 6 is a class's 6.0."""
    try:
        return param[0], float(param[1])
    except ValueError:
        return param


def test_a_result_renders_on_80_columns(result: Any) -> None:
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(result.render())
    assert max(map(len, captured.get().splitlines())) <= 80


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda users, result: tp.compare(pd.DataFrame({"a": [1]}), track=False), "users"),
        (lambda users, result: tp.compare(users, models=[3], track=False), "models"),
        (lambda users, result: tp.compare(users, models=[tp.Boosting], track=False), "models"),
        (lambda users, result: tp.compare(users, "logistic", policy=tp.Bands, track=False), "policy"),
        (lambda users, result: tp.simulate("x"), "result"),
        (lambda users, result: tp.simulate(result, models=["x"]), "models"),
        (lambda users, result: tp.read_users(pd.DataFrame({"a": [1, 2]}), tarrget="a"), "data.tarrget"),
        (lambda users, result: tp.Bands(cuts=[0.7, 0.4]), "Bands.cuts"),
        (lambda users, result: tp.Economics(prise=3), "Economics"),
        (lambda users, result: tp.generate("csv"), "data"),
        (lambda users, result: tp.score(pd.DataFrame({"a": [1]}), 3), "model"),
        (lambda users, result: tp.score(pd.DataFrame({"a": [1]}), result.best, parts=True), "parts"),
        (lambda users, result: tp.score(pd.DataFrame({"a": [1]})), "model"),
        (lambda users, result: tp.measure(pd.DataFrame(), pd.DataFrame(), to="next.csv"), "to"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    make: Any, where: str, users: Any, result: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(tp.InputError) as error:
        make(users, result)
    assert error.value.where.startswith(where)
    assert not list(tmp_path.iterdir())


def test_no_family_is_lost_where_names_repeat() -> None:
    given = families_of(["logistic", tp.Boosting(max_depth=4), "boosting", tp.Boosting(max_depth=2)])
    assert list(given) == ["logistic", "boosting", "boosting_2", "boosting_3"]
    assert given["boosting"].max_depth == 4


def test_a_misspelled_argument_is_told_the_nearest_as_it_is_spelled_here() -> None:
    with pytest.raises(tp.InputError, match=r"modls: unknown key. Nearest: 'models'"):
        tp.compare(tp.generate("case_study", users=100), modls="logistic")
    with pytest.raises(tp.InputError, match=r"sed: unknown key. Nearest: 'seed'"):
        tp.compare(tp.generate("case_study", users=100), sed=1)
