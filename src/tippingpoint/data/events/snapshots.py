"""Snapshots: everyone at risk at a date, with features by windows before it; several dates make rows of one user.

Features of a date are sums over cells of one pass over the log, a cell being a user, the day of events, and the day
since which they are known: so further dates cost little, and each sees what was received before it.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator

from tippingpoint.core.errors import InputError
from tippingpoint.data.events.sql import HAPPENED, OWNERS, read

DAY = 86_400
WINDOWS = (1, 7, 28)
"""Days before a date over which events are counted."""
LONGEST = WINDOWS[-1]
EVERY = re.compile(r"every:([1-9]\d{0,2})d")
SQL = f"WITH{OWNERS},{read('snapshots')}"
SUBSCRIBED = "m.began IS NOT NULL AND m.began >= COALESCE(m.ended, 0)"
"""Whether a user subscribes at the date: who changes the plan ends and begins in one second."""


def _snapshots(given: Any) -> Any:
    if given == "first" or (isinstance(given, str) and EVERY.fullmatch(given)):
        return given
    try:
        listed = isinstance(given, Sequence) and not isinstance(given, str)
        dates = [date.fromisoformat(str(one)) for one in given] if listed else []
    except ValueError:
        dates = []
    if not dates:
        raise ValueError("is neither first, nor every:7d, nor a list of days. Type data.snapshots=every:7d")
    return tuple(sorted(set(dates)))


Snapshots = Annotated[str | tuple[date, ...], BeforeValidator(_snapshots)]
"""`first`: a user is seen once; `every:7d`: at each date of a fixed grid; or the dates."""


def epoch(day: date) -> int:
    """The second at which a day begins, UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def names(counted: Sequence[str]) -> list[str]:
    """Features that are numbers, of events counted under these names; the first is the measure of the others."""
    frequency = [f"{name}_{window}" for name in counted for window in WINDOWS]
    activity = [f"{name}_{window}" for name in ("active_days", "playback_hours") for window in WINDOWS]
    shares = [f"{name}_share_{LONGEST}" for name in counted]
    of_payments = ["subscriptions", "invoices_paid", "invoices_failed", "cents_paid", "cents_refunded", "paused"]
    recency = ["hours_since_last_event", "is_customer", "days_since_sign_up", "days_since_subscribed"]
    return [*frequency, *activity, *shares, "trend_1_7", "trend_7_28", *recency, *of_payments]


def settled(snapshots: str | tuple[date, ...], first: int, until: int, horizon_days: int) -> tuple[int, ...]:
    """Return the epoch seconds of the dates whose outcomes are all due.

    Parameters
    ----------
    first, until
        Epoch seconds of the first event, and up to which the log is complete.

    Raises
    ------
    InputError
        When there is none, or an outcome of a date that is asked for is not due yet.
    """
    last = until - horizon_days * DAY
    if isinstance(snapshots, str):
        step = int(EVERY.fullmatch(snapshots)[1]) * DAY  # type: ignore[index]  # the settings hold nothing else
        begin = -(-(first + LONGEST * DAY) // step) * step  # before, windows would reach back beyond the log
        dates = tuple(range(begin, last + 1, step))
        if not dates:
            log = f"the log has {(until - first) // DAY:,} days"
            what = f"{log}, and no date has {LONGEST} of them before and {horizon_days} after it"
            raise InputError("data.snapshots", what, "Type data.horizon_days=…, fewer days, or the dates themselves.")
        return dates
    for day in snapshots:
        if epoch(day) <= first:
            raise InputError("data.snapshots", f"{day} lies before the first event, of {_told(first)}", "Leave it out.")
        if epoch(day) > last:
            what = (
                f"of {day} outcomes are due {_told(epoch(day) + horizon_days * DAY)}, and the log ends {_told(until)}"
            )
            raise InputError("data.snapshots", what, f"Take dates up to {_told(last)}.")
    return tuple(map(epoch, snapshots))


def query(
    counted: dict[str, str], churn: bool, horizon_days: int, sign_up: str, dates: Sequence[int]
) -> tuple[str, dict[str, Any]]:
    """The SQL of snapshots at these epoch seconds, and its parameters; it ends with a table `answer`."""
    events = list(counted)
    summed = [*events, "events", "active_days", "seconds"]
    windows = [_window(window, summed) for window in WINDOWS]
    joined = "LEFT JOIN w{0} ON w{0}.person = u.person AND w{0}.cut_off = d.cut_off"
    counts = [f"COALESCE(w{w}.{name}, 0) AS {name}_{w}" for name in [*events, "active_days"] for w in WINDOWS]
    counts += [f"COALESCE(w{w}.seconds, 0) / 3600 AS playback_hours_{w}" for w in WINDOWS]
    share = f"COALESCE(w{LONGEST}.{{0}}, 0) / w{LONGEST}.events AS {{0}}_share_{LONGEST}"
    steady = "{1} * COALESCE(w{0}.events, 0) / NULLIF({0} * w{1}.events, 0) AS trend_{0}_{1}"
    text = SQL.format(
        dates=", ".join(f"({int(at)})" for at in dates),
        any_counted=", ".join(f"$event_{name}" for name in events),
        counts=",\n    ".join(
            f"CAST(COUNT(*) FILTER (WHERE event = $event_{name}) AS DOUBLE PRECISION) AS {name}" for name in events
        ),
        windows=",\n".join(windows),
        windowed="\n".join(joined.format(window) for window in WINDOWS),
        widest=f"w{LONGEST}",
        counted=",\n  ".join(counts),
        shares=",\n  ".join(share.format(name) for name in events),
        steady=",\n  ".join(steady.format(*pair) for pair in pairwise(WINDOWS)),
        at_risk=SUBSCRIBED if churn else f"NOT COALESCE({SUBSCRIBED}, FALSE)",
    )
    return text, {
        "sign_up": sign_up,
        "horizon_seconds": horizon_days * DAY,
        "happened": HAPPENED["churn" if churn else "conversion"],
        **{f"event_{name}": event for name, event in counted.items()},
    }


def _window(days: int, summed: Sequence[str]) -> str:
    """The sums over so many days before each date: a cell is joined to the dates whose window it lies in, no more."""
    sums = ", ".join(f"SUM(c.{name}) AS {name}" for name in summed)
    return f"""w{days} AS (
  SELECT d.cut_off, c.person, MAX(c.last_moment) AS last_moment, {sums}
  FROM cells c JOIN dates d ON c.day >= d.cut_off - {days * DAY} AND c.known_day < d.cut_off
  GROUP BY d.cut_off, c.person)"""


def _told(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()
