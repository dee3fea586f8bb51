"""Raw events of a streaming app: who signs up, what they do and pay; linked as imperfectly as real ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from tippingpoint.data.contract import TableSchema, read_contract, shipped
from tippingpoint.data.database import memory
from tippingpoint.data.events import features
from tippingpoint.data.events.features import Definition, Engine, Quality, Vocabulary
from tippingpoint.data.events.source import EventSource
from tippingpoint.data.generators import event_log_lives as lives
from tippingpoint.data.generators.event_log_lives import DAY, KINDS
from tippingpoint.data.generators.event_log_records import (
    EXPOSURE,
    NEVER,
    SIGN_UP,
    Mess,
    Names,
    Rows,
    ledger,
    payments,
    product,
)
from tippingpoint.data.generators.world import Drift, Logging, Responses, expected_auc
from tippingpoint.data.users import Users

PROFILES = 4_096
"""Profiles drawn at a time. Block b has its own streams: profile i is the same whatever the size."""
TOGETHER = 16
"""Blocks that go through the SQL at once: 65,536 profiles."""
START = 1_735_689_600
"""2025-01-01 in epoch seconds: the first sign-up."""
VOCABULARY = Vocabulary(exposure="$experiment_started")


@dataclass(frozen=True)
class Block:
    """The events of some profiles, and what only simulation knows of those at risk at the cut-off.

    Parameters
    ----------
    product, payments
        Columns as in `exports.PRODUCT` and `exports.PAYMENTS`, in the order they were received.
    known
        `user_id`, and lists of K: `truth` P(outcome | action) and `chance` of each action.
    """

    product: pl.DataFrame
    payments: pl.DataFrame
    known: pl.DataFrame


class EventLog(EventSource):
    """Profiles of a streaming app, followed for 60 days from sign-up, and for 60 more once they subscribe.

    Intent (and, once they pay, discontent) begins to show within the first days for some and weeks later for
    others; from then on it is seen in what they do, and counts in the daily chance of subscribing (leaving).
    At the cut-off an action is taken and logged; for the horizon it moves the daily log-odds of those it can.
    """

    profiles: int = Field(default=12_000, ge=1)
    seed: int = Field(default=20240501, ge=0, lt=2**64)
    cohort_days: int = Field(default=90, ge=1)
    """Days over which they sign up."""
    sessions: float = Field(default=4.1, ge=1)
    """Mean number of sessions of a free profile."""
    early: float = Field(default=0.4, ge=0, le=1)
    """Share whose intent shows within the first days."""
    subscribing: float = -8.6
    leaving: float = -5.2
    """Daily log-odds of the average profile."""
    responses: Responses = Responses()
    strength: dict[str, float] = {"discount_10": 0.9, "checkout_prompt": 1.2}
    """Daily log-odds of subscribing that an action adds for the persuadable and takes from sleeping dogs; for
    churn, of leaving, that it takes from the persuadable and adds for sleeping dogs."""
    logging: Logging = Logging()
    drift: Drift = Drift()
    mess: Mess = Mess()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.window_days + self.horizon_days > lives.DAYS:
            raise ValueError(f"window_days + horizon_days must be at most {lives.DAYS}")
        if set(self.strength) != set(self.logging.chances) - {"none"}:
            raise ValueError("strength must name the logged actions but none")
        return self

    @property
    def origin(self) -> str:
        return "event_log"

    @property
    def definition(self) -> Definition:
        """What is asked of the events; everyone is followed to the end, so nobody's horizon is open."""
        until = START + (self.cohort_days + 2 * lives.DAYS + 1) * DAY
        return Definition(self.outcome, self.window_days, self.horizon_days, VOCABULARY, until)

    def blocks(self) -> Iterator[Block]:
        """The events in parts of up to PROFILES profiles; memory stays bounded whatever the size."""
        for first in range(0, self.profiles, PROFILES):
            yield self._block(first // PROFILES, min(PROFILES, self.profiles - first))

    def engines(self) -> Iterator[Engine]:
        return (engine for engine, _ in self._parts())

    def load(self) -> Users:
        """Features and labels from the SQL, some blocks at a time, and the truth beside them."""
        tables, known, quality = [], [], Quality()
        for engine, part in self._parts():
            table, found = features.users(engine, self.definition)
            tables.append(table)
            known += [block.known for block in part]
            quality = quality + found
        table = pl.concat(tables).join(pl.concat(known), on="user_id", how="left", maintain_order="left")
        parts = {"truth": table["truth"].to_numpy()}
        if self.logging.kind != "confounded":
            parts["logging_probability"] = table["chance"].to_numpy()
        users = features.as_users(table, self.definition, quality, tuple(self.logging.chances), **parts)
        return self.let_in(users, users.table())

    @cached_property
    def terms(self) -> TableSchema:
        """What the door asks: the contract given, else the log's own with the actions of the config."""
        if self.contract is not None:
            return read_contract(Path(self.contract))
        return read_contract(shipped(f"{self.origin}_{self.outcome}")).with_actions(list(self.logging.chances))

    def best_auc(self, users: Users) -> float:
        """The expected ROC AUC of one who knows each whole profile at the cut-off: more than events can tell.

        What the messy events alone could tell at best is not known in closed form; no score of them can have more
        than this. Where the chances of the actions are unknown, it is one who knows the action taken as well.
        """
        assert users.truth is not None
        assert users.action is not None
        if users.logging_probability is None:
            return expected_auc(users.truth[np.arange(len(users)), users.action])
        return expected_auc((users.truth * users.logging_probability).sum(axis=1))

    def _parts(self) -> Iterator[tuple[Engine, list[Block]]]:
        blocks = self.blocks()
        while part := list(islice(blocks, TOGETHER)):
            engine = memory(
                product_events=pl.concat([block.product for block in part]),
                payment_events=pl.concat([block.payments for block in part]),
            )
            yield engine, part

    def _block(self, b: int, keep: int) -> Block:
        def stream(part: int) -> np.random.Generator:
            return np.random.Generator(np.random.Philox(key=[self.seed, b], counter=[0, 0, 0, part]))

        n, free = PROFILES, self.outcome == "conversion"
        rng = stream(0)
        who = lives.Profiles.draw(rng, n, self.early)
        signed_up = START + (rng.random(n) * self.cohort_days * DAY).astype(np.int64)
        moved = self.drift.progress(b * n + np.arange(n))
        index = who.index if free else who.grievance
        chance = self.logging.probabilities(index / index.std(), who.noise / who.noise.std())
        given = (np.cumsum(chance[:, :-1], axis=1) < rng.random((n, 1))).sum(axis=1)
        strength = np.outer(
            1 + self.drift.effect * moved,
            [0.0, *(self.strength[action] for action in list(self.logging.chances)[1:])],
        )

        # Both turns of a life have ways of responding; only at the one that is asked about is anything done.
        base, effect = respond(rng, self.responses, 0.5 * who.index, who.engagement)
        subscribes = lives.Fate.draw(
            stream(1),
            lives.free_log_odds(who, self.subscribing + base + free * self.drift.log_odds * moved),
            free * effect[:, None] * strength,
            given,
            self.window_days,
            self.horizon_days,
        )
        payer = np.flatnonzero(subscribes.day < lives.DAYS)
        starts = signed_up[payer] + ((subscribes.day + rng.uniform(0.02, 0.98, n))[payer] * DAY).astype(np.int64)
        payers, rng = who.take(payer), stream(2)
        trouble = lives.Trouble.draw(rng, payers)
        base, effect = respond(rng, self.responses, -0.5 * payers.grievance, payers.engagement)
        leaves = lives.Fate.draw(  # an action that works keeps them
            rng,
            lives.paid_log_odds(payers, self.leaving - base + (not free) * self.drift.log_odds * moved[payer], trouble),
            (free - 1) * effect[:, None] * strength[payer],
            given[payer],
            self.window_days,
            self.horizon_days,
        )
        ends = starts + ((leaves.day + rng.uniform(0.02, 0.98, len(payer))) * DAY).astype(np.int64)
        ends[leaves.day == lives.DAYS] = NEVER

        fate, anchor, rows = (subscribes, signed_up, np.arange(n)) if free else (leaves, starts, payer)
        asked = rows[fate.at_risk]
        cut_off = anchor[fate.at_risk] + self.window_days * DAY
        freed = np.full(n, np.inf)
        freed[payer] = (starts - signed_up[payer]) / DAY - 0.02
        before = lives.free_sessions(stream(3), who, freed, self.sessions)
        after = lives.paid_sessions(stream(4), payers, (ends - starts) / DAY, trouble.paused)
        did = Rows.join(
            [
                Rows.of(np.arange(n), SIGN_UP, signed_up),
                Rows.of(asked, EXPOSURE, cut_off, given[asked]),
                Rows(
                    before.profile,
                    before.kind,
                    signed_up[before.profile] + _whole(before.day),
                    before.playback,
                ),
                Rows(
                    payer[after.profile],
                    after.kind,
                    starts[after.profile] + _whole(after.day),
                    after.playback,
                ),
                Rows.of(payer, KINDS.index("Sign In"), starts - 864),
                Rows.of(payer, KINDS.index("Pricing Page"), starts - 400),
            ]
        )
        paid = ledger(stream(5), who, signed_up, payer, starts, ends, trouble)
        names = Names(self.seed, b, n)
        kept = pl.col("profile") < keep
        known = {
            "user_id": names.profiles().gather(asked),
            "truth": fate.truth[fate.at_risk],
            "chance": chance[asked],
        }
        events = product(stream(6), names, self.mess, who, did, signed_up, list(self.logging.chances))
        return Block(
            events.filter(kept).drop("profile"),
            payments(stream(7), names, self.mess, paid).filter(kept).drop("profile"),
            pl.DataFrame(known).filter(pl.Series(asked < keep)),
        )


def respond(
    rng: np.random.Generator, shares: Responses, keen: np.ndarray, engaged: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw each profile's way of responding: log-odds added whatever is done, and an action's multiplier.

    The keen, (n,), can be won or need no winning; the engaged, (n,), who are not keen dislike it. The
    shares hold for the n profiles together.
    """
    affinity = 0.7 * np.stack([keen, keen, -keen, engaged - keen], axis=1)
    way = np.argmax(affinity + shares.fit(affinity) + rng.gumbel(size=affinity.shape), axis=1)
    # A base counts every day here, so it is less than `Responses.base`.
    return np.array([0.0, 0.8, -0.8, 0.0])[way], shares.effect[way]


def _whole(day: np.ndarray) -> np.ndarray:
    return (day * DAY).astype(np.int64)
