"""Decisions by day, and what came of those who were contacted."""

from datetime import UTC, datetime

import streamlit as st

from tippingpoint.dashboard import days, figures
from tippingpoint.dashboard.state import plain, settings, subject
from tippingpoint.dashboard.tables import frame


def page() -> None:
    """What was decided day by day, and renewals, watch time and logins since, where they are known."""
    st.title("Over time")
    where = settings()
    if where["predictions"] is None:
        st.info(
            "No table of decisions was named. Score every day into a database, and start with it:"
            " `tippingpoint dashboard 'predictions=duckdb:///app.duckdb?table=predictions' outcomes=outcomes.csv`"
        )
        return
    found = days.history(where["predictions"])
    first, last = found.table["day"].min(), found.table["day"].max()
    left, middle, right = st.columns(3)
    left.metric("Decisions", f"{len(found.table):,}")
    middle.metric("Users", f"{found.table[found.user_id].n_unique():,}")
    right.metric("Days", f"{found.table['day'].n_unique():,}")
    st.caption(f"From {first!s} to {last!s} (UTC).")
    by = st.segmented_control("By", ["segment", "action"], default="segment", key="days by") or "segment"
    counted = days.by_day(found, by)
    known = subject().policy.segments if by == "segment" else subject().decider.deployment.actions
    figures.draw(figures.days(counted, by, known), "days", 340)
    st.subheader("What came of it")
    if where["outcomes"] is None and where["logins"] is None:
        st.info("No outcomes were named: `tippingpoint dashboard … outcomes=outcomes.csv logins=logins.csv`")
        return
    came = days.came(
        found,
        where["outcomes"],
        where["logins"],
        datetime.now(UTC).replace(tzinfo=None),
        where["at"],
        where["absent"] == "zero",
        datetime.fromisoformat(where["until"]) if where["until"] else None,
    )
    if len(came.table):
        shares = {c: st.column_config.NumberColumn(format="percent") for c in came.shares}
        frame(came.table, hide_index=True, column_config=shares)
        window = f"what came within {days.DAYS} days counts" if where["at"] else "nothing says when it came (at=…)"
        st.caption(
            f"Each user's first decision by a version, once it is {days.DAYS} days old; of yes or no, {plain(window)}."
            f" Outcomes are taken as complete until {where['until'] or 'the last time there is (until=…)'}."
            " What was seen, not what the action brought: who was contacted differs from who was not."
            " `tippingpoint measure` says what it brought."
        )
    else:
        st.info(
            f"No decision is {days.DAYS} days old yet and has an outcome: the first will be on {days.due(found)!s}."
        )
    for name, kind in came.silent.items():
        more = "; name a log of logins with logins=…, or type at=… if it says when the outcome came"
        st.caption(f"{plain(name)} is {plain(kind)}, not yes or no or a number{more if kind == 'a time' else ''}.")
