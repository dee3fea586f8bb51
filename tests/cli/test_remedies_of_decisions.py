"""Every remedy of a refusal of models, decisions and the registry is typed, and the refusal is gone."""

import contextlib
import shlex
import shutil
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import mlflow
import polars as pl
import pytest

from tests.cli.typing_remedies import Case, Typist
from tests.frozen import refusals
from tests.measurement.measuring import decided
from tippingpoint.tracking.tags import JOB

FOLDERS = ("dashboard/", "data/decisions.py", "decisions/", "experiment/collect.py", "promotion/")
FOLDERS += tuple(f"measurement/{name}" for name in "jno")
FOLDERS += ("experiment/settings.py",)
FOLDERS += ("reports/", "scoring/", "serving/", "simulation/", "tracking/")
LATER = ("score", "serve", "simulate", "promote", "history", "dashboard", "ui", "measure")
MODEL = "model=models:/conversion/1"
SCORE = f"score input=users.csv to=a.csv {MODEL}"
MEASURE = "measure decisions=d.parquet"
SIMULATE = "simulate models=[models:/conversion/1] tracking.log=false cuts=10"
FILL = {
    "score … holdout=0.1": f"score input=users.csv to=held.csv {MODEL} holdout=0.1",
    "decisions='duckdb:///app.duckdb?table=…'": "decisions=duckdb:///app.duckdb?table=d",
    "decisions=duckdb:///app.duckdb?table=…": "decisions=duckdb:///app.duckdb?table=d",
    "decisions=…": "decisions=d.parquet",
    "at=…": "at=converted",
    "since=…": "since=2025-11-12",
    "input_query=…": "input_query='select * from users'",
    "budget.contacts=…": "budget.contacts=5",
    "budget.money=…": "budget.money=5",
    "model=NUMBER": "model=1",
    "model=…": "model=1",
    "model=models:/NAME@challenger": "model=models:/conversion@challenger",
    "data=…": "data=case_study",
    "users=…": "users=users.csv",
    "data.id=…": "data.id=user_id",
}
BEFORE_ANY_MODEL = (
    *(Case(line) for line in refusals.WITHOUT_STORE if line.split()[0] in LATER),
    Case("simulate"),
    Case("history"),
    Case("score input=users.csv to=a.csv"),
)
WITH_A_MODEL = (
    *(Case(line) for line in refusals.WITH_STORE if not line.startswith("run ")),
    Case("measure decisions=duckdb:///app.duckdb outcomes=o.csv"),
    Case(f"{MEASURE} outcomes=o.csv outcomes_id=user_idd", ["outcomes_id=user_id"]),
    Case(f"{MEASURE} outcomes=o.csv outcome=convertd", ["outcome=converted"]),
    Case(f"{MEASURE} outcomes=either.csv outcome=converted"),
    Case(f"{MEASURE} outcomes=o.csv decisions_id='user  id'", ["decisions_id=user_id"]),
    Case("measure decisions=odd.parquet outcomes=o.csv decisions_id='user id'"),
    Case("measure decisions=unnone.parquet outcomes=o.csv"),
    Case("measure decisions=unsummed.parquet outcomes=o.csv"),
    Case("measure decisions=unequal.parquet outcomes=o.csv to=j.csv"),
    Case("measure decisions=unlikely.parquet outcomes=o.csv to=j.csv"),
    Case(f"{MEASURE} outcomes=otherwise.csv"),
    Case(f"{MEASURE} outcomes=twice_named.csv"),
    Case(f"{MEASURE} outcomes=strangers.csv"),
    Case(f"{MEASURE} outcomes=odd.csv outcomes_id='user id'"),
    Case(f"{MEASURE} outcomes=odd.csv outcomes_id='user, id' outcome='con verted'"),
    Case(f"{MEASURE} outcomes=two.csv"),
    Case(f"{MEASURE} outcomes=ones.csv"),
    Case(f"{MEASURE} outcomes=unknown.csv"),
    Case(f"{MEASURE} outcomes=o.csv users=strangers.csv to=j.csv"),
    Case("measure decisions=campaigns.parquet outcomes=o.csv"),
    Case("measure decisions=campaigns.parquet outcomes=o.csv campaign=sprng", ["campaign=spring"]),
    Case(f"{MEASURE} data=case_study", fill={"outcomes=…": "outcomes=o.csv"}),
    Case(f"{MEASURE} outcomes=timed.csv outcome=[converted,first_login]"),
    Case(f"{MEASURE} outcomes=o.csv within=7"),
    Case(f"{SCORE} campaign=spring"),
    Case(f"serve {MODEL} holdout=0.1 log=decisions.csv"),
    Case(f"serve {MODEL} holdout=0.1 log=duckdb:///app.duckdb"),
    Case("score"),
    Case("score input=users.csv"),
    Case("score input=duckdb:///app.duckdb?table=users to=a.csv parts=true", ["parts=false"]),
    Case("score input=users.csv to=a.xlsx", ["to=decisions.parquet"]),
    Case(f"score input=users.csv to=users.csv {MODEL}"),
    Case(f"{SCORE} scored_at=soon"),
    Case(f"{SCORE} only=[hihg]", ["only=[high]"]),
    Case(f"{SCORE} holdout_salt=x"),
    Case(f"{SCORE} holdout=0.1 holdout_actions=[promt]", ["holdout_actions=[checkout_prompt]"]),
    Case(f"{SCORE} input_query='\"select 1\"'"),
    Case(
        f"score input=duckdb:///app.duckdb to=a.csv {MODEL}",
        fill={"input=duckdb:///users.duckdb?table=users": "input=duckdb:///app.duckdb?table=users"},
    ),
    Case(f"score input=users.csv to=duckdb://?table=x {MODEL}"),
    Case(f"score input=users.csv to=mysql://host/app {MODEL}", ["to=duckdb:///users.duckdb"]),
    Case(f"score input=users.csv to=folder.csv {MODEL}", fill={"parts=true": "parts=true to=folder"}),
    Case(f"score input=latin.csv to=a.csv {MODEL}"),
    Case("score input=users.csv to=a.csv model=conversion", [MODEL]),
    Case("simulate models=[models:/conversion/1] policy=top_fraction budget.contacts=30"),
    Case("simulate models=[nonsense]", ["models=[models:/conversion/1]"]),
    Case("simulate models=[00000000000000000000000000000000]"),
    Case(f"{SIMULATE} budget.of_users=5"),
    Case(f"{SIMULATE} policy.actions.high=email", ["policy.actions.high=none"]),
    Case(f"{SIMULATE} policy.actions.high=email economics.actions.email.contact_cost=1", ["policy.actions.high=none"]),
    Case("policy lint clusters=[sessions_7d] to=c.png"),
    Case("policy diff intent_bands top_fraction"),
    Case("promote run=RUN"),
    Case("promote models:/other/1"),
    Case("promote models:/conversion@gone"),
    Case("promote 1 name=conversion to=taken", ["to=another"]),
    Case("rollback"),
    Case("serve host=0.0.0.0"),
    Case(f"serve port=PORT {MODEL}"),
    Case("ui port=PORT"),
)
WITH_SEVERAL = (
    Case("history"),
    Case("history name='odd, onee'"),
    Case("score input=users.csv to=a.csv"),
    Case("promote name=conversion"),
    Case("simulate models=[models:/other/1] tracking.log=false cuts=10"),
    Case("promote name=other model=1"),
    Case("promote resume 7 name=other"),
    Case("promote approve 7 name=other"),
    Case("promote pin name='odd, one'"),
    Case("measure decisions=both.parquet outcomes=o.csv", fill={"since=…": "since=2025-11-15"}),
    Case(f"{SIMULATE} data=csv data.path=unnamed.csv data.target=converted"),
    Case(f"{SIMULATE} tracking.log=true tracking.experiment=gone"),
)
NOT_TYPED = {
    "reports/web_server.py serve_pages": "typed in tests/cli/test_remedies_of_data.py",
    "decisions/deployment.py refuse_made_otherwise": "of users made of events: tests/scoring/test_score_events.py",
    "scoring/job.py _source": "of users made of events: tests/scoring/test_score_events.py",
    "scoring/job.py refuse_before": "of users made of events: tests/scoring/test_score_events.py",
    "scoring/on_spark.py _parquet": "Spark: tests/scoring/test_on_spark.py",
    "scoring/on_spark.py _session": "Spark: tests/scoring/test_on_spark.py",
    "scoring/on_spark.py refuse_unfit": "Spark: tests/scoring/test_on_spark.py",
    "simulation/settings.py DiffSettings._are_two": "typed in tests/cli/test_remedies_of_data.py",
    "serving/decision_log.py place": "of the service's log: tests/serving/test_decision_log.py",
    "serving/split.py refuse_other_columns": "of several versions: tests/serving/test_split.py",
    "serving/split.py refuse_shares": "of several versions: tests/serving/test_split.py",
    "serving/workers.py run_workers": "of systems that cannot fork",
    "serving/version.py serve_version": "of the service's log: tests/serving/test_decision_log.py",
    "promotion/bind.py _policy": "of policies bound to a version: tests/promotion/test_bind.py",
    "promotion/approve.py _check_other": "of a second person: tests/promotion/test_team.py",
    "promotion/approve.py promote_approve": "of a second person: tests/promotion/test_team.py",
    "promotion/contestants.py _at": "its place has to be filled in: tests/promotion/test_users_from.py",
    "promotion/pinned_gate.py check_approval": "of a second person: tests/promotion/test_team.py",
    "promotion/policy_judge.py ground": "of policies bound to a version: tests/promotion/test_bind.py",
    "dashboard/intake.py as_they_are": "a page says it: tests/dashboard",
    "dashboard/uploads.py look_at_table": "a page says it: tests/dashboard",
    "simulation/job.py _asked": "one of its two is typed; the other takes a model fitted with prices of each user",
    "tracking/entries.py _taken": "a race: tests/soak",
    "tracking/entries.py append": "a race: tests/soak",
    "tracking/filed_users.py filed_users": "of files that somebody else wrote into a run",
    "tracking/models.py check_files": "Spark: tests/tracking",
    "tracking/promotion.py carry_out": "a race: tests/soak; what it says is typed in tests/promotion",
}
"""Functions with a remedy that no case here types, and why."""


def went(*given: Any, **named: Any) -> None:
    raise SystemExit(0)


@pytest.fixture
def typist(
    workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Typist:
    """Who types lines in a store without models; what would take long or serve ends where it would begin."""
    from tippingpoint.dashboard import job as dashboard
    from tippingpoint.promotion import job as promotion
    from tippingpoint.reports import web_server
    from tippingpoint.serving import server

    call("data", "write", "data.users=400", "to=users.csv")
    refusals.tables(workspace)
    tables(workspace)
    monkeypatch.setattr(promotion, "judge", went)
    monkeypatch.setattr(server._Server, "run", went)
    monkeypatch.setattr(web_server, "subprocess", SimpleNamespace(Popen=went))
    monkeypatch.setattr(dashboard, "serve_pages", went)
    typing = Typist(call, capsys, FILL)
    typing.record(monkeypatch)
    return typing


def tables(folder: Path) -> None:
    """Decisions and what came of them, with mistakes."""
    decisions, outcomes, _ = decided(0.1, 600)
    ids, chance = decisions["user_id"], "logging_probability_"
    later = pl.int_range(600) >= 300
    made = {
        "d": decisions,
        "campaigns": decisions.with_columns(campaign=pl.when(later).then(pl.lit("spring")).otherwise(pl.lit("autumn"))),
        "odd": decisions.rename({"user_id": "user, id"}),
        "both": decisions.with_columns(model=pl.when(later).then(pl.lit("models:/other/1")).otherwise("model")),
        "unnone": decisions.drop(f"{chance}none"),
        "unsummed": decisions.with_columns((pl.col(f"{chance}none") / 2).alias(f"{chance}none")),
        "unequal": decisions.with_columns(
            pl.when(later | (pl.col("action") != "none") | (pl.col("policy_action") != "none")).then(
                f"{chance}checkout_prompt").alias(f"{chance}checkout_prompt")
        ).with_columns(pl.when(pl.col(f"{chance}checkout_prompt").is_null()).then(
            1 - pl.col(f"{chance}discount_10")).otherwise(f"{chance}none").alias(f"{chance}none")),
    }  # fmt: skip
    rare = (pl.col("action") != "none") | (pl.col("policy_action") != "none")
    made["unlikely"] = decisions.with_columns(
        pl.when(rare).then(f"{chance}checkout_prompt").otherwise(0.0).alias(f"{chance}checkout_prompt"),
        pl.when(rare).then(f"{chance}none").otherwise(1 - pl.col(f"{chance}discount_10")).alias(f"{chance}none"),
    )
    for name, table in made.items():
        table.write_parquet(folder / f"{name}.parquet")
    came = {
        "o": outcomes,
        "otherwise": outcomes.rename({"user_id": "client"}),
        "either": outcomes.rename({"user_id": "client"}).with_columns(
            userid=pl.format("q{}", pl.int_range(pl.len()).clip(2))
        ),
        "twice_named": outcomes.rename({"user_id": "client"}).with_columns(id=pl.lit("x")),
        "strangers": outcomes.rename({"user_id": "client"}).with_columns(user_id="z" + ids),
        "odd": outcomes.rename({"user_id": "user, id", "converted": "con, verted"}),
        "timed": outcomes.with_columns(first_login=decisions["scored_at"] + pl.duration(days=2)),
        "two": outcomes.with_columns(spent=pl.lit(1)),
        "ones": outcomes.filter(pl.col("converted") == 1),
        "unknown": outcomes.head(3).with_columns(converted=pl.Series(["?", "?", "?"])),
    }
    for name, table in came.items():
        table.write_csv(folder / f"{name}.csv")
    users = pl.read_csv(folder / "users.csv")
    users.rename({"user_id": "who"}).write_csv(folder / "unnamed.csv")
    text = (folder / "users.csv").read_text()
    (folder / "latin.csv").write_bytes(text.replace("user_id", "âge,user_id", 1).encode("cp1252"))
    (folder / "folder.csv").mkdir()
    (folder / "folder").mkdir()
    shutil.copy(folder / "users.csv", folder / "folder")
    with contextlib.closing(duckdb.connect(str(folder / "app.duckdb"))) as database:
        for name, table in {"users": users, "d": decisions}.items():
            database.register("there", table)
            database.execute(f"create table {name} as select * from there")


class Ended:
    """A program that ended at once with an error."""

    pid = 2**30

    def __enter__(self) -> "Ended":
        return self

    def __exit__(self, *given: object) -> None:
        pass

    def wait(self, seconds: float = 0) -> int:
        return 1


def fail_once(typist: Typist, monkeypatch: pytest.MonkeyPatch, serves: str) -> None:
    """Type what takes a store that is away, a model of another making, and a program that fails."""
    from tippingpoint.decisions import reasons
    from tippingpoint.reports import web_server

    with monkeypatch.context() as patch:
        broken = iter([Ended()])
        patch.setattr(web_server.subprocess, "Popen", lambda *given, **named: next(broken, None) or went())
        patch.setattr(web_server.subprocess, "TimeoutExpired", TimeoutError, raising=False)
        typist.type(Case(serves))
    with monkeypatch.context() as patch:
        patch.setattr(reasons, "StandardScaler", Ended)
        typist.type(Case(f"{SCORE} reasons=true"))
    with monkeypatch.context() as patch:
        away = partial(patch.setenv, "MLFLOW_TRACKING_URI", "sqlite:////nowhere/mlflow.db")
        typist.type(Case("history", before=away, mend=patch.undo))


@pytest.mark.programs
@pytest.mark.timeout(900)
def test_what_refusals_of_models_and_decisions_say_to_type_is_typed_and_they_are_gone(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tippingpoint.comparison import job as comparison
    from tippingpoint.comparison import run
    from tippingpoint.experiment import record

    def type_all(cases: Iterable[Case]) -> None:
        with monkeypatch.context() as patch:
            for module in (run, comparison):  # no model is fitted
                patch.setattr(module, "ask", went)
            for case in cases:
                typist.type(case)

    type_all(BEFORE_ANY_MODEL)
    fit = ("model=[logistic]", "explain_rows=10", "report=none")
    assert typist.call("compare", "data.users=800", *fit) == 0
    typist.call("run", "data.users=800", "model=logistic", "tracking.register_model=false", *fit[1:])
    client = mlflow.MlflowClient()
    client.create_registered_model("conversion-taken", {"tippingpoint.copies_of": "another"})
    loose = client.search_runs([e.experiment_id for e in client.search_experiments()], "params.model = 'logistic'")
    registered = client.get_model_version("conversion", "1").run_id
    other = next((run.info.run_id for run in loose if run.info.run_id != registered), registered)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        put = (replace(case, line=case.line.replace("RUN", other).replace("PORT", port)) for case in WITH_A_MODEL)
        type_all(put)
    fail_once(typist, monkeypatch, f"ui port={port}")
    assert typist.call("simulate", "cuts=10") == 0
    (simulated,) = client.search_runs([loose[0].info.experiment_id], f"tags.`{JOB}` = 'simulate'", max_results=1)
    typist.type(Case(f"simulate models=[{simulated.info.run_id}] cuts=12"))
    own = (
        "data=csv",
        "data.path=fit.csv",
        "data.target=converted",
        "data.name=other",
        "data.drop=[action]",
        "data.positive=>0",
    )
    text = Path("users.csv").read_text()
    Path("fit.csv").write_text(text)
    assert typist.call("compare", *own, *fit) == 0
    Path("fit.csv").write_text(text[: text.rindex("\n", 0, -1) + 1])
    client.create_registered_model("odd, one")
    with monkeypatch.context() as patch:
        check = record.check_policy
        patch.setattr(record, "check_policy", lambda *given: went(check(*given)))  # no model is fitted
        typist.type(Case(shlex.join(("compare", "data.users=400", "policy.cuts=[0.2,0.9]", *fit))))
    for name in ("conversion", "other"):
        client.set_registered_model_alias(name, "champion", "1")
    client.delete_registered_model_alias("conversion", "challenger")
    client.delete_experiment(client.create_experiment("gone"))
    type_all(WITH_SEVERAL)
    found = [*typist.failed, *typist.untyped(FOLDERS, NOT_TYPED)]
    assert not found, "\n".join(found)
