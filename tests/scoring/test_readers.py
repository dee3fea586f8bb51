"""Users to decide, chunk by chunk."""

import gzip
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tippingpoint.core.errors import InputError
from tippingpoint.data.contract import ColumnSpec, TableSchema
from tippingpoint.data.files import read
from tippingpoint.data.validation import check
from tippingpoint.scoring.readers import open_input

ROWS = pl.DataFrame({"id": range(2500), "hours": [i / 7 for i in range(2500)], "plan": ["a", "b"] * 1250})
COLUMNS, SPECS = ["id", "hours", "plan"], {"id": ColumnSpec(type="text"), "hours": ColumnSpec(type="number")}


def chunks(given, size=700, query=None, columns=COLUMNS, **parameters):
    return list(open_input(str(given), query, parameters).chunks(columns, SPECS, size))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "all").mkdir()
    ROWS.head(900).write_csv(tmp_path / "all/a.csv")
    ROWS.slice(900).write_parquet(tmp_path / "all/b.parquet")
    ROWS.write_csv(tmp_path / "users.csv")
    ROWS.write_parquet(tmp_path / "users.parquet")
    (tmp_path / "users.csv.gz").write_bytes(gzip.compress((tmp_path / "users.csv").read_bytes()))
    with duckdb.connect(str(tmp_path / "app.duckdb")) as connection:
        connection.register("rows", ROWS)
        connection.execute('create table "my users" as select * from rows')
    return tmp_path


@pytest.mark.parametrize("name", ["users.csv", "users.csv.gz", "users.parquet", "all"])
def test_files_come_whole_in_chunks_of_one_size(folder, name):
    found = chunks(folder / name)
    assert [len(chunk) for chunk in found] == [700, 700, 700, 400]
    found = pl.concat(found, how="vertical_relaxed")
    assert_frame_equal(found.cast({"id": pl.Int64}), ROWS)


def test_a_table_and_a_query_come_as_a_file_of_the_same_rows(folder):
    url = f"duckdb:///{folder / 'app.duckdb'}"
    assert_frame_equal(pl.concat(chunks(f"{url}?table=my users")), ROWS)
    found = chunks(url, query='select * from "my users" where plan = $plan', plan="a")
    assert_frame_equal(pl.concat(found), ROWS.filter(pl.col("plan") == "a"))


def test_postgresql_gives_what_duckdb_gives(postgres):
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("drop table if exists many")
        connection.execute("create table many (id bigint, hours double precision, plan text)")
        with connection.cursor().copy("copy many from stdin") as copy:
            for row in ROWS.iter_rows():
                copy.write_row(row)
    found = pl.concat(chunks(f"{postgres}&table=many"))
    assert_frame_equal(found.sort("id"), ROWS)


@pytest.mark.parametrize(("late", "column"), [("A7", "id"), ("x", "hours"), (" ", "hours")])
def test_a_csv_means_in_chunks_what_it_means_as_a_whole(tmp_path, late, column):
    text = ROWS.cast({"id": pl.String, "hours": pl.String})
    text = pl.concat([text, text.tail(1).with_columns(pl.lit(late).alias(column))])
    text = text.with_columns(id=pl.col("id").str.zfill(4))
    text.write_csv(tmp_path / "users.csv")
    whole = read(tmp_path / "users.csv").select(pl.col("id", "plan").cast(pl.String))
    found = [chunk.select(pl.col("id", "plan").cast(pl.String)) for chunk in chunks(tmp_path / "users.csv")]
    assert_frame_equal(pl.concat(found), whole)


def test_wrong_inputs_are_told_in_one_message(folder):
    with pytest.raises(InputError, match=r"input=.*no such file.*Nearest: 'users\.csv'"):
        open_input(str(folder / "user.csv"), None, {})
    with pytest.raises(InputError, match="names no table"):
        open_input("duckdb:///app.duckdb", None, {})
    with pytest.raises(InputError, match="neither a DuckDB nor a PostgreSQL URL"):
        open_input("mysql://host/db?table=users", None, {})
    with pytest.raises(InputError, match="input_query"):
        chunks(f"duckdb:///{folder / 'app.duckdb'}", query="select * from nowhere")
    (folder / "empty.csv").write_text("")
    with pytest.raises(InputError, match="is empty"):
        open_input(str(folder / "empty.csv"), None, {})
    (folder / "ragged.csv").write_text("id,hours,plan\n1,2,a\n1,2,a,b\n")
    with pytest.raises(InputError, match="line 3 has 4 values"):
        chunks(folder / "ragged.csv")


def test_a_folder_is_one_table(folder: Path):
    ROWS.rename({"plan": "plam"}).write_csv(folder / "all/c.csv")
    with pytest.raises(InputError, match=r"in c\.csv but not in a\.csv"):
        open_input(str(folder / "all"), None, {}).columns()


@pytest.mark.parametrize("columns", [["id"], ["hours", "id"], COLUMNS])
@pytest.mark.parametrize("line", [2, 1500])
def test_a_line_with_more_values_than_the_header_is_refused_whatever_columns_are_read(tmp_path, columns, line):
    lines = ROWS.write_csv().splitlines()
    lines[line - 1] += ",more"
    (tmp_path / "users.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=f"line {line:,} has 4 values, the header 3. Fix this line"):
        chunks(tmp_path / "users.csv", columns=columns)
    with pytest.raises(InputError, match=f"line {line:,} has 4 values, the header 3. Fix this line"):
        read(tmp_path / "users.csv")


def test_a_column_that_is_not_needed_may_hold_anything(tmp_path):
    ROWS.with_columns(note=pl.Series([*map(str, range(2499)), "late"])).write_csv(tmp_path / "users.csv")
    found = pl.concat(chunks(tmp_path / "users.csv"))
    assert_frame_equal(found, ROWS.cast({"id": pl.String}))


def test_numbers_are_read_as_the_contract_has_them_written(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("id;spend;tenure\n" + "1;1.568,43 €;3\n" * 3 + "2;1.234;weird\n3;-;4\n", encoding="utf-16")
    specs = {
        "spend": ColumnSpec(type="number", missing=True, decimal=",", unit="€"),
        "tenure": ColumnSpec(type="whole", missing=True, also_missing=["weird"]),
    }
    (chunk,) = open_input(str(path), None, {}).chunks(list(specs), specs, 10)
    held = check(chunk, TableSchema(columns=specs), datetime(2026, 1, 1)).table
    assert held["spend"].to_list() == [1568.43, 1568.43, 1568.43, 1234, None]
    assert held["tenure"].to_list() == [3, 3, 3, None, 4]


def test_subfolders_are_read_and_their_names_are_columns(tmp_path):
    for plan, part in ROWS.partition_by("plan", as_dict=True).items():
        folder = tmp_path / "users" / f"plan={plan[0]}"
        folder.mkdir(parents=True)
        part.drop("plan").write_csv(folder / "a.csv")
    found = pl.concat(chunks(tmp_path / "users"))
    assert_frame_equal(found.with_columns(pl.col("id").cast(int)).sort("id"), ROWS.sort("id"))
