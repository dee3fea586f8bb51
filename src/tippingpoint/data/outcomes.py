"""What came of decisions: joined user by user, and as evidence for the next comparison."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tippingpoint.data.decisions import CHANCE, as_written, some, times
from tippingpoint.data.door import as_text
from tippingpoint.data.inference import id_column
from tippingpoint.data.roles import NO, YES
from tippingpoint.errors import InputError, nearest

AT, OUTCOME = "__at", "__outcome"
"""Columns of a join under way."""
KNOWN = "__known"
"""When a user became known, in UTC: from then on the outcome stays as it is."""


@dataclass(frozen=True)
class Terms:
    """What counts as the outcome of a decision.

    Parameters
    ----------
    outcome, at
        Columns of the outcomes: yes or no, and when; None: the one column there is, and no time.
    absent_is_zero
        Whether a user without a row has outcome 0; else it is not known yet.
    within
        Days from the decision in which the outcome counts: a user is known once these are over. None: no such limit.
    since, until
        Decisions from when on, and until when outcomes are complete, in UTC; None: all, and the last time of either.
    """

    outcome: str | None = None
    at: str | None = None
    absent_is_zero: bool = False
    within: float | None = None
    since: datetime | None = None
    until: datetime | None = None


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
    """Outcome rows of users nobody decided for."""
    too_late: int = 0
    """Of those used, users whose outcome came after `within` days: it does not count."""


@dataclass(frozen=True)
class Decided:
    """Decisions with a known outcome, one row a user and version, in the order they were made.

    Parameters
    ----------
    table
        As the decisions hold it, every chance a number, `scored_at` a time in UTC; `outcome_name`, 0 or 1; and `KNOWN`.
    id, outcome_name
        Columns of the id and of the outcome.
    settled
        Whether outcomes stay as they are once known: not where a user without a row counts as 0 whose row may yet come.
    """

    table: pl.DataFrame
    id: str
    outcome_name: str
    counts: Counts
    settled: bool = True

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
    terms: Terms,
    now: datetime | None = None,
) -> Decided:
    """What came of each user's first decision by each version.

    Parameters
    ----------
    decisions, user_id, outcomes, outcomes_id, terms, now
        As of `follow`.

    Raises
    ------
    InputError
        As `follow` does, and when no user's outcome is known yet.
    """
    found = follow(decisions, user_id, outcomes, outcomes_id, terms, now)
    if not found.counts.used:
        remedy = (
            "Type absent=zero if a user without a row has outcome 0." if terms.within is None else "Wait for the first."
        )
        what = f"no user's outcome is known yet ({found.counts.unknown:,} are not)"
        raise InputError("outcomes", what, remedy)
    return found


def follow(
    decisions: pl.DataFrame,
    user_id: str,
    outcomes: pl.DataFrame,
    outcomes_id: str | None,
    terms: Terms,
    now: datetime | None = None,
) -> Decided:
    """What came of each user's first decision by each version; of nobody where nothing is known yet.

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
        When columns are missing, ids repeat or never match, outcomes are not yes or no, have not come yet, or are all
        1 while users are absent.
    """
    came, name = _came(outcomes, _id_of(outcomes, outcomes_id, user_id, decisions[user_id], "outcomes"), terms)
    _refuse_future(came, now, "at")
    if name in decisions.columns:
        raise InputError("outcomes", f"{name!r} is a column of the decisions too", "Rename it.")
    taken = decisions.filter(pl.col("scored_at") >= terms.since) if terms.since else decisions
    if not len(taken):
        raise InputError(
            "since", f"no decision was made since {terms.since}", f"The last: {decisions['scored_at'].max()!s}."
        )
    first = first_by_version(taken, user_id)
    joined, strangers = _met(decisions, first, user_id, came, outcomes)
    absent = pl.col(OUTCOME).is_null() & ~pl.col("__there").fill_null(False)
    if not terms.absent_is_zero and joined["__there"].null_count() and joined[OUTCOME].min() == 1:
        without = joined["__there"].null_count()
        what = f"every known outcome is 1, and {without:,} users have no row: no uplift is told from the others"
        raise InputError("outcomes", what, "Type absent=zero if users without a row did not convert.")
    before, late, unknown, outcome = pl.lit(False), pl.lit(False), pl.col(OUTCOME).is_null(), pl.col(OUTCOME)
    if terms.absent_is_zero:
        unknown, outcome = unknown & ~absent, pl.when(absent).then(0).otherwise(outcome)
    if terms.at is not None:
        before = (outcome == 1) & (pl.col(AT) < pl.col("scored_at"))
    last = _last(joined["scored_at"], joined[AT])
    until = _until(terms.until or last, now)
    unknown = unknown | (pl.col("scored_at") > until)
    if terms.within is not None:
        end = pl.col("scored_at") + timedelta(days=terms.within)
        late = (outcome == 1) & (pl.col(AT) > end)
        outcome = pl.when(late).then(0).otherwise(outcome)
        unknown = unknown | (end > until)
        known = end
    else:
        # Without a time it became known at some moment before this look: it counts from this look on.
        look = pl.lit(max(until, last), dtype=pl.Datetime("us"))
        known = pl.max_horizontal(pl.col(AT).fill_null(look), "scored_at")
    joined = joined.with_columns(
        outcome.cast(pl.Int64).alias(name),
        before.fill_null(False).alias("__before"),
        (unknown & ~before.fill_null(False)).alias("__unknown"),
        absent.alias("__absent"),
        late.fill_null(False).alias("__late"),
        known.alias(KNOWN),
    )
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
    )
    used = used.drop([c for c in used.columns if c.startswith("__") and c != KNOWN])
    return Decided(used, user_id, name, counts, settled=not terms.absent_is_zero or terms.within is not None)


def means(
    decisions: pl.DataFrame,
    user_id: str,
    outcomes: pl.DataFrame,
    outcomes_id: str | None,
    column: str,
    terms: Terms,
    now: datetime | None = None,
) -> pl.DataFrame:
    """The number that came of each user's first decision by each version, where `within` days of it are over.

    Parameters
    ----------
    decisions, user_id, outcomes, outcomes_id, terms, now
        As of `follow`; a user without a row has no number.

    Returns
    -------
    polars.DataFrame
        The decisions with a number, which is called as its column, and another column of that name goes.

    Raises
    ------
    InputError
        As `follow` does.
    """
    key = _id_of(outcomes, outcomes_id, user_id, decisions[user_id], "outcomes")
    numbers = outcomes[column].cast(pl.Float64, strict=False)
    came = _one_row(outcomes, key).with_columns(numbers.fill_nan(None).alias(OUTCOME), pl.lit(True).alias("__there"))
    joined, _ = _met(decisions, first_by_version(decisions, user_id), user_id, came, outcomes)
    known = _over(joined, terms, _until(terms.until or joined["scored_at"].max(), now))
    kept = known.filter(pl.col(OUTCOME).is_not_null()).drop("__there", column, strict=False)
    return kept.rename({OUTCOME: column})


def happened(
    decisions: pl.DataFrame,
    user_id: str,
    events: pl.DataFrame,
    events_id: str | None,
    at: str,
    name: str,
    terms: Terms,
    now: datetime | None = None,
) -> pl.DataFrame:
    """Whether each user's first decision by each version was followed by an event within `within` days.

    Parameters
    ----------
    events, at
        A log, one row an event, and its column of times; who is not in it had none.
    name
        Of the 0/1 column of the answer.
    decisions, user_id, events_id, terms, now
        As of `follow`.

    Returns
    -------
    polars.DataFrame
        The decisions whose days are over.

    Raises
    ------
    InputError
        As `follow` does.
    """
    key = _id_of(events, events_id, user_id, decisions[user_id], "events")
    log = pl.DataFrame({"__id": as_written(events[key]), AT: times(events[at], at)}).drop_nulls()
    _refuse_future(log, now, at)
    first = first_by_version(decisions, user_id)
    there = log.select("__id").unique(maintain_order=True).with_columns(pl.lit(True).alias("__there"))
    _met(decisions, first, user_id, there, events)
    until = _until(terms.until or _last(first["scored_at"], log[AT]), now)
    old = _over(first, terms, until).with_row_index("__row")
    end = pl.col("scored_at") + timedelta(days=terms.within or 0)
    inside = (pl.col(AT) > pl.col("scored_at")) & (pl.col(AT) <= end)
    rows = old.join(log, left_on=user_id, right_on="__id").filter(inside)["__row"].unique()
    return old.with_columns(pl.col("__row").is_in(rows.implode()).cast(pl.Int64).alias(name)).drop("__row")


def first_by_version(decisions: pl.DataFrame, user_id: str) -> pl.DataFrame:
    """Each user's first decision by each version, in the order they were made."""
    of = [user_id, "model"]
    return decisions.sort("scored_at", maintain_order=True).unique(of, keep="first", maintain_order=True)


def _over(decisions: pl.DataFrame, terms: Terms, until: datetime) -> pl.DataFrame:
    """Those whose days were over at a time."""
    return decisions.filter(pl.col("scored_at") + timedelta(days=terms.within or 0) <= until)


def _last(*moments: pl.Series) -> Any:
    return pl.concat([m.rename("at") for m in moments]).max()


def _until(said: Any, now: datetime | None) -> Any:
    """Until when outcomes are complete: never later than now."""
    return said if now is None else min(said, now)


def _refuse_future(came: pl.DataFrame, now: datetime | None, where: str) -> None:
    if now is not None and len(ahead := came.filter(pl.col(AT) > now + timedelta(days=1))):
        example = f"{ahead['__id'][0]!r} is dated {ahead[AT][0]}"
        what = f"{len(ahead):,} outcomes have not come yet: {example}, now is {now:%Y-%m-%d %H:%M}"
        raise InputError(where, what, "Mend or leave out these rows; times without a zone are UTC.")


def _met(
    decisions: pl.DataFrame, first: pl.DataFrame, user_id: str, came: pl.DataFrame, outcomes: pl.DataFrame
) -> tuple[pl.DataFrame, int]:
    """First decisions with what came of them, and how many that came are of strangers; none of `came` twice."""
    joined = first.join(came, left_on=user_id, right_on="__id", how="left", maintain_order="left")
    unmet = came.join(decisions, left_on="__id", right_on=user_id, how="anti")["__id"]
    if len(unmet) == len(came):
        raise InputError(
            "outcomes_id",
            f"none of the {len(came):,} ids of the outcomes ({some(came['__id'].to_list())}) is among the decisions"
            f" ({some(decisions[user_id].unique(maintain_order=True).to_list())})",
            _better_id(outcomes, decisions[user_id], "outcomes"),
        )
    _check_alike(joined.filter(pl.col("__there").is_null())[user_id], unmet)
    return joined, len(unmet)


def _one_row(outcomes: pl.DataFrame, key: str) -> pl.DataFrame:
    """The ids, of which none may be missing or stand twice."""
    ids = as_written(outcomes[key])
    if missing := ids.null_count():
        raise InputError("outcomes", f"{key!r} is missing in {missing:,} rows")
    if repeated := ids.filter(ids.is_duplicated()).unique(maintain_order=True).to_list():
        what = f"{key!r} is not unique: {len(repeated):,} ids stand more than once ({some(repeated)})"
        raise InputError("outcomes", what, "Keep one row a user.")
    return pl.DataFrame({"__id": ids})


def _check_alike(absent: pl.Series, strangers: pl.Series) -> None:
    """Refuse where users without an outcome stand among the outcomes of strangers, but for how the id is written."""

    def bare(ids: pl.Series, name: str) -> pl.DataFrame:
        text = ids.str.strip_chars(" \t'\"").str.to_lowercase().str.replace(r"\.0+$", "").str.replace(r"^0+(.)", "$1")
        return pl.DataFrame({"bare": text, name: ids}).unique("bare", keep="first", maintain_order=True)

    same = bare(absent, "absent").join(bare(strangers, "stranger"), on="bare", maintain_order="left")
    if len(same):
        one, other = same.row(0)[1:]
        raise InputError(
            "outcomes",
            f"{len(same):,} ids are written otherwise than in the decisions (there {one!r}, here {other!r})",
            "Write them the same way in both: else these users count as having no outcome.",
        )


def _came(outcomes: pl.DataFrame, key: str, terms: Terms) -> tuple[pl.DataFrame, str]:
    """Id, whether the outcome came, and when; and the outcome's name."""
    columns = outcomes.columns
    for where, column in (("outcome", terms.outcome), ("at", terms.at)):
        if column is not None and column not in columns:
            raise InputError(where, f"no column {column!r} in the outcomes", nearest(column, columns))
    rest = [c for c in columns if c not in (key, terms.at)]
    if terms.outcome is None and len(rest) != 1:
        what = f"not given, and the outcomes have {'the columns ' + ', '.join(rest) if rest else 'no other column'}"
        raise InputError("outcome", what, f"Type outcome={rest[0] if rest else '…'}.")
    name = terms.outcome or rest[0]
    ids = _one_row(outcomes, key)
    text = as_text(outcomes[name]).str.strip_chars().str.to_lowercase().replace("", None)
    if odd := sorted(set(text.drop_nulls().unique()) - YES - NO):
        shown = ", ".join(map(repr, odd[:3])) + ("…" if len(odd) > 3 else "")
        raise InputError(
            "outcome", f"{name!r} holds {shown}, not yes or no", "Name a 0/1 or yes/no column, or make one."
        )
    outcome = pl.when(text.is_in(YES)).then(1).when(text.is_in(NO)).then(0)
    at = times(outcomes[terms.at], "at") if terms.at else pl.Series([None] * len(outcomes), dtype=pl.Datetime("us"))
    came = ids.with_columns(at.alias(AT), outcome.alias(OUTCOME), pl.lit(True).alias("__there"))
    if terms.at and (untimed := came.filter((pl.col(OUTCOME) == 1) & pl.col(AT).is_null()).height):
        raise InputError("at", f"{terms.at!r} is missing in {untimed:,} rows whose {name!r} is yes")
    return came, name


def as_evidence(decided: Decided, users: pl.DataFrame | None, users_id: str | None) -> pl.DataFrame:
    """Decisions and outcomes as a table that `data=csv` reads with known chances, one row a user.

    Parameters
    ----------
    users, users_id
        The users' features, and their id column; None: the score and the segment are the features.

    Raises
    ------
    InputError
        When versions chose among different actions, or not among all by lot, or no user has features.
    """
    table, key = decided.table.unique(decided.id, keep="first", maintain_order=True), decided.id
    chances = [c for c in table.columns if c.startswith(CHANCE)]
    if any(table[c].null_count() for c in chances):
        what = "the versions that decided chose among different actions: one table cannot hold their chances"
        raise InputError("to", what, "Type since=… so that one version is left.")
    if table.select(pl.any_horizontal(pl.col(c) <= 0 for c in chances)).to_series().any():
        what = "some actions could not be taken by lot, so no table of these can say what they would bring"
        raise InputError("to", what, "Score with holdout=0.05 and all actions.")
    own = [key, "action", *chances, decided.outcome_name]
    if users is None:
        return table.select(key, "propensity_score", "segment", *own[1:])
    named = _id_of(users, users_id, key, table[key], "users")
    ids = as_written(users[named])
    if repeated := ids.filter(ids.is_duplicated()).unique(maintain_order=True).to_list():
        raise InputError(
            "users", f"{len(repeated):,} ids stand more than once ({some(repeated)})", "Keep one row a user."
        )
    features = users.drop([named, *(c for c in own if c in users.columns and c != named)]).with_columns(ids.alias(key))
    joined = table.select(own).join(features, on=key, how="inner", maintain_order="left")
    if not len(joined):
        raise InputError(
            "users_id", "no user of the decisions is among the users", _better_id(users, table[key], "users")
        )
    return joined.select(key, *(c for c in features.columns if c != key), *own[1:])


def _id_of(table: pl.DataFrame, given: str | None, user_id: str, ids: pl.Series, what: str) -> str:
    """The id column of outcomes or users."""
    if given is not None:
        if given not in table.columns:
            raise InputError(f"{what}_id", f"no column {given!r} in the {what}", nearest(given, table.columns))
        return given
    if user_id in table.columns:
        return user_id
    if (found := id_column(table)) is not None:
        return found
    raise InputError(f"{what}_id", f"the {what} have no column {user_id!r}", _better_id(table, ids, what))


def _better_id(table: pl.DataFrame, ids: pl.Series, what: str) -> str:
    """Which column's values are ids of the decisions, in words."""
    known = set(ids.to_list())
    for column in table.columns:
        if known & set(as_text(table[column]).head(10_000).to_list()):
            return f"Those of {column!r} are: type {what}_id={column}."
    return f"Columns: {', '.join(table.columns[:12])}. Write ids the same way in both."
