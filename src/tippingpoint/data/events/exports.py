"""The two tables of events that features are made of, and what reading exports into them has in common."""

from pathlib import Path
from typing import IO

import polars as pl

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.strict import StrictModel
from tippingpoint.data.bounds import refuse_unbounded

PRODUCT = pl.Schema(
    {
        "distinct_id": pl.String,
        "event": pl.String,
        "time": pl.Int64,  # epoch second, by the clock of the device
        "insert_id": pl.String,  # the same for an event that was sent again; never null
        "received": pl.Int64,  # epoch second, by the clock of the server
        "alias": pl.String,  # another id this one was found to belong to the same person
        "variant": pl.String,  # the action, on events of exposure
        "seconds": pl.Int64,  # of playback
        "platform": pl.String,
        "country": pl.String,
    }
)
PAYMENTS = pl.Schema(
    {
        "event_id": pl.String,
        "type": pl.String,
        "created": pl.Int64,  # epoch second
        "object_id": pl.String,
        "customer": pl.String,
        "user_id": pl.String,  # where the object's metadata carries it
        "amount": pl.Int64,  # cents paid, due or refunded
    }
)
MILLISECONDS, MICROSECONDS = 10**11, 10**14
"""Times above them are in such: as seconds the first is the year 5138, as milliseconds 1973."""


class Properties(StrictModel):
    """Where the properties that features need stand in Mixpanel's events and Stripe's metadata."""

    seconds: str = "seconds"
    platform: str = "platform"
    country: str = "mp_country_code"
    variant: str = "Variant name"
    user_id: str = "user_id"


def files(where: str, path: str) -> list[Path]:
    """The files of a path: one, a folder of them, or a pattern with `*`.

    Raises
    ------
    InputError
        When there is none, or one is packed without bounds.
    """
    given = Path(path)
    if given.is_dir():
        found = sorted(f for f in given.iterdir() if f.is_file() and not f.name.startswith("."))
    elif given.is_file():
        found = [given]
    else:
        found = sorted(given.parent.glob(given.name)) if given.parent.is_dir() else []
    if not found:
        siblings = sorted(f.name for f in given.parent.iterdir()) if given.parent.is_dir() else []
        raise InputError(f"{where}={path}", "no such file", nearest(given.name, siblings) if siblings else "")
    for file in found:
        refuse_unbounded(file, f"{where}={file}", end=None)
    return found


def read_objects(where: str, path: str, columns: dict[str, str]) -> pl.DataFrame:
    """Read JSON objects, one a line or in one array, gzipped or not, with the DuckDB type of each key.

    Raises
    ------
    InputError
        For a path without files, or what is not JSON of such types.
    """
    found = [str(file) for file in files(where, path)]
    import duckdb

    with duckdb.connect() as connection:
        try:
            relation = connection.read_json(
                found,  # type: ignore[arg-type]  # the stubs know of one file only
                columns=columns,
                format="auto",
                maximum_object_size=2**25,
            )
            table = pl.from_arrow(relation.to_arrow_table())
        except (duckdb.Error, UnicodeDecodeError) as error:  # a value it quotes may be cut within a character
            said = error.object.decode(errors="ignore") if isinstance(error, UnicodeDecodeError) else str(error)
            reason = said.strip().splitlines()[0].rstrip(". ")
            raise InputError(where, f"cannot be read as JSON lines ({reason})") from error
    assert isinstance(table, pl.DataFrame)
    return table


def write_objects(objects: pl.Series, file: IO[bytes]) -> None:
    """Write structs as JSON, one a line; absent keys instead of nulls, as real exports have it."""
    # Inside a JSON string a quote is escaped, so that these patterns can only meet keys.
    text = objects.struct.json_encode()
    text = text.str.replace_all(r',"[^"\\]+":null', "").str.replace_all(r'\{"[^"\\]+":null\}', "{}")
    text.to_frame().write_csv(file, include_header=False, quote_style="never")


def epoch_second(time: str | pl.Expr) -> pl.Expr:
    """Whole epoch seconds of times in seconds, milliseconds or microseconds; null of what is beyond 64 bits."""
    value = pl.col(time) if isinstance(time, str) else time
    seconds = pl.when(value > MICROSECONDS).then(value / 10**6).when(value > MILLISECONDS).then(value / 1000)
    return seconds.otherwise(value).floor().cast(pl.Int64, strict=False)


def complete(where: str, path: str, column: pl.Series, name: str) -> None:
    """Refuse events that lack what every event has.

    Raises
    ------
    InputError
        Naming how many, and the first.
    """
    if missing := column.null_count():
        first = (column.is_null().arg_max() or 0) + 1
        what = f"{missing:,} of {len(column):,} events in {path} have no {name!r} (first: number {first:,})"
        raise InputError(where, what)
