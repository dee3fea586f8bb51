"""Users from a query: what it may do, what it may not, and who says so."""

import sys
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.data.database import Sql, connect, kind, shown
from tippingpoint.data.files import Table
from tippingpoint.data.validation import as_ids

ROWS = pl.DataFrame(
    {
        "user_id": [f"u{i}" for i in range(40)],
        "hours": [i / 7 for i in range(40)],
        "country": ["DE", "FR", None, "O'Hara; --"] * 10,
        "converted": [int(i % 3 == 0) for i in range(40)],
    }
)
ROLES = {"good": True, "drop": [], "measures": []} | dict.fromkeys(
    ("positive", "id", "action", "control", "logging_probability", "name")
)


def source(url: str, query: str = "select * from users", **parameters: object) -> Sql:
    return Sql(url=url, query=query, parameters=parameters, target="converted", **ROLES)


@pytest.fixture(params=["duckdb", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
            connection.register("rows", ROWS)
            connection.execute("create table users as select * from rows")
        return f"duckdb:///{tmp_path / 'app.duckdb'}"
    server: str = request.getfixturevalue("postgres")
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("drop table if exists users")
        connection.execute("create table users (user_id text, hours double precision, country text, converted int)")
        with connection.cursor().copy("copy users from stdin") as copy:
            for row in ROWS.iter_rows():
                copy.write_row(row)
    return server


def rows_left(url: str) -> int:
    with connect(url) as database:
        return database.frame("select count(*) as n from users", {})["n"][0]


def test_a_query_gives_the_users_that_a_file_of_the_same_rows_gives(url: str, tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "users.csv")
    of_file = Table(path=str(tmp_path / "users.csv"), target="converted", **ROLES).load()
    of_query = source(url, "select * from users order by hours").load()
    assert of_query.digest == of_file.digest
    assert of_query.contract == of_file.contract


def test_a_parameter_is_a_value_whatever_it_says(url: str) -> None:
    users = source(url, "select * from users where country = $country", country="O'Hara; --").load()
    assert len(users) == 10
    inert = source(url, "select * from users where country = $c", c="' or true; drop table users; --")
    with pytest.raises(InputError, match="has no row"):
        inert.read()
    assert rows_left(url) == 40


def test_parameters_keep_their_types(url: str) -> None:
    query = "select * from users where hours < $most and converted = $y and country like 'D%'"
    kept = ROWS.filter((pl.col("hours") < 3.5) & (pl.col("converted") == 0) & (pl.col("country") == "DE"))
    assert source(url, query, most=3.5, y=0).read().sort("user_id").equals(kept.sort("user_id"))


def test_a_dollar_or_percent_in_quotes_is_no_parameter(url: str) -> None:
    query = "select '$no' as a, '5 %' as b, country from users where country = $yes -- $neither"
    assert source(url, query, yes="FR").read().row(0) == ("$no", "5 %", "FR")


@pytest.mark.parametrize(
    "query",
    [
        "delete from users",
        "delete from users returning *",
        "select * from users; delete from users",
        "commit; delete from users",
        "drop table users",
        "create table other as select * from users",
        "with gone as (delete from users returning *) select * from gone",
        "set transaction read write",
    ],
)
def test_a_query_can_only_read(url: str, query: str) -> None:
    with pytest.raises(InputError, match=r"data\.query"):
        source(url, query).read()
    assert rows_left(url) == 40


def test_no_file_is_written_through_duckdb(url: str, tmp_path: Path) -> None:
    target = tmp_path / "stolen.csv"
    with pytest.raises(InputError):
        source(url, f"copy (select * from users) to '{target}'").read()
    assert not target.exists()


def test_a_wrong_query_says_what_is_wrong(url: str) -> None:
    with pytest.raises(InputError, match="usrs"):
        source(url, "select * from usrs").read()
    with pytest.raises(InputError, match=r"no value for \$c"):
        source(url, "select * from users where country = $c").read()
    with pytest.raises(InputError, match=r"has no \$country"):
        source(url, "select * from users", country="DE").read()
    with pytest.raises(InputError, match="more than one column 'hours'"):
        source(url, "select hours, hours from users").read()
    with pytest.raises(InputError, match="has one row"):
        source(url, "select count(*) from users").read()


def test_types_polars_lacks_become_text(postgres: str) -> None:
    query = """select gen_random_uuid() as id, 1.50::numeric as price, '{"a": 1}'::jsonb as extra,
        now() as at, null as nothing, 98765432109876543210::numeric as account_number from generate_series(1, 3)"""
    table = source(postgres, query).read()
    assert table.dtypes[:3] == [pl.String, pl.Float64, pl.String]
    assert table["at"].dtype.is_temporal()
    assert table["nothing"].null_count() == 3
    assert as_ids(table["account_number"])[0] == "98765432109876543210"


def test_a_server_that_is_not_there_is_outside_our_reach(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(OutsideError, match="cannot be reached") as error:
        source(f"postgresql://me:secret@/app?host={tmp_path}").read()
    assert error.value.exit_code == 3
    assert "secret" not in str(error.value)


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "users.duckdb")).close()
    with pytest.raises(InputError, match=r"Nearest: 'users\.duckdb'"):
        source(f"duckdb:///{tmp_path / 'user.duckdb'}").read()
    (tmp_path / "text.duckdb").write_text("not a database at all" * 100)
    with pytest.raises(InputError, match="no DuckDB database"):
        source(f"duckdb:///{tmp_path / 'text.duckdb'}").read()


def test_files_can_be_queried_without_a_database(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "users.parquet")
    users = source("duckdb://", f"select * from '{tmp_path / 'users.parquet'}' where hours > $h", h=2).load()
    assert np.all(users.features["hours"] > 2)


@pytest.mark.parametrize("url", ["mysql://host/db", "users.duckdb", "postgresql:host", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="neither a DuckDB nor a PostgreSQL URL"):
        kind(url)


def test_a_password_is_never_shown() -> None:
    assert shown("postgresql+psycopg://me:secret@db:5432/app?password=x") == "postgresql+psycopg://db:5432/app"
    assert shown("host=db password=secret") == "…"


def test_without_the_driver_the_way_to_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(InputError, match=r"tippingpoint\[warehouse\]"):
        source("postgresql://host/db").read()
