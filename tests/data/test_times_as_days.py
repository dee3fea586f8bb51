"""Times as features: days before a day, or before a column of the same row."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from tests.refusals import refuses
from tippingpoint.data.database import Sql
from tippingpoint.data.files import Table
from tippingpoint.data.frame import Frame
from tippingpoint.data.profile import infer
from tippingpoint.data.source import Source
from tippingpoint.data.users import Users
from tippingpoint.data.validation import parse

N = 40
SEEN = [datetime(2026, 2, 1, 6) + timedelta(days=i % 7, hours=i) for i in range(N)]
JOINED = [date(2025, 1, 1) + timedelta(days=i) for i in range(N)]
TAKEN = [date(2026, 3, 1) + timedelta(days=i % 5) for i in range(N)]
BEFORE = [(datetime(2026, 3, 1) - seen) / timedelta(days=1) for seen in SEEN]
TABLE = pl.DataFrame(
    {
        "user_id": [f"u{i}" for i in range(N)],
        "visits": [i % 3 for i in range(N)],
        "seen": [None, *SEEN[1:]],
        "joined": JOINED,
        "taken": TAKEN,
        "y": [i % 2 for i in range(N)],
    }
)


def users(table: pl.DataFrame = TABLE, **roles: object) -> Users:
    return Frame.of(table, target="y", **roles).load()


def sources(folder: Path) -> dict[str, Source]:
    """The same users in every form that tables come in."""
    zoned = TABLE.with_columns(
        pl.col("seen").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"),
        pl.col("joined").dt.strftime("%Y-%m-%dT00:00:00Z"),
    )
    TABLE.write_csv(folder / "users.csv")
    TABLE.with_columns(pl.col("joined").dt.strftime("%d.%m.%Y")).write_csv(folder / "german.csv")
    zoned.write_parquet(folder / "users.parquet")
    with duckdb.connect(str(folder / "users.duckdb")) as database:
        database.register("t", TABLE)
        database.execute("create table users as select * from t")
    roles = {"target": "y", "as_of": "2026-03-01", "drop": ["taken"]}
    read = {name: Table(path=str(folder / name), **roles) for name in ("users.csv", "german.csv", "users.parquet")}
    return {**read, "sql": Sql(url=f"duckdb:///{folder}/users.duckdb", query="select * from users order by 1", **roles)}


def test_days_before_a_day_are_the_same_from_every_source(tmp_path: Path) -> None:
    for name, source in sources(tmp_path).items():
        found = source.load()
        by = dict(zip(found.user_id, found.features["seen"], strict=True))
        assert np.isnan(by.pop("u0")), name
        assert by == {f"u{i}": BEFORE[i] for i in range(1, N)}, name
        assert found.features["joined"].dtype == "float64"
        assert [(c.name, c.days_before) for c in found.contract.columns] == [
            ("visits", None), ("seen", "2026-03-01"), ("joined", "2026-03-01"),
        ]  # fmt: skip


def test_days_before_a_column_are_each_row_s_own() -> None:
    found = users(as_of="taken")
    assert found.features["joined"].tolist() == [(t - j).days for t, j in zip(TAKEN, JOINED, strict=True)]
    assert "taken" not in found.features
    assert found.contract.days == "seen, joined in days before taken"


def test_without_a_day_the_reason_says_how_a_time_is_a_feature() -> None:
    assert "data.as_of" in users().contract.dropped["joined"]


def test_a_contract_goes_on_checking_the_time(tmp_path: Path) -> None:
    later = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
    text = (
        "columns:\n  visits: {type: whole}\n  joined: {type: time, min: 2025-01-02}\n  y: {type: whole}\noutcome: y\n"
    )
    (tmp_path / "c.yaml").write_text(text)
    table = TABLE.with_columns(pl.Series("joined", [*map(str, JOINED[:-1]), later]))
    roles = {"contract": str(tmp_path / "c.yaml"), "as_of": "2026-03-01", "quarantine": None}
    found = users(table, **roles)
    assert found.intake is not None
    assert found.intake.quarantined == 2
    assert found.features["joined"].tolist() == [(date(2026, 3, 1) - j).days for j in JOINED[1:-1]]
    assert "not in the contract" in found.contract.dropped["seen"]
    (tmp_path / "c.yaml").write_text(text.replace("min: 2025-01-02", "future: true"))
    assert users(table, **roles).features["joined"].min() < 0


@pytest.mark.parametrize(("as_of", "late"), [("2026-02-04", {"seen", "taken"}), ("taken", set()), ("seen", {"taken"})])
def test_times_after_the_day_may_be_written_after_the_fact(as_of: str, late: set[str]) -> None:
    """Times of the day itself are not late, but those after a moment are."""
    remarks = users(as_of=as_of, drop=["visits"]).contract.remarks
    assert set(remarks) == late
    assert all(f"data.drop='[visits, {name}]'" in said for name, said in remarks.items())


def test_one_time_in_a_hundred_after_the_day_is_a_trifle() -> None:
    table = pl.concat([TABLE.with_columns(pl.col("user_id") + f"_{k}") for k in range(5)])
    few = table.with_columns(seen=pl.when(pl.int_range(pl.len()) == 1).then(datetime(2026, 5, 1)).otherwise("seen"))
    assert users(few, as_of="2026-03-05").contract.remarks == {}


def test_a_day_that_is_none_is_refused_with_what_to_type() -> None:
    with refuses("data.as_of", "'joinde'", "Nearest: 'joined'", "data.as_of=2026-03-01"):
        users(as_of="joinde")
    with refuses("data.as_of", "'visits'", "data.as_of=2026-03-01"):
        users(as_of="visits")
    with refuses("data.as_of", "Leave data.as_of out"):
        users(TABLE.select("visits", "y", "user_id"), as_of="2026-03-01")


ODD = {1: "never", 2: "unknown", 3: "-", 4: "tbd"}
"""Words in the place of times, by row."""


def with_words(form: str = "%Y-%m-%d") -> pl.DataFrame:
    """Ten times the users, four of whom have a word for the day they joined."""
    table = pl.concat([TABLE.with_columns(pl.col("user_id") + f"_{k}") for k in range(10)]).drop("seen", "taken")
    joined = [ODD.get(i, day) for i, day in enumerate(table["joined"].cast(pl.Datetime).dt.strftime(form))]
    return table.with_columns(pl.Series("joined", joined))


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%dT%H:%M:%SZ", "%Y/%m/%d %H:%M", "%m/%d/%Y", "%m/%d/%Y %I:%M %p"]
)
def test_a_few_words_leave_times_what_they_are(form: str, tmp_path: Path) -> None:
    """From CSV, text of a frame, and by the contract that is written of either; the words are missing, and counted."""
    table = with_words(form)
    table.write_csv(tmp_path / "users.csv")
    roles = {"target": "y", "as_of": "2026-03-01"}
    csv, frame = Table(path=str(tmp_path / "users.csv"), **roles).load(), Frame.of(table, **roles).load()
    counted = dict.fromkeys(ODD.values(), 1)
    terms = infer(pl.read_csv(tmp_path / "users.csv"), "y", "user_id").columns["joined"]
    assert (terms.type, terms.missing, sorted(terms.also_missing)) == ("time", True, ["tbd"])
    (tmp_path / "c.yaml").write_text(infer(table, "y", "user_id").as_yaml())
    held = [
        Table(path=csv_path, **roles, contract=str(tmp_path / "c.yaml")).load()
        for csv_path in [str(tmp_path / "users.csv")]
    ]
    for found in (csv, frame, *held):
        assert found.intake is None or not found.intake.quarantined
        assert found.features["joined"].isna().to_numpy().nonzero()[0].tolist() == list(ODD)
        assert found.features["joined"][0] == (date(2026, 3, 1) - JOINED[0]).days
        assert found.contract.odd == {"joined": counted}
    assert csv.contract.columns == frame.contract.columns


def test_more_words_than_a_stated_share_make_text_of_times() -> None:
    table = with_words()
    many = table.with_columns(pl.when(pl.int_range(400) < 25).then(pl.lit("soon")).otherwise("joined").alias("joined"))
    known = table.with_columns(
        pl.when(pl.int_range(400) < 99).then(pl.lit("Never")).otherwise("joined").alias("joined")
    )
    assert "a time" not in users(many).contract.dropped.get("joined", "")
    assert users(known, as_of="2026-03-01").contract.odd["joined"]["Never"] == 99


def test_months_that_stand_first_do_so_in_every_row_that_a_contract_reads(tmp_path: Path) -> None:
    """01/02/2025 is in January where another row has the 31st there."""
    table = with_words("%m/%d/%Y")
    terms = infer(table, "y", "user_id")
    assert terms.columns["joined"].month_first
    few = pl.Series("joined", ["01/02/2025", "02/01/2025"])
    assert parse(few, "time", spec=terms.columns["joined"])[0].dt.month().to_list() == [1, 2]
    assert parse(few, "time")[0].dt.month().to_list() == [2, 1]
    assert users(table, as_of="2026-03-01").contract.columns[-1].month_first
