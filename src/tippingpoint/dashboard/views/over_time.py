"""Decisions by day, what their actions brought, and what came of everyone who was decided for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
import streamlit as st

from tippingpoint.dashboard import brought, days, figures
from tippingpoint.dashboard.state import plain, settings, subject
from tippingpoint.dashboard.tables import as_csv, between, frame
from tippingpoint.data.decisions import read
from tippingpoint.measurement.by_segment import what_next
from tippingpoint.measurement.job import DecidingVersion
from tippingpoint.measurement.result import Measured, waiting


@dataclass(frozen=True)
class Told:
    """What is known: decisions, what came of them, and how that is read.

    Parameters
    ----------
    known
        The versions that decided, where no store holds them.
    """

    history: days.History
    outcomes: pl.DataFrame | None
    logins: pl.DataFrame | None
    at: str | None
    absent: str
    until: str | None
    known: Mapping[str, DecidingVersion] | None = None


def page() -> None:
    """What was decided day by day, what the actions brought, and renewals, watch time and logins since."""
    st.title("Over time")
    told = _told(settings())
    if told is None:
        st.info(
            "No table of decisions was named. Score every day into a database, and start with it:"
            " `tippingpoint dashboard 'predictions=duckdb:///app.duckdb?table=predictions' outcomes=outcomes.csv`"
        )
        return
    _by_day(told.history)
    if told.outcomes is None and told.logins is None:
        st.subheader("What came of it")
        st.info("No outcomes were named: `tippingpoint dashboard … outcomes=outcomes.csv logins=logins.csv`")
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    end = datetime.fromisoformat(told.until) if told.until else None
    absent = told.absent == "zero"
    came = days.came(told.history, told.outcomes, told.logins, now, told.at, absent, end)
    _brought(told, came)
    _came(told, came)


def _told(where: Mapping[str, Any]) -> Told | None:
    """What the command named; of a demonstration for which nothing was, ninety generated days."""
    if where["predictions"] is not None:
        outcomes, logins = (None if where[k] is None else read(where[k], k) for k in ("outcomes", "logins"))
        history = days.history(where["predictions"])
        return Told(history, outcomes, logins, where["at"], where["absent"], where["until"])
    if not subject().demo:
        return None
    history, outcomes = _demonstrated(subject().reference, datetime.now(UTC).date().isoformat())
    st.caption("Ninety generated days that end today: three users of ten were left alone by lot.")
    known = brought.deciding(subject())
    return Told(history, outcomes, None, "at", "zero", datetime.now(UTC).date().isoformat(), known)


@st.cache_resource(max_entries=2, show_spinner="Generating ninety days")
def _demonstrated(reference: str, day: str) -> tuple[days.History, pl.DataFrame]:
    return brought.demonstrated(subject(), datetime.fromisoformat(day))


def _by_day(found: days.History) -> None:
    """How many were decided for, by day."""
    first, last = found.table["day"].min(), found.table["day"].max()
    left, middle, right = st.columns(3)
    left.metric("Decisions", f"{len(found.table):,}")
    middle.metric("Users", f"{found.table[found.user_id].n_unique():,}")
    right.metric("Days", f"{found.table['day'].n_unique():,}")
    st.caption(f"From {first!s} to {last!s} (UTC).")
    by = st.segmented_control("By", ["segment", "action"], default="segment", key="days by") or "segment"
    known = subject().policy.segments if by == "segment" else subject().decider.deployment.actions
    figures.draw(figures.days(days.by_day(found, by), by, known), "days", 340)


def _brought(told: Told, came: days.Came) -> None:
    """What the actions brought over giving none: the contrast that chance made, or that there is none."""
    st.subheader("What the actions brought")
    if not brought.random_share(told.history):
        st.info(
            "The effect cannot be told: every user got what the policy gives, so users with an action differ from"
            " users without one. Leave a random share alone: `tippingpoint score … holdout=0.1`"
        )
        return
    if told.outcomes is None or not came.shares:
        st.info("This comparison needs a yes/no outcome, one row a user: `tippingpoint dashboard … outcomes=…`")
        return
    names = [name for name in came.shares if name in told.outcomes.columns]
    if not names:
        return
    outcome = names[0] if len(names) == 1 else str(st.selectbox("Outcome", names))
    found = brought.brought(
        told.history, told.outcomes, outcome, told.known, told.at, told.absent, told.until
    )  # fmt: skip
    for of in found.versions:
        _of_version(of, len(found.versions) > 1)
    table = pl.concat([pl.from_pandas(of.table()).with_columns(version=pl.lit(of.version)) for of in found.versions],
                      how="diagonal_relaxed")  # fmt: skip
    st.download_button("Download these figures", as_csv([table]), "brought.csv", "text/csv", on_click="ignore",
                       icon=":material/download:")  # fmt: skip


def _of_version(of: Measured, named: bool) -> None:
    """One version: promised beside measured, day by day, and by segment."""
    if named:
        st.markdown(f"**{plain(of.version.removeprefix('models:/'))}**")
    if of.per_1000 is None:
        st.info(plain(waiting(of)))
        return
    steps = what_next(of.segments, of.good)
    if steps:
        st.success(f"**What to do:** {plain(steps)}", icon=":material/arrow_forward:")
    unit = f"{of.outcome} per 1,000 users"
    in_money = of.per_user is not None
    rows = [(unit, of.per_1000.last, of.promise.per_1000, 1)]
    rows += [(f"{of.currency} per user", of.per_user.last, of.promise.per_user, 3)] if of.per_user else []
    said: dict[str, list[str]] = {"measured (experiment)": [], f"promised ({of.promise.kind})": []}
    for _, measured, promised, digits in rows:
        for name, value in zip(said, (measured, promised), strict=True):
            said[name].append(between(value, digits))
    frame(pl.DataFrame({"uplift over giving none": [row[0] for row in rows], **said}), hide_index=True)
    shown = of.per_user if of.per_user is not None else of.per_1000
    promise = of.promise.per_user if in_money else of.promise.per_1000
    y = f"{of.currency} per user" if in_money else unit
    figures.draw(figures.sequence(of.looked, shown, promise, y), f"brought {of.version}", 320)
    holds = "at all looks at once (95 %)" if of.settled else "at one look planned beforehand (95 %), not at many"
    st.caption(
        f"{of.users:,} users until {of.until!s}; {of.left_alone:,} of the {of.acted_on:,} that the policy acts on were"
        f" left alone by lot. Intervals hold {holds}."
    )
    if of.segments:
        st.markdown("**By segment**, over giving its users none; all intervals hold at once.")
        frame(_segments(of), hide_index=True)


def _segments(of: Measured) -> pl.DataFrame:
    """Uplift of each segment that the policy acts on."""
    rows = [
        {
            "segment": one.segment,
            "action": one.action,
            "users": one.users,
            "left alone": one.left_alone,
            f"{of.outcome} per 1,000": "–" if one.per_1000 is None else between(one.per_1000.last, 1),
            f"{of.currency} per user": "–" if one.per_user is None else between(one.per_user.last, 3),
            "verdict": one.verdict(of.good),
        }
        for one in of.segments
    ]
    return pl.DataFrame(rows)


def _came(told: Told, came: days.Came) -> None:
    """What came of everyone who was decided for, whatever was given."""
    st.subheader("What came of it")
    if len(came.table):
        shares = {c: st.column_config.NumberColumn(format="percent") for c in came.shares}
        frame(came.table, hide_index=True, column_config=shares)
        window = (
            f"what came within {days.DAYS} days counts" if told.at else f"nothing says when it came{_proposed(came)}"
        )
        st.caption(
            f"Each user's first decision by a version, once it is {days.DAYS} days old; of yes or no, {plain(window)}."
            f" Outcomes are taken as complete until {told.until or 'the last time there is (until=…)'}."
            " Of all users together: what was seen, not what an action brought."
        )
    else:
        due = days.due(told.history)
        st.info(f"No decision is {days.DAYS} days old yet and has an outcome: the first will be on {due!s}.")
    for name, kind in came.silent.items():
        more = "; name a log of logins with logins=…, or type at=… if it says when the outcome came"
        st.caption(f"{plain(name)} is {plain(kind)}, not yes or no or a number{more if kind == 'a time' else ''}.")


def _proposed(came: days.Came) -> str:
    """What to type where one column alone may say when outcomes came."""
    times = [name for name, kind in came.silent.items() if kind == "a time"]
    return f" (type at={times[0]}?)" if len(times) == 1 else " (at=…)"
