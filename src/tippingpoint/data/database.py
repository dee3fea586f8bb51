"""A table of your own in a database: any DuckDB or PostgreSQL URL and a query, which can only read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from pydantic import Field, field_validator

from tippingpoint.core.errors import InputError, OutsideError, nearest
from tippingpoint.core.installed import extra
from tippingpoint.core.on_demand import polars as pl
from tippingpoint.core.redaction import masked
from tippingpoint.data.column_roles import Roles, at_least_two

if TYPE_CHECKING:
    import duckdb
    import psycopg
    from psycopg.abc import Buffer

CONNECT_SECONDS = 10
"""After which a server that does not answer counts as unreachable."""
PLAIN = (bool, int, float, str, date, time, timedelta, bytes)
"""Values polars has a type for (a datetime is a date); others, such as UUIDs and JSON, become text."""
TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$
    | (?<![\w$])\$(?P<name>[A-Za-z_]\w*) | %""",
    re.VERBOSE | re.DOTALL,
)


class Sql(Roles):
    """Users as a query gives them; columns' roles are inferred as for a file.

    The query runs in a read-only transaction, and only one statement that reads is taken. Values come in as
    parameters, `$name` in the query, bound by the database and never put into its text.
    """

    url: str
    """duckdb:///users.duckdb (relative), duckdb:////data/users.duckdb, duckdb:// (in memory, for files) or
    postgresql://user@host:5432/database. Passwords belong in PGPASSWORD or ~/.pgpass: a config is kept."""
    query: str = Field(min_length=1)
    parameters: dict[str, str | int | float | bool | None] = {}
    """Value of each `$name` in the query."""

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: str) -> str:
        kind(url)
        return url

    @property
    def origin(self) -> str:
        return f"a query on {shown(self.url)}"

    def read(self) -> pl.DataFrame:
        with connect(self.url) as database:
            return at_least_two(database.frame(self.query, self.parameters), "data.query")


class DuckDB:
    """Queries on an open DuckDB connection; of one statement each, and only such as read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def frame(self, sql: str, parameters: Mapping[str, Any]) -> pl.DataFrame:
        """Run one query, `$name` standing for the parameter of that name.

        Raises
        ------
        InputError
            When the query is wrong, or would do more than read.
        OutsideError
            When the database fails.
        """
        with _said_of_duckdb():
            answer = pl.from_arrow(self._relation(sql, parameters).to_arrow_table())
        assert isinstance(answer, pl.DataFrame)
        return answer

    def frames(self, sql: str, parameters: Mapping[str, Any], rows: int) -> Iterator[pl.DataFrame]:
        """As `frame`, in pieces of about so many rows, of which there is always one."""
        with _said_of_duckdb():
            reader = self._relation(sql, parameters).to_arrow_reader(rows)
            yield pl.from_arrow(reader.schema.empty_table())  # type: ignore[misc]  # a table is a frame
            for batch in reader:
                yield pl.from_arrow(batch)  # type: ignore[misc]  # of a batch polars makes a frame

    def _relation(self, sql: str, parameters: Mapping[str, Any]) -> duckdb.DuckDBPyRelation:
        import duckdb

        _check(sql, parameters)
        statements = self.connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise InputError("data.query", "is not one SELECT", "A source only reads: one query, without the final ;.")
        relation = self.connection.sql(sql, params=dict(parameters) or None)
        _differ(relation.columns)
        return relation


class PostgreSQL:
    """Queries on an open PostgreSQL connection in a read-only transaction; of one statement each."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection

    def frame(self, sql: str, parameters: Mapping[str, Any]) -> pl.DataFrame:
        """As `DuckDB.frame`."""
        _check(sql, parameters)
        with _said_of_postgresql():
            # Prepared, because without parameters psycopg would else use a protocol that takes several
            # statements at once, and a COMMIT among them would end the read-only transaction.
            text = _numbered(sql) if parameters else sql
            cursor = self.connection.execute(text.encode(), dict(parameters) or None, prepare=True)
            return _frame(cursor, cursor.fetchall() if cursor.description else [])

    def frames(self, sql: str, parameters: Mapping[str, Any], rows: int) -> Iterator[pl.DataFrame]:
        """As `DuckDB.frames`."""
        _check(sql, parameters)
        with _said_of_postgresql(), self.connection.cursor(name="tippingpoint") as cursor:  # the server keeps the rest
            cursor.execute((_numbered(sql) if parameters else sql).encode(), dict(parameters) or None)
            yield _frame(cursor, [])
            while batch := cursor.fetchmany(rows):
                yield _frame(cursor, batch)


@contextmanager
def connect(url: str) -> Iterator[DuckDB | PostgreSQL]:
    """Open a database for reading.

    Raises
    ------
    InputError
        For a URL of another kind, a file that is not there or no DuckDB database, or a missing driver.
    OutsideError
        When the database cannot be reached.
    """
    if kind(url) == "duckdb":
        connection = _open_duckdb(url)
        try:
            yield DuckDB(connection)
        finally:
            connection.close()
        return
    try:
        import psycopg
        from psycopg.adapt import Loader
    except ImportError as error:
        raise InputError("data.url", "PostgreSQL needs psycopg", f"Type {extra('warehouse')}.") from error

    class Numeric(Loader):
        """Whole numbers with every digit, as ids need; others as floats."""

        def load(self, data: Buffer) -> int | float:
            text = bytes(data)
            return int(text) if text.lstrip(b"-").isdigit() else float(text)

    try:
        server = psycopg.connect(libpq(url), connect_timeout=CONNECT_SECONDS, application_name="tippingpoint")
    except psycopg.ProgrammingError as error:
        raise InputError("data.url", f"is not a PostgreSQL URL ({first_line(error, url)})") from error
    except psycopg.Error as error:
        raise OutsideError(
            f"data.url={shown(url)}",
            f"cannot be reached ({first_line(error, url)})",
            "Nothing was read or written.",
        ) from error
    with server:
        server.read_only = True
        server.adapters.register_loader("numeric", Numeric)
        yield PostgreSQL(server)


def memory(**tables: pl.DataFrame) -> DuckDB:
    """DuckDB in this process, over frames as tables; nothing is copied."""
    import duckdb

    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)
    return DuckDB(connection)


def kind(url: str) -> str:
    """`duckdb` or `postgresql`.

    Raises
    ------
    InputError
        For any other URL.
    """
    scheme = url.partition("://")[0].partition("+")[0] if "://" in url else ""
    if scheme in ("postgresql", "postgres"):
        return "postgresql"
    if scheme != "duckdb":
        raise InputError(
            "data.url",
            f"{shown(url)!r} is neither a DuckDB nor a PostgreSQL URL",
            "Type duckdb:///users.duckdb or postgresql://user@host/database.",
        )
    return scheme


def shown(url: str) -> str:
    """The URL without user, password and options, as it may stand in messages and reports.

    >>> shown("postgresql://me:secret@db.example:5432/app?sslmode=require")
    'postgresql://db.example:5432/app'
    """
    scheme, found, rest = str(masked(url)).partition("://")
    if not found:
        return url if "@" not in url and "=" not in url else "…"
    where, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{where.rpartition('@')[2]}{slash}{path}"


def _open_duckdb(url: str) -> duckdb.DuckDBPyConnection:
    import duckdb

    name = urlsplit(url).path.removeprefix("/")
    if name in ("", ":memory:"):
        return duckdb.connect()
    path = Path(name)
    if not path.is_file():
        siblings = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
        raise InputError(f"data.url={url}", f"no such file {name}", nearest(path.name, siblings) if siblings else "")
    try:
        return duckdb.connect(name, read_only=True)
    except duckdb.Error as error:
        if "lock" in str(error).lower():
            raise OutsideError(f"data.url={url}", f"is in use ({first_line(error)})") from error
        raise InputError(f"data.url={url}", f"is no DuckDB database ({first_line(error)})") from error


def libpq(url: str) -> str:
    """The URL as libpq takes it."""
    return "postgresql://" + url.partition("://")[2]


def _check(sql: str, parameters: Mapping[str, Any]) -> None:
    asked = {found["name"] for found in TOKEN.finditer(sql) if found["name"]}
    for name in sorted(asked - set(parameters)):
        raise InputError("data.parameters", f"no value for ${name} of the query", f"Type data.parameters.{name}=…")
    for name in sorted(set(parameters) - asked):
        raise InputError("data.parameters", f"the query has no ${name}", nearest(name, sorted(asked)))


def _differ(names: list[str]) -> None:
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InputError("data.query", f"gives more than one column {repeated[0]!r}", "Rename with AS.")


def _numbered(sql: str) -> str:
    """`$name` as psycopg writes it, outside of quotes and comments; a % as such."""

    def written(found: re.Match[str]) -> str:
        return f"%({found['name']})s" if found["name"] else found[0].replace("%", "%%")

    return TOKEN.sub(written, sql)


@contextmanager
def _said_of_duckdb() -> Iterator[None]:
    import duckdb

    try:
        yield
    except (duckdb.OperationalError, duckdb.InternalError) as error:
        raise OutsideError("data.query", first_line(error)) from error
    except duckdb.Error as error:
        raise InputError("data.query", first_line(error)) from error


@contextmanager
def _said_of_postgresql() -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.OperationalError as error:
        raise OutsideError("data.query", first_line(error)) from error
    except psycopg.Error as error:
        raise InputError("data.query", first_line(error)) from error


def _frame(cursor: Any, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Rows of a PostgreSQL cursor."""
    if cursor.description is None:
        raise InputError("data.query", "gives no rows", "A source only reads: type a SELECT.")
    names = [column.name for column in cursor.description]
    _differ(names)
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pl.DataFrame([_series(name, list(column)) for name, column in zip(names, columns, strict=True)])


def _series(name: str, values: list[Any]) -> pl.Series:
    if all(value is None or isinstance(value, PLAIN) for value in values):
        return pl.Series(name, values, dtype=None if any(v is not None for v in values) else pl.String, strict=False)
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


def table_of(url: str) -> tuple[str, str | None]:
    """A database's URL without its `table`, and that.

    >>> table_of("postgresql://me@host/app?table=users&sslmode=require")
    ('postgresql://me@host/app?sslmode=require', 'users')
    """
    found = parse_qs(urlsplit(url).query, keep_blank_values=True)
    table = found.pop("table", [None])[0]
    rest = urlencode(found, doseq=True, quote_via=quote, safe="/")
    return url.partition("?")[0] + (f"?{rest}" if rest else ""), table or None


def has(url: str, table: str | None) -> bool:
    """Whether a database has a table, or a view, of that name; none has where there is no database.

    Raises
    ------
    OutsideError
        When the database cannot be reached.
    """
    if table is None or (kind(url) == "duckdb" and not Path(urlsplit(url).path.removeprefix("/")).is_file()):
        return False
    with connect(url) as database:
        found = database.frame("select table_schema, table_name from information_schema.tables", {})
    *schema, name = table.casefold().split(".")
    there = {(str(s).casefold(), str(n).casefold()) for s, n in found.iter_rows()}
    return any(name == n and schema in ([], [s]) for s, n in there)


def quoted(name: str) -> str:
    """A column's name as SQL takes it literally.

    >>> print(quoted('my "own" column'))
    "my ""own"" column"
    """
    return '"' + name.replace('"', '""') + '"'


def quoted_table(name: str) -> str:
    """A table's name as SQL takes it literally; a dot parts schema and table.

    >>> print(quoted_table("app.users"))
    "app"."users"
    """
    return ".".join(map(quoted, name.split(".")))


def first_line(error: Exception, url: str = "") -> str:
    """What went wrong, without the lines that say where in an SQL, and without a password of the address."""
    return str(masked((str(error).strip().splitlines() or [type(error).__name__])[0].rstrip("."), url))
