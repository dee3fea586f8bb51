"""Contracts at the door: each row of a table is let in, or set aside with every reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.contract import NOUN, ColumnSpec, TableSchema, Type

MISSING = ["", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-nan", "-NaN", "null", "NULL", "None", "?"]
"""What stands for a missing value: pandas' list and ?, so that a file read with pandas scores as it was learnt from."""
CLOCKS = timedelta(hours=14)
"""How far ahead of UTC clocks go; only what lies beyond is in the future."""
SHIFT = 1000
TOLD = 20
"""Values from which on a median is compared with the typical one."""
TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")


@dataclass(frozen=True)
class Checked:
    """What came of a table at the door.

    Parameters
    ----------
    table
        The rows let in: the contract's columns in its order and types, then the others as they came.
    rows
        (n,) their positions in the table.
    broken
        The rows set aside as they came, every value as text, after `row` (from 1) and `reason`.
    reasons
        What was broken, and in how many rows; the worst first.
    """

    table: pl.DataFrame
    rows: np.ndarray
    broken: pl.DataFrame
    reasons: dict[str, int]


@dataclass(frozen=True)
class _Rule:
    """One way to break a contract: the name dataframely knows it by, the column, and how it is said."""

    name: str
    column: str
    said: str


def check(table: pl.DataFrame, contract: TableSchema, now: datetime) -> Checked:
    """Hold a table against its contract.

    Parameters
    ----------
    now
        The time in UTC, without a zone; what lies after it is in the future.

    Raises
    ------
    InputError
        When the table lacks columns.
    """
    if lacking := [name for name in contract.columns if name not in table.columns]:
        others = [name for name in table.columns if name not in contract.columns]
        raise InputError(
            "data.contract",
            f"the table lacks {len(lacking)} of the contract's {len(contract.columns)} columns:"
            f" {', '.join(map(repr, lacking))}",
            " ".join([*([nearest(lacking[0], others)] if others else []), "Else take it out of the contract."]),
        )
    # Names are numbered, because a column may be called like a pattern of polars or a method of dataframely.
    schema: dict[str, Any] = {"__annotations__": {}}
    frame: dict[str, pl.Series] = {}
    rules: list[_Rule] = []
    for i, (name, terms) in enumerate(contract.columns.items()):
        words = MISSING if name in (contract.outcome, contract.action) else None  # no model sees these
        typed, readable = parse(table[name], terms.type, terms.values or words)
        shifted = shifted_unit(typed, terms)
        frame |= {f"c{i}": typed, f"r{i}": readable, f"u{i}": typed.is_null() if shifted else _all(len(table))}
        schema |= {f"c{i}": _column(terms, now), f"r{i}": _flag(), f"u{i}": _flag()}
        values = len(table) - int((typed.is_null() & readable).sum())
        changed = " (type changed)" if int((~readable).sum()) > values / 2 else ""
        rules += [
            _Rule(f"r{i}|check__holds", name, f"is not {NOUN[terms.type]}{changed}"),
            _Rule(f"c{i}|nullability", name, "is missing"),
            _Rule(f"c{i}|inf", name, "is not finite"),
            _Rule(f"c{i}|check__past", name, "lies in the future"),
            _Rule(f"c{i}|check__seen", name, "is an unseen category"),
            _Rule(f"u{i}|check__holds", name, f"has its unit shifted by {SHIFT:,}: {shifted}"),
            _Rule(f"c{i}|min", name, f"is below {_said(terms.min)}"),
            _Rule(f"c{i}|max", name, f"is above {_said(terms.max)}"),
        ]
        if name == contract.id:
            once, alone = _repeated(table, typed)
            frame |= {"once": once, "alone": alone}
            schema |= {"once": _flag(), "alone": _flag()}
            rules.append(_Rule("once|check__holds", name, "stands there again in the same row"))
            rules.append(_Rule("alone|check__holds", name, "is a repeated id"))
    numbered = pl.DataFrame({"row": pl.int_range(len(table), eager=True), **frame})
    schema["row"] = dy.Int64()
    good, failure = _schema(schema).filter(numbered)
    broken, reasons = _broken(table, failure.details().sort("row"), rules)
    columns = {}
    for i, (name, terms) in enumerate(contract.columns.items()):
        columns[name] = good[f"c{i}"].cast(pl.Int64) if terms.type == "whole" else good[f"c{i}"]
    rows = good["row"].to_numpy()
    rest = {name: table[name].gather(rows) for name in table.columns if name not in contract.columns}
    return Checked(pl.DataFrame(columns | rest), rows, broken, reasons)


def stand_ins(listed: Sequence[str] | None) -> list[str]:
    """What stands for a missing category: NA is none where a contract lists it, as Namibia."""
    return [word for word in MISSING if word not in (listed or ())]


def parse(values: pl.Series, kind: Type, listed: Sequence[str] | None = None) -> tuple[pl.Series, pl.Series]:
    """Read a column as a contract's type: Float64 for numbers, whole or not, String, or Datetime in UTC.

    Parameters
    ----------
    listed
        The categories a contract names.

    Returns
    -------
    polars.Series, polars.Series
        The values, null where missing or not readable; and whether each is readable, which missing ones are.
    """
    if kind in ("number", "whole"):
        missing, typed = _numbers(values)
        if kind == "whole":
            # Beyond 2^53 a float does not tell neighbours apart.
            fits = (typed == typed.floor()) & (typed.abs() < 2**53)
            typed = typed.set(~fits & typed.is_finite(), None)
    elif kind == "time":
        missing, typed = _times(values)
    else:
        typed = as_text(values).str.strip_chars().replace("", None)
        if kind == "category":
            typed = typed.set(typed.is_in(stand_ins(listed)), None)
        missing = typed.is_null()
    return typed, missing | typed.is_not_null()


def as_text(values: pl.Series) -> pl.Series:
    """Every value as it would be written; whole numbers without a point, so that 1.0 is the category 1."""
    if values.dtype.is_float():
        present = values.drop_nulls().drop_nans()
        values = values.fill_nan(None)
        if ((present == present.floor()) & (present.abs() < 2**53)).all():
            values = values.cast(pl.Int64)
    if values.dtype == pl.Boolean or values.dtype.is_numeric() or values.dtype in (pl.String, pl.Date, pl.Datetime):
        return values.cast(pl.String)
    if values.dtype in (pl.Categorical, pl.Enum, pl.Null):
        return values.cast(pl.String)
    return pl.Series(values.name, [None if v is None else str(v) for v in values.to_list()], dtype=pl.String)


def _numbers(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    if values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null):
        number = values.cast(pl.Float64, strict=False).fill_nan(None)
        return number.is_null(), number
    text = as_text(values).str.strip_chars()
    text = text.set(text.is_in(MISSING), None)
    temporal = values.dtype.is_temporal()
    number = (
        pl.Series(values.name, [None] * len(values), pl.Float64) if temporal else text.cast(pl.Float64, strict=False)
    )
    return text.is_null(), number.fill_nan(None)


def _times(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    if values.dtype == pl.Date:
        values = values.cast(pl.Datetime("us"))
    if isinstance(values.dtype, pl.Datetime):
        zoned = values.dtype.time_zone is not None
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zoned else values
        return values.is_null(), values.cast(pl.Datetime("us"))
    text = as_text(values).str.strip_chars()
    text = text.set(text.is_in(MISSING), None)
    zoned_text = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False).dt.replace_time_zone(None)
    plain = [text.str.to_datetime(form, time_unit="us", strict=False) for form in TIMES]
    frame = pl.DataFrame([s.alias(f"t{k}") for k, s in enumerate([*plain, zoned_text])])
    return text.is_null(), frame.select(pl.coalesce(frame.columns)).to_series().alias(values.name)


def _schema(members: dict[str, Any]) -> type[dy.Schema]:
    return type("Door", (dy.Schema,), members)


def _column(terms: ColumnSpec, now: datetime) -> Any:
    bounds: Any = {"nullable": terms.missing, "min": terms.min, "max": terms.max}
    if terms.type in ("number", "whole"):
        return dy.Float64(**bounds)
    if terms.type == "time":
        return dy.Datetime(**bounds, check={"past": lambda column: column <= now + CLOCKS})
    values = terms.values
    return dy.String(nullable=terms.missing, check={"seen": lambda c: c.is_in(values)} if values else None)


def _flag() -> Any:
    return dy.Bool(check={"holds": lambda column: column})


def _all(n: int) -> pl.Series:
    return pl.repeat(True, n, eager=True)


def _repeated(table: pl.DataFrame, ids: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Whether each row is no copy of an earlier one, and whether its id stands in no row that differs from it."""
    once, alone = np.ones(len(table), dtype=bool), np.ones(len(table), dtype=bool)
    rows = (ids.is_duplicated() & ids.is_not_null()).arg_true().to_numpy()
    if len(rows):
        text = pl.DataFrame({f"t{k}": as_text(table[name])[rows] for k, name in enumerate(table.columns)})
        once[rows] = text.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
        left = rows[once[rows]]
        alone[left] = ids[left].is_unique().to_numpy()
    return pl.Series(once), pl.Series(alone)


def shifted_unit(typed: pl.Series, terms: ColumnSpec) -> str:
    """How a median speaks of a shifted unit; nothing if it does not."""
    if terms.type not in ("number", "whole"):
        return ""
    finite = typed.drop_nulls()
    finite = finite.filter(finite.is_finite())
    median = float(finite.median() or 0)  # type: ignore[arg-type]  # of a column of numbers these are numbers
    if terms.typical is not None:
        ratio = median / terms.typical
        off = len(finite) >= TOLD and any(SHIFT / 3 <= r <= SHIFT * 3 for r in (ratio, 1 / ratio if ratio else 0))
        return f"the median is {median:,.6g}, not about {terms.typical:,.6g}" if off else ""
    low = -np.inf if terms.min is None else float(terms.min)  # type: ignore[arg-type]  # of a column of numbers these are numbers
    high = np.inf if terms.max is None else float(terms.max)  # type: ignore[arg-type]  # of a column of numbers these are numbers
    # Without a typical value only a median far outside speaks, which comes to lie inside when shifted back.
    far = median > 10 * high > 0 or 0 < median < low / 10
    back = low <= median / SHIFT <= high or low <= median * SHIFT <= high
    return f"the median is {median:,.6g}, not within {_said(low)} to {_said(high)}" if far and back else ""


def _said(bound: object) -> str:
    return f"{bound:,.6g}" if isinstance(bound, float) else str(bound)


def _broken(table: pl.DataFrame, details: pl.DataFrame, rules: list[_Rule]) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows set aside with what each broke, and what was broken how often."""
    rows = details["row"].to_numpy()
    text = {name: as_text(table[name])[rows] for name in table.columns}
    reasons: dict[str, int] = {}
    parts: list[pl.Series] = []
    for rule in rules:
        if rule.name not in details.columns:
            continue
        broke = details[rule.name].cast(pl.String) == "invalid"
        if rule.name.endswith("|nullability"):  # what cannot be read is null too, and said already
            broke &= details[rule.name.replace("c", "r").split("|")[0]]
        if not (count := int(broke.sum())):
            continue
        value = text[rule.column]
        shown = pl.select(pl.when(value.is_null()).then(pl.lit("")).otherwise(pl.format(" {}", value.str.slice(0, 40))))
        said = pl.format("{}{} {}", pl.lit(rule.column), shown.to_series(), pl.lit(rule.said))
        parts.append(pl.select(pl.when(pl.lit(broke)).then(said)).to_series().alias(str(len(parts))))
        reasons[_general(rule, value.filter(broke))] = count
    parts = parts or [pl.Series("none", [], pl.String)]
    reason = pl.DataFrame(parts).select(pl.concat_str(pl.all(), separator="; ", ignore_nulls=True)).to_series()
    own = {"row": pl.Series(rows + 1), "reason": reason}
    named = {free(name, table.columns): column for name, column in own.items()}
    return pl.DataFrame({**named, **text}), dict(sorted(reasons.items(), key=lambda item: -item[1]))


def _general(rule: _Rule, values: pl.Series) -> str:
    examples = values.drop_nulls().unique(maintain_order=True)
    shown = ", ".join(repr(value[:40]) for value in examples.head(3)) + (", …" if len(examples) > 3 else "")
    return f"{rule.column} {rule.said}" + (f" ({shown})" if shown else "")


def free(name: str, taken: list[str]) -> str:
    """The name, with as many _ behind it as tell it from those taken."""
    return name if name not in taken else free(f"{name}_", taken)
