"""What measure says of decisions, and what it leaves behind."""

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
from rich.console import Console

from tests.measurement.measuring import ACTIONS, FIRST, decided, told, written
from tippingpoint.core.errors import InputError
from tippingpoint.data.writing import neutralised
from tippingpoint.measurement.report import counted
from tippingpoint.measurement.tracked import NOTED
from tippingpoint.tracking import backend

pytestmark = pytest.mark.usefixtures("at_compared")


def test_uplift_of_the_policy_is_measured_beside_its_promise_and_noted_on_the_version(tmp_path: Path) -> None:
    decisions, outcomes, truth = decided(0.25)
    when = pl.when(pl.col("converted") == 1).then(decisions["scored_at"]).alias("converted_at")
    words = [*written(tmp_path, decisions, outcomes.with_columns(when)), "outcome=converted", "at=converted_at"]
    words += ["within=1", "until=2025-12-01"]
    found = told(*words)
    (of,) = found.versions
    assert of.per_1000 is not None
    assert of.per_user is not None
    assert of.per_1000.last.low < truth < of.per_1000.last.high
    assert of.verdict == of.per_1000.verdict == "more than nothing"
    assert of.promise.kind == "truth"
    assert set(of.kept()) == {"per_1000", "per_user"}
    client = backend.connect()
    version = client.get_model_version("conversion", "1")
    assert float(version.tags["measured_uplift_per_1000"]) == pytest.approx(of.per_1000.last.value, rel=1e-5)
    assert float(version.tags["measured_uplift_per_1000_low"]) < float(version.tags["measured_uplift_per_1000_high"])
    assert version.tags["measured_until"] == "2025-11-21"  # a day after the last decision
    told(*words)
    again = client.get_model_version("conversion", "1").description
    assert again == version.description
    assert again.count(NOTED) == 1
    run = client.get_run(found.filed[0].run_id)
    assert run.data.tags["tippingpoint.job"] == "measure"
    assert run.data.tags["model_version"] == "models:/conversion/1"
    assert run.info.experiment_id == client.get_run(version.run_id).info.experiment_id
    assert run.data.metrics["policy/experiment/measured_uplift_per_1000"] == pytest.approx(of.per_1000.last.value)
    steps = client.get_metric_history(run.info.run_id, "policy/experiment/by_day/uplift_per_1000_low")
    assert len(steps) == len(of.per_1000.looks) > 10
    files = {f.path for top in ("tables", "figures") for f in client.list_artifacts(run.info.run_id, top)}
    assert files == {"tables/sequence.csv", "figures/sequence.png"}
    console = Console(width=120, no_color=True)
    with console.capture() as shown:
        console.print(found.render(), crop=False)
    assert "20,000 decisions = 20,000 used." in shown.get()
    assert "hold at all looks at once" in shown.get()


def test_users_count_from_when_they_became_known_and_all_looks_keep_to_the_first(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.25, n=4000)
    decisions = decisions.with_columns(pl.lit(FIRST).alias("scored_at"))  # one batch
    late = FIRST + pl.duration(hours=pl.int_range(4000) * 37 % 4000)
    outcomes = outcomes.with_columns(late.alias("known_at"))
    client = backend.connect()

    def first_looks() -> dict[str, str]:
        tags = client.get_model_version("conversion", "1").tags
        return {k: v for k, v in tags.items() if k.startswith("measured_first_look_")}

    before = first_looks()
    some = outcomes.filter(pl.col("known_at") < FIRST + timedelta(days=60))
    early = told(*written(tmp_path, decisions, some), "outcome=converted", "at=known_at").versions[0]
    whole = told(*written(tmp_path, decisions, outcomes), "outcome=converted", "at=known_at").versions[0]
    assert early.per_1000 is not None
    assert whole.per_1000 is not None
    assert len(early.looked) > 20
    over = len(early.looked) - 1  # the last day was not over at that look
    assert whole.looked[:over] == early.looked[:over]
    np.testing.assert_allclose(whole.per_1000.low[:over], early.per_1000.low[:over], rtol=1e-9)
    untimed = [part.drop("known_at") for part in (some, outcomes)]
    one, two = (told(*written(tmp_path, decisions, part), "since=2025-10-30").versions[0] for part in untimed)
    assert [len(of.looked) for of in (one, two)] == [1, 1]
    assert one.first == two.first == len(some) < two.users
    new = {v for k, v in first_looks().items() if k not in before}
    assert new == {str(early.first), str(len(some))}  # one a set of terms


def test_absent_users_that_may_yet_convert_are_said_to_hold_at_one_look(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.25, n=4000)
    found = told(*written(tmp_path, decisions, outcomes.filter(pl.col("converted") == 1)), "absent=zero")
    of = found.versions[0]
    assert of.per_1000 is not None
    assert of.per_1000.low == of.per_1000.fixed_low
    console = Console(width=300, no_color=True)
    with console.capture() as shown:
        console.print(found.render(), crop=False)
    assert "Intervals hold at one look planned beforehand (95 %), not at many" in shown.get()
    assert "hold at all" not in shown.get()
    assert "(at one planned look)" in str(backend.connect().get_model_version("conversion", "1").description)


def test_where_actions_do_nothing_nothing_is_claimed_and_less_than_promised_is_said(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.0, n=100_000)
    own = "since=2025-10-31"  # terms, and so a first look, of its own
    (of,) = told(*written(tmp_path, decisions, outcomes), own).versions
    assert of.per_1000 is not None
    assert of.per_1000.verdict == "inconclusive"
    assert of.per_user is not None
    assert of.per_user.value[-1] < 0  # what discounts and contacts cost
    assert of.kept()["per_1000"] == "less than promised (truth)"


def test_money_is_that_of_the_economics_of_the_version(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.1)
    (of,) = told(*written(tmp_path, decisions, outcomes)).versions
    rows = decisions.join(outcomes, on="user_id").to_dict(as_series=False)
    reward_intercept = {"none": 3.0, "discount_10": 3.0 - 0.05, "checkout_prompt": 3.0 - 0.02}
    paying = {"none": 9.99 * 6, "discount_10": 9.99 * (6 - 0.3), "checkout_prompt": 9.99 * 6}
    total = 0.0
    for i in range(len(decisions)):
        worth = {}
        for a in ACTIONS:
            p = rows["propensity_score"][i]
            w = (rows["action"][i] == a) / rows[f"logging_probability_{a}"][i]
            outcome_scores = p + w * (rows["converted"][i] - p)
            cost = 3.0 - reward_intercept[a]
            worth[a] = outcome_scores * (paying[a] - cost) + (1 - outcome_scores) * reward_intercept[a]
        total += worth[rows["policy_action"][i]] - worth["none"]
    assert of.per_user is not None
    assert of.per_user.value[-1] == pytest.approx(total / len(decisions), rel=1e-9)


def test_a_user_without_a_row_is_zero_only_if_typed(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.1)
    words = written(tmp_path, decisions, outcomes.filter(pl.col("converted") == 1).vstack(outcomes.head(2)[:0]))
    zero = told(*words, "absent=zero")
    assert zero.decided.counts.used == len(decisions)
    assert zero.decided.counts.taken_as_zero == int((outcomes["converted"] == 0).sum())
    whole = told(*written(tmp_path, decisions, outcomes))
    assert zero.versions[0].per_1000.last.value == whole.versions[0].per_1000.last.value  # type: ignore[union-attr]  # it is there, or this fails
    only_ones = outcomes.filter(pl.col("converted") == 1)
    with pytest.raises(InputError, match=r"every known outcome is 1.*Type absent=zero if users without a row did not"):
        told(*written(tmp_path, decisions, only_ones))
    words = written(tmp_path, decisions, outcomes.head(15_000))
    counts = told(*words).decided.counts
    assert (counts.used, counts.unknown, counts.taken_as_zero) == (15_000, 5_000, 0)


def test_outcomes_count_within_days_of_the_decision_and_users_younger_than_that_wait(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.1, n=2000)
    at = decisions["scored_at"].dt.offset_by("2d")
    at = at.set(pl.Series(np.arange(2000) < 100), FIRST - timedelta(days=9))  # had come before
    at = at.set(pl.Series((np.arange(2000) >= 100) & (np.arange(2000) < 200)), FIRST + timedelta(days=15))  # came late
    outcomes = outcomes.with_columns(pl.when(pl.col("converted") == 1).then(at).alias("converted_at"))
    words = written(tmp_path, decisions, outcomes)
    found = told(*words, "at=converted_at", "within=7", "until=2025-11-15T12:00:00").decided
    y = outcomes["converted"].to_numpy()
    assert found.counts.before_decision == y[:100].sum()
    assert found.counts.unknown == (decisions["scored_at"] > datetime(2025, 11, 8, 12, tzinfo=UTC)).sum() > 0
    assert found.counts.too_late == y[100:200].sum() > 0
    assert f"{found.counts.too_late} outcomes came later than `within` allows" in counted(found.counts)
    late = found.table.filter(pl.col("user_id").is_in([f"u{i}" for i in range(100, 200)]))
    assert len(late) == 100
    assert late["converted"].sum() == 0
    rest = found.table.filter(~pl.col("user_id").is_in([f"u{i}" for i in range(200)]))
    assert rest["converted"].sum() == y[200 : 200 + len(rest)].sum()


def test_later_decisions_of_a_user_and_those_before_since_are_counted_not_used(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.1, n=2000)
    again = decisions.head(300).with_columns(pl.col("scored_at") + timedelta(days=40))
    words = written(tmp_path, decisions.vstack(again), outcomes)
    counts = told(*words).decided.counts
    assert (counts.decisions, counts.used, counts.again) == (2300, 2000, 300)
    counts = told(*words, "since=2025-11-11").decided.counts
    assert (counts.before_since, counts.used, counts.again) == (1000, 1300, 0)
    part = told(*written(tmp_path, decisions.vstack(again), outcomes.head(1500)), "since=2025-11-06").decided.counts
    assert part.decisions == part.used + part.before_since + part.again + part.before_decision + part.unknown == 2300


def test_little_gives_no_interval_and_says_what_it_waits_for(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.1, n=100)
    found = told(*written(tmp_path, decisions, outcomes))
    (of,) = found.versions
    assert of.per_1000 is None
    assert of.verdict == "inconclusive"
    console = Console(width=200, no_color=True)
    with console.capture() as shown:
        console.print(found.render(), crop=False)
    assert "No interval yet: it waits until 10 users with each outcome were left alone by lot" in shown.get()


def test_tags_of_a_version_are_all_of_its_last_measurement(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.25, n=4000)
    client = backend.connect()

    def tags() -> set[str]:
        there = client.get_model_version("conversion", "1").tags
        return {k for k in there if k.startswith("measured_") and "first_look" not in k}

    told(*written(tmp_path, decisions, outcomes))
    assert tags() > {"measured_until", "measured_run", "measured_uplift_per_1000", "measured_uplift_per_1000_low"}
    told(*written(tmp_path, decisions, outcomes.head(100)))
    assert tags() == {"measured_until", "measured_run"}


def test_each_version_of_a_table_has_its_row(
    tmp_path: Path, compared: tuple, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    client = backend.connect()
    first = client.get_model_version("conversion", "1")
    client.create_model_version("conversion", first.source, first.run_id, first.tags, model_id=first.model_id)
    one, what, _ = decided(0.1, n=10_000)
    two = one.with_columns(pl.lit("models:/conversion/2").alias("model"), pl.col("scored_at") + timedelta(days=30))
    words = written(tmp_path, one.head(6000).vstack(two.tail(5000)), what)
    assert call("measure", *words, "output=json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(v["version"], v["users"]) for v in found["versions"]] == [
        ("models:/conversion/1", 6000),
        ("models:/conversion/2", 5000),
    ]
    assert found["decisions"]["decisions"] == 11_000
    assert client.get_model_version("conversion", "2").tags["measured_until"] == "2025-12-20"


def test_tables_of_a_database_and_folders_of_parts_give_the_same(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.1, n=5000)
    want = told(*written(tmp_path, decisions, outcomes)).versions[0].per_1000
    (tmp_path / "parts").mkdir()
    for k in range(3):
        decisions[k::3].write_csv(tmp_path / f"parts/part-{k}.csv")
    duckdb.connect(str(tmp_path / "out.duckdb")).execute("create table outcomes as select * from outcomes").close()
    found = (
        told(f"decisions={tmp_path}/parts", f"outcomes='duckdb:///{tmp_path}/out.duckdb?table=outcomes'")
        .versions[0]
        .per_1000
    )
    assert want is not None
    assert found is not None
    np.testing.assert_allclose(found.low, want.low, atol=1e-9)


def test_a_table_that_postgresql_holds_gives_the_same(tmp_path: Path, postgres: str) -> None:
    import psycopg

    decisions, outcomes, _ = decided(0.1, n=3000)
    words = written(tmp_path, decisions, outcomes)
    want = told(*words).versions[0]
    kinds = {pl.Float64: "double precision", pl.String: "text"}
    columns = [
        f'"{c}" {kinds.get(type(kind), "timestamptz" if c == "scored_at" else "boolean")}'
        for c, kind in decisions.schema.items()
    ]
    with psycopg.connect(postgres) as server:
        server.execute("create schema app")
        server.execute(f"create table app.predictions ({', '.join(columns)})")
        with server.cursor().copy("copy app.predictions from stdin") as copy:
            for row in decisions.iter_rows():
                copy.write_row(row)
    found = told(f"decisions='{postgres}&table=app.predictions'", words[1]).versions[0]
    assert found.seen.tolist() == want.seen.tolist()
    assert found.so_far == pytest.approx(want.so_far, abs=1e-9)


def test_the_joined_table_is_experiment_evidence_for_the_next_comparison(
    tmp_path: Path, call: Callable[..., int], capsys: pytest.CaptureFixture
) -> None:
    decisions, outcomes, _ = decided(0.1, n=6000)
    rng = np.random.default_rng(5)
    logit = np.log(decisions["propensity_score"] / (1 - decisions["propensity_score"]))
    users = pl.DataFrame(
        {"user_id": decisions["user_id"], "visits": logit + rng.normal(size=6000), "age": rng.random(6000)}
    )
    users.with_columns(pl.lit(0).alias("converted")).write_csv(tmp_path / "users.csv")
    words = [*written(tmp_path, decisions, outcomes), f"to={tmp_path}/joined.parquet", f"users={tmp_path}/users.csv"]
    found = told(*words)
    joined = pl.read_parquet(tmp_path / "joined.parquet")
    assert joined.columns[:3] == ["user_id", "visits", "age"]
    assert joined["converted"].sum() == outcomes["converted"].sum()
    chances = "{" + ", ".join(f"{a}: logging_probability_{a}" for a in ACTIONS) + "}"
    typed = {word.partition("=")[0]: word for word in shlex.split(found.to_type)}
    assert typed["data.logging_probability"].endswith(chances)
    assert list(typed)[-3:] == ["data.action", "data.logging_probability", "data.good"]
    assert "data.target=converted data.name=conversion " in found.to_type  # the same registered model
    next_ = ["data=csv", f"data.path={tmp_path}/joined.parquet", "data.target=converted", "data.id=user_id"]
    next_ += ["data.action=action", f"data.logging_probability={chances}", "model=[logistic]", "explain_rows=20"]
    capsys.readouterr()
    assert call("compare", *next_, "tracking.register_model=false", "report=none", "output=json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["evidence"] == "experiment"
    assert answer["data"]["numbers"] == ["visits", "age"]
    alone = told(*words[:2], f"to={tmp_path}/joined.csv")
    assert alone.to == f"{tmp_path}/joined.csv"
    assert pl.read_csv(tmp_path / "joined.csv").columns[:3] == ["user_id", "propensity_score", "segment"]


def test_ids_that_score_wrote_for_spreadsheets_are_the_users_own(tmp_path: Path) -> None:
    decisions, outcomes, _ = decided(0.1, n=2000)
    own = pl.when(pl.int_range(2000) % 2 == 0).then(pl.format("-{}x", "user_id")).otherwise("user_id").alias("user_id")
    decisions, outcomes = decisions.with_columns(own), outcomes.with_columns(own)
    want = told(*written(tmp_path, decisions, outcomes), "absent=zero").decided
    table, cells = neutralised(decisions, ["user_id"])
    assert cells == 1000
    table.write_csv(tmp_path / "decisions.csv")
    found = told(f"decisions={tmp_path}/decisions.csv", f"outcomes={tmp_path}/outcomes.csv", "absent=zero").decided
    assert found.counts == want.counts
    assert found.table["user_id"].to_list() == want.table["user_id"].to_list()
    assert found.table["converted"].sum() == outcomes["converted"].sum()
