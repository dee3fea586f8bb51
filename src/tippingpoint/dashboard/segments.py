"""Who is in which segment: sizes, means and comparisons of decided users, under filters."""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import polars as pl

from tippingpoint.decisions import Deployment
from tippingpoint.experiment.decision import losers, losing_in_words, signed, together
from tippingpoint.offpolicy.statistics import Estimate

SCORE, VALUE, GAIN = "propensity_score", "expected_value", "expected_gain"
FIRST = re.compile(r"(?i)country|region|market|plan|subscription|device|tier|channel")
"""Categories people filter by first."""
WATCH = re.compile(r"(?i)(watch|content|play|listen).*(hours|minutes|time)|hours|minutes")
RECENCY = re.compile(r"(?i)(since|last).*(login|seen|active|visit|session)|recency|inactive")
MOST = 500
"""Values of a category that are offered; others are typed."""
FEW = 6
"""Values up to which a column of numbers is one of categories too, as 0 and 1 are."""
MISSING = "(missing)"
DECISIONS = re.compile(r"segment|action|model|policy_digest|policy_action|reason_\d")
BINS = 40


def categories(table: pl.DataFrame, user_id: str, hidden: Collection[str] = ()) -> dict[str, list[str]]:
    """Columns to filter by, and their values, the missing one too; those people filter by first come first.

    Numbers are offered where they have few values. Of a column of very many values the most frequent are given; such
    columns come last.
    """
    found, many = {}, set()
    for name, dtype in table.schema.items():
        text = dtype in (pl.String, pl.Boolean, pl.Categorical) or isinstance(dtype, pl.Enum)
        if name == user_id or DECISIONS.fullmatch(name) or name in {SCORE, VALUE, GAIN, *own_names(hidden)}:
            continue
        if not text and not (dtype.is_numeric() and table[name].n_unique() <= FEW):
            continue
        counted = table[name].drop_nulls().cast(pl.String).alias("value").value_counts(name="n")
        counted = counted.sort("n", "value", descending=[True, False])
        values = sorted(counted["value"].head(MOST).to_list()) + [MISSING] * (table[name].null_count() > 0)
        if len(counted) > MOST:
            many.add(name)
        if len(values) > 1:
            found[name] = values

    def last(name: str) -> tuple[bool, bool, bool]:
        return name in many, FIRST.search(name) is None, table[name].dtype.is_numeric()

    return {name: found[name] for name in sorted(found, key=last)}


def own_names(hidden: Collection[str]) -> set[str]:
    """What columns of users are called beside decisions."""
    return {*hidden, *(f"{name} (table)" for name in hidden)}


def numbers(table: pl.DataFrame, hidden: Sequence[str] = ()) -> list[str]:
    """Columns of numbers that belong to the users: watch time and recency first, those of few values last."""
    away = {SCORE, VALUE, GAIN, *own_names(hidden)}
    own = [n for n, t in table.schema.items() if t.is_numeric() and n not in away]
    first = [next((n for n in own if of.search(n)), None) for of in (WATCH, RECENCY)]
    rest = sorted(own, key=lambda name: table[name].n_unique() <= FEW)
    return list(dict.fromkeys([*filter(None, first), *rest]))


def by_habit(names: Sequence[str]) -> bool:
    """Whether columns of watch time and of recency are among them."""
    return all(any(of.search(name) for name in names) for of in (WATCH, RECENCY))


def filtered(table: pl.DataFrame, chosen: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """The users who have one of the chosen values in every column that is filtered by."""
    wanted = []
    for c, values in chosen.items():
        if not values:
            continue
        if isinstance(kind := table.schema[c], pl.Enum):
            known = pl.Series([v for v in values if v in kind.categories], dtype=kind)
            there = pl.col(c).is_in(known.implode()).fill_null(False)
        else:
            there = pl.col(c).cast(pl.String).is_in(list(values)).fill_null(False)
        wanted.append(there | pl.col(c).is_null() if MISSING in values else there)
    return table.filter(pl.all_horizontal(wanted)) if wanted else table


def free(name: str, taken: Collection[str]) -> str:
    """A name for a column of the users' own beside others."""
    while name in taken:
        name += " (table)"
    return name


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
        *(pl.col(c).cast(pl.Float64).mean().alias(free(f"mean {c}", ["mean score"])) for c in means),
        total(pl.col("expected_value")).alias("expected value"),
    )
    order = pl.DataFrame({"segment": list(segments), "action": [actions[s] for s in segments]})
    joined = order.join(found.cast({"segment": pl.String}), on="segment", how="left", maintain_order="left")
    share = (pl.col("users") / max(len(table), 1)).alias("share")
    return joined.with_columns(pl.col("users").fill_null(0)).select(
        "segment", "action", "users", share, pl.exclude("segment", "action", "users")
    )


def by_category(table: pl.DataFrame, column: str, segments: Sequence[str]) -> pl.DataFrame:
    """One row a value of a category, one column a segment: users."""
    name = free(column, segments)
    values = pl.col(column).cast(pl.String).fill_null(MISSING).alias(name)
    counted = table.group_by(values, pl.col("segment").alias(" segment")).agg(pl.len().alias(" users"))
    wide = counted.pivot(" segment", index=name, values=" users")
    names = [s for s in segments if s in wide.columns]
    total = pl.sum_horizontal(pl.col(names).fill_null(0))
    return wide.select(name, pl.col(names).fill_null(0)).sort(total, descending=True)


def engagement(table: pl.DataFrame, segments: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """Means of columns by segment, as a share of everyone's mean: 1 is the average user."""
    everyone = table.select(pl.col(c).cast(pl.Float64).mean() for c in columns)
    columns = [c for c in columns if (everyone[c].item() or 0) > 0 and table[c].min() >= 0]  # type: ignore[operator]  # numbers
    found = table.group_by("segment").agg(
        (pl.col(c).cast(pl.Float64).mean() / everyone[c].item()).alias(c) for c in columns
    )
    order = pl.DataFrame({"segment": list(segments)})
    return order.join(found.cast({"segment": pl.String}), on="segment", how="inner", maintain_order="left")


def histogram(table: pl.DataFrame, segments: Sequence[str]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Edges of equal bins of the score, and the users of each segment in them."""
    edges, counts = np.linspace(0, 1, BINS + 1), {}
    narrow = table.select("segment", SCORE)
    for segment in segments:
        counts[segment] = np.histogram(narrow.filter(pl.col("segment") == segment)[SCORE].to_numpy(), edges)[0]
    return edges, counts


def promised(deployment: Deployment, actions: Mapping[str, str]) -> tuple[pl.DataFrame, str]:
    """What the action of each segment brought test users of it over none, and which segments to drop, in words.

    Parameters
    ----------
    actions
        By segment, as the policy has them.

    Returns
    -------
    polars.DataFrame, str
        A row a segment that acts; intervals hold for all of them together. No row where nothing was measured.
    """
    unit = f"{deployment.economics.currency} per user of theirs"
    checks = {name: of for name, of in deployment.checks.items() if name in actions}
    found = {name: Estimate(of.measured, None, of.low, of.high) for name, of in checks.items()}
    apart = together(found)
    rows = [
        {
            "segment": name,
            "action": actions[name],
            f"uplift on test, {unit} ({deployment.evidence})": signed(apart.get(name, of)),
            "expected of the model": f"{checks[name].expected:+.3f}",
        }
        for name, of in found.items()
    ]
    return pl.DataFrame(rows), losing_in_words(losers(found), actions, f"{deployment.economics.currency} per user")
