"""What a table holds, column by column: types, roles, what is missing, and what may leak the outcome."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from tippingpoint.data.column_rules import INFINITE, MISSING, is_whole
from tippingpoint.data.contract import KINDS, ColumnSpec, TableSchema, proposed_label
from tippingpoint.data.days import Days
from tippingpoint.data.identity import INDEX
from tippingpoint.data.inference import A_CHANCE, NO_VALUE, Feature, feature, remarks
from tippingpoint.data.number_format import Marks, Reading, recognised
from tippingpoint.data.times import TimeReading
from tippingpoint.data.validation import as_text, parse

LEAK = 0.95
"""ROC AUC, either way round, from which on one column alone more likely knows the outcome than predicts it."""
PURE = 30
"""Users from which on it is suspicious that all with some value had the rarer outcome."""
ARM_NAME = re.compile(
    r"(?i)^(segment|arm|group|action|offer)$|(^|[^a-z])(treatment|treated|variant|test_group)([^a-z]|$)"
)
"""Names of columns that may say what was done to a user, where they have few values."""
STAYS = (NO_VALUE, "constant", A_CHANCE)
"""Reasons why no model sees a column that are the same with a contract."""
LISTED = 50
"""Categories up to which a contract lists all of them."""


@dataclass(frozen=True)
class Described:
    """One column of a table.

    Parameters
    ----------
    role
        What it is to the jobs: outcome, id, number, category…, or `not seen: ` and why.
    type
        Its type, in a contract's words.
    missing
        Share of the rows.
    distinct
        Different values, a missing one aside.
    low, high
        Smallest and largest number or time; None for text and categories.
    example
        The first value there is.
    alone
        ROC AUC with which it alone tells the outcome, either way round; None where that cannot be asked.
    pure
        The values whose users all had the rarer outcome, and how many they are; empty if there are none.
    remark
        What is odd about it as a feature; empty if nothing is.
    written
        How its numbers are written (`1.568,43 €`), or what a time is counted to; empty: as 1568.43.
    odd
        Words that stand for missing numbers or times, and how often.
    """

    name: str
    role: str
    type: str
    missing: float
    distinct: int
    low: Any
    high: Any
    example: str
    alone: float | None
    pure: str
    remark: str = ""
    written: str = ""
    odd: dict[str, int] = field(default_factory=dict)

    @property
    def like_action(self) -> bool:
        """Whether it may say what was done to the user, and no config says so."""
        return self.role in ("number", "category") and 2 <= self.distinct <= 10 and bool(ARM_NAME.search(self.name))

    @property
    def leaks(self) -> bool:
        """Whether it may be known only once the outcome is."""
        return bool(self.pure) or (self.alone is not None and self.alone >= LEAK)


def describe(
    table: pl.DataFrame,
    roles: dict[str, str],
    outcome: np.ndarray | None,
    marks: Marks = (None, None),
    days: Days | None = None,
) -> list[Described]:
    """Describe each column.

    Parameters
    ----------
    roles
        Role of each column; numbers and categories that models see are asked whether they leak.
    outcome
        (n,) 0/1; None where it is not known.
    marks
        Decimal and thousands signs, where they are given.
    days
        Times that are features.
    """
    features = {values.name: feature(values, None, values.name == table.columns[0], marks) for values in table}
    odd = remarks(table, roles, {name: f.written for name, f in features.items()})
    odd |= days.remarks if days else {}
    described = []
    for values in table:
        found = features[values.name]
        terms = ColumnSpec(type="text") if roles[values.name] == "id" else infer_terms(values, marks, found)
        typed, _ = parse(values, terms.type, terms.values, terms)
        present = typed.drop_nulls()
        ordered = terms.type in ("number", "whole", "time") and len(present) > 0
        role = roles[values.name]
        asked = outcome if role in ("number", "category") else None
        own = days.columns.get(values.name) if days else None
        felt = typed if own is None else own
        described.append(
            Described(
                name=values.name,
                role=role,
                type=terms.type,
                missing=typed.null_count() / len(typed) if len(typed) else 0.0,
                distinct=present.n_unique(),
                low=_scalar(present.min(), terms) if ordered else None,
                high=_scalar(present.max(), terms) if ordered else None,
                example=(as_text(values).drop_nulls().head(1).to_list() or [""])[0],
                alone=None if asked is None else alone(felt, asked),
                pure="" if asked is None else pure(felt, asked),
                remark=odd.get(values.name, ""),
                written=f"days before {days.before}" if days and own is not None else _written(terms),
                odd=found.odd,
            )
        )
    return described


def alone(values: pl.Series, outcome: np.ndarray) -> float | None:
    """ROC AUC with which one column tells the outcome, either way round; the best of three ways to look.

    Numbers are taken as they stand, and any column by whether it is missing. Categories are taken by
    the outcome's rate among the even rows that have them, judged on the odd rows, and the other way round: many
    small categories would else seem to tell what they only remember.

    Returns
    -------
    float or None
        None where only one outcome is left.
    """
    ways = [_auc(values.is_null().to_numpy(), outcome)]
    if values.dtype == pl.String:
        frame = pl.DataFrame({"value": values, "y": outcome}).with_row_index()
        halves = [frame.filter(pl.col("index") % 2 == k) for k in (0, 1)]
        found = []
        for seen, other in (halves, halves[::-1]):
            rates = seen.group_by("value").agg(pl.col("y").mean().alias("rate"))
            judged = other.join(rates, on="value", how="left", nulls_equal=True, maintain_order="left")
            found.append(_auc(judged["rate"].fill_null(float(outcome.mean())).to_numpy(), judged["y"].to_numpy()))
        told = [auc for auc in found if auc is not None]
        ways.append(sum(told) / len(told) if told else None)
    else:
        there = values.is_not_null().to_numpy()
        ways.append(_auc(values.drop_nulls().to_physical().to_numpy(), outcome[there]))
    return max((max(auc, 1 - auc) for auc in ways if auc is not None), default=None)


def pure(values: pl.Series, outcome: np.ndarray) -> str:
    """Values whose users all had the rarer outcome: one category, or all numbers from some end on.

    Told only of PURE users and more, and where chance gives so many in a row less than once in 1e9 times. The
    commoner outcome is not asked about: that those who never came never bought is no leak.
    """
    rarer = int(outcome.mean() <= 0.5)
    share = float((outcome == rarer).mean())
    enough = max(PURE, math.log(1e-9) / math.log(share)) if 0 < share < 1 else math.inf
    frame = pl.DataFrame({"value": values, "hit": outcome == rarer})
    counts = frame.group_by("value").agg(pl.len().alias("n"), pl.col("hit").all().alias("pure")).sort("value")
    if values.dtype != pl.String:
        known = counts.drop_nulls("value")
        for end, ordered in (("up", known.reverse()), ("down", known)):
            run = ordered.head(int(ordered["pure"].cum_min().sum()))
            if (n := int(run["n"].sum())) >= enough:
                return f"all {n:,} users from {run['value'][-1]:,.6g} {end}"
        counts = counts.filter(pl.col("value").is_null())
    found = counts.filter(pl.col("pure") & (pl.col("n") >= enough)).sort("n", descending=True)
    if found.is_empty():
        return ""
    value, n, _ = found.row(0)
    return f"all {n:,} users " + ("where it is missing" if value is None else f"with {value}")


def infer(
    table: pl.DataFrame,
    outcome: str | None,
    user_id: str | None,
    action: str | None = None,
    measures: Sequence[str] = (),
    marks: Marks = (None, None),
) -> TableSchema:
    """A contract that the table holds, to be edited: ranges rounded outwards to two digits, ids as text.

    A job with it reads the same features of the table as one without. It says nothing of an index, nor of a column
    without any value.
    """
    columns = {}
    for values in table:
        found = feature(values, None, values.name == table.columns[0], marks)
        plays = values.name in (outcome, user_id, action, *measures)
        if found.why in (INDEX, NO_VALUE) and not plays:
            continue
        terms = infer_terms(values, marks, found)
        if found.kind is None and found.why not in STAYS and not plays and terms.type in KINDS:
            terms = ColumnSpec(type="text", missing=values.null_count() > 0, meaning=found.why)
        columns[values.name] = terms
        if terms.type in KINDS and not plays:
            columns[values.name] = terms.model_copy(update={"label": proposed_label(values.name)})
    columns = columns or {values.name: infer_terms(values, marks) for values in table}
    for name in filter(None, (outcome, action)):  # what no model sees: every word is one of its values
        if columns[name].type == "category":
            values = as_text(table[name]).str.strip_chars()
            columns[name] = ColumnSpec(
                type="category",
                values=values.unique().drop_nulls().sort().to_list(),
                missing=values.null_count() > 0,
            )
    if user_id is not None:
        columns[user_id] = ColumnSpec(type="text", missing=table[user_id].null_count() > 0)
    return TableSchema(outcome=outcome, id=user_id, action=action, measures=list(measures), columns=columns)


def infer_terms(values: pl.Series, marks: Marks = (None, None), found: Feature | None = None) -> ColumnSpec:
    """What one column holds: a number or a category if models would see it as such; else a time if it is, or text.

    Parameters
    ----------
    marks
        Decimal and thousands signs, where they are given.
    found
        What it is to a model, where that is known already.
    """
    found = found or feature(values, None, marks=marks)
    reading = found.reading if isinstance(found.reading, Reading) else None
    if found.why == "constant" and values.dtype == pl.String:
        reading = recognised(values, MISSING, marks)
    if reading or values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return _numeric(values, reading)
    if found.kind is None and not values.dtype.is_nested():
        reads = found.reading if isinstance(found.reading, TimeReading) else None
        spec = (
            ColumnSpec(type="time", also_missing=reads.also_missing, month_first=reads.month_first) if reads else None
        )
        time, readable = parse(values, "time", spec=spec)
        if readable.all() and (newest := time.max()) is not None:
            late = newest > datetime.now(UTC).replace(tzinfo=None)  # type: ignore[operator]  # of times it is a time
            told = {"missing": time.null_count() > 0, "future": bool(late)}
            return (spec or ColumnSpec(type="time")).model_copy(update=told)
    text, _ = parse(values, "category")
    missing, distinct = text.null_count() > 0, text.drop_nulls().n_unique()
    if found.kind is None and found.why not in STAYS:
        return ColumnSpec(type="text", missing=missing)
    if 0 < distinct <= min(LISTED, max(20, len(text) / 2)):
        return ColumnSpec(type="category", values=text.drop_nulls().unique().sort().to_list(), missing=missing)
    return ColumnSpec(type="category", missing=missing)


def _numeric(values: pl.Series, reading: Reading | None) -> ColumnSpec:
    number = (reading.numbers if reading else values).cast(pl.Float64).fill_nan(None)
    present = number.filter(number.is_finite())
    infinite = len(present) < len(number) - number.null_count()
    words = [*(reading.also_missing if reading else []), *([INFINITE] if infinite else [])]
    written = reading.written.terms if reading and reading.written else {}
    missing = len(present) < len(number)
    if present.is_empty():
        return ColumnSpec(type="number", missing=missing, also_missing=words)
    median = float(present.median())  # type: ignore[arg-type]  # of a column of numbers polars answers a number
    return ColumnSpec(
        type="whole" if is_whole(present).all() else "number",
        min=_outwards(float(present.min()), math.floor),  # type: ignore[arg-type]  # of a column of numbers polars answers a number
        max=_outwards(float(present.max()), math.ceil),  # type: ignore[arg-type]  # of a column of numbers polars answers a number
        typical=float(f"{median:.3g}") or None,
        missing=missing,
        also_missing=words,
        **written,
    )


def _outwards(bound: float, direction: Any) -> float:
    if bound == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(bound))) - 1)
    rounded = float(f"{direction(bound / step) * step:.12g}") if 0 < step < math.inf else bound
    # In floats the rounding itself may step over the bound it was to leave inside.
    inside = rounded <= bound if direction is math.floor else rounded >= bound
    return rounded if inside and math.isfinite(rounded) else bound


def _written(terms: ColumnSpec) -> str:
    return "12/31/2026" if terms.month_first else str(terms.written or "")


def _scalar(value: Any, terms: ColumnSpec) -> Any:
    return int(value) if terms.type == "whole" else value


def _auc(values: np.ndarray, outcome: np.ndarray) -> float | None:
    ones = int(outcome.sum())
    if not 0 < ones < len(outcome):
        return None
    above = rankdata(values)[outcome == 1].sum() - ones * (ones + 1) / 2
    return float(above / (ones * (len(outcome) - ones)))
