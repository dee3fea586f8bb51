"""From events to users: features at a cut-off time from what was received before, labels from the horizon after."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl
from pydantic import Field, field_validator

from tippingpoint.core.errors import InputError
from tippingpoint.core.strict import StrictModel
from tippingpoint.data.events import snapshots as by_date
from tippingpoint.data.events.snapshots import DAY, LONGEST, Snapshots
from tippingpoint.data.events.sql import (
    ANSWER,
    COUNTED,
    DUE,
    EXPOSURES,
    HAPPENED,
    LAST_EVENT,
    REACHED,
    SIGNED_UP,
    SPAN_OF_ALL,
    SQL,
    STILL,
    SUBSCRIBED,
    digest,
)
from tippingpoint.data.users import Column, FeatureSchema, Users

Outcome = Literal["conversion", "churn"]
NOBODY = "no user has both a whole window and a whole horizon in the log"
LINKS = {"distinct_id": "an id", "$insert_id": "an id", "time": "a time", "customer": "an id"}
"""Columns of events that no model sees: they only link them to users."""


class Vocabulary(StrictModel):
    """What the product calls the events that matter. Names of payment events are Stripe's."""

    sign_up: str = "Sign Up"
    """The event that makes an id a user."""
    exposure: str | None = None
    """The event that says which action a user was given at the cut-off; null: none was logged."""
    counted: dict[str, str] = Field(
        default={
            "signins": "Sign In",
            "playbacks": "Playback",
            "searches": "Search",
            "downloads": "Download",
            "pricing_pages": "Pricing Page",
            "limit_notifications": "Limit Notification",
            "account_pages": "Account Page",
        },
        min_length=1,
    )
    """Feature name and event name; the first is the sign-in, the measure of all others."""

    @field_validator("counted")
    @classmethod
    def _are_column_names(cls, counted: dict[str, str]) -> dict[str, str]:
        for name in counted:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"{name!r} is not a name of lower-case letters, digits and _")
        return counted


@dataclass(frozen=True)
class Definition:
    """What is asked of the events.

    Parameters
    ----------
    outcome
        `conversion`: a user who signed up starts a subscription; the clock starts at sign-up. `churn`: a
        subscriber's subscription ends; the clock starts with the first subscription.
    window_days, horizon_days
        Days from the start of the clock to the cut-off, and from the cut-off to the end of the horizon.
    vocabulary
        Names of the product events.
    since, until
        Epoch second from which, and up to which the log is complete: users whose horizon ends later are left out, as
        their outcome is not known yet. None: the first and the last event.
    snapshots
        `first`: a user is seen once, at their cut-off; else at every date on which they are at risk: for conversion
        without a subscription, for churn with one. Features are of the days before the date then, not of a window.
    """

    outcome: Outcome
    window_days: int
    horizon_days: int
    vocabulary: Vocabulary
    until: int | None = None
    since: int | None = None
    snapshots: Snapshots = "first"

    @property
    def at_dates(self) -> bool:
        """Whether users are seen at dates, not once each."""
        return self.snapshots != "first"

    @property
    def reach(self) -> int:
        """Days before a cut-off in which features count events."""
        return LONGEST if self.at_dates else self.window_days

    @property
    def made_by(self) -> dict[str, Any]:
        """What features of the same name can differ in: these keys of the config, and the SQL, as its digest."""
        vocabulary = self.vocabulary
        of_window = {"snapshots": "by date"} if self.at_dates else {"window_days": self.window_days}
        return {
            "outcome": self.outcome,
            **of_window,
            "vocabulary": {"sign_up": vocabulary.sign_up, "counted": dict(vocabulary.counted)},
            "sql": digest(by_date.SQL if self.at_dates else SQL),
        }

    @property
    def contract(self) -> FeatureSchema:
        """Columns of the features; which payment states can differ between users depends on the question."""
        counted = list(self.vocabulary.counted)
        names = [*counted, *(f"{c}_per_sign_in" for c in counted[1:])]
        names += ["active_days", "playback_hours", "hours_since_last_event", "trend"]
        if self.at_dates:
            names = by_date.names(counted)
        elif self.outcome == "conversion":
            names += ["is_customer", "invoices_failed"]
        else:
            names += [
                "days_since_sign_up",
                "invoices_paid",
                "invoices_failed",
                "cents_paid",
                "cents_refunded",
                "paused",
            ]
        categories = (Column("platform", "category"), Column("country", "category"))
        return FeatureSchema(
            (*(Column(name, "number") for name in names), *categories),
            made_by=self.made_by,
            outcome="converted" if self.outcome == "conversion" else "churned",
            good=self.outcome == "conversion",
            user_id="user_id",
        )


@dataclass(frozen=True)
class Quality:
    """How well the events fit together; adds up over parts of a log."""

    product_events: int = 0
    product_duplicates: int = 0
    """Events of the users' windows that came again under the same id; counted once."""
    product_orphans: int = 0
    """Events of ids that never signed up nor were joined to one that did."""
    late: int = 0
    """Events received more than an hour after they happened; counted where they happened, unless they came after the
    cut-off."""
    ahead: int = 0
    """Events stated to have happened after they were received; taken to have happened then."""
    joined_ids: int = 0
    payment_events: int = 0
    payment_duplicates: int = 0
    payment_orphans: int = 0
    """Payment events of customers that no user is known for."""

    def __add__(self, other: "Quality") -> "Quality":
        return Quality(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __str__(self) -> str:
        return (
            f"{self.product_orphans:,} of {self.product_events:,} product events are orphans, of no user;"
            f" {self.product_duplicates:,} came again, counted once; {self.late:,} came over an hour late,"
            f" {self.ahead:,} had a clock ahead; {self.joined_ids:,} ids were joined to another;"
            f" {self.payment_orphans:,} of {self.payment_events:,} payment events are orphans,"
            f" {self.payment_duplicates:,} came more than once"
        )


class Engine(Protocol):
    """What runs the SQL: tables `product_events` and `payment_events`, with the columns that `exports` lists."""

    def frame(self, sql: str, parameters: dict[str, Any]) -> pl.DataFrame:
        """Run one query, `$name` standing for the bound parameter of that name."""


def users(engine: Engine, definition: Definition) -> tuple[pl.DataFrame, Quality]:
    """Features, outcome and logged action of each user at risk at their cut-off.

    Returns
    -------
    polars.DataFrame
        Sorted by `user_id`: the contract's columns, `cut_off` (epoch second), `outcome` (0/1), `variant` (null where
        none was logged).
    Quality
        How well the events fit together.

    Raises
    ------
    InputError
        When the log has no date whose outcomes are due.
    """
    text, parameters = _at_settled_dates(engine, definition) if definition.at_dates else query(definition, COUNTED)
    table = engine.frame(text, parameters)
    counts = {name.removeprefix("_"): table[name][0] for name in table.columns if name.startswith("_")}
    repeats = table["repeats"].head(1) if definition.at_dates else table["repeats"]
    quality = Quality(**counts, product_duplicates=int(repeats.sum()))
    # Where there is no user, the counts still stand in a row.
    return table.filter(pl.col("user_id").is_not_null()).drop("repeats", *(f"_{name}" for name in counts)), quality


def _at_settled_dates(engine: Engine, definition: Definition) -> tuple[str, dict[str, Any]]:
    """The SQL of all dates whose outcomes are due, with the counts of `Quality`, and its parameters."""
    first, last = engine.frame(SPAN_OF_ALL, {}).row(0)
    if first is None:
        raise InputError("data", "the log holds no product event", "Check where it is read from.")
    since = definition.since if definition.since is not None else first
    until = definition.until if definition.until is not None else last
    dates = by_date.settled(definition.snapshots, since, until, definition.horizon_days)
    text, parameters = _at(definition, dates)
    return text + COUNTED, parameters


def _at(definition: Definition, dates: Sequence[int]) -> tuple[str, dict[str, Any]]:
    vocabulary, churn = definition.vocabulary, definition.outcome == "churn"
    return by_date.query(vocabulary.counted, churn, definition.horizon_days, vocabulary.sign_up, dates)


def as_users(
    table: pl.DataFrame,
    definition: Definition,
    quality: Quality,
    actions: tuple[str, ...] | None,
    **known: np.ndarray,
) -> Users:
    """Make Users of the rows that `users` gave.

    Parameters
    ----------
    actions
        Those that were logged, `none` first; None where nothing was.
    known
        Further parts of Users (truth, logging_probability), row by row.

    Raises
    ------
    InputError
        When somebody was given an action that is not named.
    """
    contract, ids = definition.contract, table["user_id"]
    moment = pl.from_epoch(table["cut_off"].cast(pl.Int64), "s")
    numbers = table.select(pl.col(contract.names("number")).cast(pl.Float64)).to_pandas()
    for name in contract.names("category"):
        numbers[name] = table[name].to_pandas().astype("str")
    parts: dict[str, Any] = dict(known)
    if actions is not None:
        codes = {name: k for k, name in enumerate(actions)}
        if unknown := set(table["variant"].unique()) - set(codes):
            raise InputError("data.logging", f"users were given {sorted(map(str, unknown))}", "Name their chances.")
        parts["action"] = table["variant"].replace_strict(codes, return_dtype=pl.Int64).to_numpy()
    if definition.at_dates:
        parts["group"] = ids.to_numpy().astype(object)
        ids = ids + " " + moment.dt.strftime("%Y-%m-%d")
    return Users(
        features=numbers,
        outcome=table["outcome"].cast(pl.Int64).to_numpy(),
        user_id=ids.to_numpy().astype(object),
        moment=moment.to_numpy(),
        horizon_days=definition.horizon_days,
        contract=replace(contract, dropped=LINKS, log=str(quality)),
        actions=actions or ("none",),
        **parts,
    )


@dataclass(frozen=True)
class Moment:
    """Users as of a time: those who came to their cut-off in some time before it, and have not had the outcome since.

    Parameters
    ----------
    at
        Epoch second; nothing that was received later is seen.
    reached
        Seconds.
    """

    at: int
    reached: int = DAY


def query(definition: Definition, ending: str = ANSWER, moment: Moment | None = None) -> tuple[str, dict[str, Any]]:
    """The SQL of a definition, and its parameters; only checked names of features are part of the text.

    Parameters
    ----------
    ending
        `ANSWER`, or `COUNTED`, which puts the counts of `Quality` beside each user.
    moment
        Whom to give; None: all whose horizon is over.
    """
    if definition.at_dates:
        assert moment is not None, "dates are told by the log"
        text, given = _at(definition, [moment.at])
        return text + ending, given
    vocabulary, window = definition.vocabulary, definition.window_days * DAY
    counted = list(vocabulary.counted)
    sign_in = counted[0]
    churn = definition.outcome == "churn"
    parameters: dict[str, Any] = {
        "sign_up": vocabulary.sign_up,
        "window_seconds": window,
        "half_seconds": window // 2,
        "horizon_seconds": definition.horizon_days * DAY,
        "happened": HAPPENED[definition.outcome],
        **{f"event_{name}": event for name, event in vocabulary.counted.items()},
    }
    exposed = vocabulary.exposure is not None and moment is None
    if exposed:
        parameters["exposure"] = vocabulary.exposure
    if moment is not None:
        parameters |= {"as_of": moment.at, "reached_seconds": moment.reached}
    elif definition.until is not None:
        parameters["until"] = definition.until
    due = DUE.format(until="$until" if definition.until is not None else LAST_EVENT)
    count = "COUNT(*) FILTER (WHERE event = $event_{0}) AS {0}"
    ratio = "CAST(b.{0} AS DOUBLE PRECISION) / NULLIF(b.{1}, 0) AS {0}_per_sign_in"
    text = SQL.format(
        anchors=SUBSCRIBED if churn else SIGNED_UP,
        asked=due if moment is None else REACHED,
        still="" if moment is None else STILL,
        counts=",\n    ".join(count.format(name) for name in counted),
        any_counted=", ".join(f"$event_{name}" for name in counted),
        counted=",\n  ".join(f"COALESCE(b.{name}, 0) AS {name}" for name in counted),
        ratios=",\n  ".join(ratio.format(name, sign_in) for name in counted[1:]) or "1 AS one",
        exposures=EXPOSURES if exposed else "",
        variant="x.variant" if exposed else "CAST(NULL AS TEXT)",
        exposed="JOIN exposures x ON x.user_id = c.user_id" if exposed else "",
    )
    return text + ending, parameters
