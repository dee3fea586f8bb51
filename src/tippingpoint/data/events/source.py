"""Users from raw events: of a generator, of Mixpanel's and Stripe's exports, or of tables in a database."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.data.database import connect, memory, shown
from tippingpoint.data.events import features, state
from tippingpoint.data.events.as_of import users_as_of
from tippingpoint.data.events.exports import Properties
from tippingpoint.data.events.features import Definition, Engine, Moment, Outcome, Vocabulary
from tippingpoint.data.events.mapping import EventColumns, PaymentColumns, read_payments, read_product
from tippingpoint.data.events.mixpanel import read_mixpanel
from tippingpoint.data.events.snapshots import DAY, Snapshots, epoch
from tippingpoint.data.events.stripe import read_stripe
from tippingpoint.data.source import Source
from tippingpoint.data.users import Users


class EventSource(Source):
    """What all sources of events are asked."""

    outcome: Outcome = "conversion"
    """conversion: who signed up subscribes; churn: who subscribed leaves."""
    window_days: int = Field(default=7, ge=1, le=365)
    """Days from sign-up (churn: from the start of the subscription) to the cut-off: features see no more."""
    horizon_days: int = Field(default=30, ge=1, le=365)
    """Days from the cut-off in which the outcome counts."""
    snapshots: Snapshots = "first"
    """first: each user once, after their window; every:7d, or a list of days: everyone at risk on each of these days,
    with features of the 1, 7 and 28 days before. A user's rows are a group."""

    @property
    def question(self) -> str:
        return self.outcome

    @property
    def wanted(self) -> bool:
        return self.outcome == "conversion"

    @property
    @abstractmethod
    def definition(self) -> Definition:
        """What is asked of the events."""

    @abstractmethod
    def engines(self) -> Iterator[Engine]:
        """What runs SQL over the events, part by part; a user's events are all in one part."""

    def as_of(self, day: date, days: int = 1) -> pl.DataFrame:
        """Return `user_id`, `cut_off` (UTC) and the features of who came to their cut-off in so many days before a day.

        Of snapshots at dates it is everyone who is at risk at the day.

        Raises
        ------
        InputError
            When the day lies before the log, or the log lacks a part that features are made of.
        """
        return users_as_of(self.engines(), self.definition, self.moment(day, days))

    def moment(self, day: date, days: int) -> Moment:
        """The beginning of a day, and how long before it users came to their cut-off.

        Raises
        ------
        InputError
            When several days are asked for of snapshots at dates.
        """
        if self.definition.at_dates and days != 1:
            what = "by date, everyone at risk on the day is given, however long they are"
            raise InputError("days", what, "Leave days out.")
        return Moment(epoch(day), days * DAY)


class Events(EventSource):
    """Exports of Mixpanel and Stripe, logs of any shape, or tables of a database.

    The tables are `product_events` and `payment_events`, their columns those of `exports.PRODUCT` and `PAYMENTS`.
    """

    product: str | None = None
    """Mixpanel's raw export: a file of JSON lines, a folder of them, or a pattern; with `events` of any shape."""
    payments: str | None = None
    """Stripe's events: JSON lines or CSV, likewise; with `billing` of any shape, or null: among those of `product`."""
    url: str | None = None
    """Instead of files: a DuckDB or PostgreSQL URL."""
    events: EventColumns | None = None
    """The columns of a log of another shape than Mixpanel's."""
    billing: PaymentColumns | None = None
    """The columns of payments of another shape than Stripe's."""
    until: int | None = None
    """Epoch second up to which the log is complete; null: its last event."""
    state: str | None = None
    """A folder that keeps what features of later days need: of a day, `product` and `payments` are then only what came
    since the day before."""
    vocabulary: Vocabulary = Vocabulary()
    properties: Properties = Properties()
    logging: dict[str, float] | None = None
    """Where an experiment was logged: each action and the chance it was taken with, `none` first; null where the
    chances are not known: the actions are those that were given, and `none`."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        together = self.payments is None and self.billing is not None  # payments stand among the product events
        if (self.url is None) == (self.product is None or (self.payments is None and not together)):
            raise ValueError("needs product and payments, or else url")
        if self.url is not None and (self.events is not None or self.billing is not None):
            raise ValueError(
                "url reads the tables product_events and payment_events as they are. Type data.url=null"
                " data.product='duckdb:///app.duckdb?table=…' for a table of another shape."
            )
        if self.state is not None and (
            self.url is not None or any(of is not None and of.id is None for of in (self.events, self.billing))
        ):
            raise ValueError(
                "state keeps events of files by their ids. Type data.events.id=… data.billing.id=…, or drop data.state."
            )
        if self.vocabulary.exposure is None and self.logging is not None:
            raise ValueError("logging needs vocabulary.exposure, the event that says which action was given")
        if self.vocabulary.exposure is not None and self.snapshots != "first":
            raise ValueError(
                "vocabulary.exposure says what was done once, and snapshots see users more often. Type"
                " data.vocabulary.exposure=null, or data.snapshots=first."
            )
        return self

    @property
    def origin(self) -> str:
        if self.url is not None:
            return f"events in {shown(self.url)}"
        places = [place for place in (self.product, self.payments) if place is not None]
        return f"events of {' and '.join(shown(place) if '://' in place else place for place in places)}"

    @property
    def definition(self) -> Definition:
        """What is asked of the events."""
        return Definition(
            self.outcome, self.window_days, self.horizon_days, self.vocabulary, self.until, snapshots=self.snapshots
        )

    def load(self) -> Users:
        for engine in self.engines():
            table, quality = features.users(engine, self.definition)
            if table.is_empty():
                raise self._nobody(engine)
        actions: tuple[str, ...] | None = None
        known: dict[str, np.ndarray] = {}
        if self.logging is not None:
            actions = tuple(self.logging)
            known["logging_probability"] = np.tile(list(self.logging.values()), (len(table), 1))
        elif self.vocabulary.exposure is not None:
            actions = ("none", *sorted(set(table["variant"].drop_nulls()) - {"none"}))
        users = features.as_users(table, self.definition, quality, actions, **known)
        newest = datetime.fromtimestamp(table["cut_off"].cast(pl.Int64).to_numpy().max(), UTC).replace(tzinfo=None)
        users = replace(users, times={"cut-off": newest})
        return self.valid_users(users, users.table())

    def _nobody(self, engine: Engine) -> InputError:
        """What to say where events make no user: of the name of a sign-up, or of a log that is too short."""
        each = "SELECT event, MIN(time) AS first, MAX(time) AS last FROM product_events GROUP BY event ORDER BY event"
        events = engine.frame(each, {}).drop_nulls().rows()
        sign_up, key = self.vocabulary.sign_up, "data.vocabulary.sign_up"
        names, first, last = zip(*events, strict=True) if events else ((), (0,), (0,))
        if sign_up not in names:
            return InputError(key, f"no event is called {sign_up!r}", nearest(sign_up, names, key))
        days = (max(last) - min(first)) // DAY
        what = f"{features.NOBODY}, which has {days:,} days"
        return InputError("data", what, "Type data.window_days=… data.horizon_days=…, fewer days together.")

    def as_of(self, day: date, days: int = 1) -> pl.DataFrame:
        if self.state is None:
            return super().as_of(day, days)
        folder, moment = Path(self.state), self.moment(day, days)
        product, payments = state.resume(folder, day, self.definition, moment, *self._tables())
        engine = memory(product_events=product, payment_events=payments)
        found = users_as_of([engine], self.definition, moment)
        state.keep(folder, day, self.definition, product, payments)
        return found

    def engines(self) -> Iterator[Engine]:
        if self.state is not None:
            what = f"{self.state} keeps of a log only what features as of a day need"
            raise InputError("data.state", what, "Drop data.state, and bring the whole log.")
        if self.url is not None:
            with connect(self.url) as database:
                yield database
            return
        product, payments = self._tables()
        yield memory(product_events=product, payment_events=payments)

    def _tables(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Product and payment events, as the files have them."""
        assert self.product is not None
        events, sign_up = self.events, self.vocabulary.sign_up
        product = (
            read_product(self.product, events, sign_up) if events else read_mixpanel(self.product, self.properties)
        )
        where = self.payments or self.product
        billing = self.billing
        payments = read_payments(where, billing) if billing else read_stripe(where, self.properties)
        return product, payments
