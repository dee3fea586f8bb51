"""Sums of an experiment's table by arm and segment, in one pass over its rows, and the figures made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.inference import features
from tippingpoint.data.outcome_columns import HEAD
from tippingpoint.data.users import FeatureSchema, Users
from tippingpoint.economics import OUTCOME, Economics
from tippingpoint.measurement.arms_result import PER_1000, PER_USER
from tippingpoint.measurement.arms_table import ARM, GROUP, STREAMED, ArmsTable
from tippingpoint.offpolicy.arm_sums import ArmSums
from tippingpoint.offpolicy.arms import Figure

DRAWN = 200_000
"""Rows drawn for the test of balance."""
GOLDEN = 2_654_435_769
"""2³² over the golden ratio (Knuth's multiplicative hash)."""
ROUNDING = 1e-9
SEGMENT = "__segment"


@dataclass(frozen=True)
class Summed:
    """Columns, their sums, and which are yes or no.

    Parameters
    ----------
    names
        Of the C columns: how often a user counts, outcomes, parts of ratios, and columns known before.
    pre
        Positions of the last.
    rare
        Positions of those that are 0 or 1.
    """

    names: tuple[str, ...]
    pre: tuple[int, ...]
    sums: ArmSums
    rare: frozenset[int]

    def at(self, name: str) -> int:
        """Position of a column."""
        return self.names.index(name)


def summed(table: ArmsTable, pre: Sequence[str], ratios: Mapping[str, Sequence[str]]) -> Summed:
    """Go through the rows once.

    Raises
    ------
    InputError
        When a column of a ratio holds no numbers, or one of `pre` has too many values.
    """
    names, each, known = _columns(table, pre, ratios)
    sums, rare = _sums(table, each, None, known[0] if known else len(names))[""]
    return Summed(names, known, sums, rare)


def by_segment(
    table: ArmsTable, column: str, pre: Sequence[str], ratios: Mapping[str, Sequence[str]]
) -> dict[str, Summed]:
    """The same for each value of a column that was known before; those in which an arm has fewer than two are left out.

    Raises
    ------
    InputError
        When it has too many values.
    """
    names, each, known = _columns(table, pre, ratios)
    segment, levels = table.columns.levels(column, "segments")
    found = _sums(table, each, segment, known[0] if known else len(names))
    there = [level for level in levels if level in found and (found[level][0].units >= 2).all()]
    return {level: Summed(names, known, *found[level]) for level in there}


def _columns(
    table: ArmsTable, pre: Sequence[str], ratios: Mapping[str, Sequence[str]]
) -> tuple[tuple[str, ...], list[pl.Expr], tuple[int, ...]]:
    each = {"": pl.lit(1.0)} | {column.name: column.value for column in (*table.outcomes, *table.curve)}
    for name, pair in ratios.items():
        for part in pair:
            if part not in each:
                column = table.columns.outcome(part, f"ratios.{name}")
                if column.kind == "time":
                    raise InputError(f"ratios.{name}", f"{part!r} holds times, not numbers", "Name columns of numbers.")
                each[part] = column.value
    outcomes = len(each)
    for name in pre:
        each |= {f"pre {part}": of for part, of in table.columns.before(name)}
    return tuple(each), list(each.values()), tuple(range(outcomes, len(each)))


def _sums(
    table: ArmsTable, each: list[pl.Expr], segment: pl.Expr | None, known: int
) -> dict[str, tuple[ArmSums, frozenset[int]]]:
    """Sums by value of a segment, or of all users as ''; the last columns, from `known` on, are no outcomes."""
    frame, width = table.columns.frame, len(each)
    columns = [of.cast(pl.Float64).alias(f"c{k}") for k, of in enumerate(each)][1:]
    keys = [table.arm] + ([] if segment is None else [segment.alias(SEGMENT)])
    head = frame.head(HEAD).select(columns).collect(**STREAMED)
    shift = np.array([0.0, *(head[f"c{k}"].mean() or 0.0 for k in range(1, width))])
    weighed = table.chances is None
    used = [*keys, *columns, *([table.weight.alias("w")] if weighed else [])]
    rows = frame.select(used + ([] if table.group is None else [table.group]))
    about = [pl.len().alias("n")]
    for k in range(1, known):
        of = pl.col(f"c{k}")
        about += [(of != 0).sum().alias(f"some{k}"), of.min().alias(f"min{k}"), of.max().alias(f"max{k}")]
        if weighed or table.group is not None:
            about += [(of**2).sum().alias(f"squares{k}"), of.sum().alias(f"plain{k}")]
    kept = {k: pl.col(f"c{k}") - shift[k] for k in range(1, width)}
    kept = {0: pl.col("w"), **{k: of * pl.col("w") for k, of in kept.items()}} if weighed else kept
    totals = [of.sum().alias(f"t{k}") for k, of in kept.items()]
    totals += [] if weighed else [pl.len().cast(pl.Float64).alias("t0")]
    by = [ARM] + ([] if segment is None else [SEGMENT])
    if table.group is None:
        products = [(kept[i] * kept[j]).sum().alias(f"p{i}_{j}") for i in kept for j in kept if i <= j]
        found = rows.group_by(by).agg(*about, *totals, *products).collect(**STREAMED)
        return {level: _of_users(table, part, shift, known) for level, part in _levels(found)}
    found = rows.group_by(by).agg(*about, *totals).collect(**STREAMED)
    units = rows.group_by([GROUP, *by]).agg(totals).collect(**STREAMED)
    parts = dict(_levels(units))
    return {level: _of_groups(table, part, parts[level], shift, known) for level, part in _levels(found)}


def _levels(found: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    if SEGMENT not in found.columns:
        return [("", found)]
    return [(str(level[0]), part) for level, part in found.group_by(SEGMENT, maintain_order=True)]


def _of_users(table: ArmsTable, found: pl.DataFrame, shift: np.ndarray, known: int) -> tuple[ArmSums, frozenset[int]]:
    """From sums and products by arm."""
    width, arms, place = len(shift), len(table.arms), table.numbers(found[ARM])
    total, square = np.zeros((arms, width)), np.zeros((arms, width, arms, width))
    for row, k in enumerate(place):
        total[k] += [found[f"t{j}"][row] for j in range(width)]
        for i in range(width):
            for j in range(i, width):
                product = f"p{i}_{j}"  # where everybody counts once, products with that are the sums themselves
                value = found[product if product in found.columns else f"t{j}"][row]
                square[k, i, k, j] += value
                square[k, j, k, i] += value if i != j else 0.0
    second = np.array([sum(square[k, j, k, j] for k in range(arms)) for j in range(width)])
    users, some, squares, rare = _about(table, found, shift, known, second)
    return ArmSums(users, users, shift, total, square.reshape(arms * width, -1), some, squares), rare


def _of_groups(
    table: ArmsTable, found: pl.DataFrame, units: pl.DataFrame, shift: np.ndarray, known: int
) -> tuple[ArmSums, frozenset[int]]:
    """From sums of each group in each arm."""
    if missing := units[GROUP].null_count():
        what = f"{table.source.group!r} is missing in rows of {missing:,} arms"
        raise InputError("data.group", what, "Give each user a group; one who is alone is a group of one.")
    users, some, squares, rare = _about(table, found, shift, known, None)
    return (
        ArmSums.of_units(
            unit=units[GROUP].rank("dense").to_numpy().astype(np.int64) - 1,
            arm=table.numbers(units[ARM]),
            sums=units.select(f"t{k}" for k in range(len(shift))).to_numpy(),
            shift=shift,
            users=users,
            some=some,
            squares=squares,
        ),
        rare,
    )


def _about(
    table: ArmsTable, found: pl.DataFrame, shift: np.ndarray, known: int, second: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, frozenset[int]]:
    """(K,) users, (K, C) how many have any, (C,) sums of squares, and which columns are 0 or 1.

    Parameters
    ----------
    second
        (C,) sums of squares about `shift`, where everybody counts once; else they were summed.
    """
    arms, width, place = len(table.arms), len(shift), table.numbers(found[ARM])

    def by_arm(name: str) -> np.ndarray:
        return np.bincount(place, found[name].cast(pl.Float64).to_numpy(), arms)

    users = by_arm("n").astype(np.int64)
    n, some, squares, rare = users.sum(), np.zeros((arms, width)), np.zeros(width), set()
    for k in range(1, known):
        some[:, k] = by_arm(f"some{k}")
        if f"squares{k}" in found.columns:
            squares[k], plain = float(found[f"squares{k}"].sum()), float(found[f"plain{k}"].sum())
        else:
            assert second is not None
            total = float(found[f"t{k}"].sum())
            squares[k], plain = second[k] + 2 * shift[k] * total + shift[k] ** 2 * n, total + shift[k] * n
        low, high = found[f"min{k}"].min(), found[f"max{k}"].max()
        inside = low is not None and high is not None and float(low) >= 0 and float(high) <= 1  # type: ignore[arg-type]  # numbers
        if inside and abs(squares[k] - plain) <= ROUNDING * n:  # else squares are smaller than values
            rare.add(k)
    return users, some, squares, frozenset(rare)


def figures_of(
    table: ArmsTable, of: Summed, ratios: Mapping[str, Sequence[str]], economics: Economics | None
) -> list[Figure]:
    """The target, money, measures, ratios, and outcomes within fewer days, in this order.

    Raises
    ------
    InputError
        When prices do not fit the arms or the outcomes, or what a ratio is divided by sums to 0.
    """
    arms, width = len(table.arms), len(of.names)
    one = np.eye(width)[0]
    target, *measures = [column.name for column in table.outcomes]

    def mean(name: str) -> Figure:
        at, yes_no = of.at(name), of.at(name) in of.rare
        row = np.tile(np.eye(width)[at], (arms, 1))
        unit, scale = (PER_1000, 1000.0) if yes_no else (PER_USER, 1.0)
        return Figure(name, unit, row, one, scale, {at} if yes_no else ())

    found = [mean(target)]
    if economics is not None:
        found.append(_money(table, of, economics))
    found += [mean(name) for name in measures]
    curve = [mean(column.name) for column in table.curve]
    for name, (above, below) in ratios.items():
        row = np.tile(np.eye(width)[of.at(above)], (arms, 1))
        whole = of.sums.total[:, of.at(below)] + of.sums.shift[of.at(below)] * of.sums.total[:, 0]
        if len(nothing := np.flatnonzero(np.abs(whole) <= 1e-9 * table.counts)):
            what = f"{below!r} sums to 0 among users of {table.arms[nothing[0]]}: nothing can be divided by it"
            raise InputError(f"ratios.{name}", what, "Name another column to divide by.")
        found.append(
            Figure(name, f"{above} / {below}", row, np.eye(width)[of.at(below)], 1.0, of.rare & {of.at(above)})
        )
    return found + curve


def _money(table: ArmsTable, of: Summed, economics: Economics) -> Figure:
    names = ("none", *table.arms[1:])
    target = table.outcomes[0].name
    if economics.per_user:
        what = f"{economics.name} prices each user by columns of their own"
        raise InputError("economics", what, "Take prices that all users share: economics=freemium.")
    economics.check(set(names))
    intercept, slope = economics.line(names, table.good)
    rows = np.zeros((len(names), len(of.names)))
    rows[:, 0] = intercept
    counts = economics.rewards_outcome
    if counts and of.at(target) not in of.rare:
        what = f"prices what a yes or no is worth, and {target!r} is a number"
        raise InputError("economics.reward", what, f"Type economics.reward={target}, whose unit is money then.")
    rows[:, of.at(target)] += slope
    for name, worth in economics.measures.items():
        if name not in of.names:
            known = [OUTCOME, *(column.name for column in table.outcomes)]
            raise InputError("economics.reward", f"there is no measure {name!r}", nearest(name, known))
        rows[:, of.at(name)] += worth
    unit = f"{economics.currency} {PER_USER}"
    return Figure("money", unit, rows, np.eye(len(of.names))[0], 1.0, of.rare)


def drawn(table: ArmsTable, pre: Sequence[str], seed: int) -> Users | None:
    """At most `DRAWN` users with the columns known before as features, for the test of balance; None without any."""
    if not pre:
        return None
    roles = table.source
    assert roles.logged is not None
    asked = roles.logging_probability if isinstance(roles.logging_probability, dict) else {}
    own = [of for of in asked.values() if isinstance(of, str)]
    names = list(dict.fromkeys([*pre, roles.logged, *own, *([roles.group] if roles.group else [])]))
    frame = table.columns.frame.select(names)
    share = DRAWN / table.columns.rows
    if share < 1:  # rows whose multiple of the golden ratio is small: spread evenly, and along with no pattern of rows
        row = (pl.col("__row").cast(pl.UInt64) + seed) * GOLDEN % 2**32
        frame = frame.with_row_index("__row").filter(row < int(share * 2**32)).drop("__row")
    some = frame.collect(**STREAMED)
    action = table.numbers(some[roles.logged])
    columns, shown, _, _ = features(some.select(pre), None, roles.marks)
    if not columns:
        return None
    if table.chances is not None:
        chances = np.broadcast_to(table.chances, (len(some), len(table.arms))).copy()
    else:
        each = [asked[arm] for arm in table.arms]
        chances = np.stack(
            [some[of].to_numpy() if isinstance(of, str) else np.full(len(some), of) for of in each], axis=1
        )
        chances = chances / chances.sum(axis=1, keepdims=True)
    group = None if roles.group is None else some[roles.group].cast(pl.String).to_numpy().astype(object)
    return Users(
        features=shown,
        outcome=np.zeros(len(some), dtype=np.int64),
        user_id=np.arange(len(some)).astype(str).astype(object),
        contract=FeatureSchema(columns, table.outcomes[0].name),
        actions=("none", *table.arms[1:]),
        action=action,
        logging_probability=chances,
        group=group,
    )
