"""Every remedy of a refusal of words and of tables is typed, and the refusal is gone."""

import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.cli.typing_remedies import Case, Typist
from tests.data.events.test_mapping import clicks
from tests.frozen import refusals
from tests.measurement.measuring import decided

FOLDERS = ("cli/", "comparison/", "config/", "core/", "economics.py", "experiment/build.py")
FOLDERS += tuple(f"data/{name}" for name in ("c", "database", "events", "fi", "i", "o", "s", "v", "w"))
FOLDERS += ("exploration/", "measurement/settings.py MeasureSettings", "models/", "tuning/", "offpolicy/")
FOLDERS += tuple(f"policies/{name}" for name in ("b", "c", "d", "effect_bands", "l", "policy", "r", "s", "t"))


def terms(of_a_column: str) -> Callable[[], Any]:
    """What writes a contract with such terms of a column."""
    text = f"outcome: converted\nid: user_id\ncolumns: {{sessions_7d: {of_a_column}}}\n"
    return lambda: Path("terms.yaml").write_text(text)


CSV = "run data=csv data.path=users.csv data.target=converted"
LATER = ("score", "serve", "simulate", "promote", "history", "dashboard", "ui", "measure")
OWN = "run data=csv data.path=own.csv data.drop='[note]'"
FEATURES = "features data=events data.product=log/product.jsonl data.payments=log/payments.jsonl"
LOG = "run data=events data.product=log/product.jsonl data.payments=log/payments.jsonl"
DATED = "run data=csv data.path=dated.csv data.target=bought data.as_of=day"
SQL = "run data=sql data.url=duckdb:///app.duckdb data.target=converted"
ODD = "Customer, \"ID\" ='x' [é]"
FILL = {
    "data.path=…": "data.path=users.csv",
    "data.target=…": "data.target=converted",
    "data.control=…": "data.control=none",
    "data.parameters.least=…": "data.parameters.least=1",
    "data.window_days=…": "data.window_days=3",
    "data.horizon_days=…": "data.horizon_days=7",
    "hydra/launcher=…": "hydra/launcher=basic",
    "seed=…": "seed=1",
    "at=…": "at=converted_at",
    "users=…": "users=users.csv",
    "decisions=…": "decisions=users.csv",
    "model=models:/NAME@challenger": "model=models:/conversion@challenger",
    "economics.actions.KEY=VALUE": "economics.actions.none.contact_cost=1",
    "~model.boosting.search.NAME": "~model.boosting.search.max_depth",
    "tune.objectives='[…]'": "tune.objectives='[roc_auc]'",
    "tune.objectives=[…]": "tune.objectives=[roc_auc]",
    "policy diff ONE OTHER": "policy diff top_fraction retention",
    "data.product=duckdb:///app.duckdb?table=…": "data.product=duckdb:///app.duckdb?table=clicks",
    "data.billing.names.subscribed=…": "data.billing.names.subscribed=/club/*",
    "data.events.id=…": "data.events.id=at",
    "data.billing.id=…": "data.billing.id=at",
    "compare policy=… economics=…": "compare policy=top_fraction economics=freemium",
}
CASES = (
    *(Case(line) for line in refusals.WITHOUT_STORE if line.split()[0] not in LATER),
    Case("run --config-name runn", ["--config-name run"]),
    Case("run -m"),
    Case("run -m seed='interval(0,1)'"),
    Case("run -m seed='range(3,3)'"),
    Case("run -m experiment=swept,retention --config-dir mine", ["experiment=retention"]),
    Case("run -m experiment=joblib,retention --config-dir mine"),
    Case("run model=[logistic,boosting]"),
    Case("tune model.boosting.search={}"),
    Case("run data=users.csv"),
    Case("run data.path=users.csv"),
    Case("run data.target=converted"),
    Case("compare policy.cuts=0.4,0.7"),
    Case(f"{CSV} data.name='a, [b'"),
    Case("run data=csv"),
    Case("run '~data.path' data=csv data.target=converted"),
    Case("run economics.actions=3"),
    Case("run economics.actions.discount_10=3"),
    Case("run economics.price=9,99"),
    Case("plan rate=4 users_per_day=1000"),
    Case("plan rate=4% users_per_day=1000"),
    Case(f"{CSV} data.drop=age"),
    Case("tune tune.objectives=[]"),
    Case("tune model=logistic model.logistic.search.C=1", ["model.logistic.search.C='{choices: [0.1, 1]}'"]),
    Case("tune model=logistic model.logistic.search.C.log=3", ["model.logistic.search.C.log=true"]),
    Case("tune model=logistic model.logistic.search.C.low=null", ["model.logistic.search.C='{choices: [0.1, 1]}'"]),
    Case("tune model.boosting.search.n_estimators.low=3", ["~model.boosting.search.n_estimators.low"]),
    Case("policy diff intent_bands"),
    Case("policy lint policy.cuts='[0.4,1.7]'"),
    Case("policy lint policy.cuts='[0.7,0.4]'"),
    Case("policy lint policy=intent_shares policy.shares='[0.2,1.3]'"),
    Case("policy lint policy=intent_shares policy.shares='[0.1,0.3]'"),
    Case("run +policy=offer"),
    Case("run policy=intent_shares policy.cuts='[0.1,0.3]'"),
    Case(f"{OWN} data.target=bought data.id=plan"),
    Case("run policy.actions.high=email"),
    Case("run ~policy.actions +policy.actions='{cold: none, warm: discount_10, hot: checkout_prompt}'"),
    Case("run ++policy.actions.top=none", fill={"policy=NAME": "policy=top_fraction"}),
    Case(f"{CSV} data.encoding=klingon", ["data.encoding=cp1252"]),
    Case("run data=csv data.path=users.csv"),
    Case(f"{CSV} data.as_of=soon"),
    Case(f"{CSV} data.as_of=sessions_7d"),
    Case("data describe data=csv data.path=own.csv data.as_of=soon"),
    Case("run data=csv data.path=latin.csv data.target=converted"),
    Case("run data=csv data.path=twice.csv data.target=converted"),
    Case("run data=csv data.path=parted.csv data.target=converted"),
    Case(f"{OWN} data.target=churned"),
    Case(f"{OWN} data.target=bought data.drop='[note,\"Customer, ID\"]'"),
    Case(f"{OWN} data.target=bought data.id=\"'Customer ID'\""),
    Case(f"{OWN} data.target=bought data.action=got data.control=nothin"),
    Case(f"{OWN} data.target=bought data.action=got data.control='no, thing'"),
    Case(f"{OWN} data.target=bought data.action=got data.control=\"'no, thing'\" data.logging_probability='{{a: 1}}'"),
    Case(f"{OWN} data.target=spent"),
    Case(f"{OWN} data.target=plan"),
    Case(f"{OWN} data.target=gender"),
    Case(f"{OWN} data.target=gender data.positive='fe, male'"),
    Case(f"{OWN} data.target=spent data.positive='>99999'"),
    Case(f"{OWN} data.target=plan data.positive='>3'"),
    Case(f"{OWN} data.target=half"),
    Case(f"{OWN} data.target=bought data.costs=[spent]"),
    Case(f"{OWN} data.target=bought data.action=told data.train_on=none"),
    Case(f"{CSV} data.action=action", ["data.action=null data.drop='[action]'"]),
    Case("run data=csv data.path=fair.csv data.target=bought data.action=got evidence=logged"),
    Case(f"{SQL} data.query='\"select * from users where age > $least\"'", ["data.parameters.least=1"]),
    Case(f"{SQL} data.query='\"select * from users\"' data.url=postgres", ["data.url=duckdb:///app.duckdb"]),
    Case("data describe to=strict.yaml data=csv data.path=users.csv", ["to=another.yaml"]),
    Case("data write data=csv data.path=users.csv data.target=converted to=copy.csv"),
    Case("data write data=event_log data.profiles=50", ["to=events"]),
    Case("data write to=users.xlsx data.users=50", ["to=users_50.csv"]),
    Case(f"{LOG} data.window_days=300"),
    Case(f"{LOG} data.vocabulary.sign_up='Sign Upp'"),
    Case("run data=event_log_churn data.profiles=5"),
    Case("run tracking.experiment='${env:HOME}'", ["tracking.experiment='${oc.env:HOME}'"]),
    Case("run tracking.experiment='${oc.env:NOWHERE}'", ["tracking.experiment='${oc.env:NOWHERE,plain}'"]),
    Case(
        f"{CSV} data.contract=terms.yaml",
        before=terms("3"),
        mend=terms("{type: number, min: 0, max: 1, missing: false}"),
    ),
    Case("score input=users.csv to=a.csv model=models:/conversion/1 as_of=soon"),
    Case("run learner=dr policy=best_action economics.reward=spend"),
    Case("run tracking.test_set=true tracking.log=false"),
    Case("run learner=[t,dr] policy=top_fraction policy.by=effect"),
    Case("compare runs=[a]"),
    Case("measure decisions=users.csv outcomes=users.csv users=users.csv"),
    Case("measure decisions=users.csv outcomes=users.csv users_id=user_id"),
    Case("run tracking.experiment=mine tracking.log=false"),
    Case("compare economics.reward=[]"),
    Case("run policy=effect_bands"),
    Case("policy lint policy=intent_bands policy.acts_on=low"),
    Case(f"{OWN} data.target=churned data.good=false policy=intent_bands"),
    Case(f"{FEATURES} as_of=2125-01-01 to=f.csv"),
    Case(f"{FEATURES} as_of=2026-01-01 to=f.csv"),
    Case("features data=event_log data.profiles=50 to=f.csv"),
    Case("features data=event_log data.profiles=50 as_of=2025-03-01"),
    Case("features data=case_study as_of=2025-03-01 to=f.csv"),
)
OF_TIME = (
    Case("run split.by=time"),
    Case("run split.test_from=2026-03-01"),
    Case("run split=time split.test_from=soon", ["split.test_from=2026-03-01"]),
    Case(f"{CSV} split=time split.test_from=2026-03-01", fill={"data.as_of=COLUMN": "data.as_of=2026-03-01"}),
    Case(f"{DATED} split=time split.test_from=2026-03-01"),
    Case("compare split=time split.test_from=2026-03-01 evaluate=crossfit"),
    Case("compare split=time split.test_from=2026-03-01 repeats=2"),
    Case(f"{LOG} data.snapshots=often"),
)
OF_PARTS = (
    Case("run data=csv data.path=binary.csv data.target=converted", ["data.path=users.csv"]),
    Case("tune tune.storage=sqlite:///trials.db"),
)
RARE = Case(
    "run data=csv data.path=rare.csv data.target=bought data.action=got data.train_on=none"
    " policy=top_fraction policy.actions.top=discount_10"
)
"""Fits on users whose action is none, of whom nobody bought."""
SHOP_YAML = """\
defaults: [events, _self_]
horizon_days: 14
until: 1772000000
product: clicks.csv
events: {user: visitor, time: at, name: page, platform: with, sign_up: first, names: {Product: /product/*}}
billing: {user: visitor, time: at, name: page, names: {subscribed: /club/*}}
vocabulary:
  counted: {signins: /, playbacks: Product, searches: /, downloads: /, pricing_pages: /, limit_notifications: /,
    account_pages: /}
"""
SHOP = "run --config-dir mine data=shop"
OF_LOGS = (
    Case(f"{FEATURES} as_of=2025-02-05 to=f.csv data.vocabulary.counted.signins='Sign Inn'"),
    Case(f"{SHOP} data.events.zone=Nowhere", ["data.events.zone=UTC"]),
    Case(f"{SHOP} data.events.user=visiter", ["data.events.user=visitor"]),
    Case(f"{SHOP} data.product=duckdb:///app.duckdb"),
    Case(f"{SHOP} data.billing.names.subscribed=/clubb"),
    Case(f"{SHOP} data.state=.tippingpoint/events"),
    Case("run data=events data.url=duckdb:///app.duckdb data.billing='{user: visitor, time: at, name: page}'"),
    Case(f"{LOG} data.snapshots=every:7d data.vocabulary.exposure=shown"),
    Case(f"{LOG} data.snapshots=every:7d data.horizon_days=365"),
    Case(f"measure decisions=d.parquet {LOG.removeprefix('run ')} outcome='Sign Inn'", ["outcome='Sign In'"]),
    Case("policy bind policy=top_fraction economics.price=5"),
    Case("run economics.actions='{call: {contact_cost: 1}}'"),
)
LOT = "data=csv data.path=lot.csv data.target=bought data.action=action data.logging_probability=uniform"
OFFER = "policy=offer +economics.actions.offer.contact_cost=1"
OF_SEARCHES = (
    Case("tune learner=dr policy=effect_bands tune.objectives=[pr_auc] data.users=800"),
    Case(f"tune {LOT} {OFFER} tune.objectives=[value]"),
)
FAIR = "run data=csv data.path=fair.csv data.target=bought model=logistic tracking.log=false explain_rows=5"
EFFECTS = f"{FAIR} data.action=got evidence=logged learner=dr policy=effect_bands"
EFFECTS += " policy.actions.target=discount_10"
ONCE_FITTED = (
    Case(EFFECTS.replace("fair.csv", "rare.csv")),
    Case(f"{FAIR} data.drop=[got] policy=policy_tree"),
    Case(
        f"{FAIR} data.drop=[got] learner=dr policy=effect_bands policy.actions.target=none",
        fill={"data.action=…": "data.action=got"},
    ),
)
"""Refused once users are split, before anything is measured."""
NOT_TYPED = {
    "measurement/settings.py MeasureSettings._knows_what_came": "typed in tests/cli/test_remedies_of_decisions.py",
    "cli/multirun.py _broken_off": "a worker was killed: tests/soak",
    "core/foreign.py as_theirs": "is typed, and the traceback comes: tests/core",
    "data/database.py _frame": "PostgreSQL: typed below",
    "tuning/job.py _parent": "a store that went away: tests/soak",
    "tuning/studies.py check_failures": "trials of workers that fail: tests/tuning",
}
"""Functions with a remedy that no case here types, and why."""


def went(*given: Any, **named: Any) -> None:
    raise SystemExit(0)


@pytest.fixture
def typist(
    workspace: Path, call: Callable[..., int], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Typist:
    """Who types lines in an empty store beside tables; where the question is right, nothing is fitted or served."""
    from tippingpoint.comparison import job as comparison
    from tippingpoint.comparison import run
    from tippingpoint.dashboard import job as dashboard
    from tippingpoint.experiment import build
    from tippingpoint.serving import server
    from tippingpoint.tuning import task

    call("data", "write", "data.users=400", "to=users.csv")
    call("data", "write", "data=event_log", "data.profiles=300", "to=log")
    refusals.tables(workspace)
    tables(workspace)

    def asked(*given: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(build.ValuedUsers, "of", went)  # what is refused is refused before
            build.ask(*given)

    for module in (run, comparison):
        monkeypatch.setattr(module, "ask", asked)
    monkeypatch.setattr(task, "check", lambda *given, step=task.check: went(step(*given)))
    for module, step in ((server._Server, "run"), (dashboard, "serve_pages")):
        monkeypatch.setattr(module, step, went)
    typing = Typist(call, capsys, FILL)
    typing.record(monkeypatch)
    return typing


def tables(folder: Path) -> None:
    """Tables with mistakes in them, beside those of the frozen refusals."""
    rng, rows = random.Random(0), range(600)
    own = {
        ODD: [f"c{i}" for i in rows],
        "age": [rng.randrange(20, 60) for _ in rows],
        "note": [f"note {i}" for i in rows],
        "spent": [rng.randrange(9) for _ in rows],
        "plan": [rng.choice(("free", "gold, new", "premium")) for _ in rows],
        "gender": [rng.choice(("fe, male", "m")) for _ in rows],
        "half": [rng.choice(("gold", None)) for _ in rows],
        "got": [rng.choice(("no, thing", "call", "${x}")) for _ in rows],
        "told": [("none", "call")[i > 3] for i in rows],
        "churned": [rng.randrange(2) for _ in rows],
        "bought": [rng.randrange(2) for _ in rows],
    }
    pl.DataFrame(own).write_csv(folder / "own.csv")
    fair = pl.DataFrame(
        {"age": own["age"], "got": [("none", "discount_10")[i % 2] for i in rows], "bought": own["bought"]}
    )
    dated = fair.with_columns(day=pl.Series([f"2026-0{1 + i % 4}-01" for i in rows]))
    dated.drop("got").write_csv(folder / "dated.csv")
    fair = pl.concat([fair] * 3)
    fair.write_csv(folder / "fair.csv")
    fair.with_columns(bought=pl.col("bought") * (pl.col("got") != "none")).write_csv(folder / "rare.csv")
    (folder / "binary.csv").write_bytes(bytes(range(32)) * 40)
    text = (folder / "users.csv").read_text()
    (folder / "parted.csv").write_text(text.replace(",", "~"))
    (folder / "latin.csv").write_bytes(
        text.replace("user_id", "âge,user_id", 1).replace("\nu", "\n1,u").encode("cp1252")
    )
    users = pl.read_csv(folder / "users.csv")
    with contextlib.closing(duckdb.connect(str(folder / "app.duckdb"))) as database:
        database.register("there", users.with_columns(age=pl.int_range(len(users))))
        database.execute("create table users as select * from there")
        database.register("clicks_", clicks())
        database.execute("create table clicks as select * from clicks_")
    clicks().with_columns(pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S")).write_csv(folder / "clicks.csv")
    decided(0.1, 600)[0].write_parquet(folder / "d.parquet")
    drawn = [rng.gauss(0, 1) for _ in range(3000)]
    lot = {"x": drawn, "action": [("none", "offer")[x + rng.gauss(0, 1) > 0] for x in drawn]}
    pl.DataFrame(lot | {"bought": [rng.randrange(2) for _ in drawn]}).write_csv(folder / "lot.csv")  # it followed x
    (folder / "mine/data").mkdir(parents=True)
    (folder / "mine/data/shop.yaml").write_text(SHOP_YAML)
    (folder / "mine/experiment").mkdir()
    begin = "# @package _global_\ndefaults:\n"
    (folder / "mine/experiment/joblib.yaml").write_text(f"{begin}  - override /hydra/launcher: joblib\n")
    sweeper = "hydra:\n  sweeper:\n    params:\n      seed: 1,2\n"
    (folder / "mine/experiment/swept.yaml").write_text(f"# @package _global_\n{sweeper}")


@pytest.mark.programs
@pytest.mark.timeout(900)
def test_what_refusals_of_words_and_tables_say_to_type_is_typed_and_they_are_gone(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tippingpoint.comparison import run
    from tippingpoint.experiment import answer, build, fitting
    from tippingpoint.models.logistic import Logistic

    for case in (*CASES, *OF_TIME, *OF_PARTS, *OF_LOGS, *OF_SEARCHES):
        typist.type(case)
    with monkeypatch.context() as patch:
        patch.setattr(run, "ask", build.ask)
        patch.setattr(answer, "evaluate", went)
        for case in ONCE_FITTED:
            typist.type(case)
        patch.delattr(Logistic, "regression")  # as a family of one's own may lack it
        typist.type(Case(EFFECTS))
        patch.setattr(fitting.calibration, "fit", went)  # what is fitted on is chosen before
        typist.type(RARE)
    found = [*typist.failed, *typist.untyped(FOLDERS, NOT_TYPED)]
    assert not found, "\n".join(found)


@pytest.mark.programs
def test_what_is_said_of_a_query_on_postgresql_is_typed_and_it_is_gone(typist: Typist, postgres: str) -> None:
    of = f"run data=sql data.url='\"{postgres}\"' data.target=converted"
    typist.type(Case(f"{of} data.query='\"set search_path to public\"'", ["data.query='\"select 1 as a\"'"]))
    typist.type(Case(f"{of} data.query='\"select $least as a\"'", ["data.parameters.least=1"]))
    assert not typist.failed
    assert "data/database.py _frame" not in typist.untyped(FOLDERS, {})
