"""From lives to records: what Mixpanel and Stripe would hold of them, with the faults real logs have."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import Field

from tippingpoint.core.strict import StrictModel
from tippingpoint.data.events.exports import PAYMENTS, PRODUCT
from tippingpoint.data.events.stripe import OBJECTS
from tippingpoint.data.generators.event_log_lives import (
    COUNTRIES,
    DAY,
    DAYS,
    KINDS,
    PLATFORMS,
    Profiles,
    Trouble,
)

NAMES = (*KINDS, "Sign Up", "$experiment_started", "$identify", "$merge")
SIGN_UP, EXPOSURE, IDENTIFY, MERGE = range(len(KINDS), len(NAMES))
SERVER = len(KINDS)
"""Kinds from here on are recorded by the server, whose clock is right and which is never late."""
TYPES = (
    "customer.created",
    "customer.subscription.created",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.deleted",
    "invoice.paid",
    "invoice.payment_failed",
    "charge.refunded",
)
CREATED, STARTED, PAUSED, RESUMED, ENDED, PAID, FAILED, REFUNDED = range(len(TYPES))
PRICE = 999
"""Cents a month."""
NEVER = 2**40
"""Later than anything."""
PREFIX = {"customer": "cus_", "subscription": "sub_", "invoice": "in_", "charge": "ch_"}
USER, DEVICE, OLD, NOBODY = range(4)
"""Ids of a profile: its own; a device it used signed out; an account from before; a device nobody claims."""


class Mess(StrictModel):
    """How imperfectly the events are linked; shares."""

    late: float = Field(default=0.04, ge=0, le=1)
    """Of the product events, received hours after they happened."""
    duplicate: float = Field(default=0.02, ge=0, le=1)
    """Of all events, received twice."""
    orphan: float = Field(default=0.01, ge=0, le=1)
    """Events of nobody's, for each that is somebody's."""
    skewed: float = Field(default=0.03, ge=0, le=1)
    """Of the profiles, on a device whose clock is up to half a day off, ahead or behind."""
    merged: float = Field(default=0.1, ge=0, le=1)
    """Of the profiles, on a second device too, known to be theirs only later."""


@dataclass(frozen=True)
class Rows:
    """m things that happened: `profile` is a row of the block, `kind` a code, `time` an epoch second.

    `value` is -1 where there is none.
    """

    profile: np.ndarray
    kind: np.ndarray
    time: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, profile: np.ndarray, kind: int, time: np.ndarray, value: np.ndarray | int = -1) -> "Rows":
        """Rows of one kind."""
        m = len(profile)
        return cls(profile, np.full(m, kind), time.astype(np.int64), np.broadcast_to(value, m).astype(np.int64))

    def take(self, rows: np.ndarray) -> "Rows":
        """The rows at `rows`."""
        return Rows(self.profile[rows], self.kind[rows], self.time[rows], self.value[rows])

    @classmethod
    def join(cls, parts: list["Rows"]) -> "Rows":
        """All rows, part after part."""
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in ("profile", "kind", "time", "value")))


@dataclass(frozen=True)
class Names:
    """Ids of the profiles of one block."""

    seed: int
    block: int
    size: int

    def hexadecimal(self, what: int, count: int) -> pl.Series:
        """`count` ids of 16 hex digits, different from those of another `what`, block or seed."""
        return hexadecimal(np.arange(count, dtype=np.uint64) + np.uint64((self.block << 28) + (what << 24)), self.seed)

    def profiles(self) -> pl.Series:
        """Ids by slot (USER, DEVICE, OLD, NOBODY) and profile."""
        number = pl.Series(np.arange(self.block * self.size, (self.block + 1) * self.size)).cast(pl.String).str.zfill(9)
        device, nobody = self.hexadecimal(1, self.size), self.hexadecimal(2, self.size)
        return pl.concat(["u" + number, "$device:" + device, "v1-" + number, "$device:" + nobody])


def hexadecimal(number: np.ndarray, seed: int) -> pl.Series:
    """16 hex digits of each number, scrambled one to one (finaliser of SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        z = number ^ (np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    pairs = np.array([f"{i:02x}".encode() for i in range(256)]).view(np.uint16)
    text = pairs[z.astype(">u8").view(np.uint8)]
    offsets = np.arange(len(z) + 1, dtype=np.int64) * 16
    strings = pa.LargeStringArray.from_buffers(len(z), pa.py_buffer(offsets), pa.py_buffer(text))
    return pl.Series(strings)


def ledger(
    rng: np.random.Generator,
    who: Profiles,
    signed_up: np.ndarray,
    payer: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    trouble: Trouble,
) -> Rows:
    """What is paid, and what happens to subscriptions.

    Parameters
    ----------
    signed_up
        (n,) epoch second.
    payer
        (m,) rows of `who` that subscribe; `starts` and `ends` are theirs, and `trouble` is.
    """
    n = len(signed_up)
    start = np.full(n, NEVER)
    start[payer] = starts
    # Some go to the checkout and turn back, half of them because the card was refused.
    turned = signed_up + ((np.maximum(who.intent_from, 0.1) + rng.exponential(5.0, n)) * DAY).astype(np.int64)
    turns = rng.random(n) < np.minimum(np.exp(-5.4 + who.intent), 0.3)
    turns &= (turned < start - 600) & (turned < signed_up + DAYS * DAY)
    refused = np.flatnonzero(turns & (rng.random(n) < 0.5))
    customer = np.flatnonzero(turns | (start < NEVER))
    first = np.where(turns, turned, start - 300)
    rows = [
        Rows.of(customer, CREATED, first[customer]),
        Rows.of(refused, FAILED, turned[refused] + 60, PRICE),
    ]

    def happen(kind: int, day: np.ndarray | float, whose: np.ndarray | bool = True, cents: int = -1) -> None:
        at = starts + (np.broadcast_to(day, len(payer)) * DAY).astype(np.int64)
        chosen = np.flatnonzero((at < ends) & (np.asarray(day) < DAYS) & whose)
        rows.append(Rows.of(payer[chosen], kind, at[chosen], cents))

    again = 2 / DAY  # a payment is tried two seconds after what it is for
    happen(STARTED, 0.0)
    happen(PAID, again, ~trouble.first_fails, PRICE)
    happen(FAILED, again, trouble.first_fails, PRICE)
    happen(PAID, trouble.retried, trouble.first_fails, PRICE)
    happen(PAID, 30 + again, ~trouble.renewal_fails, PRICE)
    happen(FAILED, 30 + again, trouble.renewal_fails, PRICE)
    happen(PAUSED, trouble.paused)
    happen(RESUMED, trouble.paused + 14, rng.random(len(payer)) < 0.5)
    happen(REFUNDED, trouble.refunded, True, PRICE)
    left = ends < NEVER
    rows.append(Rows.of(payer[left], ENDED, ends[left]))
    return Rows.join(rows)


def product(
    rng: np.random.Generator,
    names: Names,
    mess: Mess,
    who: Profiles,
    rows: Rows,
    signed_up: np.ndarray,
    actions: list[str],
) -> pl.DataFrame:
    """Product events of all profiles of a block, columns as in PRODUCT, and `profile`; in the order received.

    Parameters
    ----------
    rows
        What was done; `value` is seconds of playback, or the action given.
    signed_up
        (n,) epoch second.
    """
    n = len(signed_up)
    rows, claimed, chained = _merged(rng, mess, rows, signed_up)
    m, client = len(rows.time), rows.kind < SERVER
    slot = np.where(client & (rows.time < claimed[rows.profile]) & (rng.random(m) < 0.4), DEVICE, USER)
    slot[(rows.kind == IDENTIFY) & chained[rows.profile]] = OLD
    alias = np.select([rows.kind == IDENTIFY, rows.kind == MERGE], [DEVICE, OLD], -1)

    stated, received = _clocks(rng, mess, rows, client, n)
    nobodys = np.flatnonzero(client & (rng.random(m) < mess.orphan))
    again = np.flatnonzero(rng.random(m) < mess.duplicate)
    pick = np.concatenate([np.arange(m), nobodys, again])
    key = np.concatenate([np.arange(m), m + np.arange(len(nobodys)), again])
    received = received[pick]
    received[m + len(nobodys) :] += rng.integers(1, 3_600, len(again))
    slot = slot[pick]
    slot[m : m + len(nobodys)] = NOBODY
    order = np.argsort(received, kind="stable")
    pick, key, received, slot = pick[order], key[order], received[order], slot[order]

    profile, kind, value = rows.profile[pick], rows.kind[pick], rows.value[pick]
    ids = names.profiles()
    aliased = alias[pick]
    return pl.DataFrame(
        {
            "distinct_id": ids.gather(slot * n + profile),
            "event": pl.Series(NAMES).gather(kind),
            "time": stated[pick],
            "insert_id": names.hexadecimal(3, m + len(nobodys)).gather(key),
            "received": received,
            "alias": ids.gather(_or_null(aliased * n + profile, aliased >= 0)),
            "variant": pl.Series(actions, dtype=pl.String).gather(_or_null(value, kind == EXPOSURE)),
            "seconds": _or_null(value, (kind < SERVER) & (value >= 0)),
            "platform": pl.Series(PLATFORMS).gather(who.platform[profile]),
            "country": pl.Series(COUNTRIES).gather(who.country[profile]),
            "profile": profile,
        },
        schema={**PRODUCT, "profile": pl.Int64},
    )


def _merged(
    rng: np.random.Generator, mess: Mess, rows: Rows, signed_up: np.ndarray
) -> tuple[Rows, np.ndarray, np.ndarray]:
    """The rows with those that join ids; (n,) when a profile's ids were joined, 0 if never; and (n,) if by a chain."""
    n = len(signed_up)
    second = rng.random(n) < mess.merged
    claimed = np.where(second, signed_up + (rng.exponential(5.0, n) * DAY).astype(np.int64) + 1, 0)
    chained = second & (rng.random(n) < 0.1)
    direct, indirect = np.flatnonzero(second & ~chained), np.flatnonzero(chained)
    joined = Rows.join(
        [
            rows,
            Rows.of(direct, IDENTIFY, claimed[direct]),
            Rows.of(indirect, IDENTIFY, claimed[indirect]),
            Rows.of(indirect, MERGE, claimed[indirect] + 60),
        ]
    )
    return joined, claimed, chained


def _clocks(
    rng: np.random.Generator, mess: Mess, rows: Rows, client: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """(m,) the time that each event states, by its device's clock, and (m,) when it was received."""
    m = len(rows.time)
    off = np.where(rng.random(n) < mess.skewed, rng.uniform(-43_200, 43_200, n), 0).astype(np.int64)
    delay = np.where(rng.random(m) < mess.late, 3_600 + rng.exponential(43_200, m), rng.random(m) * 4).astype(np.int64)
    return rows.time + off[rows.profile] * client, rows.time + delay * client


def payments(rng: np.random.Generator, names: Names, mess: Mess, rows: Rows) -> pl.DataFrame:
    """Payment events of a block, columns as in PAYMENTS, and `profile`; by time. `value` is in cents."""
    n = names.size
    # Customers who came another way, and are linked to no user: a copy of what a few customers did.
    nobodys = np.flatnonzero((rng.random(n) < mess.orphan)[rows.profile])
    m = len(rows.time)
    again = np.flatnonzero(rng.random(m + len(nobodys)) < mess.duplicate)
    pick = np.concatenate([np.arange(m), nobodys])
    key = np.concatenate([np.arange(m + len(nobodys)), again])
    pick = pick[key]
    order = np.argsort(rows.time[pick], kind="stable")
    key, pick = key[order], pick[order]
    profile, kind, linked = rows.profile[pick], rows.kind[pick], key < m
    whose = profile + n * ~linked
    types = pl.Series(TYPES)
    family = types.str.replace(r"\.[a-z_]+$", "").replace_strict(OBJECTS)
    own = names.hexadecimal(4, m + len(nobodys)).gather(key)  # of the event, and of what happens once
    customer = names.hexadecimal(5, 2 * n).gather(whose)
    lasting = pl.Series(kind <= ENDED)
    return pl.DataFrame(
        {
            "event_id": "evt_" + own,
            "type": types.gather(kind),
            "created": rows.time[pick],
            "object_id": family.replace_strict(PREFIX).gather(kind) + customer.zip_with(lasting, own),
            "customer": "cus_" + customer,
            "user_id": names.profiles().gather(_or_null(profile, linked & (kind == CREATED))),
            "amount": _or_null(rows.value[pick], rows.value[pick] >= 0),
            "profile": profile,
        },
        schema={**PAYMENTS, "profile": pl.Int64},
    )


def _or_null(values: np.ndarray, known: np.ndarray) -> pl.Series:
    return pl.Series(values).set(pl.Series(~known), None)
