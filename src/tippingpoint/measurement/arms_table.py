"""The table of an experiment: who was in which arm, with what chance, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.data.column_roles import Roles
from tippingpoint.data.decisions import some
from tippingpoint.data.frame import Frame
from tippingpoint.data.identity import names_id
from tippingpoint.data.inference import ALMOST
from tippingpoint.data.logged_action import arms as arms_of
from tippingpoint.data.logged_action import in_all, type_chances
from tippingpoint.data.logged_action import stated as stated_chances
from tippingpoint.data.outcome_columns import Columns, OutcomeColumn, came, over
from tippingpoint.data.source import Source
from tippingpoint.data.users import Intake
from tippingpoint.data.validation import as_text
from tippingpoint.measurement.settings import MeasureArmsSettings
from tippingpoint.offpolicy.assignment import Ratio, ratio_of_counts, sample_ratio

STREAMED: dict[str, Any] = {"engine": "streaming"}
"""How polars goes through rows that need not be in memory at once."""
ARM, GROUP = "__arm", "__group"
CURVE = (1, 3, 7, 14, 30, 60, 90)
"""Days after which an outcome that is a time is told too, as far as they lie within those that count."""
MIXED = 0.1
"""Share of the groups of several rows from which on being in two arms says that rows were assigned one by one."""


@dataclass(frozen=True)
class ArmsTable:
    """The table of an experiment, ready to be summed.

    Parameters
    ----------
    columns
        The rows that count.
    arms
        Names of the K arms as the table has them, the control first.
    chances
        (K,) the chance of each; None where it differs between users.
    chance
        That of each arm, of each user.
    assigned
        All rows, whether their outcome is known or not.
    weight
        How often a user counts: 1, or one over the chance of the arm.
    counts
        (K,) users assigned to each arm, whether their outcome is known or not.
    outcomes, curve
        The target, then further measures; and those that are times within fewer days.
    intake
        Rows of the table, and those left out before.
    unknown
        Users left out as the outcome is missing, and as their days are not over, by arm.
    until
        Until when times are known.
    """

    columns: Columns
    arms: tuple[str, ...]
    chances: np.ndarray | None
    chance: tuple[pl.Expr, ...]
    assigned: Columns
    weight: pl.Expr
    counts: np.ndarray
    outcomes: tuple[OutcomeColumn, ...]
    curve: tuple[OutcomeColumn, ...]
    good: bool
    intake: Intake
    unknown: dict[str, list[int]] = field(default_factory=dict)
    until: datetime | None = None

    @property
    def source(self) -> Roles:
        """The roles of the columns."""
        return self.columns.source

    @property
    def arm(self) -> pl.Expr:
        """The arm, as the table has it."""
        assert self.source.logged is not None
        return pl.col(self.source.logged).alias(ARM)

    @property
    def group(self) -> pl.Expr | None:
        """What several users share; None where each stands alone."""
        return None if self.source.group is None else pl.col(self.source.group).alias(GROUP)

    def ratio(self, known: bool) -> Ratio:
        """How many users each arm has, against the stated chances: of all, or of those whose outcome is known."""
        columns = self.columns if known else self.assigned
        if self.chances is not None and self.group is None:
            counts = self.counts - np.array([*self.unknown.values()]).sum(axis=0) if known else self.counts
            return ratio_of_counts(counts, self.chances)
        chance = [of.alias(f"__{k}") for k, of in enumerate(self.chance)]
        rows = columns.frame.select(self.arm, *chance, *([] if self.group is None else [self.group])).collect(
            **STREAMED
        )
        chances = rows.select(f"__{k}" for k in range(len(self.arms))).to_numpy()
        group = None if self.group is None else rows[GROUP].rank("dense").to_numpy().astype(np.int64) - 1
        return sample_ratio(self.numbers(rows[ARM]), chances / chances.sum(axis=1, keepdims=True), group)

    def numbers(self, arms: pl.Series) -> np.ndarray:
        """Numbers of arms from their values."""
        place = {name: k for k, name in enumerate(self.arms)}
        return as_text(arms).str.strip_chars().replace_strict(place, return_dtype=pl.Int64).to_numpy()


def read_arms(source: Source, settings: MeasureArmsSettings) -> ArmsTable:
    """Open an experiment's table.

    Raises
    ------
    InputError
        When an arm, its chance or an outcome is not what it should be.
    """
    roles = source if isinstance(source, Roles) else _as_roles(source)
    frame, intake = _rows(roles)
    columns = Columns(frame, roles)
    _require(columns, settings)
    target = roles.outcome
    assert roles.logged is not None
    assert target is not None
    first = columns.outcome(target, "data.target", roles.positive)
    outcomes = [first, *(columns.outcome(name, "data.measures") for name in roles.measured)]
    arms, counts, missing = _arms(columns, target, [c.name for c in outcomes], first.kind == "time")
    chances, chance, weight = _chances(columns, list(arms))
    known = _known(columns, outcomes, settings)
    left_out: dict[str, list[int]] = {}
    kept: list[pl.Expr] = []
    if sum(missing):
        left_out[f"{target} is missing"] = missing
        kept.append(pl.col(target).is_not_null())
    days: list[int] = [] if known.over is None else _by_arm(columns, arms, ~known.over)
    if known.over is not None and any(days):
        left_out[f"assigned less than {settings.within:g} days before {known.until}"] = days
        kept.append(known.over)
    rows = Columns(frame.filter(*kept), roles) if kept else columns
    return ArmsTable(
        columns=rows,
        arms=arms,
        chances=chances,
        chance=chance,
        assigned=columns,
        weight=weight,
        counts=counts,
        outcomes=known.outcomes,
        curve=known.curve,
        good=roles.is_wanted(target, first.positive),
        intake=intake,
        unknown=left_out,
        until=known.until,
    )


def _as_roles(source: Source) -> Roles:
    """Users that were generated or made of events, as a table of theirs."""
    users = source.loaded
    if users.action is None or users.logging_probability is None:
        what = f"nobody drew who got which action in {source.origin}"
        raise InputError("data", what, "Type data=csv data.path=… data.action=… data.logging_probability=uniform.")
    table = pl.from_pandas(users.table())
    chances = {name: f"__chance_{name}" for name in users.actions}
    table = table.with_columns(
        pl.Series(chances[name], users.logging_probability[:, k]) for k, name in enumerate(users.actions)
    )
    roles: dict[str, Any] = {"target": users.contract.outcome, "action": "action", "logging_probability": chances}
    roles |= {"good": users.contract.good, "id": users.contract.user_id or "user_id", "name": source.question}
    roles |= {"measures": [] if users.measures is None else list(users.measures.columns)}
    return Frame.of(table, label=source.origin, **roles)


def _rows(roles: Roles) -> tuple[pl.LazyFrame, Intake]:
    """The rows that are users: of Parquet not read yet."""
    lazy = None if roles.terms else roles.scan()
    if lazy is not None:
        roles.require(lazy.collect_schema().to_frame())
        if roles.logged is not None:
            _refuse_in_two_arms(Columns(lazy, roles))
        return lazy, Intake(int(lazy.select(pl.len()).collect(**STREAMED).item()))
    raw = roles.read()
    roles.require(raw)
    if roles.logged is not None:
        _refuse_in_two_arms(Columns(raw.lazy(), roles))
    kept = {why: rows for why, rows in roles.unused(raw).items() if why != f"{roles.outcome} is missing"}
    table, _, intake = roles.validated(raw, kept)
    return table.lazy(), intake


def _require(columns: Columns, settings: MeasureArmsSettings) -> None:
    """Refuse what is not given, and columns that the table lacks."""
    roles, empty = columns.source, columns.types.to_frame()
    if roles.outcome is None:
        raise InputError("data.target", "not given", f"Type data.target=… Columns: {', '.join(empty.columns[:12])}.")
    if roles.logged is None:
        what = "not given: the column that says what was done to each user"
        raise InputError("data.action", what, f"Type data.action=… Columns: {', '.join(empty.columns[:12])}.")
    for key in ("pre", "segments"):
        for name in getattr(settings, key):
            roles.require_column(empty, key, name, getattr(settings, key))
    roles.require_column(empty, "assigned", settings.assigned)
    for name, pair in (settings.ratios or {}).items():
        for column in pair:
            roles.require_column(empty, f"ratios.{name}", column)
    after = {roles.outcome: "the outcome", roles.logged: "the action", **dict.fromkeys(roles.measured, "an outcome")}
    after |= dict.fromkeys(roles.after, "measured after the action")
    for key in ("pre", "segments"):
        for name in getattr(settings, key):
            if name in after:
                what = f"{name!r} is {after[name]}: it was not known before the assignment"
                left = [other for other in getattr(settings, key) if other != name]
                raise InputError(key, what, f"Type {override(key, left)}.")


def _arms(
    columns: Columns, target: str, outcomes: list[str], may_be_missing: bool
) -> tuple[tuple[str, ...], np.ndarray, list[int]]:
    """The arms, the users of each, and how many of them have no target."""
    roles, logged = columns.source, columns.source.logged
    assert logged is not None
    nothing = [pl.col(name).is_null().sum().alias(f"__{k}") for k, name in enumerate(outcomes)]
    found = columns.frame.group_by(pl.col(logged).alias(ARM)).agg(pl.len().alias("n"), *nothing).collect(**STREAMED)
    if lacking := int(found.filter(pl.col(ARM).is_null())["n"].sum()):
        what = f"{logged!r} is missing in {lacking:,} rows of {roles.origin}"
        raise InputError("data.action", what, "Find out what was done to these users, or leave the rows out.")
    names = as_text(found[ARM]).str.strip_chars()
    arms = arms_of(sorted(names.unique().to_list()), roles.control, roles.logged)
    counts, missing = np.zeros((2, len(arms)), dtype=np.int64)
    for row, name in enumerate(names):
        counts[arms.index(name)] += found["n"][row]
        missing[arms.index(name)] += 0 if may_be_missing else found["__0"][row]
    if len(arms) < 2:
        raise InputError("data.action", f"{logged!r} is always {arms[0]!r}", "Two arms at least can be compared.")
    left = counts - missing
    if (least := int(left.argmin())) is not None and left[least] < 2:
        said = f"arm {arms[least]!r} has {'one user' if left[least] == 1 else 'no user'} with a known outcome"
        raise InputError("data.action", said, "At least two are needed: leave out the rows of this arm.")
    for k, name in enumerate(outcomes[1:], 1):
        if columns.types[name].is_temporal():
            continue
        if nulls := int(found[f"__{k}"].sum()):
            what = f"{name!r} is missing in {nulls:,} rows of {roles.origin}"
            raise InputError("data.measures", what, "Fill in what came, such as 0 for nothing, or leave the rows out.")
    return tuple(arms), counts, missing.tolist()


def _refuse_in_two_arms(columns: Columns) -> None:
    """Refuse a table in which a user stands twice, and say so if it is in two arms."""
    roles, frame, logged = columns.source, columns.frame, columns.source.logged
    assert logged is not None

    def again(name: str) -> tuple[pl.Series, pl.Series]:
        """Values that stand more than once, and those of them that are in two arms."""
        each = frame.group_by(name).agg(pl.len().alias("n"), pl.col(logged).n_unique().alias("arms"))
        found = each.filter((pl.col("n") > 1) & pl.col(name).is_not_null()).collect(**STREAMED)
        return as_text(found[name]).sort(), as_text(found.filter(pl.col("arms") > 1)[name]).sort()

    if roles.group is not None:
        several, both = again(roles.group)
        if 0 < len(both) < MIXED * len(several):  # else rows were assigned one by one
            what = (
                f"{len(both):,} of {len(several):,} values of {roles.group!r} are in two arms ({some(both.to_list())})"
            )
            raise InputError("data.group", what, "Leave their rows out: what came of them is of neither arm.")
    for name in _ids(columns):
        if int(frame.select(pl.col(name).n_unique()).collect(**STREAMED).item()) == columns.rows:
            return
        several, both = again(name)
        if len(both):
            what = f"{len(both):,} users are in two arms ({some(both.to_list())}): what came of them is of neither"
            raise InputError("data.action", what, "Leave their rows out.")
        if len(several):
            told = some(several.to_list())
            what = f"{name!r} is not unique in {roles.origin}: {len(several):,} ids stand more than once ({told})"
            raise InputError("data.id", what, f"Keep one row a user, or type {override('data.group', name)}.")


def _ids(columns: Columns) -> list[str]:
    """The id: the one that is named, or else the first that is called so and nearly differs in every row."""
    roles = columns.source
    if named := next(iter(roles.text_ids), None):
        return [named] if named != roles.group else []
    maybe = [name for name in columns.types.names() if names_id(name) and name not in (*roles.drop, roles.group)]
    different = columns.frame.select(pl.col(name).n_unique() for name in maybe).collect(**STREAMED)
    return [name for name in maybe if different[name].item() >= ALMOST * columns.rows][:1]


def _chances(columns: Columns, arms: list[str]) -> tuple[np.ndarray | None, tuple[pl.Expr, ...], pl.Expr]:
    """The chance of each arm where all users share it, that of each user, and what a user counts."""
    roles = columns.source
    stated = stated_chances(arms, roles.logging_probability)
    if stated is None:
        what = "not given: only where the chance of each arm is known do their users compare"
        raise InputError("data.logging_probability", what, type_chances(arms))
    if all(isinstance(chance, float | int) for chance in stated.values()):
        constant = in_all(np.array([[float(stated[arm]) for arm in arms]]), arms)[0]
        return constant, tuple(map(pl.lit, constant.tolist())), pl.lit(1.0)
    empty = columns.types.to_frame()
    for chance in stated.values():
        roles.require_column(empty, "data.logging_probability", chance if isinstance(chance, str) else None)
    each = [pl.col(of).cast(pl.Float64) if isinstance(of := stated[arm], str) else pl.lit(float(of)) for arm in arms]
    rows = columns.frame.select(of.alias(f"{k}") for k, of in enumerate(each)).unique().collect(**STREAMED)
    in_all(rows.to_numpy(), arms)
    if len(rows) == 1:
        return rows.to_numpy()[0], tuple(each), pl.lit(1.0)
    assert roles.logged is not None
    values = columns.values(roles.logged)
    weight, of_arm = pl.lit(None, pl.Float64), dict(zip(arms, each, strict=True))
    for value, arm in zip(values, as_text(values).str.strip_chars(), strict=True):
        weight = pl.when(pl.col(roles.logged) == value).then(1 / of_arm[arm]).otherwise(weight)
    return None, tuple(each), weight


@dataclass(frozen=True)
class Known:
    """Outcomes whose days are over.

    Parameters
    ----------
    outcomes, curve
        Times are 0 or 1: whether they came within all days, and within fewer.
    over
        Whether a user's days were; None where none are counted.
    until
        Until when times are known.
    """

    outcomes: tuple[OutcomeColumn, ...]
    curve: tuple[OutcomeColumn, ...] = ()
    over: pl.Expr | None = None
    until: datetime | None = None


def _known(columns: Columns, outcomes: list[OutcomeColumn], settings: MeasureArmsSettings) -> Known:
    """Which outcomes are known, as far as times decide it."""
    of_times = [column for column in outcomes if column.kind == "time"]
    if not of_times and settings.within is None:
        return Known(tuple(outcomes))
    if settings.assigned is None or settings.within is None:
        what = f"{of_times[0].name!r} holds times, and nothing says from when on and for how long they count"
        raise InputError("within", what, "Type assigned=… within=30, the column that says when a user was assigned.")
    assigned = columns.time(settings.assigned, "assigned")
    where = {
        name: "data.target" if name == columns.source.outcome else "data.measures" for name in columns.types.names()
    }
    at = {column.name: columns.time(column.name, where[column.name]) for column in of_times}
    newest = columns.frame.select(assigned.max().alias("0"), *(of.max().alias(name) for name, of in at.items()))
    last = [moment for moment in newest.collect(**STREAMED).row(0) if moment is not None]
    early = columns.frame.select(
        assigned.is_null().sum().alias("0"), *((of < assigned).sum().alias(name) for name, of in at.items())
    ).collect(**STREAMED)
    if n := early["0"].item():
        raise InputError("assigned", f"{settings.assigned!r} is missing in {n:,} rows", "Leave these rows out.")
    for name in at:
        if n := early[name].item():
            what = f"{name!r} lies before {settings.assigned!r} in {n:,} rows: it came before the assignment"
            raise InputError(where[name], what, "Name the time of the first one after it, missing where none came.")
    until = settings.until or max(last)
    known = over(assigned, settings.within, until)
    if not columns.frame.select(known.any()).collect(**STREAMED).item():
        what = f"nobody was assigned {settings.within:g} days before {until}"
        raise InputError("within", what, "Wait, or type a smaller within=….")

    def counted(column: OutcomeColumn, days: float, name: str) -> OutcomeColumn:
        return OutcomeColumn(name, "time", came(name, at[column.name], assigned, days))

    told = [counted(c, settings.within, c.name) if c.name in at else c for c in outcomes]
    days = [day for day in CURVE if day < settings.within]
    curve = [counted(c, day, f"{c.name}, {day} d") for c in of_times for day in days]
    return Known(tuple(told), tuple(curve), known, until)


def _by_arm(columns: Columns, arms: Sequence[str], of: pl.Expr) -> list[int]:
    """How many rows of each arm something holds of."""
    assert columns.source.logged is not None
    found = (
        columns.frame.group_by(pl.col(columns.source.logged).alias(ARM)).agg(of.sum().alias("n")).collect(**STREAMED)
    )
    counts = [0] * len(arms)
    for arm, n in zip(as_text(found[ARM]).str.strip_chars(), found["n"], strict=True):
        counts[arms.index(arm)] += n
    return counts
