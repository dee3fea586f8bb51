"""Batch decisions by a registered version."""

import csv
import json
import math
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest

from tests.refusals import refuses
from tests.scoring.scoring import CHALLENGER, decide, quietly
from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError, RefusedError
from tippingpoint.scoring.batch import Batch
from tippingpoint.tracking import backend
from tippingpoint.tracking.deciders import load_decider

pytestmark = pytest.mark.usefixtures("at_compared")
MONEY = ["expected_value", "expected_gain"]
COLUMNS = ["user_id", "propensity_score", "segment", "action", *MONEY, "model", "policy_digest", "scored_at"]


@pytest.fixture(scope="module")
def decider(at_compared):
    return load_decider(backend.connect(), "models:/conversion@challenger")


def test_a_file_is_decided_as_the_comparison_decided(at_compared, users, tmp_path):
    winner = at_compared[0].comparison.winner
    result = decide("input=users.csv", f"to={tmp_path / 'd.parquet'}", "chunk=100")
    found = pl.read_parquet(tmp_path / "d.parquet")
    assert found.columns == COLUMNS
    assert found["user_id"].to_list() == users["user_id"].tolist()
    assert np.array_equal(found["propensity_score"], winner.score)
    names = np.array(winner.policy.segments)[winner.policy.segment(winner.score, users)]
    assert found["segment"].to_list() == names.tolist()
    assert found["action"].to_list() == [winner.policy.actions[name] for name in names]
    assert found["model"].unique().to_list() == [result.scored.model]
    assert found["policy_digest"].unique().to_list() == [winner.policy.bound_digest]
    assert found["scored_at"].dtype == pl.Datetime("us", "UTC")
    run = mlflow.get_run(result.run_id).data
    assert run.tags["tippingpoint.job"] == "score"
    assert run.tags["policy_digest"] == winner.policy.bound_digest
    assert run.metrics["rows/decided"] == len(users)
    assert 0 <= run.metrics["drift/propensity_score/psi"] < 0.1
    table = json.loads(
        Path(mlflow.artifacts.download_artifacts(run_id=result.run_id, artifact_path="tables/drift.json")).read_text()
    )
    assert len(table["data"]) == len(result.scored.drift)


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz", "d.parquet"])
def test_input_output_and_chunks_change_nothing(users, tmp_path, name):
    words = ("scored_at=2026-01-31T06:00:00", "reasons=true", "holdout=0.3")
    quietly("input=users.parquet", "to=whole.parquet", *words)
    quietly("input=users.csv", f"to={tmp_path / name}", "chunk=77", *words)
    read = pl.read_parquet if name.endswith("parquet") else pl.read_csv
    found, whole = read(tmp_path / name), pl.read_parquet("whole.parquet")
    assert found.columns == whole.columns
    for column in whole.columns:
        if column != "scored_at":
            assert found[column].to_list() == whole[column].to_list()


def test_reasons_name_the_columns_that_moved_the_score_most(users, decider, tmp_path):
    quietly("input=users.csv", f"to={tmp_path / 'd.parquet'}", "reasons=true")
    found = pl.read_parquet(tmp_path / "d.parquet")
    first = found["reason_1"].drop_nulls().str.extract(r"^(\S+) .* (?:raises|lowers) it$")
    assert set(first) <= set(decider.decider.columns)
    assert found.columns[6:9] == ["reason_1", "reason_2", "reason_3"]


def test_an_experiment_writes_down_every_chance(users, decider, tmp_path):
    actions = decider.decider.deployment.actions
    result = quietly("input=users.csv", f"to={tmp_path / 'd.parquet'}", "holdout=0.2", "holdout_salt=s")
    found = pl.read_parquet(tmp_path / "d.parquet")
    chance = found.select(f"logging_probability_{name}" for name in actions).to_numpy()
    assert chance.sum(axis=1) == pytest.approx(1)
    taken = [actions.index(name) for name in found["action"]]
    assert np.array_equal(found["logging_probability"], chance[np.arange(len(found)), taken])
    assert chance.min() == pytest.approx(0.2 / len(actions))
    own = quietly("input=users.csv", f"to={tmp_path / 'own.parquet'}").scored.segments
    pd.testing.assert_frame_equal(result.scored.segments, own)  # the screen's table is by the policy's actions
    kept = found.filter(~pl.col("explored"))
    assert (kept["action"] == kept["policy_action"]).all()
    assert result.scored.tally.explored == found["explored"].sum() > 0
    deployment, score = decider.decider.deployment, found["propensity_score"].to_numpy()
    value = deployment.expected_value(score, users, np.array(taken))
    assert found["expected_value"].to_numpy() == pytest.approx(value)
    assert found["expected_gain"].to_numpy() == pytest.approx(deployment.gained(score, users, value))
    quietly("input=users.csv", f"to={tmp_path / 'h.parquet'}", "holdout=0.2", "holdout_actions=[none]")
    plain = pl.read_parquet(tmp_path / "h.parquet").filter("explored")
    assert set(plain["action"]) == {"none"}


def test_the_target_list_is_best_first(users, tmp_path):
    result = quietly("input=users.csv", f"to={tmp_path / 'list.csv'}", "only=[high,medium]", "chunk=100")
    found = pd.read_csv(tmp_path / "list.csv")
    assert set(found["segment"]) == {"high", "medium"}
    by = ["expected_gain", "expected_value", "propensity_score", "user_id"]
    order = found.sort_values(by, ascending=[False, False, False, True])
    assert found["expected_gain"].is_monotonic_decreasing
    assert order.index.tolist() == list(range(len(found)))
    tally = result.scored.tally
    assert tally.kept == len(found) < tally.decided == len(users)


def test_rows_that_break_the_contract_are_set_aside_and_all_are_accounted_for(users, tmp_path):
    table = users.astype({"sessions_7d": object})
    table.loc[3, "sessions_7d"] = "many"
    table.loc[250, "user_id"] = table.loc[10, "user_id"]
    table.to_csv(tmp_path / "broken.csv", index=False)
    result = quietly(f"input={tmp_path / 'broken.csv'}", f"to={tmp_path / 'd.csv'}", "chunk=100")
    tally = result.scored.tally
    assert result.scored.resumed is None
    assert (tally.rows, tally.decided, tally.quarantined) == (len(users), len(users) - 2, 2)
    aside = pl.read_csv(result.scored.quarantine, infer_schema=False)
    assert aside["row"].to_list() == ["4", "251"]
    assert "sessions_7d many is not" in aside["reason"][0]
    assert "repeated id" in aside["reason"][1]
    assert len(pl.read_csv(tmp_path / "d.csv")) == tally.decided
    quietly(f"input={tmp_path / 'broken.csv'}", f"to={tmp_path / 'parts'}", "parts=true", "chunk=100")
    assert len(pd.read_parquet(tmp_path / "parts")) == tally.decided  # a folder that any reader reads
    with pytest.raises(RefusedError, match=r"quarantine_share=0\.001"):
        quietly(f"input={tmp_path / 'broken.csv'}", f"to={tmp_path / 'e.csv'}", "quarantine_share=0.001")
    assert not (tmp_path / "e.csv").exists()


@pytest.mark.parametrize("parts", [False, True])
def test_categories_the_model_never_learnt_from_are_counted_and_named(users, decider, tmp_path, parts):
    column = next(n for n, kind in decider.model.columns.items() if kind == "category")
    usual = users[column].mode()[0]
    table = users.copy()
    table.loc[[3, 250, 251], column] = [f" {usual}", usual.upper() + "!", usual.swapcase()]
    table.to_csv(tmp_path / "strange.csv", index=False)
    words = (f"input={tmp_path / 'strange.csv'}", f"to={tmp_path / 'to'}{'' if parts else '.csv'}", "chunk=100")
    found = quietly(*words, f"parts={str(parts).lower()}").scored.to_dict()["unseen_categories"]
    assert found["rows"] == 3
    assert {of["value"]: of["learnt_as"] for of in found["values"]} == {
        f" {usual}": usual, usual.upper() + "!": None, usual.swapcase(): usual,
    }  # fmt: skip


@pytest.mark.parametrize("parts", [False, True])
def test_rows_set_aside_are_no_formulas(users, tmp_path, parts):
    table = users.astype({"sessions_7d": object})
    table.loc[3, "sessions_7d"] = "=cmd()"
    table.loc[4, "user_id"] = "@a"
    table.loc[4, "sessions_7d"] = -1.5e9
    table.to_csv(tmp_path / "broken.csv", index=False)
    to = tmp_path / ("parts" if parts else "d.csv")
    result = quietly(f"input={tmp_path / 'broken.csv'}", f"to={to}", f"parts={str(parts).lower()}")
    aside = Path(result.scored.quarantine)
    rows = list(csv.DictReader((aside / "part-00000.csv" if parts else aside).open()))
    assert rows[0]["sessions_7d"] == "'=cmd()"
    assert {row["user_id"][0] for row in rows} == {"'", users["user_id"][3][0]}


def test_an_action_nobody_got_has_no_expected_value(decider, users):
    deployment = decider.decider.deployment
    responses = deployment.responses | {deployment.actions[-1]: None}
    blank = deployment.model_copy(update={"responses": responses})
    assert type(blank).model_validate_json(blank.model_dump_json()) == blank
    batch = Batch(replace(decider.decider, deployment=blank), decider.policy_digest, datetime(2026, 1, 1))
    found = batch.decide(pl.from_pandas(users), 0).table
    untold = found["action"].cast(pl.String) == deployment.actions[-1]
    assert (found["expected_value"].is_null() == untold).all()
    assert untold.any()


def test_blanks_are_missing_as_where_the_model_learnt(decider, users, tmp_path):
    deployment = decider.decider.deployment
    terms = dict(deployment.terms.columns)
    terms["sessions_7d"] = terms["sessions_7d"].model_copy(update={"missing": True})
    kind = deployment.model_copy(update={"terms": deployment.terms.model_copy(update={"columns": terms})})
    batch = Batch(replace(decider.decider, deployment=kind), decider.policy_digest, datetime(2026, 1, 1))
    text = pl.from_pandas(users).cast(pl.String)
    scores = [
        batch.decide(text.with_columns(sessions_7d=pl.lit(blank)), 0).table["propensity_score"].to_list()
        for blank in (" ", "", "NA", None)
    ]
    assert scores[0] == scores[1] == scores[2] == scores[3]
    missing = users.assign(sessions_7d=np.nan)
    assert scores[0] == decider.decider.score(missing).tolist()


def test_ids_are_the_contracts_and_a_formula_among_them_is_text(users, tmp_path):
    table = users.copy()
    table.loc[0, "user_id"] = "=cmd()"
    table.to_csv(tmp_path / "in.csv", index=False)
    result = quietly(f"input={tmp_path / 'in.csv'}", f"to={tmp_path / 'd.csv'}")
    assert next(csv.DictReader((tmp_path / "d.csv").open()))["user_id"] == "'=cmd()"
    assert result.scored.tally.neutralised == 1
    table.assign(user_id=-np.arange(len(table))).to_csv(tmp_path / "in.csv", index=False)
    assert quietly(f"input={tmp_path / 'in.csv'}", f"to={tmp_path / 'd.csv'}").scored.tally.neutralised == 0


def test_a_table_of_a_database_holds_one_row_a_user_and_day(users, tmp_path):
    url = f"duckdb:///{tmp_path / 'app.duckdb'}"
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        connection.execute("create table users as select * from 'users.csv'")
    _upserts(url, f"{url}?table=users", users)
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        rows = connection.execute("select count(*), count(distinct scored_on), count(explored) from predictions")
        assert rows.fetchone() == (2 * len(users), 2, len(users))


def test_a_job_without_a_holdout_takes_the_lottery_of_an_earlier_one_of_the_day_away(users, tmp_path):
    words = ("input=users.csv", f"to=duckdb:///{tmp_path / 'app.duckdb'}")
    quietly(*words, "scored_at=2026-01-02T05:00:00", "holdout=0.5", "reasons=true")
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        connection.execute("alter table predictions add column note varchar default 'own'")
    quietly(words[0], f"to='duckdb:///{tmp_path}/app.duckdb?table=Predictions'", "scored_at=2026-01-02T06:00:00")
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        (row,) = connection.execute(
            "select count(*), count(explored), count(policy_action), count(logging_probability_none), count(reason_1),"
            " count(note), count(action) from predictions"
        ).fetchall()
    assert row == (len(users), 0, 0, 0, 0, len(users), len(users))


@pytest.mark.parametrize("name", ["decisions", "main.block"])
def test_a_table_of_a_database_may_have_any_name_but_that_of_the_rows_under_way(users, tmp_path, name):
    to = f"duckdb:///{tmp_path}/app.duckdb?table="
    quietly("input=users.csv", f"to='{to}{name}'")
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        assert connection.execute(f"select count(*) from {name}").fetchone() == (len(users),)
    with pytest.raises(InputError, match="Tippingpoint_Decisions is what the rows under way are called"):
        quietly("input=users.csv", f"to='{to}Tippingpoint_Decisions'")


def test_postgresql_holds_one_row_a_user_and_day_too(users, postgres):
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("drop table if exists predictions")
        _upserts(postgres, "users.csv", users)
        rows = connection.execute("select count(*), count(distinct scored_on), count(explored) from predictions")
        assert rows.fetchone() == (2 * len(users), 2, len(users))
        connection.execute("create table other (id int)")
    with pytest.raises(InputError, match="other is there and holds something else"):
        quietly("input=users.csv", f"to='{postgres}&table=other'")


def _upserts(url: str, given: str, users: pd.DataFrame) -> None:
    query = 'input_query="select * from users where plan = $plan"'
    assert compose("score", [query, "input_parameters.plan=a"]).input_parameters == {"plan": "a"}
    for at, words in (("2026-01-01", ()), ("2026-01-02T05:00:00", ()), ("2026-01-02T06:00:00", ("holdout=0.5",))):
        result = quietly(f"input='{given}'", f"to='{url}'", f"scored_at='{at}'", *words)
        assert result.scored.tally.kept == len(users)


def test_parts_go_on_where_they_were_left(users, tmp_path, monkeypatch):
    from tippingpoint.scoring.parts import Parts

    words = ("input=users.csv", "parts=true", "chunk=90", f"to={tmp_path / 'parts'}", "holdout=0.2")
    add = Parts.add

    def killed(self, *given):
        if self.done == 2:
            raise KeyboardInterrupt
        add(self, *given)

    monkeypatch.setattr(Parts, "add", killed)
    with pytest.raises(KeyboardInterrupt):
        quietly(*words)
    monkeypatch.setattr(Parts, "add", add)
    first = (tmp_path / "parts/part-00000.parquet").stat()
    result = quietly(*words)
    assert (tmp_path / "parts/part-00000.parquet").stat().st_mtime_ns == first.st_mtime_ns
    found = pl.read_parquet(tmp_path / "parts/*.parquet")
    assert found["user_id"].to_list() == users["user_id"].tolist()
    assert found["scored_at"].n_unique() == 1
    assert result.scored.tally.decided == len(users)
    assert result.scored.resumed == (2, math.ceil(len(users) / 90))
    again = quietly(*words)
    assert again.scored.tally.to_dict() == result.scored.tally.to_dict()
    with pytest.raises(InputError, match=r"holds all parts of another job: chunk 90 and not 80"):
        quietly(*words, "chunk=80")


def test_parts_of_a_table_that_is_refused_are_never_called_complete(users, tmp_path):
    table = users.astype({"sessions_7d": object})
    table.loc[3, "sessions_7d"] = "many"
    table.to_csv(tmp_path / "broken.csv", index=False)
    words = (f"input={tmp_path / 'broken.csv'}", "parts=true", "chunk=90", f"to={tmp_path / 'parts'}")
    for _ in range(2):
        with pytest.raises(RefusedError, match="The parts are there, but not complete"):
            quietly(*words, "quarantine_share=0.001")
        assert json.loads((tmp_path / "parts/_manifest.json").read_text())["complete"] is False
    assert quietly(*words).scored.tally.quarantined == 1
    assert json.loads((tmp_path / "parts/_manifest.json").read_text())["complete"] is True


def test_parts_of_a_file_whose_ids_turn_to_text_late_agree(users, tmp_path):
    many = pl.from_pandas(pd.concat([users] * 6, ignore_index=True))
    ids = [f"{i:06d}" for i in range(len(many) - 1)] + ["A7"]
    many.with_columns(user_id=pl.Series(ids)).write_csv(tmp_path / "late.csv")
    quietly(f"input={tmp_path / 'late.csv'}", f"to={tmp_path / 'parts'}", "parts=true", "chunk=1000")
    quietly(f"input={tmp_path / 'late.csv'}", f"to={tmp_path / 'd.parquet'}", "chunk=1000")
    for found in (pl.read_parquet(tmp_path / "parts/*.parquet"), pl.read_parquet(tmp_path / "d.parquet")):
        assert found["user_id"].to_list() == ids


def test_users_of_another_kind_are_said_to_have_drifted(users, tmp_path):
    moved = users.assign(sessions_7d=(users["sessions_7d"] + 5).clip(upper=users["sessions_7d"].max()))
    moved.to_csv(tmp_path / "moved.csv", index=False)
    result = quietly(f"input={tmp_path / 'moved.csv'}", f"to={tmp_path / 'd.csv'}")
    drift = result.scored.drift.set_index("column")
    assert drift.loc["sessions_7d", "drift"] == "shifted"
    assert drift.loc["country_tier", "drift"] == "same"


def test_a_job_that_fails_on_drift_says_so_and_its_decisions_are_whole(users, tmp_path, call, capsys):
    users.to_csv(tmp_path / "same.csv", index=False)
    users.assign(sessions_7d=(users["sessions_7d"] + 5).clip(upper=users["sessions_7d"].max())).to_csv(
        tmp_path / "moved.csv", index=False
    )
    for name, fails, code in (("same", "true", 0), ("moved", "false", 0), ("moved", "true", 1)):
        to = tmp_path / f"{name}{code}.csv"
        words = (f"input={tmp_path}/{name}.csv", f"to={to}", f"fail_on_drift={fails}", "tracking.log=false", CHALLENGER)
        assert call("score", *words) == code, (name, fails)
        assert len(pl.read_csv(to)) == len(users)
    assert "Exit code 1: sessions_7d" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "key", "named"),
    [
        (["to=d.csv"], "input", "Type input="),
        (["input=users.csv"], "to", "Type to="),
        (["input=users.csv", "to=d.xlsx"], "to=d.xlsx", ".csv.gz"),
        (["input=nobody.csv", "to=d.csv"], "input=nobody.csv", "users.csv"),
        (["input=mlflow.db", "to=d.csv"], "input=mlflow.db", ".parquet"),
        (["input=users.csv", "to=d.csv", "only=[hihg]"], "only", "'high'"),
        (
            ["input=users.csv", "to=d.csv", "model=models:/conversion/99"],
            "model",
            "There are: models:/conversion@challenger, ",
        ),
        (["input=users.csv", "to=d.csv", "holdout=2"], "holdout", "from 0 to 1"),
        (["input=users.csv", "to=d.csv", "output=e.csv"], "to", ""),
        (
            ["input=users.csv", "to=d.csv", "model=null"],
            "model",
            "tippingpoint promote, or model=models:/conversion@challenger",
        ),
        (
            ["input=users.csv", "to=d.csv", "holdout=0.1", "holdout_actions=[discount]"],
            "holdout_actions",
            "discount_10",
        ),
        (["input=users.csv", "to=d.csv", "holdout_salt=x"], "holdout", "Type holdout="),
        (["input=users.csv", "to=d", "parts=true", "only=[high]"], "parts", ""),
        (["input=users.csv", "to=d", "engine=spark", "only=[high]"], "engine", "engine=here"),
        (["input=users.csv", "to=duckdb:///d.db", "engine=spark"], "engine", "Go from files to a folder"),
        (["input=users.csv", "to=d", "engine=ray"], "engine", "spark"),
        (["input=users.csv", "to=d.csv", "scored_at=soon"], "scored_at", "Type scored_at="),
        (["input=header.csv", "to=d.csv"], "input", "header.csv"),
        (["input=lacking.csv", "to=d.csv"], "input", "Nearest: 'sessions7d'"),
    ],
)
def test_what_cannot_be_decided_is_refused_in_one_message(users, words, key, named):
    users.head(0).to_csv("header.csv", index=False)
    users.rename(columns={"sessions_7d": "sessions7d"}).to_csv("lacking.csv", index=False)
    with refuses(key, named):
        quietly(*words)
    assert not Path("d.csv").exists()


def test_spark_without_pyspark_is_refused_with_what_to_type(users, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with refuses("engine", "Type pip install 'tippingpoint[spark]'."):
        quietly("input=users.csv", "to=d", "engine=spark")


def test_output_is_the_place_and_json_the_answer(call, users, capsys):
    line = ("score", CHALLENGER, "input=users.csv", "tracking.log=false")
    assert call(*line, "to=out.csv") == 0
    assert "rows in =" in capsys.readouterr().out
    assert call(*line, "output=json", "to=json.csv") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["rows"] == answer["decided"] + answer["quarantined"] == len(users)
    assert Path("out.csv").exists()
    assert answer["to"] == "json.csv"
    assert call(*line, "output=out.csv", "to=other.csv") == 2
