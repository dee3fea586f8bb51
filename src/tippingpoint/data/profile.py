"""What a table holds, column by column: types, roles, what is missing, and what may leak the outcome."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from tippingpoint.data.contract import ColumnSpec, TableSchema
from tippingpoint.data.identity import INDEX, LIKE_ID
from tippingpoint.data.inference import NO_VALUE, feature, remarks
from tippingpoint.data.validation import as_text, parse

LEAK = 0.95
"""ROC AUC, either way round, from which on one column alone more likely knows the outcome than predicts it."""
PURE = 30
"""Users from which on it is suspicious that all with some value had the rarer outcome."""
ARM_NAME = re.compile(
    r"(?i)^(segment|arm|group|action|offer)$|(^|[^a-z])(treatment|treated|variant|test_group)([^a-z]|$)"
)
"""Names of columns that may say what was done to a user, where they have few values."""
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
    remark: str

    @property
    def like_action(self) -> bool:
        """Whether it may say what was done to the user, and no config says so."""
        return self.role in ("number", "category") and 2 <= self.distinct <= 10 and bool(ARM_NAME.search(self.name))

    @property
    def leaks(self) -> bool:
        """Whether it may be known only once the outcome is."""
        return bool(self.pure) or (self.alone is not None and self.alone >= LEAK)


def describe(table: pl.DataFrame, roles: dict[str, str], outcome: np.ndarray | None) -> list[Described]:
    """Describe each column.

    Parameters
    ----------
    roles
        Role of each column; numbers and categories that models see are asked whether they leak.
    outcome
        (n,) 0/1; None where it is not known.
    """
    described, odd = [], remarks(table, roles)
    for values in table:
        terms = ColumnSpec(type="text") if roles[values.name] == "id" else infer_terms(values)
        typed, _ = parse(values, terms.type)
        present = typed.drop_nulls()
        ordered = terms.type in ("number", "whole", "time") and len(present) > 0
        role = roles[values.name]
        asked = outcome if role in ("number", "category") else None
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
                alone=None if asked is None else alone(typed, asked),
                pure="" if asked is None else pure(typed, asked),
                remark=odd.get(values.name, ""),
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
) -> TableSchema:
    """A contract that the table holds, to be edited: ranges rounded outwards to two digits, ids as text.

    It says nothing of an index, nor of a column without any value.
    """
    columns = {}
    for values in table:
        _, why, _ = feature(values, None, first=values.name == table.columns[0])
        if why in (INDEX, NO_VALUE) and values.name not in (outcome, user_id, action, *measures):
            continue
        columns[values.name] = infer_terms(values)
        if why == LIKE_ID:
            columns[values.name] = ColumnSpec(type="text", missing=False)
    columns = columns or {values.name: infer_terms(values) for values in table}
    for name in filter(None, (outcome, action)):  # what no model sees: every word is one of its values
        if columns[name].type == "category":
            columns[name] = ColumnSpec(
                type="category", values=as_text(table[name]).str.strip_chars().unique().drop_nulls().sort().to_list()
            )
    if user_id is not None:
        columns[user_id] = ColumnSpec(type="text", missing=table[user_id].null_count() > 0)
    return TableSchema(outcome=outcome, id=user_id, action=action, measures=list(measures), columns=columns)


def infer_terms(values: pl.Series) -> ColumnSpec:
    """What one column holds. Numbers, then times, then categories are tried; the rest is text."""
    number, readable = parse(values, "number")
    if readable.all() and number.null_count() < len(number) and not values.dtype.is_temporal():
        finite = number.drop_nulls().is_finite().all()
        whole = finite and parse(values, "whole")[1].all()
        if finite:
            return _numeric(number, bool(whole))
    time, readable = parse(values, "time")
    if readable.all() and time.null_count() < len(time) and not values.dtype.is_numeric():
        return ColumnSpec(type="time", min=None, max=None, missing=time.null_count() > 0)
    text, _ = parse(values, "category")
    missing, distinct = text.null_count() > 0, text.drop_nulls().n_unique()
    if 0 < distinct <= min(LISTED, max(20, len(text) / 2)):
        return ColumnSpec(type="category", values=text.drop_nulls().unique().sort().to_list(), missing=missing)
    return ColumnSpec(type="text" if distinct > max(20, len(text) / 2) else "category", missing=missing)


def _numeric(number: pl.Series, whole: bool) -> ColumnSpec:
    present = number.drop_nulls()
    median = float(present.median())  # type: ignore[arg-type]  # of a column of numbers polars answers a number
    return ColumnSpec(
        type="whole" if whole else "number",
        min=_outwards(float(present.min()), math.floor),  # type: ignore[arg-type]  # of a column of numbers polars answers a number
        max=_outwards(float(present.max()), math.ceil),  # type: ignore[arg-type]  # of a column of numbers polars answers a number
        typical=float(f"{median:.3g}") or None,
        missing=number.null_count() > 0,
    )


def _outwards(bound: float, direction: Any) -> float:
    if bound == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(bound))) - 1)
    rounded = float(f"{direction(bound / step) * step:.12g}") if 0 < step < math.inf else bound
    # In floats the rounding itself may step over the bound it was to leave inside.
    inside = rounded <= bound if direction is math.floor else rounded >= bound
    return rounded if inside and math.isfinite(rounded) else bound


def _scalar(value: Any, terms: ColumnSpec) -> Any:
    return int(value) if terms.type == "whole" else value


def _auc(values: np.ndarray, outcome: np.ndarray) -> float | None:
    ones = int(outcome.sum())
    if not 0 < ones < len(outcome):
        return None
    above = rankdata(values)[outcome == 1].sum() - ones * (ones + 1) / 2
    return float(above / (ones * (len(outcome) - ones)))
