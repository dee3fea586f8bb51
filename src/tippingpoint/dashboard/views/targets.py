"""Whom to act on, best first, and the list as a file."""

import numpy as np
import polars as pl
import streamlit as st

from tippingpoint.dashboard import intake, lists, login, segments
from tippingpoint.dashboard.state import about_expected_value, plain, session, subject, users
from tippingpoint.dashboard.subject import Subject
from tippingpoint.dashboard.tables import frame
from tippingpoint.dashboard.views.filtering import filtered

SHOWN = 5_000


def page() -> None:
    """A list, its reasons, its download."""
    about, mine, found = subject(), session(), users()
    st.title("Targets")
    there = lists.presets(about)
    chosen = st.segmented_control("Who", list(there), default=next(iter(there)), key="list") or next(iter(there))
    only = there[chosen]
    order = "."
    if about.decider.deployment.tells_gains:
        order = ". First come those from whom the action gains most over doing nothing."
    elif about.decider.deployment.evidence == "assumed":
        order = ". First come those from whom most is gained if users respond as is assumed."
    acted = any(about.policy.actions[s] != "none" for s in only)
    said = ", ".join(f"{plain(s)} gets {plain(about.policy.actions[s])}" for s in only)
    st.caption(f"Segments: {said}{order if acted else '.'}")
    why = st.toggle("Say why, user by user", True, key="reasons")

    def make() -> lists.Targets:
        return lists.targets(found, about, only, why)

    of = mine.once(("targets", about.reference, only, why), make)
    if found.by is not None and (away := lists.other_action(found, about)):
        st.caption(
            f"{away:,} users did not get their segment's action, by lot (holdout=…) or a limit: they are listed by the"
            " action they got, and who got none is in no list of those to act on."
        )
    kept = filtered()
    user_id = of.table.columns[0]
    whole = not any(mine.filters.values())
    rows = None if whole else np.flatnonzero(of.table[user_id].is_in(kept[user_id].implode()))
    table = of.table if rows is None else of.table[rows]
    money = about.decider.deployment.economics.currency
    left, middle, *more, right = st.columns(4 if segments.GAIN in table.columns else 3)
    left.metric("Users", f"{len(table):,}")
    totals = {f"{money}, with what they would bring anyway": "expected_value", f"{money} gained": segments.GAIN}
    for place, (name, column) in zip([middle, *more], totals.items(), strict=False):
        value = table.select(segments.total(pl.col(column))).item()
        place.metric(name, "–" if value is None else f"{value:,.0f}")
    with right:
        if login.makes_lists():
            st.download_button(
                "Download CSV", lambda: of.csv(rows), f"targets_{'_'.join(only)}.csv", "text/csv",
                type="primary", on_click="ignore", icon=":material/download:",
            )  # fmt: skip
        else:
            st.caption(login.VIEWS)
    if of.neutralised:
        those = f"{of.neutralised:,} cells{'' if whole else ' of the whole list'}"
        st.caption(f"{those} begin like a formula: a ' stands in front, so that no spreadsheet runs them.")
    asked = (about.reference, only, why, *((c, *v) for c, v in mine.filters.items() if v))
    _list(of.shown(SHOWN, rows), len(table), user_id, money, f"picked {mine.uploads} {asked}")
    st.caption(about_expected_value())
    _same(found, about, only, why, whole)


def _list(shown: pl.DataFrame, users: int, user_id: str, money: str, key: str) -> None:
    """The table; a row picked in one list says nothing of another, so that each has its `key`."""
    picked = frame(
        shown,
        hide_index=True,
        height=460,
        on_select="rerun",
        selection_mode="single-row",
        key=key,
        column_config={
            "propensity_score": st.column_config.NumberColumn("score", format="%.3f"),
            "expected_value": st.column_config.NumberColumn(f"expected value, {money}", format="%.2f"),
            segments.GAIN: st.column_config.NumberColumn(f"expected gain, {money}", format="%.2f"),
        },
    )
    rows = picked["selection"]["rows"]
    if rows:
        session().user = str(shown[user_id][rows[0]])
        if (pages := st.session_state.get("pages")) is None:
            st.success(f"{plain(session().user)} is explained on the page Why.")
        else:
            st.page_link(pages["why"], label=f"Why {plain(session().user)}?", icon=":material/arrow_forward:")
    more = f"The first {SHOWN:,} of {users:,} are shown; the file has all. " if users > SHOWN else ""
    st.caption(f"{more}Pick a user by the box at the left of the row; a click on a column's name sorts.")


def _same(found: intake.Listed, about: Subject, only: tuple[str, ...], why: bool, whole: bool) -> None:
    """The line that writes the same file."""
    mine = session()
    if about.demo or mine.listed is None or mine.upload is None or found.by is not None:
        return
    if found.names:
        st.caption("Columns were matched here by hand: `tippingpoint score` wants them under the contract's names.")
        return
    with st.expander("The same file from the command line"):
        st.caption("Byte for byte." if whole else "Byte for byte, without the filters above.")
        address = "" if isinstance(mine.upload.content, bytes) else mine.table
        st.code(lists.line(found, about, only, why, address), language=None, wrap_lines=True)
