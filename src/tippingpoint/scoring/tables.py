"""Decisions in a table of a database: one row a user, day, question and campaign, in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from tippingpoint.core import stopping
from tippingpoint.core.errors import InputError, OutsideError, TippingpointError
from tippingpoint.core.installed import extra
from tippingpoint.data import database
from tippingpoint.data.appending import called
from tippingpoint.data.database import quoted, quoted_table
from tippingpoint.data.decisions import CAMPAIGN

if TYPE_CHECKING:
    import duckdb

DAY, QUESTION = "scored_on", "question"
"""The columns that, with the id, tell rows apart; tables that an earlier release made have the first only."""

CHUNK = 100_000
NOTHING = "Nothing was written."
BLOCK = "tippingpoint_decisions"
"""What the rows under way are called in the database."""
SOMETIMES = ("explored", "policy_action", "logging_probability", "reason_")
"""How columns begin that only some jobs write."""


def upsert(url: str, table: str, decisions: Path, user_id: str, question: str, campaign: str = "") -> int:
    """Put the decisions of a Parquet file into a table, in the place of those of the same users, day and campaign.

    The table is made where there is none; columns that only some jobs write are added to it.

    Parameters
    ----------
    user_id
        Name of the id column.
    question, campaign
        What is decided, and what for: decisions of two do not replace each other.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    InputError
        When there is a table of that name that holds something else, or it is the name of the rows under way.
    OutsideError
        When the database cannot be reached or written, or another job writes the table; then nothing was written.
    """
    where = f"to={database.shown(url)}"
    if table.rpartition(".")[2].lower() == BLOCK:
        raise InputError(where, f"{table} is what the rows under way are called", "Name another: ?table=…")
    own = {QUESTION: pl.lit(question), CAMPAIGN: pl.lit(campaign)}
    frame = pl.scan_parquet(decisions).with_columns(pl.col("scored_at").dt.date().alias(DAY), **own)
    schema = dict(frame.collect_schema())
    columns = {name: called(type_) for name, type_ in schema.items()}
    keys = (user_id, DAY, QUESTION, CAMPAIGN)
    write = _duckdb if database.kind(url) == "duckdb" else _postgresql
    try:
        return write(url, table, columns, keys, frame)
    except TippingpointError as error:
        raise type(error)(error.where.replace("data.url", "to"), error.what, error.remedy) from error
    except OSError as error:
        raise OutsideError(where, f"cannot be written ({error.strerror})", NOTHING) from error


def _duckdb(url: str, table: str, columns: dict[str, str], keys: tuple[str, ...], frame: pl.LazyFrame) -> int:
    path = urlsplit(url).path.removeprefix("/")
    if path in ("", ":memory:"):
        raise InputError("to", "a database in memory is gone with the job", "Type to=duckdb:///predictions.duckdb.")
    import duckdb

    try:
        connection = duckdb.connect(path)
    except duckdb.Error as error:
        raise OutsideError(f"to={url}", f"cannot be opened ({database.first_line(error)})", NOTHING) from error
    try:
        connection.execute("begin")
        found = (
            connection.execute(f"select * from {quoted_table(table)} limit 0").description
            if _has(connection, table)
            else None
        )
        there = None if found is None else [str(column[0]) for column in found]
        columns, keys, frame = _of_table(table, columns, keys, frame, there)
        for statement in _made(table, columns, keys, there):
            connection.execute(statement)
        rows = 0
        for block in frame.collect_batches(chunk_size=CHUNK, maintain_order=True):
            connection.register(BLOCK, block)
            connection.execute(f"insert into {_upserted(table, list(columns), keys, there or [])}")
            connection.unregister(BLOCK)
            rows += len(block)
        stopping.check()
        connection.execute("commit")
    except (duckdb.BinderException, duckdb.ConversionException) as error:
        raise _other(table, database.first_line(error)) from error
    except duckdb.Error as error:
        raise OutsideError(f"to={url}", f"cannot be written ({database.first_line(error)})", NOTHING) from error
    else:
        return rows
    finally:
        connection.close()


def _has(connection: "duckdb.DuckDBPyConnection", table: str) -> bool:
    schema, _, name = table.rpartition(".")
    query = (
        "select 1 from information_schema.tables where lower(table_name) = lower(?)"
        " and lower(table_schema) = lower(coalesce(?, current_schema()))"
    )
    return connection.execute(query, [name, schema or None]).fetchone() is not None


def _postgresql(url: str, table: str, columns: dict[str, str], keys: tuple[str, ...], frame: pl.LazyFrame) -> int:
    with (
        _postgresql_errors(url, table) as psycopg,
        psycopg.connect(
            database.libpq(url), connect_timeout=database.CONNECT_SECONDS, application_name="tippingpoint"
        ) as server,
    ):
        free = server.execute("select pg_try_advisory_xact_lock(hashtext(%s))", [f"tippingpoint {table}"]).fetchone()
        if not free[0]:
            raise OutsideError(f"to={database.shown(url)}", f"another job is writing {table}", NOTHING)
        there = None
        if server.execute("select to_regclass(%s)", [quoted_table(table)]).fetchone()[0] is not None:
            cursor = server.execute(f"select * from {quoted_table(table)} limit 0".encode())
            there = [column.name for column in cursor.description]
        columns, keys, frame = _of_table(table, columns, keys, frame, there)
        for statement in _made(table, columns, keys, there):
            server.execute(statement.encode())
        listed = ", ".join(f"{quoted(name)} {type_}" for name, type_ in columns.items())
        server.execute(f"create temporary table {BLOCK} ({listed}) on commit drop".encode())
        rows = 0
        names = ", ".join(map(quoted, columns))
        with server.cursor().copy(f"copy {BLOCK} ({names}) from stdin (format csv)".encode()) as copy:
            for block in frame.collect_batches(chunk_size=CHUNK, maintain_order=True):
                copy.write(block.write_csv(include_header=False, datetime_format="%Y-%m-%dT%H:%M:%SZ"))
                rows += len(block)
        server.execute(f"insert into {_upserted(table, list(columns), keys, there or [])}".encode())
        stopping.check()
        return rows


def _of_table(
    table: str, columns: dict[str, str], keys: tuple[str, ...], frame: pl.LazyFrame, there: list[str] | None
) -> tuple[dict[str, str], tuple[str, ...], pl.LazyFrame]:
    """Columns, key and rows as a table takes them: one made before questions and campaigns were told apart has neither.

    Raises
    ------
    InputError
        When such a table cannot hold the campaign.
    """
    if there is None or QUESTION in there or keys[0] not in there:
        return columns, keys, frame
    if frame.select(pl.col(CAMPAIGN).first()).collect().item():
        what = f"{table} was made by an earlier release, and tells no campaigns apart"
        raise InputError("to", what, "Name another: ?table=…")
    kept = {name: type_ for name, type_ in columns.items() if name not in (QUESTION, CAMPAIGN)}
    return kept, keys[:2], frame.select(list(kept))


def _made(table: str, columns: dict[str, str], keys: tuple[str, ...], there: list[str] | None) -> Iterator[str]:
    """What makes the table hold these columns."""
    if there is None:
        listed = [f"{quoted(name)} {type_}{' not null' if name in keys else ''}" for name, type_ in columns.items()]
        key = ", ".join(map(quoted, keys))
        yield f"create table {quoted_table(table)} ({', '.join(listed)}, primary key ({key}))"
        return
    if lacking := [name for name in (*keys, "propensity_score", "action") if name not in there]:
        raise _other(table, f"it has no column {lacking[0]!r}")
    for name, type_ in columns.items():
        if name not in there:
            yield f"alter table {quoted_table(table)} add column {quoted(name)} {type_}"


def _upserted(table: str, columns: list[str], keys: tuple[str, ...], there: list[str]) -> str:
    """What of a row that is there already an earlier job said, and this one does not, is nothing now."""
    names, key = ", ".join(map(quoted, columns)), ", ".join(map(quoted, keys))
    updates = [f"{quoted(name)} = excluded.{quoted(name)}" for name in columns if name not in keys]
    updates += [f"{quoted(name)} = null" for name in there if name.startswith(SOMETIMES) and name not in columns]
    return (
        f"{quoted_table(table)} ({names}) select {names} from {BLOCK} where true"
        f" on conflict ({key}) do update set {', '.join(updates)}"
    )


def _other(table: str, why: str) -> InputError:
    return InputError("to", f"{table} is there and holds something else: {why}", "Name another: ?table=…")


@contextmanager
def _postgresql_errors(url: str, table: str) -> Iterator[Any]:
    try:
        import psycopg
    except ImportError as error:
        raise InputError("to", "PostgreSQL needs psycopg", f"Type {extra('warehouse')}.") from error
    try:
        yield psycopg
    except (psycopg.errors.InvalidColumnReference, psycopg.errors.DatatypeMismatch) as error:
        raise _other(table, database.first_line(error)) from error
    except psycopg.Error as error:
        raise OutsideError(
            f"to={database.shown(url)}", f"cannot be written ({database.first_line(error, url)})", NOTHING
        ) from error
