"""Whom to act on, best first, and the list as a file."""

import polars as pl
import streamlit as st

from tippingpoint.dashboard import intake, lists, segments
from tippingpoint.dashboard.state import plain, session, subject, users, worth
from tippingpoint.dashboard.subject import Subject
from tippingpoint.dashboard.tables import frame
from tippingpoint.dashboard.views.filtering import filtered

SHOWN = 5_000


def page() -> None:
    """A list, its reasons, its download."""
    about, mine, found = subject(), session(), users()
    st.title("Targets")
    there = lists.presets(about)
    if not there:
        st.info("This policy does nothing to anyone: there is no one to list.")
        return
    chosen = st.segmented_control("Who", list(there), default=next(iter(there)), key="list") or next(iter(there))
    only = there[chosen]
    st.caption("Segments: " + ", ".join(f"{plain(s)} gets {plain(about.policy.actions[s])}" for s in only))
    why = st.toggle("Say why, user by user", True, key="reasons")

    def make() -> intake.Targets:
        with st.spinner("Making the list"):
            return intake.targets(found, about, only, why)

    of = mine.once(("targets", about.reference, only, why), make)
    kept = filtered()
    user_id = of.table.columns[0]
    whole = not any(mine.filters.values())
    table = of.table if whole else of.table.join(kept.select(user_id), on=user_id, how="semi", maintain_order="left")
    money = about.decider.deployment.economics.currency
    left, middle, right = st.columns(3)
    left.metric("Users", f"{len(table):,}")
    value = table.select(segments.total(pl.col("expected_value"))).item()
    middle.metric(f"{money}, with what they would bring anyway", "–" if value is None else f"{value:,.0f}")
    with right:
        st.download_button(
            "Download CSV", of.csv if whole else intake.as_csv(table), f"targets_{'_'.join(only)}.csv", "text/csv",
            type="primary", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
    if of.neutralised:
        those = f"{of.neutralised:,} cells{'' if whole else ' of the whole list'}"
        st.caption(f"{those} begin like a formula: a ' stands in front, so that no spreadsheet runs them.")
    _list(table, user_id, money)
    st.caption(worth())
    _same(found, about, only, why, whole)


def _list(table: pl.DataFrame, user_id: str, money: str) -> None:
    shown = table.head(SHOWN).drop("model", "policy_digest", "scored_at", strict=False)
    picked = frame(
        shown,
        hide_index=True,
        height=460,
        on_select="rerun",
        selection_mode="single-row",
        key=f"picked {len(table)}",
        column_config={
            "propensity_score": st.column_config.NumberColumn("score", format="%.3f"),
            "expected_value": st.column_config.NumberColumn(f"expected value, {money}", format="%.2f"),
        },
    )
    rows = picked["selection"]["rows"]
    if rows:
        session().user = str(shown[user_id][rows[0]])
        st.success(f"{plain(session().user)} is explained on the page Why.")
    more = f"The first {SHOWN:,} of {len(table):,} are shown; the file has all. " if len(table) > SHOWN else ""
    st.caption(f"{more}Pick a user by the box at the left of the row; a click on a column's name sorts.")


def _same(found: intake.Listed, about: Subject, only: tuple[str, ...], why: bool, whole: bool) -> None:
    """The line that writes the same file."""
    if about.demo or session().listed is None:
        return
    if found.names:
        st.caption("Columns were matched here by hand: `tippingpoint score` wants them under the contract's names.")
        return
    with st.expander("The same file from the command line"):
        st.caption("Byte for byte." if whole else "Byte for byte, without the filters above.")
        st.code(lists.line(found, about, only, why), language=None, wrap_lines=True)
