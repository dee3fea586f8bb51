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

from tippingpoint.core.errors import InputError
from tippingpoint.data.contract import TableSchema, read_contract, shipped_contract
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

    def content(self) -> str | None:
        return self.content_of(sorted(Path(features.__file__).parent.glob("*.sql")))

    @property
    def definition(self) -> Definition:
        """What is asked of the events; everyone is followed to the end, so nobody's horizon is open."""
        until = START + (self.cohort_days + 2 * lives.DAYS + 1) * DAY
        return Definition(self.outcome, self.window_days, self.horizon_days, VOCABULARY, until, START, self.snapshots)

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
        if not sum(map(len, tables)):
            raise InputError("data", features.NOBODY, "Type data.profiles=12000, or more.")
        if self.snapshots != "first":  # the truth is of one cut-off a user, and so is what was done
            users = features.as_users(pl.concat(tables), self.definition, quality, None)
            return self.valid_users(users, users.table())
        table = pl.concat(tables).join(pl.concat(known), on="user_id", how="left", maintain_order="left")
        parts = {"truth": table["truth"].to_numpy()}
        if self.logging.kind != "confounded":
            parts["logging_probability"] = table["chance"].to_numpy()
        users = features.as_users(table, self.definition, quality, tuple(self.logging.chances), **parts)
        return self.valid_users(users, users.table())

    @cached_property
    def terms(self) -> TableSchema | None:
        """The contract that validation uses: the one given, else the log's own with the actions of the config."""
        if self.contract is not None:
            return read_contract(Path(self.contract))
        if self.snapshots != "first":
            return None
        return shipped_contract(f"{self.origin}_{self.outcome}").with_actions(list(self.logging.chances))

    def best_auc(self, users: Users) -> float | None:
        """The expected ROC AUC of one who knows each whole profile at the cut-off: more than events can tell.

        What the messy events alone could tell at best is not known in closed form; no score of them can have more
        than this. Where the chances of the actions are unknown, it is one who knows the action taken as well.
        """
        if users.truth is None or users.action is None:
            return None
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

        people, free = self._people(stream(0), b), self.outcome == "conversion"
        who, signed_up = people.who, people.signed_up
        # Both turns of a life have ways of responding; only at the one that is asked about is anything done.
        drift = self.drift.log_odds * people.moved
        log_odds = lives.free_log_odds(who, self.subscribing + people.base + free * drift)
        push = free * people.effect[:, None] * people.strength
        subscribes = self._fate(stream(1), log_odds, push, people.given)
        payer = np.flatnonzero(subscribes.day < lives.DAYS)
        starts = signed_up[payer] + ((subscribes.day + people.moment)[payer] * DAY).astype(np.int64)

        payers, rng = who.take(payer), stream(2)
        trouble = lives.Trouble.draw(rng, payers)
        base, effect = respond(rng, self.responses, -0.5 * payers.grievance, payers.engagement)
        log_odds = lives.paid_log_odds(payers, self.leaving - base + (not free) * drift[payer], trouble)
        push = (free - 1) * effect[:, None] * people.strength[payer]  # an action that works keeps them
        leaves = self._fate(rng, log_odds, push, people.given[payer])
        ends = starts + ((leaves.day + rng.uniform(0.02, 0.98, len(payer))) * DAY).astype(np.int64)
        ends[leaves.day == lives.DAYS] = NEVER

        all_ = np.arange(PROFILES)
        fate, anchor, rows = (subscribes, signed_up, all_) if free else (leaves, starts, payer)
        asked = rows[fate.at_risk]
        cut_off = anchor[fate.at_risk] + self.window_days * DAY
        freed = np.full(PROFILES, np.inf)
        freed[payer] = (starts - signed_up[payer]) / DAY - 0.02
        before = lives.free_sessions(stream(3), who, freed, self.sessions)
        after = lives.paid_sessions(stream(4), payers, (ends - starts) / DAY, trouble.paused)
        did = Rows.join(
            [
                Rows.of(all_, SIGN_UP, signed_up),
                Rows.of(asked, EXPOSURE, cut_off, people.given[asked]),
                *(
                    Rows(own[of.profile], of.kind, since[of.profile] + _whole(of.day), of.playback)
                    for of, own, since in ((before, all_, signed_up), (after, payer, starts))
                ),
                Rows.of(payer, KINDS.index("Sign In"), starts - 864),
                Rows.of(payer, KINDS.index("Pricing Page"), starts - 400),
            ]
        )
        paid = ledger(stream(5), who, signed_up, payer, starts, ends, trouble)
        names, kept = Names(self.seed, b, PROFILES), pl.col("profile") < keep
        events = product(stream(6), names, self.mess, who, did, signed_up, list(self.logging.chances))
        bills = payments(stream(7), names, self.mess, paid)
        ids, truth = names.profiles().gather(asked), fate.truth[fate.at_risk]
        known = pl.DataFrame({"user_id": ids, "truth": truth, "chance": people.chance[asked]})
        return Block(
            events.filter(kept).drop("profile"),
            bills.filter(kept).drop("profile"),
            known.filter(pl.Series(asked < keep)),
        )

    def _people(self, rng: np.random.Generator, b: int) -> "_People":
        n = PROFILES
        who = lives.Profiles.draw(rng, n, self.early)
        signed_up = START + (rng.random(n) * self.cohort_days * DAY).astype(np.int64)
        moved = self.drift.progress(b * n + np.arange(n))
        index = who.index if self.outcome == "conversion" else who.grievance
        chance = self.logging.probabilities(index / index.std(), who.noise / who.noise.std())
        given = (np.cumsum(chance[:, :-1], axis=1) < rng.random((n, 1))).sum(axis=1)
        each = [0.0, *(self.strength[action] for action in list(self.logging.chances)[1:])]
        strength = np.outer(1 + self.drift.effect * moved, each)
        base, effect = respond(rng, self.responses, 0.5 * who.index, who.engagement)
        moment = rng.uniform(0.02, 0.98, n)
        return _People(who, signed_up, moved, chance, given, strength, base, effect, moment)

    def _fate(self, rng: np.random.Generator, log_odds: np.ndarray, push: np.ndarray, given: np.ndarray) -> lives.Fate:
        return lives.Fate.draw(rng, log_odds, push, given, self.window_days, self.horizon_days)


@dataclass(frozen=True)
class _People:
    """The n profiles of a block, and what is done to them.

    Parameters
    ----------
    signed_up
        (n,) epoch second.
    moved
        (n,) how far the world has drifted.
    chance, given
        (n, K) chance of each action, and (n,) the action taken.
    strength
        (n, K) strength of each action.
    base, effect
        (n,) as `respond` returns them for the first subscription.
    moment
        (n,) share of the day that had passed when they subscribed.
    """

    who: lives.Profiles
    signed_up: np.ndarray
    moved: np.ndarray
    chance: np.ndarray
    given: np.ndarray
    strength: np.ndarray
    base: np.ndarray
    effect: np.ndarray
    moment: np.ndarray


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
