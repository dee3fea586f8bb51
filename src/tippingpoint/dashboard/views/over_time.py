"""Decisions by day, and what came of those who were contacted."""

import polars as pl
import streamlit as st

from tippingpoint.dashboard import days, figures
from tippingpoint.dashboard.state import settings, subject


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
    if where["outcomes"] is None:
        st.info("No outcomes were named: `tippingpoint dashboard … outcomes=outcomes.csv`")
        return
    came = days.came(found, where["outcomes"])
    if not len(came):
        st.info(f"No decision is {days.DAYS} days old yet and has an outcome.")
        return
    shares = {c: st.column_config.NumberColumn(format="percent") for c in _shares(came)}
    st.dataframe(came, hide_index=True, column_config=shares)
    st.caption(
        f"Each user's last decision that is at least {days.DAYS} days old. What was seen, not what the action brought:"
        " who was contacted differs from who was not. `tippingpoint measure` says what it brought."
    )


def _shares(came: pl.DataFrame) -> list[str]:
    """Columns that hold shares."""
    told = {c.removesuffix(": users known") for c in came.columns if c.endswith(": users known")}
    return [
        c for c in came.columns if c.endswith(f"within {days.DAYS} days") or (c in told and came[c].dtype.is_float())
    ]
