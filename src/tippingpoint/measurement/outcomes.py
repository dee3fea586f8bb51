"""What came of decisions, joined user by user: yes or no, a number, or whether a time came soon enough."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.core.overrides import override
from tippingpoint.data.column_rules import CHANCE, MISSING
from tippingpoint.data.decisions import times
from tippingpoint.data.frame import Frame
from tippingpoint.data.outcome import BOUND, NO, YES, Positive, numbers, ones, words
from tippingpoint.data.outcome_columns import Columns, Kind
from tippingpoint.data.validation import as_text
from tippingpoint.measurement.join import (
    AT,
    complete_until,
    first_by_version,
    id_of,
    last,
    match_outcomes,
    one_row,
    refuse_future,
    spelled_as,
)

OUTCOME = "__outcome"
"""The outcome, in a join under way."""
KNOWN = "__known"
"""When a user became known, in UTC: from then on the outcome stays as it is."""


class NotKnownError(InputError):
    """No user's outcome is known yet, or nobody was decided for."""


@dataclass(frozen=True)
class OutcomeRule:
    """What counts as the outcome of a decision.

    Parameters
    ----------
    outcome, at
        Columns of the outcomes: what came (yes or no, a number, or the time at which it did), and when; None: the one
        column there is, and no time.
    absent_is_zero
        Whether a user without a row has outcome 0; else it is not known yet.
    within
        Days from the decision in which the outcome counts: a user is known once these are over. None: no such limit.
    since, until
        Decisions from when on, and until when outcomes are complete, in UTC; None: all, and the last time of either.
    positive
        What counted as outcome 1 where the version was fitted.
    """

    outcome: str | None = None
    at: str | None = None
    absent_is_zero: bool = False
    within: float | None = None
    since: datetime | None = None
    until: datetime | None = None
    positive: Positive = "yes"


@dataclass(frozen=True)
class Counts:
    """What came of the rows; `decisions` = those used + all others that follow."""

    decisions: int
    before_since: int
    again: int
    """Later decisions of users that the same version had decided for before: what comes of the first one counts."""
    before_decision: int
    """Users whose outcome had come before they were decided for."""
    unknown: int
    """Users whose outcome is not known yet."""
    used: int
    taken_as_zero: int
    """Of those used, users without an outcome row."""
    strangers: int
    """Outcome rows of users without a decision."""
    too_late: int = 0
    """Of those used, users whose outcome came after `within` days: it does not count."""
    ids: str = ""
    """How ids are written differently in decisions and outcomes, that mean the same number; empty if none is."""


@dataclass(frozen=True)
class DecisionsWithOutcomes:
    """Decisions with a known outcome, one row a user and version, in the order they were made.

    Parameters
    ----------
    table
        As the decisions hold it, every chance a number, `scored_at` a time in UTC; `outcome_name`, 0 or 1; and `KNOWN`.
    id, outcome_name
        Columns of the id and of the outcome.
    settled
        Whether outcomes stay as they are once known: not where a user without a row counts as 0 whose row may yet come,
        and not a number that may still grow.
    kind
        Of the outcome: `number`, else 0 or 1.
    unknown
        By version, users whose outcome is not known yet.
    """

    table: pl.DataFrame
    id: str
    outcome_name: str
    counts: Counts
    settled: bool = True
    kind: Kind = "yes_no"
    unknown: Mapping[str, int] = field(default_factory=dict)

    def versions(self) -> list[str]:
        """The versions that decided, in order of their first decision."""
        return self.table["model"].unique(maintain_order=True).to_list()

    def of(self, version: str) -> pl.DataFrame:
        """The rows one version decided, as they became known, without chances of actions it did not choose among."""
        rows = self.table.filter(pl.col("model") == version).sort(KNOWN, maintain_order=True)
        return rows.drop([c for c in rows.columns if c.startswith(CHANCE) and rows[c].null_count() == len(rows)])


def join(
    decisions: pl.DataFrame,
    user_id: str,
    outcomes: pl.DataFrame,
    outcomes_id: str | None,
    rule: OutcomeRule,
    now: datetime | None = None,
) -> DecisionsWithOutcomes:
    """What came of each user's first decision by each version.

    Parameters
    ----------
    decisions, user_id, outcomes, outcomes_id, rule, now
        As of `outcomes_of`.

    Raises
    ------
    InputError
        As `outcomes_of` does, and when no user's outcome is known yet.
    """
    found = outcomes_of(decisions, user_id, outcomes, outcomes_id, rule, now)
    if not found.counts.used:
        some_absent = rule.within is None and not rule.absent_is_zero and len(outcomes) < found.counts.unknown
        remedy = "Type absent=zero if a user without a row has outcome 0." if some_absent else "Wait for the first."
        what = f"no user's outcome is known yet ({found.counts.unknown:,} are not)"
        raise NotKnownError("outcomes", what, remedy)
    return found


def outcomes_of(
    decisions: pl.DataFrame,
    user_id: str,
    outcomes: pl.DataFrame,
    outcomes_id: str | None,
    rule: OutcomeRule,
    now: datetime | None = None,
) -> DecisionsWithOutcomes:
    """What came of each user's first decision by each version; no rows where nothing is known yet.

    Parameters
    ----------
    decisions, user_id
        As `checked` gives them.
    outcomes, outcomes_id
        One row a user; None: the id is called as in the decisions, or found by its name.
    now
        The time, in UTC: outcomes a day and more later are refused, and nothing is complete until later than that;
        None: neither.

    Raises
    ------
    InputError
        When columns are missing, ids repeat or never match, outcomes are text that says neither yes nor no, have not
        come yet, or are all 1 while users are absent.
    """
    came, name, kind = _came(outcomes, id_of(outcomes, outcomes_id, user_id, decisions[user_id], "outcomes"), rule)
    refuse_future(came, now, "at")
    if name in decisions.columns:
        raise InputError("outcomes", f"{name!r} is a column of the decisions too", "Rename it.")
    taken = decisions.filter(pl.col("scored_at") >= rule.since) if rule.since else decisions
    if not len(taken):
        raise InputError(
            "since", f"no decision was made since {rule.since}", f"The last: {decisions['scored_at'].max()!s}."
        )
    first = first_by_version(taken, user_id)
    ids, written = spelled_as(decisions[user_id], came["__id"])
    came = came.with_columns(ids)
    joined, strangers = match_outcomes(decisions, first, user_id, came, outcomes)
    if kind == "yes_no":
        _refuse_only_ones(joined, rule)
    joined = joined.with_columns(_marks(joined, rule, name, now, kind))
    used = joined.filter(~pl.col("__before") & ~pl.col("__unknown"))
    counts = Counts(
        decisions=len(decisions),
        before_since=len(decisions) - len(taken),
        again=len(taken) - len(first),
        before_decision=int(joined["__before"].sum()),
        unknown=int(joined["__unknown"].sum()),
        used=len(used),
        taken_as_zero=int(used["__absent"].sum()),
        strangers=strangers,
        too_late=int(used["__late"].sum()),
        ids=written,
    )
    used = used.drop([c for c in used.columns if c.startswith("__") and c != KNOWN])
    settled = rule.within is not None or not (rule.absent_is_zero or kind == "number")
    missing = joined.filter(pl.col("__unknown")).group_by("model").len().rows()
    return DecisionsWithOutcomes(used, user_id, name, counts, settled, kind, dict(missing))


def _refuse_only_ones(joined: pl.DataFrame, rule: OutcomeRule) -> None:
    without = joined["__there"].null_count()
    if not rule.absent_is_zero and without and joined[OUTCOME].min() == 1:
        what = f"every known outcome is 1, and {without:,} users have no row: no uplift is told from the others"
        raise InputError("outcomes", what, "Type absent=zero if users without a row did not convert.")


def _marks(joined: pl.DataFrame, rule: OutcomeRule, name: str, now: datetime | None, kind: Kind) -> list[pl.Expr]:
    """The outcome under its name, `KNOWN`, and whether it came `__before` the decision, is `__unknown` yet, has no row
    (`__absent`) or came too `__late` to count."""
    absent = pl.col(OUTCOME).is_null() & ~pl.col("__there").fill_null(False)
    before, late, unknown, outcome = pl.lit(False), pl.lit(False), pl.col(OUTCOME).is_null(), pl.col(OUTCOME)
    if rule.absent_is_zero:
        unknown, outcome = unknown & ~absent, pl.when(absent).then(0).otherwise(outcome)
    timed = kind == "time" or (kind == "yes_no" and rule.at is not None)
    if timed:
        before = (outcome == 1) & (pl.col(AT) < pl.col("scored_at"))
    latest = last(joined["scored_at"], joined[AT])
    until = complete_until(rule.until or latest, now)
    unknown = unknown | (pl.col("scored_at") > until)
    if rule.within is not None:
        known = pl.col("scored_at") + timedelta(days=rule.within)
        late = (outcome == 1) & (pl.col(AT) > known) & timed
        outcome = pl.when(late).then(0).otherwise(outcome)
        unknown = unknown | (known > until)
    else:
        # Without a time it became known at some moment before this look: it counts from this look on.
        look = pl.lit(max(until, latest), dtype=pl.Datetime("us"))
        known = pl.max_horizontal(pl.col(AT).fill_null(look), "scored_at")
    return [
        outcome.cast(pl.Float64 if kind == "number" else pl.Int64).alias(name),
        before.fill_null(False).alias("__before"),
        (unknown & ~before.fill_null(False)).alias("__unknown"),
        absent.alias("__absent"),
        late.fill_null(False).alias("__late"),
        known.alias(KNOWN),
    ]


def _told(text: pl.Series, positive: Positive) -> pl.Series:
    """(n,) 1 or 0 of a column of stripped text, null where missing: by what the version was fitted with, or yes and no.

    Raises
    ------
    InputError
        When it holds what says neither.
    """
    exact = {positive} if isinstance(positive, str) else set(positive)
    text = text.set(text.is_in([word for word in MISSING if word not in exact]), None)
    bound = isinstance(positive, str) and BOUND.fullmatch(positive) and not (text == positive).any()
    found = set(text.drop_nulls().str.to_lowercase().unique())
    if bound and numbers(text).null_count() == text.null_count():
        return ones(text, positive).cast(pl.Int64)
    given = {value.lower() for value in exact}
    wanted = NO if given <= NO else YES if bound or given <= YES or not given & found else given
    if (odd := sorted(found - YES - NO)) and wanted is not given:
        shown = ", ".join(map(repr, odd[:3])) + ("…" if len(odd) > 3 else "")
        neither = "" if wanted is NO or given <= YES else f", nor {words(positive)}, which the model was fitted with"
        what = f"{text.name!r} holds {shown}, not yes or no{neither}"
        raise InputError("outcome", what, "Name a 0/1 or yes/no column, or make one.")
    return text.str.to_lowercase().is_in(wanted).cast(pl.Int64)


def _came(outcomes: pl.DataFrame, key: str, rule: OutcomeRule) -> tuple[pl.DataFrame, str, Kind]:
    """Id, what came, and when; and the outcome's name and kind."""
    columns = outcomes.columns
    for where, column in (("outcome", rule.outcome), ("at", rule.at)):
        if column is not None and column not in columns:
            raise InputError(where, f"no column {column!r} in the outcomes", nearest(column, columns, where))
    rest = [c for c in columns if c not in (key, rule.at)]
    if rule.outcome is None and len(rest) != 1:
        what = f"not given, and the outcomes have {'the columns ' + ', '.join(rest) if rest else 'no other column'}"
        raise InputError("outcome", what, f"Type {override('outcome', rest[0])}." if rest else "Type outcome=…")
    name = rule.outcome or rest[0]
    ids = one_row(outcomes, key)
    kind, outcome = _read(outcomes[name], rule)
    at = pl.Series([None] * len(outcomes), dtype=pl.Datetime("us"))
    if kind == "time":
        at, outcome = outcome, outcome.is_not_null().cast(pl.Int64)
    elif rule.at and kind == "yes_no":
        at = times(outcomes[rule.at], "at")
    came = ids.with_columns(at.alias(AT), outcome.alias(OUTCOME), pl.lit(True).alias("__there"))
    if rule.at and kind == "yes_no" and (untimed := came.filter((pl.col(OUTCOME) == 1) & pl.col(AT).is_null()).height):
        raise InputError("at", f"{rule.at!r} is missing in {untimed:,} rows whose {name!r} is yes")
    return came, name, kind


def _read(values: pl.Series, rule: OutcomeRule) -> tuple[Kind, pl.Series]:
    """The kind of an outcome, and its values: 0 or 1, numbers, or times.

    Raises
    ------
    InputError
        When it is of no kind, or a time without days in which it counts.
    """
    try:
        return "yes_no", _told(as_text(values).str.strip_chars().replace("", None), rule.positive)
    except InputError as told:
        error = told
    columns = Columns(pl.LazyFrame(values), Frame())
    try:
        found = columns.outcome(values.name, "outcome")
    except InputError:
        raise error from None
    if found.kind == "yes_no":
        raise error
    read = columns.frame.select(found.value).collect().to_series()
    if found.kind == "number":
        return "number", read.fill_nan(None)
    if rule.within is None:
        what = f"{values.name!r} holds times, and nothing says for how long they count"
        raise InputError("within", what, "Type within=30, the days from the decision.")
    return "time", times(read, "outcome")
