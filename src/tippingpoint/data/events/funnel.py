"""From sign-up to paying: how many get how far, and how soon; counted where the events are."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from tippingpoint.data.events.features import Definition, Engine
from tippingpoint.data.events.snapshots import DAY
from tippingpoint.data.events.sql import LAST_EVENT, OWNERS, SIGNED_UP, SUBSCRIBED

PAYING = ("Customer created", "Subscription started", "Invoice paid")
FIRSTS = """,
payments AS (
  SELECT o.user_id, p.type, p.created, GREATEST(c.since, o.since) AS since
  FROM payment_events p JOIN customers c ON c.customer = p.customer JOIN owners o ON o.id = c.user_id),
did AS (
  SELECT o.user_id, {steps}
  FROM product_events e JOIN owners o ON o.id = e.distinct_id
  WHERE e.event IN ({events}) GROUP BY o.user_id),
paid AS (
  SELECT user_id,
    MIN(created) FILTER (WHERE type = 'customer.created') AS customer,
    MIN(created) FILTER (WHERE type = 'customer.subscription.created') AS subscription,
    MIN(created) FILTER (WHERE type = 'invoice.paid') AS invoice,
    MIN(created) FILTER (WHERE type = $happened) AS happened
  FROM payments GROUP BY user_id)"""

STEPS = (
    "WITH"
    + OWNERS
    + FIRSTS
    + """
SELECT {reached}
FROM signups s LEFT JOIN did d ON d.user_id = s.user_id LEFT JOIN paid p ON p.user_id = s.user_id
WHERE s.user_id NOT IN (SELECT alias FROM links)"""
)

TIMES = (
    "WITH"
    + OWNERS
    + FIRSTS
    + """,
anchors AS ({anchors}),
clocks AS (  -- seconds from the start of the clock to when it happened, or to the end of the log
  SELECT p.happened IS NOT NULL AND p.happened <= {until} AS it_did,
    GREATEST(CASE WHEN p.happened IS NOT NULL AND p.happened <= {until} THEN p.happened ELSE {until} END - a.anchor, 0)
      AS seconds
  FROM anchors a LEFT JOIN paid p ON p.user_id = a.user_id
  WHERE a.anchor <= {until} AND a.user_id NOT IN (SELECT alias FROM links))
SELECT seconds - MOD(seconds, 86400) AS since, COUNT(*) FILTER (WHERE it_did) AS happened,
  COUNT(*) FILTER (WHERE NOT it_did) AS still
FROM clocks GROUP BY seconds - MOD(seconds, 86400) ORDER BY since"""
)


@dataclass(frozen=True)
class Funnel:
    """Users by how far they got, and days until it happened; parts of a log add up.

    Parameters
    ----------
    steps
        Step and the users who took it and all before it, in whatever order and at whatever time.
    day, happened, left
        (d,) whole days since sign-up (churn: since the subscription's start), users it happened to on that day,
        and users to whom it had not happened when the log ended on that day of theirs.
    """

    steps: dict[str, int]
    day: np.ndarray
    happened: np.ndarray
    left: np.ndarray

    def __add__(self, other: "Funnel") -> "Funnel":
        day = np.union1d(self.day, other.day)
        happened, left = np.zeros((2, len(day)), np.int64)
        for part in (self, other):
            at = np.searchsorted(day, part.day)
            happened[at] += part.happened
            left[at] += part.left
        return Funnel({step: self.steps[step] + other.steps[step] for step in self.steps}, day, happened, left)


def funnel(engines: Iterable[Engine], definition: Definition) -> Funnel:
    """Count the steps and times of all users who signed up, over the parts of a log.

    Parameters
    ----------
    engines
        What runs the SQL; no user's events lie in two of them.
    """
    parts = [_part(engine, definition) for engine in engines]
    return sum(parts[1:], parts[0])


def _part(engine: Engine, definition: Definition) -> Funnel:
    counted, churn = definition.vocabulary.counted, definition.outcome == "churn"
    # The sign-in, and the pricing page where it is counted; their names are checked to be names.
    product = [name for k, name in enumerate(counted) if k == 0 or name == "pricing_pages"]
    first = "MIN(LEAST(e.time, e.received)) FILTER (WHERE e.event = $event_{0}) AS {0}"
    did = {
        "steps": ", ".join(first.format(name) for name in product),
        "events": ", ".join(f"$event_{name}" for name in product),
    }
    taken = [f"{column} IS NOT NULL" for column in (*product, "customer", "subscription", "invoice")]
    reached = [f"COUNT(*) FILTER (WHERE {' AND '.join(taken[: k + 1])}) AS step_{k + 1}" for k in range(len(taken))]
    parameters = {
        "sign_up": definition.vocabulary.sign_up,
        "happened": "customer.subscription.deleted" if churn else "customer.subscription.created",
        **{f"event_{name}": counted[name] for name in product},
    }
    text = STEPS.format(reached=", ".join(["COUNT(*) AS step_0", *reached]), **did)
    counts = map(int, engine.frame(text, parameters).row(0))
    steps = (definition.vocabulary.sign_up, *(counted[name] for name in product), *PAYING)
    until = {} if definition.until is None else {"until": definition.until}
    text = TIMES.format(anchors=SUBSCRIBED if churn else SIGNED_UP, until="$until" if until else LAST_EVENT, **did)
    times = engine.frame(text, parameters | until).cast(pl.Int64)
    return Funnel(
        dict(zip(steps, counts, strict=True)),
        times["since"].to_numpy() // DAY,
        times["happened"].to_numpy(),
        times["still"].to_numpy(),
    )
