"""Logs of any shape: which columns of a table hold what features need, read from files and databases."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl
from pydantic import field_validator

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.strict import StrictModel
from tippingpoint.data import database
from tippingpoint.data.csv_layout import UNREADABLE, in_utf8, layout, scan_text, unreadable
from tippingpoint.data.events.exports import PAYMENTS, PRODUCT, complete, epoch_second, files, read_objects
from tippingpoint.data.validation import as_ids, parse

JSON = (".json", ".jsonl", ".ndjson")
ROWS = 250_000
"""Rows of a database that are read at once."""
ZONED = r"(?:[zZ]|[+-]\d\d:?\d\d)$"
"""How a time ends that says its zone."""
COUNT = r"^\d+(\.\d+)?$"
"""A time as a count of seconds, milliseconds or microseconds since 1970."""
PAYMENT_TYPES = {
    "subscribed": "customer.subscription.created",
    "left": "customer.subscription.deleted",
    "paused": "customer.subscription.paused",
    "resumed": "customer.subscription.resumed",
    "paid": "invoice.paid",
    "failed": "invoice.payment_failed",
    "refunded": "charge.refunded",
    "customer": "customer.created",
}
"""What features and outcomes read of payments, and Stripe's word for it."""


class Columns(StrictModel):
    """The columns of a table of events; a null one the table does not have."""

    user: str
    time: str
    """ISO 8601, a time of the database, or seconds, milliseconds or microseconds since 1970."""
    name: str
    """What happened: an event's name, or the path of a page."""
    id: str | None = None
    """The same for an event that was sent again; null: each row is an event of its own."""
    zone: str = "UTC"
    """The zone of times that say none, such as Europe/Berlin."""
    names: dict[str, str] = {}
    """Event, and how the log writes it; `*` stands for any text: `/product/*` is one. The first that fits counts."""

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("is no time zone. Type one such as UTC or Europe/Berlin") from error
        return zone


class EventColumns(Columns):
    """The columns of product events."""

    received: str | None = None
    """When the server had it; null: at once."""
    other_id: str | None = None
    """Another id of the same person, such as that of a device; whom it belongs to is learnt where both are given."""
    variant: str | None = None
    seconds: str | None = None
    platform: str | None = None
    country: str | None = None
    sign_up: Literal["event", "first"] = "event"
    """first: the log holds no sign-up, so that a user's first event is one."""


class PaymentColumns(Columns):
    """The columns of payment events.

    Keys of `names` are those of `PAYMENT_TYPES`, and what none of them is called is left out; without any the log has
    Stripe's own types.
    """

    amount: str | None = None
    cents: bool = False
    """Whether amounts are whole cents; else they are as 9.99."""

    @field_validator("names")
    @classmethod
    def _are_types(cls, names: dict[str, str]) -> dict[str, str]:
        for kind in names:
            if kind not in PAYMENT_TYPES:
                raise ValueError(f"{kind!r} is no payment event. {nearest(kind, PAYMENT_TYPES)}")
        return names


def read_product(place: str, columns: EventColumns, sign_up: str) -> pl.DataFrame:
    """Read product events of any shape, columns as in PRODUCT.

    Parameters
    ----------
    place
        CSV, Parquet or JSON lines (a file, a folder, a pattern with `*`), or the address of a database with `?table=`.
    sign_up
        Name of the event that makes an id a user.

    Raises
    ------
    InputError
        For a place that cannot be read, a column it does not have, events without name or time, times that are none.
    """
    parts = []
    for part, where in _parts(place, columns, "data.product", "data.events"):
        user, other = as_ids(part[columns.user]), _id(part, columns.other_id)
        time = _seconds(part[columns.time], columns.zone, where)
        table = pl.DataFrame(
            {
                "distinct_id": user.fill_null(other) if other is not None else user,
                "event": _named(part[columns.name], columns.names, keep=True),
                "time": time,
                "insert_id": _id(part, columns.id),
                "received": _seconds(part[columns.received], columns.zone, where) if columns.received else None,
                "alias": other.set(user.is_null(), None) if other is not None else None,
                "variant": _text(part, columns.variant),
                "seconds": _number(part, columns.seconds).round() if columns.seconds else None,
                "platform": _text(part, columns.platform),
                "country": _text(part, columns.country),
            }
        )
        parts.append(table.cast(PRODUCT).with_columns(user.is_not_null().alias("named")))
    table = pl.concat(parts)
    numbered = pl.format("row {}", pl.int_range(pl.len()))
    table = table.with_columns(pl.coalesce("insert_id", numbered), pl.coalesce("received", "time"))
    complete("data.product", _shown(place), table["event"], columns.name)
    complete("data.product", _shown(place), table["time"], columns.time)
    if columns.sign_up == "first":
        table = pl.concat([table, _first(table.filter("named"), sign_up)])
    return table.drop("named")


def read_payments(place: str, columns: PaymentColumns) -> pl.DataFrame:
    """Read payment events of any shape, columns as in PAYMENTS; a user is a customer of their own.

    Raises
    ------
    InputError
        As `read_product` does, and where none of the events is a payment.
    """
    parts = []
    for part, where in _parts(place, columns, "data.payments", "data.billing"):
        user = as_ids(part[columns.user])
        factor = 1 if columns.cents else 100
        types = {PAYMENT_TYPES[kind]: pattern for kind, pattern in columns.names.items()}
        table = pl.DataFrame(
            {
                "event_id": _id(part, columns.id),
                "type": _named(part[columns.name], types, keep=not types),
                "created": _seconds(part[columns.time], columns.zone, where),
                "object_id": None,
                "customer": user,
                "user_id": user,
                "amount": (_number(part, columns.amount) * factor).round() if columns.amount else None,
            }
        )
        parts.append(table.cast(PAYMENTS))
    table = pl.concat(parts)
    table = table.with_columns(pl.coalesce("event_id", pl.format("row {}", pl.int_range(pl.len()))))
    table = table.filter(pl.col("type").is_not_null())
    if table.is_empty():
        what = f"no event of {_shown(place)} is a payment"
        raise InputError("data.billing.names", what, "Type data.billing.names.subscribed=… as the log writes it.")
    complete("data.payments", _shown(place), table["created"], columns.time)
    return table


def _parts(place: str, columns: Columns, where: str, key: str) -> Iterator[tuple[pl.DataFrame, str]]:
    """The named columns of each file, or of so many rows of a database's table, and what to call it."""
    given = {field: name for field, name in columns if field in _fields(columns) and name is not None}
    if "://" in place:
        url, name = database.table_of(place)
        if name is None:
            what = f"{database.shown(url)} names no table"
            raise InputError(where, what, f"Type {where}='{database.shown(url)}?table=…'.")
        with database.connect(url) as connection:
            sample = connection.frame(f"select * from {database.quoted_table(name)} limit 0", {})
            _refuse_lacking(given, sample.columns, name, key)
            listed = ", ".join(map(database.quoted, dict.fromkeys(given.values())))
            query = f"select {listed} from {database.quoted_table(name)}"
            for frame in connection.frames(query, {}, ROWS):
                yield frame, where
        return
    for file in files(where, place):
        yield _file(file, given, where, key), f"{where}={file}"


def _fields(columns: Columns) -> set[str]:
    return set(type(columns).model_fields) - {"zone", "names", "sign_up", "cents"}


def _file(file: Path, given: Mapping[str, str], where: str, key: str) -> pl.DataFrame:
    """The named columns of a file: text, where it is no Parquet."""
    names, place = list(dict.fromkeys(given.values())), f"{where}={file}"
    if file.name.lower().removesuffix(".gz").endswith(JSON):
        table = read_objects(where, str(file), dict.fromkeys(names, "VARCHAR"))
        _refuse_lacking(
            given, [c for c in names if table[c].null_count() < len(table) or not len(table)], file.name, key
        )
        return table
    found = layout(file, place)
    text = in_utf8(file, found, place)
    try:
        scan = pl.scan_parquet(file) if found.parquet else scan_text(Path(text.name) if text else file, found)
        _refuse_lacking(given, scan.collect_schema().names(), file.name, key)
        return scan.select(names).collect()
    except UNREADABLE as error:
        raise unreadable(error, file, place, found) from error
    finally:
        if text:
            text.close()


def _refuse_lacking(given: Mapping[str, str], there: list[str], origin: str, key: str) -> None:
    for field, name in given.items():
        if name not in there:
            raise InputError(
                f"{key}.{field}", f"{origin} has no column {name!r}", nearest(name, there, f"{key}.{field}")
            )


def _id(part: pl.DataFrame, name: str | None) -> pl.Series | None:
    return None if name is None else as_ids(part[name])


def _text(part: pl.DataFrame, name: str | None) -> pl.Series | None:
    return None if name is None else parse(part[name], "category")[0]


def _number(part: pl.DataFrame, name: str) -> pl.Series:
    return part[name].cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)


def _named(written: pl.Series, names: Mapping[str, str], *, keep: bool) -> pl.Series:
    """(n,) events by the names that patterns give them; the others by their own, or null."""
    text = parse(written, "text")[0].alias("name")
    own = pl.col("name") if keep else pl.lit(None, pl.String)
    for name, pattern in reversed(list(names.items())):
        regex = ".*".join(pl.escape_regex(part) for part in pattern.split("*"))
        own = pl.when(pl.col("name").str.contains(f"(?s)^{regex}$")).then(pl.lit(name)).otherwise(own)
    return text.to_frame().select(own.alias("event")).to_series()


def _seconds(values: pl.Series, zone: str, where: str) -> pl.Series:
    """(n,) epoch seconds of times; null where missing.

    Raises
    ------
    InputError
        Where some are no times.
    """
    counts = values if values.dtype.is_numeric() else None
    if values.dtype == pl.String:
        text = values.str.strip_chars()
        values = text.set(text == "", None)
        filled = values.drop_nulls()
        if len(filled) and filled.str.contains(COUNT).all():
            counts = values
    if counts is not None:
        return counts.cast(pl.Float64).alias("time").to_frame().select(epoch_second("time")).to_series()
    times = parse(values, "time")[0]
    if zone != "UTC" and getattr(values.dtype, "time_zone", None) is None:
        local = times.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        local = local.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        says = values.str.contains(ZONED).fill_null(False) if values.dtype == pl.String else None
        times = local if says is None else local.zip_with(~says, times)
    if (odd := values.filter(times.is_null() & values.is_not_null())).len():
        what = (
            f"{odd.len():,} of {len(values):,} times in column {values.name!r} are none, such as {str(odd[0])[:40]!r}"
        )
        within = f" of the zone {zone}" if zone != "UTC" else ""
        raise InputError(where, what, f"Wanted is 2026-03-01T09:00:00{within}, or seconds since 1970.")
    return times.dt.epoch("s").cast(pl.Int64)


def _first(table: pl.DataFrame, sign_up: str) -> pl.DataFrame:
    """A sign-up with the event of each user that was received first: what comes later does not change it."""
    first = table.sort("received", "time", "platform", "country").unique(
        "distinct_id", keep="first", maintain_order=True
    )
    return first.with_columns(
        pl.lit(sign_up).alias("event"),
        pl.format("sign-up of {}", "distinct_id").alias("insert_id"),
        *(pl.lit(None, PRODUCT[name]).alias(name) for name in ("alias", "variant", "seconds")),
    )


def _shown(place: str) -> str:
    return database.shown(place) if "://" in place else place
