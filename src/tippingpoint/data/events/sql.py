"""The SQL that features are made with: the files *.sql beside this module.

Written once, in what DuckDB and PostgreSQL have in common: times are whole epoch seconds, money whole cents,
a ratio is one division of doubles, text is ordered by bytes. So both give the same numbers to the last digit.
A layer that writes SQL (Ibis) would add a dependency, and its own time on each call, to bridge two dialects
that here are one.
"""

import hashlib
from pathlib import Path

EQUAL = {"625afc58e246c38d": "df8357dee878bc86", "8509f6b5f72f6c4e": "f628bb7e082ce68a"}
"""Digests of SQL that was rewritten for speed, and of what it was before: versions that learnt from the numbers of the
one read those of the other, which are the same to the last digit."""


def digest(text: str) -> str:
    """What tells a definition's SQL from one that may give other numbers."""
    found = hashlib.sha256(text.encode()).hexdigest()[:16]
    return EQUAL.get(found, found)


def read(name: str) -> str:
    """The text of a file of SQL, from a new line on."""
    return "\n" + (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8").rstrip("\n")


# LEAST(time, received) is when an event happened: a clock that runs ahead is set back to when the event was
# received. (One that runs behind cannot be told from an event that came late.) COALESCE(received, time) is since when
# it is known: what comes late may date back, but is not seen at a cut-off before it came.
OWNERS = read("owners")
SIGNED_UP = "SELECT user_id, signed_up AS anchor FROM signups"
SUBSCRIBED = """SELECT user_id, MIN(created) AS anchor FROM payments
  WHERE type = 'customer.subscription.created' AND since <= created GROUP BY user_id"""
DUE = "a.anchor + $window_seconds + $horizon_seconds <= {until}"
"""Of training: whose horizon is over."""
REACHED = """a.anchor + $window_seconds <= $as_of
    AND a.anchor + $window_seconds > $as_of - $reached_seconds"""
"""As of a day: who came to their cut-off in the time before it..."""
STILL = """
  AND NOT EXISTS (SELECT 1 FROM payments p
    WHERE p.user_id = c.user_id AND p.type = $happened AND p.created < $as_of AND p.since < $as_of)"""
"""...and has not had the outcome since."""
LAST_EVENT = """(SELECT GREATEST(MAX(LEAST(time, received)),
    (SELECT MAX(created) FROM payment_events)) FROM product_events)"""
HAPPENED = {"conversion": "customer.subscription.created", "churn": "customer.subscription.deleted"}
"""The payment event that an outcome is told by."""
EXPOSURES = read("exposures")
SQL = f"WITH{OWNERS},{read('features')}"
ANSWER = """
SELECT * FROM answer ORDER BY user_id COLLATE "C", cut_off
"""

SPAN_OF_ALL = f"SELECT MIN(LEAST(time, received)) AS first, {LAST_EVENT} AS last FROM product_events"
NAMES = "SELECT DISTINCT event FROM product_events"
LOG = """SELECT event, (LEAST(time, received) - MOD(LEAST(time, received), 86400)) / 86400 AS day, COUNT(*) AS events,
  MIN(COALESCE(received, time)) AS first, MAX(COALESCE(received, time)) AS last
FROM product_events GROUP BY event, day"""
"""What a log holds of each event on each day, in one pass."""

# Counted in the same statement, for whose an id is is half of the work. Names with _ in front: no feature has one.
COUNTED = f",{read('counted')}\n"
