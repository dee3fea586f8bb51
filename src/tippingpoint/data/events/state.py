"""What later days need of a log: with it a day's users are made of the events that came since, not of all."""

import json
import shutil
from datetime import date
from pathlib import Path
from uuid import uuid4

import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.data.events.exports import PAYMENTS, PRODUCT
from tippingpoint.data.events.features import Definition, Moment
from tippingpoint.data.events.snapshots import DAY, epoch

SPARE = 2
"""Days that are kept beyond those that features of the next day look back on: so many may be made up for."""
MANIFEST, KEPT = "state.json", 3
"""States of days that stay: an earlier day may be done again."""


def resume(
    folder: Path, day: date, definition: Definition, moment: Moment, product: pl.DataFrame, payments: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return product and payment events: what the newest day before kept, and what came since.

    Raises
    ------
    InputError
        When the state was kept for other features, or reaches back too little.
    """
    before = [day_of for day_of in _days(folder) if day_of < day]
    if not before:
        return product, payments
    at = folder / before[-1].isoformat()
    kept = json.loads((at / MANIFEST).read_text())
    needed = moment.at - moment.reached - definition.reach * DAY
    if kept["sign_up"] != definition.vocabulary.sign_up or needed < kept["since"]:
        what = f"{at} was kept for other features, or for days that come sooner"
        raise InputError("data.state", what, "Bring the whole log once, with another folder.")
    tables = []
    for name, new, schema in (("product", product, PRODUCT), ("payments", payments, PAYMENTS)):
        tables.append(pl.concat([pl.read_parquet(at / f"{name}.parquet"), new.select(list(schema)).cast(schema)]))
    return tables[0], tables[1]


def keep(folder: Path, day: date, definition: Definition, product: pl.DataFrame, payments: pl.DataFrame) -> None:
    """Write what features of later days need, whole or not at all.

    Of product events these are: those of the days that windows reach back to; all sign-ups; the first that joined two
    ids; and the first of each name, by which an event is known to be in the log.
    """
    since = epoch(day) - (definition.reach + SPARE) * DAY
    sign_up, received = definition.vocabulary.sign_up, pl.coalesce("received", "time")
    recent = (pl.min_horizontal("time", "received") >= since) | (pl.col("event") == sign_up)
    older = product.filter(~recent).sort(received, "distinct_id")
    joined = older.filter(pl.col("alias").is_not_null()).unique(["alias", "distinct_id"], keep="first")
    named = older.unique("event", keep="first")
    kept = pl.concat([product.filter(recent), joined, named])
    temporary = folder / f".{day}-{uuid4().hex}"
    temporary.mkdir(parents=True)
    kept.select(list(PRODUCT)).write_parquet(temporary / "product.parquet", compression="lz4")
    payments.write_parquet(temporary / "payments.parquet")
    (temporary / MANIFEST).write_text(json.dumps({"since": since, "sign_up": sign_up}))
    target = folder / day.isoformat()
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    for old in _days(folder)[:-KEPT]:
        shutil.rmtree(folder / old.isoformat())


def _days(folder: Path) -> list[date]:
    """The days whose state is there, the first one first."""
    return sorted(date.fromisoformat(of.parent.name) for of in folder.glob(f"????-??-??/{MANIFEST}"))
