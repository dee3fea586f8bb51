"""Categories a model never learnt from: which the users of a table hold, in how many rows, and what they look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.preprocessing import OneHotEncoder

from tippingpoint.core.on_demand import polars as pl
from tippingpoint.data.column_rules import MISSING
from tippingpoint.data.validation import as_text
from tippingpoint.models.calibration import pipeline_of

KEPT = 100
"""Values of a column that are counted one by one; from there on they count together."""
OTHERS = "…"


def learnt(classifier: Any) -> dict[str, frozenset[str]]:
    """The categories of each column a fitted model learnt from; none of a model that does not encode them one-hot."""
    prepare = pipeline_of(classifier).named_steps.get("prepare")
    encoder = getattr(prepare, "named_transformers_", {}).get("category")
    if not isinstance(encoder, OneHotEncoder) or not hasattr(encoder, "categories_"):
        return {}
    each = zip(encoder.feature_names_in_, encoder.categories_, strict=True)
    return {str(name): frozenset(level for level in levels if isinstance(level, str)) for name, levels in each}


def count(table: pl.DataFrame, known: Mapping[str, frozenset[str]]) -> tuple[int, dict[str, dict[str, int]]]:
    """Return how many rows hold a category never learnt from, and by column how many hold which, as they are written.

    A value with blanks around it is one, too, though it is read without them.
    """
    rows, found = np.zeros(len(table), dtype=bool), {}
    for name, categories in known.items():
        text = as_text(table[name])
        distinct = text.unique().drop_nulls()
        bare = distinct.str.strip_chars()
        strange = distinct.filter(~(distinct.is_in(categories) & bare.is_in(categories)) & ~bare.is_in(MISSING))
        if len(strange):
            held = text.is_in(strange.implode())
            rows |= held.fill_null(False).to_numpy()
            counts = text.filter(held).alias("value").value_counts(name="n")
            found[name] = most(dict(counts.sort("n", "value", descending=[True, False]).iter_rows()))
    return int(rows.sum()), found


def most(counts: dict[str, int]) -> dict[str, int]:
    """The counts of the first values, and those of all others together."""
    first = dict([item for item in counts.items() if item[0] != OTHERS][:KEPT])
    others = sum(counts.values()) - sum(first.values())
    return first | ({OTHERS: others} if others else {})


def named(
    counts: Mapping[str, Mapping[str, int]], known: Mapping[str, frozenset[str]]
) -> list[dict[str, str | int | None]]:
    """One entry a value, the most frequent of a column first: `column`, `value`, `rows` and `learnt_as`.

    That is the category of training from which it differs in case or blanks around it only; None where there is none.
    """
    entries: list[dict[str, str | int | None]] = []
    for column, values in counts.items():
        folded = {category.strip().casefold(): category for category in sorted(known.get(column, ()))}
        for value, rows in sorted(values.items(), key=lambda item: -item[1]):
            bare = value.strip()
            like = bare if bare in known.get(column, ()) else folded.get(bare.casefold())
            entries.append({"column": column, "value": value, "rows": rows, "learnt_as": like})
    return entries
