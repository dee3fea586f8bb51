"""Mixpanel's raw export of product events, read and written."""

from typing import IO

import polars as pl

from tippingpoint.data.events.exports import (
    PRODUCT,
    Properties,
    complete,
    epoch_second,
    read_objects,
    write_objects,
)

WANTED = {
    "time": "DOUBLE",
    "distinct_id": "VARCHAR",
    "$insert_id": "VARCHAR",
    "mp_processing_time_ms": "DOUBLE",
    "$mp_api_timestamp_ms": "DOUBLE",
    "$anon_id": "VARCHAR",
    "$anon_distinct_id": "VARCHAR",
    "alias": "VARCHAR",
    "$distinct_ids": "VARCHAR[]",
    "$user_id": "VARCHAR",
    "$device_id": "VARCHAR",
}
"""Properties of Mixpanel's own, with their DuckDB types."""
JOINS = ["$create_alias", "$identify", "$merge"]
"""Events that say that two ids are one person."""


def read_mixpanel(path: str, properties: Properties) -> pl.DataFrame:
    """Read a raw export (JSON lines, or one JSON array), columns as in PRODUCT.

    Two ids of one person are learnt from `$identify`, `$create_alias` and `$merge` events, and from events
    that carry both a `$user_id` and a `$device_id`. An event without `$insert_id` counts as one of its own.

    Raises
    ------
    InputError
        For a path without files, a line that is not JSON, events without name or time.
    """
    wanted = {
        **WANTED,
        properties.seconds: "DOUBLE",
        properties.platform: "VARCHAR",
        properties.country: "VARCHAR",
        properties.variant: "VARCHAR",
    }
    quoted = ", ".join(f'"{name.replace(chr(34), 2 * chr(34))}" {kind}' for name, kind in wanted.items())
    found = read_objects("data.product", path, {"event": "VARCHAR", "properties": f"STRUCT({quoted})"})
    both = pl.col("$distinct_ids")
    table = found.select("event", pl.col("properties").struct.field(*wanted)).select(
        pl.coalesce(both.list.get(0, null_on_oob=True), "distinct_id").alias("distinct_id"),
        "event",
        epoch_second("time").alias("time"),
        pl.coalesce("$insert_id", "row " + pl.row_index().cast(pl.String)).alias("insert_id"),
        epoch_second(pl.coalesce("mp_processing_time_ms", "$mp_api_timestamp_ms")).alias("received"),
        pl.coalesce(
            both.list.get(1, null_on_oob=True),
            "$anon_id",
            "$anon_distinct_id",
            pl.when(pl.col("event").is_in(JOINS)).then("alias"),
            pl.when(pl.col("$user_id").is_not_null()).then("$device:" + pl.col("$device_id")),
        ).alias("alias"),
        pl.col(properties.variant).alias("variant"),
        pl.col(properties.seconds).round().cast(pl.Int64, strict=False).alias("seconds"),
        pl.col(properties.platform).alias("platform"),
        pl.col(properties.country).alias("country"),
    )
    complete("data.product", path, table["event"], "event")
    complete("data.product", path, table["time"], "properties.time")
    return table.cast(PRODUCT)


def write_mixpanel(table: pl.DataFrame, properties: Properties, file: IO[bytes]) -> None:
    """Write events (columns as in PRODUCT) as a raw export: one JSON object a line."""
    merge, identify = pl.col("event") == "$merge", pl.col("event") == "$identify"
    fields = pl.struct(
        pl.col("time"),
        pl.col("distinct_id"),
        pl.col("insert_id").alias("$insert_id"),
        (pl.col("received") * 1000).alias("mp_processing_time_ms"),
        pl.when(identify).then("alias").alias("$anon_id"),
        pl.when(identify).then("distinct_id").alias("$identified_id"),
        pl.when(merge).then(pl.concat_list("distinct_id", "alias")).alias("$distinct_ids"),
        pl.col("variant").alias(properties.variant),
        pl.col("seconds").alias(properties.seconds),
        pl.col("platform").alias(properties.platform),
        pl.col("country").alias(properties.country),
    )
    write_objects(table.select(pl.struct("event", fields.alias("properties"))).to_series(), file)
