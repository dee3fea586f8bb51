"""Every remedy of a refusal of models, decisions and the registry is typed, and the refusal is gone."""

import contextlib
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import mlflow
import polars as pl
import pytest

from tests.cli.typing_remedies import Case, Typist
from tests.frozen import refusals
from tests.measurement.measuring import decided
from tippingpoint.config.compose import compose
from tippingpoint.data.events.source import EventSource
from tippingpoint.scoring.settings import ScoreSettings
from tippingpoint.tracking.champion import identity
from tippingpoint.tracking.entries import append
from tippingpoint.tracking.promotion import version_of
from tippingpoint.tracking.tags import JOB

FOLDERS = ("dashboard/", "data/decisions.py", "data/frame.py", "decisions/", "experiment/collect.py", "promotion/")
FOLDERS += ("policies/effects.py", "policies/money_budget.py")
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
    "input=…": "input=users.csv",
    "score input=…": f"score input=users.csv to=e.csv {MODEL}",
    "policy.cuts=[…]": "policy.cuts=[0.3,0.6]",
    "policy.version=…": "policy.version=2",
    "policy diff ONE OTHER": "policy diff top_fraction retention",
}
EVENTS = "score data=events data.product=log/product.jsonl data.payments=log/payments.jsonl to=e.csv"
OF_A_DAY = f"{EVENTS} as_of=2025-01-05 {MODEL}"
BEFORE_ANY_MODEL = (
    *(Case(line) for line in refusals.WITHOUT_STORE if line.split()[0] in LATER),
    Case("simulate"),
    Case("history"),
    Case("score input=users.csv to=a.csv"),
    Case("score data=case_study to=e.csv"),
    Case(EVENTS),
)
WITH_A_MODEL = (
    Case(f"{SCORE} engine=spark only=[high]"),
    Case(f"score input=duckdb:///app.duckdb?table=users to=parts engine=spark {MODEL}"),
    Case(f"serve {MODEL} log=mysql://host/app holdout=0.1"),
    Case(f"serve {MODEL} split='{{2: 1.0}}'"),
    Case(f"serve {MODEL} split='{{1: 0.5, challenger: 0.6}}'"),
    Case("policy bind models:/conversion/1 policies=[intent_bands]"),
    Case("promote 1 name=conversion users=users.csv"),
    Case("simulate models=[models:/conversion/1] policy=effect_bands"),
    Case(OF_A_DAY),
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
OF_EVENTS = (
    Case(f"{OF_A_DAY} data.window_days=3"),
    Case(f"{OF_A_DAY} data.snapshots=every:7d"),
    Case(f"{OF_A_DAY} scored_at=2025-01-01"),
)
PRICED = "data=csv data.path=costs.csv data.target=converted data.name=priced data.drop=[user_id] data.action=action"
PRICED += " evidence=logged data.costs=[a,b] economics=cost_columns ~economics.costs learner=dr policy=effect_bands"
PRICED += (
    " +economics.costs='{none: {one: a, zero: b}, discount_10: {one: b, zero: a}, checkout_prompt: {one: b, zero: a}}'"
)
"""Users with prices of their own and without ids."""
OF_OTHERS = (
    Case("serve model=models:/other/2 split='{2: 0.5, 1: 0.5}'"),
    Case("serve model=models:/priced/1 holdout=0.1"),
    Case("simulate models=[models:/priced/1] budget.money=5"),
    Case("policy bind models:/other/1 policies=[top_fraction] policy.actions.top=none"),
)
NOT_TYPED = {
    "data/frame.py Frame.read": "a frame is of Python: tests/api",
    "reports/web_server.py serve_pages": "typed in tests/cli/test_remedies_of_data.py",
    "scoring/on_spark.py _parquet": "Spark: tests/scoring/test_on_spark.py",
    "simulation/settings.py DiffSettings._are_two": "typed in tests/cli/test_remedies_of_data.py",
    "dashboard/intake.py as_they_are": "a page says it: tests/dashboard",
    "dashboard/uploads.py look_at_table": "a page says it: tests/dashboard",
    "tracking/entries.py _taken": "a race: tests/soak",
    "tracking/entries.py append": "a race: tests/soak",
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
    call("data", "write", "data=event_log", "data.profiles=300", "to=log")
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
    users.write_parquet(folder / "users.parquet")
    pl.concat([users.with_columns(a=1.0, b=2.0)] * 10).write_csv(folder / "costs.csv")
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


class Spark:
    """Spark that does not start, as where there is no Java; or that fails at once."""

    starts = False

    class FailedError(Exception):
        """What Spark raises."""

    @classmethod
    def installed(cls) -> dict[str, ModuleType]:
        """Its modules."""
        modules = {name: ModuleType(name) for name in ("pyspark", "pyspark.errors", "pyspark.sql", "py4j.protocol")}
        vars(modules["pyspark.errors"])["PySparkException"] = cls.FailedError
        vars(modules["py4j.protocol"])["Py4JError"] = cls.FailedError
        vars(modules["pyspark.sql"])["SparkSession"] = cls
        return modules | {"py4j": ModuleType("py4j")}

    @classmethod
    def getActiveSession(cls) -> None:  # Spark's names
        pass

    @classmethod
    def appName(cls, name: str) -> "type[Spark]":
        return cls

    @classmethod
    def config(cls, *given: str) -> "type[Spark]":
        return cls

    @classmethod
    def getOrCreate(cls) -> "type[Spark]":
        if not cls.starts:
            raise cls.FailedError("no Java")
        return cls

    @classmethod
    def setLogLevel(cls, level: str) -> None:
        raise cls.FailedError("a worker is lost")

    @classmethod
    def stop(cls) -> None:
        pass


Spark.builder = Spark.sparkContext = Spark  # type: ignore[attr-defined]  # as Spark has them


def score_on_spark(typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type what takes Spark."""
    line = f"score input=users.parquet to=TO engine=spark {MODEL}"
    with monkeypatch.context() as patch:
        for name, module in Spark.installed().items():
            patch.setitem(sys.modules, name, module)
        typist.type(Case(line.replace("parquet", "csv").replace("TO", "of_csv")))
        typist.type(Case(line.replace("TO", "no_java")))
        patch.setattr(Spark, "starts", True)
        typist.type(Case(line.replace("TO", "lost"), ["engine=here parts=true"]))


def score_events(typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    """Type what takes a version that learnt from raw events."""
    from tippingpoint.scoring import job as scoring

    words = compose("score", shlex.split(OF_A_DAY)[1:])
    made = ScoreSettings.from_config(words).data.build(EventSource, "data").definition.made_by  # type: ignore[union-attr]  # it is given
    load = scoring.load_decider

    def of_events(*given: Any) -> Any:
        loaded = load(*given)
        deployment = loaded.decider.deployment.model_copy(update={"made_by": made})
        return replace(loaded, decider=replace(loaded.decider, deployment=deployment))

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "load_decider", of_events)
        for case in OF_EVENTS:
            typist.type(case)


def approve(typist: Typist, monkeypatch: pytest.MonkeyPatch, client: mlflow.MlflowClient) -> None:
    """Type what takes two persons, and a gate that asks for both."""

    def asked() -> int:
        made = identity(client, version_of(client, "other", "1"))
        return append(client, "other", "request", "1", "1", 0, who="one", judgement={}, **made).number

    monkeypatch.setenv("LOGNAME", "one")
    first, second = asked(), asked()
    typist.type(Case(f"promote approve {first} name=other", mend=lambda: monkeypatch.setenv("LOGNAME", "two")))
    assert typist.call("promote", "pin", "name=other", "gate=standard", "gate.approval=true") == 0
    typist.type(Case(f"promote approve {second} name=other"))


@pytest.mark.programs
@pytest.mark.timeout(900)
def test_what_refusals_of_models_and_decisions_say_to_type_is_typed_and_they_are_gone(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tippingpoint.comparison import job as comparison
    from tippingpoint.comparison import run
    from tippingpoint.experiment import record
    from tippingpoint.promotion import bind
    from tippingpoint.serving import workers

    def type_all(cases: Iterable[Case]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(bind, "make", went)
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
    score_on_spark(typist, monkeypatch)
    score_events(typist, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(workers.multiprocessing, "get_all_start_methods", list)
        typist.type(Case(f"serve {MODEL} workers=2"))
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
    more = ("model=logistic", *fit[1:])
    assert typist.call("run", *own, "data.drop=[action,sessions_7d]", *more) == 0
    assert typist.call("run", *shlex.split(PRICED), *more) == 0
    Path("fit.csv").write_text(text[: text.rindex("\n", 0, -1) + 1])
    client.create_registered_model("odd, one")
    with monkeypatch.context() as patch:
        check = record.check_policy
        patch.setattr(record, "check_policy", lambda *given: went(check(*given)))  # no model is fitted
        typist.type(Case(shlex.join(("compare", "data.users=400", "policy.cuts=[0.2,0.9]", *fit))))
    type_all(OF_OTHERS)
    for name in ("conversion", "other"):
        client.set_registered_model_alias(name, "champion", "1")
    client.delete_registered_model_alias("conversion", "challenger")
    client.delete_experiment(client.create_experiment("gone"))
    type_all(WITH_SEVERAL)
    approve(typist, monkeypatch, client)
    found = [*typist.failed, *typist.untyped(FOLDERS, NOT_TYPED)]
    assert not found, "\n".join(found)
