"""Stripe's payment events, and the tables its dashboard exports, read; the events written too."""

from pathlib import Path
from typing import IO

import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.data.events.exports import (
    PAYMENTS,
    Properties,
    complete,
    epoch_second,
    files,
    read_objects,
    write_objects,
)

OBJECTS = {
    "customer": "customer",
    "customer.subscription": "subscription",
    "invoice": "invoice",
    "charge": "charge",
}
"""What the object of an event is, by the family of its type."""
AMOUNTS = {
    "invoice.paid": "amount_paid",
    "invoice.payment_failed": "amount_due",
    "charge.refunded": "amount_refunded",
}
"""The key of the object that holds the cents."""
FIELDS = ("id", "customer", *AMOUNTS.values())
UNSETTLED = r"^(requires_.*|processing|pending|incomplete|uncaptured|blocked|cancell?ed)$"
"""Status of a payment in the dashboard's table that neither went through nor failed; case aside."""


def read_stripe(path: str, properties: Properties) -> pl.DataFrame:
    """Read payment events, columns as in PAYMENTS.

    Taken are event objects (JSON lines, or one JSON array), the same flattened to CSV (columns such as
    `data.object.customer`), and the CSV tables the dashboard exports (customers, subscriptions, payments),
    from which the events are told as far as they can be: pauses are not in them.

    Raises
    ------
    InputError
        For a path without files, a file of another form, events without id, type or time.
    """
    tables = [
        (_from_csv if ".csv" in file.name else _from_json)(file, properties.user_id)
        for file in files("data.payments", path)
    ]
    return pl.concat(tables).cast(PAYMENTS)


def write_stripe(table: pl.DataFrame, properties: Properties, file: IO[bytes], csv: bool = False) -> None:
    """Write payment events (columns as in PAYMENTS) as event objects, one a line, or flattened to CSV."""
    family = pl.col("type").str.replace(r"\.[a-z_]+$", "")
    parts = {
        "id": pl.col("object_id"),
        "object": family.replace_strict(OBJECTS, return_dtype=pl.String),
        "customer": pl.when(family != "customer").then("customer"),
        **{name: pl.when(pl.col("type") == kind).then("amount") for kind, name in AMOUNTS.items()},
    }
    if csv:
        flat = {f"data.object.{name}": part for name, part in parts.items()}
        flat[f"data.object.metadata.{properties.user_id}"] = pl.col("user_id")
        table.select(pl.col("event_id").alias("id"), "type", "created", **flat).write_csv(file)
        return
    metadata = pl.struct(pl.col("user_id").alias(properties.user_id)).alias("metadata")
    inner = pl.struct(*(part.alias(name) for name, part in parts.items()), metadata).alias("object")
    event = pl.struct(
        pl.col("event_id").alias("id"),
        pl.lit("event").alias("object"),
        "type",
        "created",
        pl.struct(inner).alias("data"),
    )
    write_objects(table.select(event).to_series(), file)


def _from_json(path: Path, user_id: str) -> pl.DataFrame:
    amounts = ", ".join(f"{name} BIGINT" for name in AMOUNTS.values())
    inner = f"STRUCT(id VARCHAR, customer JSON, metadata JSON, {amounts})"
    columns = {"id": "VARCHAR", "type": "VARCHAR", "created": "DOUBLE", "data": f'STRUCT("object" {inner})'}
    found = read_objects("data.payments", str(path), columns)
    inside = found["data"].struct.field("object").struct.unnest()
    # A customer is an id, or the whole object where the export was told to expand it.
    customer = pl.coalesce(_at("customer", "$.id"), _at("customer", "$"))
    return _events(
        found.select(pl.col("id").alias("event_id"), "type", "created"),
        inside.select(
            *(pl.col(name) if name != "customer" else customer.alias(name) for name in FIELDS),
            _at("metadata", f"$['{user_id}']").alias("user_id"),
        ),
        path,
    )


def _from_csv(path: Path, user_id: str) -> pl.DataFrame:
    try:
        table = pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise InputError("data.payments", f"{path.name} cannot be read as CSV ({reason})") from error
    if not {"id", "type", "created"} <= set(table.columns):
        return _from_dashboard(table, f"{user_id} (metadata)", path)
    flat = {name: f"data.object.{name}" for name in FIELDS} | {"user_id": f"data.object.metadata.{user_id}"}
    return _events(
        table.select(pl.col("id").alias("event_id"), "type", "created"),
        table.select(
            (pl.col(column) if column in table.columns else pl.lit(None, pl.String)).alias(name)
            for name, column in flat.items()
        ),
        path,
    )


def _events(head: pl.DataFrame, inside: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Join what every event has to what its object has; the customer of a customer is itself."""
    of_customer = pl.col("type").str.contains(r"^customer\.(created|updated|deleted)$")
    amounts = [
        pl.when(pl.col("type") == kind).then(pl.col(name).cast(pl.Int64, strict=False))
        for kind, name in AMOUNTS.items()
    ]
    table = pl.concat([head, inside], how="horizontal").select(
        "event_id",
        "type",
        epoch_second(pl.col("created").cast(pl.Float64, strict=False)).alias("created"),
        pl.col("id").alias("object_id"),
        pl.when(of_customer).then("id").otherwise("customer").alias("customer"),
        "user_id",
        pl.coalesce(amounts).alias("amount"),
    )
    for column, name in (("event_id", "id"), ("type", "type"), ("created", "created")):
        complete("data.payments", path.name, table[column], name)
    return table


def _from_dashboard(table: pl.DataFrame, user_id: str, path: Path) -> pl.DataFrame:
    """Tell events from a table of the dashboard: each date that says when something happened is one."""
    names = set(table.columns)

    def happened(kind: str, dates: list[str], money: str | None = None, where: pl.Expr | None = None) -> pl.DataFrame:
        chosen = table if where is None else table.filter(where)
        cents = _cents(chosen[money], path) if money else pl.lit(None)
        return chosen.select(
            (pl.col("id") + f" {kind}").alias("event_id"),
            pl.lit(kind).alias("type"),
            pl.coalesce(*(_moment(date) for date in dates if date in names), pl.lit(None)).alias("created"),
            pl.col("id").alias("object_id"),
            pl.col("Customer ID" if "Customer ID" in names else "id").alias("customer"),
            (pl.col(user_id) if user_id in names else pl.lit(None, pl.String)).alias("user_id"),
            cents.cast(pl.Int64).alias("amount"),
        ).drop_nulls("created")

    if {"id", "Customer ID", "Status", "Canceled At (UTC)"} <= names:
        began = ["Start (UTC)", "Start Date (UTC)", "Created (UTC)"]
        ended = ["Ended At (UTC)", "Canceled At (UTC)"]
        parts = [
            happened("customer.subscription.created", began),
            happened("customer.subscription.deleted", ended),
        ]
    elif {"id", "Customer ID", "Status", "Amount", "Amount Refunded", "Created date (UTC)"} <= names:
        status = pl.col("Status").str.to_lowercase()
        failed, settled = status == "failed", ~status.str.contains(UNSETTLED)
        refunded = pl.col("Amount Refunded").str.replace_all(",", "").cast(pl.Float64, strict=False) > 0
        dates = ["Created date (UTC)"]
        parts = [
            happened("invoice.paid", dates, "Amount", settled & ~failed),
            happened("invoice.payment_failed", dates, "Amount", failed),
            happened("charge.refunded", ["Refunded date (UTC)", *dates], "Amount Refunded", refunded),
        ]
    elif {"id", "Email", "Created (UTC)"} <= names and "Customer ID" not in names:
        parts = [happened("customer.created", ["Created (UTC)"])]
    else:
        raise InputError(
            "data.payments",
            f"{path.name} holds neither events (id, type, created, data.object.…) nor the dashboard's"
            f" customers, subscriptions or payments; its columns are {', '.join(table.columns[:8])}",
        )
    return pl.concat(parts)


def _cents(amounts: pl.Series, path: Path) -> pl.Series:
    """Amounts as the dashboard writes them, 1,234.50, in whole cents."""
    cents = (amounts.str.replace_all(",", "").cast(pl.Float64, strict=False) * 100).round().cast(pl.Int64, strict=False)
    if wrong := amounts.filter(cents.is_null() & amounts.is_not_null()).to_list():
        what = f"{path.name} has {wrong[0][:40]!r} in column {amounts.name!r}, which is no amount"
        raise InputError("data.payments", what, "Amounts are written as 1,234.50.")
    return cents


def _moment(column: str) -> pl.Expr:
    formats = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
    return pl.coalesce(pl.col(column).str.to_datetime(f, strict=False).dt.epoch("s") for f in formats)


def _at(column: str, path: str) -> pl.Expr:
    return pl.col(column).str.json_path_match(path)
