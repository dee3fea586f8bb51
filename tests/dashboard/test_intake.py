"""Uploads: matched, read as `score` reads files, held against the contract, decided, and kept nowhere."""

import tempfile
from datetime import datetime

import duckdb
import numpy as np
import polars as pl
import pytest

from tippingpoint.config.compose import compose
from tippingpoint.core.errors import InputError
from tippingpoint.dashboard import faults, intake
from tippingpoint.dashboard.intake import listed
from tippingpoint.dashboard.lists import other_action, targets
from tippingpoint.dashboard.subject import registered
from tippingpoint.dashboard.uploads import lacking, look, look_at_table
from tippingpoint.scoring.job import score
from tippingpoint.scoring.settings import ScoreSettings


@pytest.fixture(scope="module")
def version(at_compared):
    """The registered version of the shared comparison."""
    return registered("models:/conversion/1")


@pytest.mark.parametrize("reasons", [False, True])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_target_list_is_what_score_writes_byte_for_byte(version, tmp_path, reasons, suffix):
    table = version.users.with_columns(sessions_7d=pl.col("sessions_7d").cast(pl.Int64))
    table = table.with_columns(user_id=pl.when(pl.arange(0, pl.len()) == 7).then(pl.lit("=1+1")).otherwise("user_id"))
    path = tmp_path / f"users{suffix}"
    (table.write_csv if suffix == ".csv" else table.write_parquet)(path)
    mine = listed(look(path.name, path.read_bytes()), version, {})
    words = [f"input={path}", f"to={tmp_path}/list.csv", "only=[medium,high]", f"reasons={str(reasons).lower()}"]
    words += ["model=models:/conversion/1", f"scored_at={mine.at.isoformat()}", "tracking.log=false"]
    score(ScoreSettings.from_config(compose("score", words)))
    made = targets(mine, version, ("medium", "high"), reasons)
    assert made.csv() == (tmp_path / "list.csv").read_bytes()
    assert 0 < len(made.table) < len(table)


def test_the_figures_of_a_version_are_those_of_its_run_and_of_simulate(version, compared):
    winner = compared[0].comparison.winner
    assert version.shap in [path.read_bytes() for path in compared[1].glob("**/figures/shap.png")]
    own = version.simulation.values[version.simulation.first]["uplift_per_user"]
    assert own.value == pytest.approx(winner.value.uplift.value, rel=1e-9)


def test_columns_are_offered_nearest_first_and_taken_as_matched(conversion, upload):
    content = upload().replace(b"paywall_views_7d", b"Paywall views").replace(b"country_tier", b"tier")
    found = look("users.csv", content)
    near = lacking(found.columns, conversion.decider.deployment.terms)
    assert {name: names[0] for name, names in near.items()} == {
        "paywall_views_7d": "Paywall views",
        "country_tier": "tier",
    }
    names = {"Paywall views": "paywall_views_7d", "tier": "country_tier"}
    mine = listed(found, conversion, names)
    plain = listed(look("users.csv", upload()), conversion, {})
    assert mine.table["propensity_score"].equals(plain.table["propensity_score"])
    with pytest.raises(InputError, match="country_tier"):
        listed(found, conversion, {"Paywall views": "paywall_views_7d"})


def test_rows_that_break_the_contract_are_set_aside_and_named(conversion, upload):
    sessions = pl.when(pl.col("user_id") == "u000000003").then(pl.lit("many")).otherwise("sessions_7d")
    tier = pl.when(pl.col("user_id") == "u000000005").then(pl.lit("=cmd()")).otherwise("country_tier")
    mine = listed(look("users.csv", upload(sessions_7d=sessions, country_tier=tier)), conversion, {})
    assert (mine.tally.rows, mine.tally.decided, len(mine.broken)) == (400, 398, 2)
    wrong = faults.reasons_by_column(mine.broken, mine.tally.reasons)
    assert wrong["first rows"].to_list() == ["4", "6"]
    assert wrong.row(0) == ("sessions_7d", "is not a whole number", 1, "many", "4")
    csv, cells = faults.broken_csv(mine.broken)
    assert cells == 1
    assert b"'=cmd()" in csv
    assert mine.table.height == 398
    assert not {"u000000003", "u000000005"} & set(mine.table["user_id"])


def test_users_keep_their_own_columns_beside_what_is_decided(conversion, upload):
    content = upload(plan=pl.lit("free"), segment=pl.lit("mine"))
    mine = listed(look("users.csv", content), conversion, {})
    assert set(mine.table["plan"]) == {"free"}
    assert set(mine.table["segment (table)"]) == {"mine"}
    assert set(mine.table["segment"]) <= set(conversion.policy.segments)


def test_what_the_model_reads_of_a_listed_user_gives_their_score(conversion, upload):
    sessions = pl.when(pl.col("user_id") == "u000000000").then(None).otherwise("sessions_7d")
    mine = listed(look("users.csv", upload(sessions_7d=sessions)), conversion, {})
    rows = np.array([0, 5, 90])
    again = conversion.decider.score(intake.features(mine, conversion, rows))
    assert np.allclose(again, mine.table["propensity_score"].to_numpy()[rows], atol=1e-12)


def test_nothing_of_an_upload_stays_on_disk(conversion, upload, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine = listed(look("users.csv", upload()), conversion, {})
    assert targets(mine, conversion, ("high",), True).csv()
    assert faults.broken_csv(mine.broken)[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "empty"), (b"<!doctype html><p>", "web page"), (b"PK\x03\x04...", "Excel")]
)
def test_what_is_no_table_is_said_under_the_name_it_came_with(content, said):
    with pytest.raises(InputError, match=said) as raised:
        look("../../my users.csv", content)
    assert raised.value.where == "../../my users.csv"


def test_a_list_made_twice_is_the_same(conversion, upload):
    mine = listed(look("users.csv", upload()), conversion, {})
    first, again = (targets(mine, conversion, ("high", "medium"), False) for _ in range(2))
    assert first.csv() == again.csv()
    assert isinstance(mine.at, datetime)
    assert (np.diff(first.table["expected_gain"].to_numpy()) <= 0).all()


def database(tmp_path, **tables):
    """A DuckDB file with tables, and its address."""
    path = tmp_path / "app.duckdb"
    with duckdb.connect(str(path)) as connection:
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(f"create table {name} as select * from given")
    return f"duckdb:///{path}?table="


def test_a_table_of_a_database_is_decided_as_the_file_is(conversion, upload, tmp_path):
    plain = listed(look("users.csv", upload()), conversion, {})
    address = database(tmp_path, users=pl.read_csv(upload()))
    mine = listed(look_at_table(f"{address}users"), conversion, {})
    assert mine.table.sort("user_id").equals(plain.table.sort("user_id"))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("users.csv", "no address of a table"),
        ("mysql://host/app?table=users", "neither a DuckDB nor a PostgreSQL"),
        ("duckdb:///nowhere.duckdb?table=users", "no such table in duckdb:///nowhere"),
        ("{there}", "names no table"),
        ("{there}?table=user", "user"),
        ("postgresql://me:secret@host/app?table=users", "holds a password"),
    ],
)
def test_a_wrong_address_is_answered_in_words_and_never_repeats_a_password(upload, tmp_path, address, said):
    there = database(tmp_path, users=pl.read_csv(upload())).partition("?")[0]
    with pytest.raises(InputError, match=said) as raised:
        look_at_table(address.format(there=there))
    assert "secret" not in str(raised.value)


def test_decisions_that_score_wrote_are_shown_as_they_are(version, tmp_path):
    path = tmp_path / "users.csv"
    version.users.write_csv(path)
    with duckdb.connect(str(tmp_path / "app.duckdb")):
        pass
    for to in (f"duckdb:///{tmp_path}/app.duckdb?table=predictions", f"{tmp_path}/decisions.parquet"):
        words = [f"input={path}", f"to='{to}'", "model=models:/conversion/1", "tracking.log=false", "reasons=true"]
        score(ScoreSettings.from_config(compose("score", words)))
    own = listed(look("users.csv", path.read_bytes()), version, {})
    for brought in (
        look_at_table(f"duckdb:///{tmp_path}/app.duckdb?table=predictions"),
        look("decisions.parquet", (tmp_path / "decisions.parquet").read_bytes()),
    ):
        mine = listed(brought, version, {})
        assert mine.by == "models:/conversion/1"
        assert not mine.readable
        columns = ["user_id", *intake.DECISIONS]
        text = pl.col(pl.Enum).cast(pl.String)
        shown, told = (of.table.select(columns).with_columns(text).sort("user_id") for of in (mine, own))
        assert shown.equals(told)
        list_ = targets(mine, version, ("high",), True)
        assert list_.shown(5)["reason_1"].null_count() == 0
        assert pl.read_csv(list_.csv())["segment"].unique().to_list() == ["high"]


def test_decisions_that_lack_what_makes_them_one_are_set_aside_with_the_reason(conversion):
    table = pl.DataFrame(
        {
            "=id": ["a", "b", "'-c", None, "e"],
            "propensity_score": ["0.1", "0,52", "0.5", "0.2", "0.9"],
            "segment": ["low", "medium", "medium", "low", None],
            "action": ["none", "discount_10", "discount_10", "none", "checkout_prompt"],
            "scored_at": ["2026-01-02T06:00:00Z"] * 5,
        }
    )
    found = listed(look("decisions.csv", table.write_csv().encode()), conversion, {})
    assert found.table.columns[0] == "user_id"  # no header of theirs runs in a spreadsheet
    assert found.table["user_id"].to_list() == ["a", "-c"]
    assert dict(found.broken.select("row", "reason").iter_rows()) == {
        2: "propensity_score 0,52 is not a number from 0 to 1",
        4: "=id is missing",
        5: "segment is missing",
    }
    assert (found.tally.rows, found.tally.quarantined) == (5, 3)
    wrong = faults.reasons_by_column(found.broken, found.tally.reasons)
    assert {c: (n, rows) for c, _, n, _, rows in wrong.iter_rows()} == {
        "propensity_score": (1, "2"),
        "=id": (1, "4"),
        "segment": (1, "5"),
    }
    assert wrong.filter(pl.col("column") == "propensity_score")["for example"].item() == "0,52"


def test_who_got_another_action_by_lot_is_listed_by_it_and_who_got_none_is_not_treated(conversion):
    table = pl.DataFrame(
        {
            "user_id": ["a", "b", "c", "d", "e"],
            "propensity_score": [0.5, 0.5, 0.9, 0.1, 0.1],
            "segment": ["medium", "medium", "high", "low", "low"],
            "action": ["discount_10", "none", "discount_10", "none", "checkout_prompt"],
            "scored_at": ["2026-01-02T06:00:00Z"] * 5,
        }
    )
    found = listed(look("decisions.csv", table.write_csv().encode()), conversion, {})

    def ids(*only):
        return set(targets(found, conversion, only, False).table["user_id"])

    assert ids("medium") == {"a", "c"}
    assert ids("high") == {"e"}
    assert ids("medium", "high") == {"a", "c", "e"}
    assert ids("low") == {"d"}
    assert other_action(found, conversion) == 3


def test_of_several_decisions_the_last_of_each_user_counts(conversion, upload):
    mine = listed(look("users.csv", upload()), conversion, {})
    days = [datetime(2026, 11, day) for day in (1, 2)]
    table = mine.table.select("user_id", *intake.DECISIONS)
    early, late = (table.with_columns(scored_at=pl.lit(day)) for day in days)
    late = late.head(10).with_columns(segment=pl.lit("high"))
    content = pl.concat([early.with_columns(pl.col("segment").cast(pl.String)), late]).write_csv().encode()
    found = listed(look("decisions.csv", content), conversion, {})
    assert (found.tally.rows, len(found.table), found.at) == (410, 400, days[1])
    assert set(found.table.filter(pl.col("user_id").is_in(late["user_id"].implode()))["segment"]) == {"high"}


def test_decisions_by_a_policy_of_other_segments_are_refused(retention, conversion, upload):
    mine = listed(look("users.csv", upload()), conversion, {})
    content = mine.table.with_columns(scored_at=pl.lit(mine.at)).write_csv().encode()
    with pytest.raises(InputError, match="which retention has not"):
        listed(look("decisions.csv", content), retention, {})


def test_memory_grows_by_little_more_than_what_pages_need(conversion, upload):
    rows = 400_000
    table = pl.read_csv(upload(3000))
    table = table[np.arange(rows) % len(table)].with_columns(user_id=pl.format("v{}", pl.int_range(rows)))
    content = table.write_csv().encode()
    mine = listed(look("users.csv", content), conversion, {})
    assert len(mine.table) == rows
    assert mine.table.estimated_size() < 1.3 * len(content)
    assert mine.table["sessions_7d"].dtype == pl.Int8
