"""`measure data=…` reads any experiment: what came of each arm, from the command line on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import polars as pl
import pytest

import tippingpoint as tp
from tests.cli.typing_remedies import Case, Typist
from tests.refusals import Refusal
from tippingpoint.tracking.tags import JOB

LINE = "measure data=csv data.path={} data.action=version data.control=A data.logging_probability=uniform"
AB = LINE.format("ab.csv") + " tracking.log=false"
ROWS = 4_000


U7 = pl.col("user_id") == "u7"
OTHER = pl.when(pl.col("version") == "A").then(pl.lit("B")).otherwise(pl.lit("A"))


def where_u7(value: pl.Expr | None, column: str) -> pl.Expr:
    return pl.when(U7).then(value).otherwise(column)


def experiment(rows: int = ROWS, seed: int = 1) -> pl.DataFrame:
    """Versions A and B, half each; B retains 6 % more, and users watch 3 minutes longer."""
    rng = np.random.default_rng(seed)
    b = rng.permutation(np.arange(rows) % 2 == 1)
    before = rng.gamma(2, 30, rows)
    signup = np.datetime64("2026-10-01") + np.arange(rows) % 28
    login = signup + rng.integers(0, 40 - 10 * b, rows)
    return pl.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(rows)],
            "version": np.where(b, "B", "A"),
            "retained": (rng.random(rows) < 0.3 + 0.06 * b).astype(int),
            "watch": 0.9 * before + rng.normal(0, 10, rows) + 3 * b,
            "before": before,
            "country": rng.choice(["DE", "FR", "US"], rows),
            "household": np.arange(rows) // 2,
            "sessions": 1 + rng.poisson(3, rows),
            "signup": pl.Series(signup.astype("datetime64[ms]")).dt.date(),
            "login": pl.Series(login.astype("datetime64[ms]")).dt.date(),
            "chance_a": np.full(rows, 0.5),
            "chance_b": np.full(rows, 0.5),
        }
    )


@pytest.fixture
def table(workspace: Path) -> pl.DataFrame:
    made = experiment()
    made.write_csv("ab.csv")
    return made


@pytest.fixture
def asked(call: Callable[..., int], capsys: pytest.CaptureFixture) -> Callable[..., dict[str, Any]]:
    """What a line answers."""

    def ask(line: str, *words: str, code: int = 0) -> dict[str, Any]:
        assert call(*line.split(), *words, "output=json") == code
        return json.loads(capsys.readouterr().out)

    return ask


def of(found: dict[str, Any], measure: str) -> dict[str, Any]:
    return next(row for row in found["differences"] if row["measure"] == measure)


def test_the_target_is_told_per_1000_users_and_decided(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    found = asked(AB, "data.target=retained")
    rate = dict(table.group_by("version").agg(pl.col("retained").mean()).iter_rows())
    told = of(found, "retained")
    assert told["difference"] == pytest.approx(1000 * (rate["B"] - rate["A"]))
    spread = sum(rate[v] * (1 - rate[v]) / (ROWS / 2 - 1) for v in "AB")
    assert told["se"] == pytest.approx(1000 * np.sqrt(spread))
    assert found["decision"]["word"] == ("Ship" if told["low"] > 0 else "Test first")
    assert found["arms"] == {"A": ROWS / 2, "B": ROWS / 2}


def test_what_is_not_wanted_ships_where_it_falls(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    table.with_columns(left=1 - pl.col("retained")).write_csv("ab.csv")
    found = asked(AB, "data.target=left", "data.good=false")
    assert of(found, "left")["difference"] < 0
    assert found["decision"]["word"] == "Ship"


def test_all_measures_are_told_at_once(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    days = ("assigned=signup", "within=12", f"until={table['login'].max()}")
    measures = ("data.measures=[watch,login]", "ratios={each: [watch, sessions]}")
    found = asked(AB, "data.target=retained", *measures, *days)
    alone = asked(AB, "data.target=watch", *days)
    known = table.filter(pl.col("signup") <= pl.col("login").max() - pl.duration(days=12))
    came = (pl.col("login") - pl.col("signup")).dt.total_days() <= 12
    rates = dict(known.group_by("version").agg(came.mean().alias("rate")).iter_rows())
    assert found["users"] == len(known)
    assert of(found, "login")["difference"] == pytest.approx(1000 * (rates["B"] - rates["A"]))
    sums = {v: (t["watch"].sum() / t["sessions"].sum()) for (v,), t in known.group_by("version")}
    assert of(found, "each")["difference"] == pytest.approx(sums["B"] - sums["A"])
    wide, narrow = (row["high"] - row["low"] for row in (of(found, "watch"), of(alone, "watch")))
    assert wide > 1.1 * narrow
    assert [row["measure"] for row in found["differences"]][-3:] == ["login, 1 d", "login, 3 d", "login, 7 d"]


def test_what_is_the_same_for_all_has_no_interval(
    table: pl.DataFrame, asked: Callable[..., Any], refused: Callable[..., Refusal]
) -> None:
    """No outcome came, or every user has it: that says nothing of how sure the difference of 0 is."""
    table.with_columns(never=0, always=1, five=5.0).write_csv("ab.csv")
    found = asked(AB, "data.target=never", "data.measures=[always,five,watch]")
    assert [row["low"] is None for row in found["differences"]] == [True, True, True, False]
    assert found["decision"]["word"] == "Test first"
    said = refused(*AB.split(), "data.target=retained", "data.measures=[never]", "ratios={r: [watch, never]}")
    assert "ratios.r: 'never' sums to 0 among users of A" in said


def test_columns_known_before_take_variance_out(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    found = asked(AB, "data.target=watch", "pre=[before,country]")
    r2 = np.corrcoef(table["watch"], table["before"])[0, 1] ** 2
    assert of(found, "watch")["variance_saved"] == pytest.approx(r2, abs=0.01)
    assert found["decision"]["word"] == "Ship"
    assert not found["findings"]


def test_money_is_what_economics_makes_of_both_arms(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    prices = ("economics=freemium", "+economics.actions={B: {contact_cost: 0.5}}")
    found = asked(AB, "data.target=retained", *prices)
    outcomes, money = of(found, "retained"), of(found, "money")
    worth = 9.99 * 6 - 3
    assert money["difference"] == pytest.approx(outcomes["difference"] / 1000 * worth - 0.5)
    assert money["unit"] == found["decision"]["why"].split("] ")[1].split(" (")[0] == "EUR per user"


def test_a_group_counts_as_one(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    twice = pl.concat([table, table.with_columns(user_id="v" + pl.col("user_id"))])
    twice.with_columns(household=pl.col("user_id").str.strip_prefix("v")).write_csv("ab.csv")
    alone, together = (asked(AB, "data.target=watch", *words) for words in ((), ("data.group=household",)))
    assert together["groups"] == ROWS
    assert of(together, "watch")["se"] == pytest.approx(np.sqrt(2) * of(alone, "watch")["se"], rel=1e-3)


def test_chances_of_their_own_weigh_users(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    rng = np.random.default_rng(3)
    rich = rng.random(ROWS) < 0.5
    b = rng.random(ROWS) < np.where(rich, 0.8, 0.2)
    made = table.with_columns(
        version=pl.Series(np.where(b, "B", "A")), a=np.where(rich, 0.2, 0.8), b=np.where(rich, 0.8, 0.2)
    )
    made.with_columns(watch=pl.Series(100.0 * rich + rng.normal(0, 1, ROWS))).write_csv("ab.csv")
    found = asked(AB, "data.target=watch", "data.logging_probability={A: a, B: b}")
    told = of(found, "watch")
    assert abs(told["difference"]) < 5  # plain means would differ by 60
    assert told["low"] < 0 < told["high"]


def test_parquet_says_what_csv_says(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    table.write_parquet("ab.parquet")
    words = ("data.target=retained", "data.measures=[watch]", "pre=[before]", "segments=[country]")
    lines = (LINE.format(name) + " tracking.log=false" for name in ("ab.csv", "ab.parquet"))
    rows = ([*found["differences"], *found["segments"]] for found in (asked(line, *words) for line in lines))
    for row, same in zip(*rows, strict=True):
        assert row == pytest.approx(same)


def test_segments_hold_at_once_and_are_drawn_together(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    found = asked(AB, "data.target=retained", "segments=[country]")
    values = [row["difference"] for row in found["segments"]]
    drawn = [row["shrunk"] for row in found["segments"]]
    assert {row["segment"] for row in found["segments"]} == {"DE", "FR", "US"}
    assert max(drawn) - min(drawn) < max(values) - min(values)


def test_a_lopsided_experiment_has_no_interval(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    lost = (pl.col("version") == "B") & (pl.col("household") < 300)
    table.filter(~lost).write_csv("ab.csv")
    found = asked(AB, "data.target=retained")
    assert [f["code"] for f in found["findings"]] == ["TP302"]
    assert of(found, "retained")["low"] is None
    table.with_columns(retained=pl.when(lost).then(None).otherwise("retained")).write_csv("ab.csv")
    found = asked(AB, "data.target=retained")
    assert found["left_out"]["retained is missing"]["A"] == 0
    assert [(f["code"], f["of"]) for f in found["findings"]] == [("TP302", "users with a known outcome")]
    accepted = asked(AB, "data.target=retained", "diagnostics.accept={TP302: known}")
    assert of(accepted, "retained")["low"] is not None


def test_only_declared_columns_must_be_balanced(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    table.with_columns(told=(pl.col("version") == "B").cast(int)).write_csv("ab.csv")
    assert not asked(AB, "data.target=retained")["findings"]
    codes = [f["code"] for f in asked(AB, "data.target=retained", "pre=[told]")["findings"]]
    assert codes == ["TP303", "TP307"]


def test_generated_users_are_an_experiment(workspace: Path, asked: Callable[..., Any]) -> None:
    found = asked("measure data=streamzone data.users=3000 tracking.log=false")
    assert set(found["arms"]) == {"none", "discount_10", "checkout_prompt"}
    assert [row["against"] for row in found["differences"]][:3] == ["none", "none", "checkout_prompt"]


def test_in_python_it_is_the_same(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    users = tp.read_users(table, target="retained", action="version", control="A", logging_probability="uniform")
    result = tp.measure_arms(users, track=False)
    assert result.to_dict()["decision"] == asked(AB, "data.target=retained")["decision"]
    assert result.arms.decision.lines[0] in result._repr_html_()
    assert len(result.leaderboard()) == 1


def test_it_is_filed(table: pl.DataFrame, asked: Callable[..., Any]) -> None:
    found = asked(LINE.format("ab.csv"), "data.target=retained", "segments=[country]")
    run = mlflow.MlflowClient().get_run(found["run_id"])
    assert run.data.tags[JOB] == "measure"
    assert run.data.tags["decision"] == found["decision"]["word"]
    told = of(found, "retained")
    assert run.data.metrics["arm/experiment/B/retained_uplift_per_1000_low"] == pytest.approx(told["low"])
    tables = {file.path for file in mlflow.MlflowClient().list_artifacts(found["run_id"], "tables")}
    assert tables == {"tables/differences.csv", "tables/segments.csv"}


REFUSED = (
    Case(f"{AB}", ["data.target=retained"]),
    Case(f"{AB} data.target=retained data.action=null data.control=null data.logging_probability=null"),
    Case(f"{AB} data.target=retained data.logging_probability=null"),
    Case(f"{AB} data.target=retained data.logging_probability='{{A: 0.5, B: 0.4}}'"),
    Case(f"{AB} data.target=retained data.control=C", ["data.control=A"]),
    Case(f"{AB} data.target=login"),
    Case(f"{AB} data.target=retained within=7"),
    Case(f"{AB} data.target=retained until=2026-11-01"),
    Case(f"{AB} data.target=login assigned=signup within=9999"),
    Case(f"{AB} data.target=retained pre=[retained]"),
    Case(f"{AB} data.target=retained economics=freemium"),
    Case(f"{AB} data.target=watch economics=freemium '+economics.actions={{B: {{contact_cost: 0}}}}'"),
    Case(f"{LINE.format('twice.csv')} tracking.log=false data.target=retained"),
    Case(f"{AB} data.target=retained guardrails='{{watch: -1}}'", ["data.measures='[watch]'"]),
    Case(f"{AB} data.target=retained guardrails='{{retained: 0}}'", ["guardrails='{retained: -1}'"]),
    Case(f"{AB} data.target=retained economics=cost_columns", ["~economics"]),
)
FILL = {
    "data.target=…": "data.target=retained",
    "data.action=…": "data.action=version",
    "data.control=…": "data.control=A",
    "assigned=…": "assigned=signup",
    "within=…": "within=7",
}


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        (lambda t: t.with_columns(version=where_u7(pl.lit("C"), "version")), "data.action", "'C'"),
        (lambda t: pl.concat([t, t.filter(U7).with_columns(version=OTHER)]), "data.action", "'u7'"),
        (lambda t: t.with_columns(login=where_u7(pl.date(2026, 1, 1), "login")), "data.measures", "1 row"),
        (lambda t: t.with_columns(version=where_u7(None, "version")), "data.action", "1 row"),
        (lambda t: t.with_columns(version=pl.lit("A")), "data.action", "always 'A'"),
        (lambda t: t.with_columns(signup=where_u7(None, "signup")), "assigned", "1 row"),
    ],
)
def test_a_table_that_is_no_experiment_is_refused(
    change: Callable[[pl.DataFrame], pl.DataFrame],
    where: str,
    said: str,
    table: pl.DataFrame,
    call: Callable[..., int],
    capsys: pytest.CaptureFixture,
) -> None:
    for name in ("ab.csv", "ab.parquet"):
        made = change(table)
        made.write_csv(name) if name.endswith(".csv") else made.write_parquet(name)
        words = ("tracking.log=false", "data.target=retained", "data.measures=[login]", "assigned=signup", "within=7")
        assert call(*LINE.format(name).split(), *words) == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert told.startswith(f"{where}: ")
        assert said in told


@pytest.mark.programs
def test_what_refusals_say_to_type_is_typed_and_they_are_gone(
    table: pl.DataFrame, call: Callable[..., int], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pl.concat([table, table.head(9)]).write_csv("twice.csv")
    typing = Typist(call, capsys, FILL)
    typing.record(monkeypatch)
    for case in REFUSED:
        typing.type(case)
    found = [*typing.failed, *typing.untyped(("measurement/a", "measurement/settings.py MeasureArms"), NOT_TYPED)]
    assert not found, "\n".join(found)


NOT_TYPED = {
    "measurement/arms_table.py _as_roles": "users that nobody drew an action for: no generator is such by its defaults",
}
