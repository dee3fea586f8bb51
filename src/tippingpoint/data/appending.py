"""Rows put at the end of a table of a database, in one transaction; the table is made where there is none."""

from __future__ import annotations

from urllib.parse import urlsplit

from tippingpoint.core.errors import InputError, OutsideError
from tippingpoint.core.installed import extra
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.data import database
from tippingpoint.data.database import quoted, quoted_table

TYPES = {"String": "text", "Float64": "double precision", "Boolean": "boolean", "Date": "date"}
"""What a database calls types of polars; any other is a time in UTC."""
BLOCK = "tippingpoint_appended"
"""What the rows under way are called in the database."""


def called(type_: pl.DataType) -> str:
    """What a database calls a type of polars."""
    return TYPES.get(str(type_.base_type()), "timestamp with time zone")


def append(url: str, table: str, rows: pl.DataFrame, keys: tuple[str, ...]) -> None:
    """Append rows; those whose keys are there already are there already, so that a batch may be sent twice.

    Columns that the table lacks are added to it.

    Raises
    ------
    InputError
        When a driver is missing, or the table holds something else.
    OutsideError
        When the database cannot be reached or written; then nothing was written.
    """
    columns = {name: called(type_) for name, type_ in rows.schema.items()}
    (_duckdb if database.kind(url) == "duckdb" else _postgresql)(url, table, rows, columns, keys)


def _duckdb(url: str, table: str, rows: pl.DataFrame, columns: dict[str, str], keys: tuple[str, ...]) -> None:
    path = urlsplit(url).path.removeprefix("/")
    if path in ("", ":memory:"):
        raise InputError(
            "log", "a database in memory is gone with the service", "Type log='duckdb:///app.duckdb?table=decisions'."
        )
    import duckdb

    try:
        with duckdb.connect(path) as connection:  # others may read it between two batches
            connection.execute("begin")
            connection.execute(_made(table, columns, keys))
            there = [
                str(of[0]) for of in connection.execute(f"select * from {quoted_table(table)} limit 0").description
            ]
            for statement in _widened(table, columns, there):
                connection.execute(statement)
            connection.register(BLOCK, rows)
            connection.execute(_inserted(table, columns))
            connection.execute("commit")
    except (duckdb.BinderException, duckdb.ConversionException) as error:  # the latter's message holds a user's value
        why = database.first_line(error) if isinstance(error, duckdb.BinderException) else "a column is of another type"
        raise InputError("log", f"{table} holds something else ({why})", "Name another: ?table=…") from error
    except duckdb.Error as error:
        raise OutsideError(f"log={url}", f"cannot be written ({database.first_line(error)})") from error


def _postgresql(url: str, table: str, rows: pl.DataFrame, columns: dict[str, str], keys: tuple[str, ...]) -> None:
    try:
        import psycopg
    except ImportError as error:
        raise InputError("log", "PostgreSQL needs psycopg", f"Type {extra('warehouse')}.") from error
    try:
        with psycopg.connect(
            database.libpq(url), connect_timeout=database.CONNECT_SECONDS, application_name="tippingpoint"
        ) as server:
            server.execute(_made(table, columns, keys).encode())
            description = server.execute(f"select * from {quoted_table(table)} limit 0".encode()).description or []
            for statement in _widened(table, columns, [column.name for column in description]):
                server.execute(statement.encode())
            listed = ", ".join(f"{quoted(name)} {type_}" for name, type_ in columns.items())
            server.execute(f"create temporary table {BLOCK} ({listed}) on commit drop".encode())
            names = ", ".join(map(quoted, columns))
            with server.cursor().copy(f"copy {BLOCK} ({names}) from stdin (format csv)".encode()) as copy:
                copy.write(rows.write_csv(include_header=False, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ"))
            server.execute(_inserted(table, columns).encode())
    except psycopg.Error as error:
        raise OutsideError(
            f"log={database.shown(url)}", f"cannot be written ({database.first_line(error, url)})"
        ) from error


def _made(table: str, columns: dict[str, str], keys: tuple[str, ...]) -> str:
    listed = [f"{quoted(name)} {type_}{' not null' if name in keys else ''}" for name, type_ in columns.items()]
    key = ", ".join(map(quoted, keys))
    return f"create table if not exists {quoted_table(table)} ({', '.join(listed)}, primary key ({key}))"


def _widened(table: str, columns: dict[str, str], there: list[str]) -> list[str]:
    lacking = [name for name in columns if name not in there]
    return [f"alter table {quoted_table(table)} add column {quoted(name)} {columns[name]}" for name in lacking]


def _inserted(table: str, columns: dict[str, str]) -> str:
    names = ", ".join(map(quoted, columns))
    return f"insert into {quoted_table(table)} ({names}) select {names} from {BLOCK} where true on conflict do nothing"
