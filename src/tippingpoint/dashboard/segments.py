"""Who is in which segment: sizes, means and comparisons of decided users, under filters."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

SCORE = "propensity_score"
FIRST = re.compile(r"(?i)country|region|market|plan|subscription|device|tier|channel")
"""Categories people filter by first."""
WATCH = re.compile(r"(?i)(watch|content|play|listen).*(hours|minutes|time)|hours|minutes")
RECENCY = re.compile(r"(?i)(since|last).*(login|seen|active|visit|session)|recency|inactive")
MOST = 60
"""Values of a category that is offered as a filter."""
DECISIONS = re.compile(r"segment|action|model|policy_digest|policy_action|reason_\d")
BINS = 40


def categories(table: pl.DataFrame, user_id: str) -> dict[str, list[str]]:
    """Columns to filter by, and their values; those people filter by first come first."""
    found = {}
    for name, dtype in table.schema.items():
        if name == user_id or DECISIONS.fullmatch(name) or dtype not in (pl.String, pl.Boolean, pl.Categorical):
            continue
        values = table[name].drop_nulls().unique().cast(pl.String).sort().to_list()
        if 2 <= len(values) <= MOST:
            found[name] = values
    return dict(sorted(found.items(), key=lambda item: FIRST.search(item[0]) is None))


def numbers(table: pl.DataFrame, hidden: Sequence[str] = ()) -> list[str]:
    """Columns of numbers that belong to the users, watch time and recency first."""
    own = [n for n, t in table.schema.items() if t.is_numeric() and n not in (SCORE, "expected_value", *hidden)]
    first = [next((n for n in own if of.search(n)), None) for of in (WATCH, RECENCY)]
    return list(dict.fromkeys([*filter(None, first), *own]))


def filtered(table: pl.DataFrame, chosen: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """The users who have one of the chosen values in every column that is filtered by."""
    wanted = [pl.col(c).cast(pl.String).is_in(list(values)) for c, values in chosen.items() if values]
    return table.filter(pl.all_horizontal(wanted)) if wanted else table


def total(values: pl.Expr) -> pl.Expr:
    """The sum; unknown where one of them is."""
    return pl.when(values.null_count() == 0).then(values.sum())


def by_segment(
    table: pl.DataFrame, segments: Sequence[str], actions: Mapping[str, str], means: Sequence[str]
) -> pl.DataFrame:
    """One row a segment, empty ones too: action, users, share, mean score, means of columns, expected value in all."""
    found = table.group_by("segment").agg(
        pl.len().alias("users"),
        pl.col(SCORE).mean().alias("mean score"),
        *(pl.col(c).cast(pl.Float64).mean().alias(f"mean {c}") for c in means),
        total(pl.col("expected_value")).alias("expected value"),
    )
    order = pl.DataFrame({"segment": list(segments), "action": [actions[s] for s in segments]})
    joined = order.join(found, on="segment", how="left", maintain_order="left")
    share = (pl.col("users") / max(len(table), 1)).alias("share")
    return joined.with_columns(pl.col("users").fill_null(0)).select(
        "segment", "action", "users", share, pl.exclude("segment", "action", "users")
    )


def by_category(table: pl.DataFrame, column: str, segments: Sequence[str]) -> pl.DataFrame:
    """One row a value of a category, one column a segment: users."""
    counted = table.group_by(pl.col(column).cast(pl.String).fill_null("missing"), "segment").len()
    wide = counted.pivot("segment", index=column, values="len")
    names = [s for s in segments if s in wide.columns]
    total = pl.sum_horizontal(pl.col(names).fill_null(0))
    return wide.select(column, pl.col(names).fill_null(0)).sort(total, descending=True)


def engagement(table: pl.DataFrame, segments: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Means of columns by segment, as a share of everyone's mean: 1 is the average user."""
    everyone = table.select(pl.col(c).cast(pl.Float64).mean() for c in columns)
    columns = [c for c in columns if (everyone[c].item() or 0) > 0 and table[c].min() >= 0]  # type: ignore[operator]
    found = table.group_by("segment").agg(
        (pl.col(c).cast(pl.Float64).mean() / everyone[c].item()).alias(c) for c in columns
    )
    order = pl.DataFrame({"segment": list(segments)})
    return order.join(found, on="segment", how="inner", maintain_order="left")


def histogram(table: pl.DataFrame, segments: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Edges of equal bins of the score, and the users of each segment in them."""
    edges = np.linspace(0, 1, BINS + 1)
    counts = {}
    for segment in segments:
        counts[segment] = np.histogram(table.filter(pl.col("segment") == segment)[SCORE].to_numpy(), edges)[0]
    return edges, counts
