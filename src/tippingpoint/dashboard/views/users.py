"""Bring users: any CSV or Parquet, its columns matched, what is wrong listed, the good rows decided."""

import polars as pl
import streamlit as st

from tippingpoint.dashboard import intake
from tippingpoint.dashboard.state import missing, plain, session, subject, users
from tippingpoint.dashboard.tables import frame
from tippingpoint.errors import TippingpointError

KINDS = ["csv", "gz", "parquet", "tsv", "txt"]
NOTHING = "none of these"
OWN = "the users the model was fitted and judged on"
CHANGED = (
    "This table has changed since: these are no longer the users the model was fitted and judged on, and nothing that"
    " was found out about those is shown of these."
)


def page() -> None:
    """Upload, preview, match, mend."""
    mine = session()
    st.title("Users")
    st.markdown("Bring a table of users, one row each; or look at those the model was fitted and judged on.")
    given = st.file_uploader("A CSV (also gzipped) or Parquet file, up to 200 MB", KINDS, key=f"upload {mine.uploads}")
    if given is not None and given.file_id != mine.file:
        mine.forget()
        mine.file = given.file_id
        try:
            mine.upload = intake.look(given.name, given.getvalue())
        except TippingpointError as error:
            mine.forget()
            st.error(plain(error), icon=":material/error:")
    if mine.upload is not None:
        st.caption("It is held in memory for this tab alone, and gone with it.")
    if mine.upload is not None and (lacking := missing()):
        _match(lacking)
        _preview(mine.upload.preview)
        _wanted()
        return
    found = users()
    tally = found.tally
    st.subheader(plain(found.origin) if mine.listed else f"{plain(found.origin)}: {OWN}")
    if mine.listed is None and subject().changed:
        st.warning(CHANGED)
    for place, (name, value) in zip(
        st.columns(3),
        {"rows": tally.rows, "decided": tally.decided, "set aside": tally.quarantined}.items(),
        strict=True,
    ):
        place.metric(name, f"{value:,}")
    if len(found.broken):
        _broken(found.broken)
    if found.names:
        st.caption("Matched: " + ", ".join(f"{plain(old)} is {plain(new)}" for old, new in found.names.items()))
    frame(found.table.head(intake.PREVIEW), hide_index=True)
    st.caption(f"The first {min(len(found.table), intake.PREVIEW)} of {len(found.table):,}.")
    if mine.upload is not None and st.button("Forget my file", icon=":material/delete:"):
        mine.forget()
        mine.uploads += 1
        st.rerun()
    _drifted(found)
    _wanted()


def _match(lacking: dict[str, list[str]]) -> None:
    """Which of the upload's columns is which of the contract's."""
    mine, about = session(), subject()
    st.subheader("Which column is which?")
    st.markdown("The model reads columns that this file does not have under that name.")
    chosen: dict[str, str] = {}
    with st.form("match"):
        for name, near in lacking.items():
            meaning = about.decider.deployment.terms.columns[name].meaning
            options = [*near, NOTHING]
            found = st.selectbox(plain(name) + (f": {plain(meaning)}" if meaning else ""), options, key=f"is {name}")
            chosen[name] = str(found)
        pressed = st.form_submit_button("Use these", type="primary")
    if pressed:
        left = [name for name, column in chosen.items() if column == NOTHING]
        taken = [column for column in chosen.values() if column != NOTHING]
        if left:
            st.error(f"The model cannot do without {plain(', '.join(left))}. Add it to the file.")
        elif len(set(taken)) < len(taken):
            st.error("One column was chosen twice. Match each column once.")
        else:
            mine.names = {column: name for name, column in chosen.items()}
            st.rerun()


def _preview(table: pl.DataFrame) -> None:
    frame(table.head(10), hide_index=True)


def _broken(broken: pl.DataFrame) -> None:
    """What is wrong, and the rows it is wrong with."""
    st.warning(f"{len(broken):,} rows break the contract and are set aside; the others are decided.")
    frame(
        intake.reasons_by_column(broken).head(200),
        hide_index=True,
        column_config={"first rows": "first rows (the header not counted)"},
    )
    csv, cells = intake.broken_csv(broken)
    st.download_button(
        "Download the rows set aside", csv, "set_aside.csv", "text/csv", on_click="ignore", icon=":material/download:"
    )
    if cells:
        st.caption(f"{cells:,} cells begin like a formula: a ' stands in front, so that no spreadsheet runs them.")


def _drifted(found: intake.Listed) -> None:
    """Columns in which these users are not like those the model learnt from."""
    if session().listed is None:
        return
    drift = subject().decider.deployment.reference.drift(found.tally.drift)
    if len(away := drift[drift["drift"] != "same"]):
        with st.expander("Not like the users the model learnt from"):
            frame(away, hide_index=True)


def _wanted() -> None:
    """What the table must hold."""
    rows = []
    for name, terms in subject().decider.deployment.terms.columns.items():
        low, high = ("" if v is None else f"{v:g}" if isinstance(v, float) else str(v) for v in (terms.min, terms.max))
        values = ", ".join(terms.values or []) or (f"{low} to {high}" if low or high else "")
        rows.append({"column": name, "type": terms.type, "values": values, "meaning": terms.meaning})
    with st.expander("What the table must hold"):
        frame(pl.DataFrame(rows), hide_index=True)
