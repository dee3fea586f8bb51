"""Bring users: any CSV or Parquet, its columns matched, what is wrong listed, the good rows decided."""

from collections.abc import Callable

import polars as pl
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from tippingpoint.core.errors import TippingpointError
from tippingpoint.dashboard import faults, intake, login, uploads
from tippingpoint.dashboard.state import JOINER, listed, missing, plain, session, settings, subject
from tippingpoint.dashboard.tables import frame

KINDS = ["csv", "gz", "parquet", "tsv", "txt"]
NOTHING = "none of these"
ADDRESS = "duckdb:///app.duckdb?table=users"
WHAT_IS_READ = (
    "duckdb:///app.duckdb?table=users or postgresql://user@host/database?table=users; of users, or of decisions that"
    " score wrote. It is only read. Passwords come from the environment of whoever started the pages."
)
OWN = "the users the model was fitted and judged on"
CHANGED = (
    "This table has changed since: these are no longer the users the model was fitted and judged on, and nothing that"
    " was found out about those is shown of these."
)


def page() -> None:
    """Upload, preview, match, and show what was decided."""
    mine = session()
    st.title("Users")
    st.markdown("Upload a table of users, one row each; or look at those the model was fitted and judged on.")
    _take()
    if mine.wrong:
        st.error(plain(mine.wrong), icon=":material/error:")
        mine.wrong = ""
    if mine.upload is not None:
        st.caption("It is held in memory for this tab alone, and gone with it.")
        if lacking := missing():
            _match(lacking)
            _preview(mine.upload.preview)
            _wanted()
            return
    found = _decided()
    _counts(found)
    if len(found.broken):
        _broken(found)
    if found.names:
        st.caption("Matched: " + ", ".join(f"{plain(old)} is {plain(new)}" for old, new in found.names.items()))
        st.button("Match the columns anew", icon=":material/undo:", on_click=_match_anew)
    if len(found.table):
        frame(found.table.head(uploads.PREVIEW), hide_index=True)
        st.caption(f"The first {min(len(found.table), uploads.PREVIEW)} of {len(found.table):,}.")
    if mine.upload is not None:
        _forgetting()
    _drifted(found)
    _wanted()


def _take() -> None:
    """Take the file or the table that was given, once."""
    mine = session()
    given = st.file_uploader("A CSV (also gzipped) or Parquet file, up to 200 MB", KINDS, key=f"file {mine.uploads}")
    address = _address() if settings()["tables"] and login.makes_lists() else ""
    if given is not None:
        _look(lambda: uploads.look(given.name, given.getvalue()))
        mine.uploads, mine.tried = mine.uploads + 1, address
        if (running := get_script_run_ctx()) is not None:
            running.uploaded_file_mgr.remove_session_files(running.session_id)
        st.rerun()
    if address and address != mine.tried:
        if _look(lambda: uploads.look_at_table(address)):
            mine.table = address
        mine.tried = address


def _decided() -> intake.Listed:
    """The users with their decisions; until they are there, the first rows of the upload are shown."""
    mine, place = session(), st.empty()
    if mine.upload is not None and mine.listed is None:
        with place.container():
            st.caption(f"{plain(mine.upload.name)}, its first rows")
            _preview(mine.upload.preview)
    try:
        found = listed()
    except TippingpointError:
        if mine.upload is not None:
            _forgetting()
        raise
    place.empty()
    return found


def _counts(found: intake.Listed) -> None:
    """Whose decisions these are, and how many."""
    mine, tally = session(), found.tally
    st.subheader(plain(found.origin) if mine.listed else f"{plain(found.origin)}: {OWN}")
    if mine.listed is None and subject().changed:
        st.warning(CHANGED)
    counts: dict[str, int | str] = {"rows": tally.rows, "decided": tally.decided, "quarantined": tally.quarantined}
    if found.by is not None:
        counts = {"decisions": tally.rows, "users": tally.decided, "decided on": f"{found.at:%Y-%m-%d}"}
    for place, (name, value) in zip(st.columns(3), counts.items(), strict=True):
        place.metric(name, value if isinstance(value, str) else f"{value:,}")
    if found.by is not None:
        st.caption(f"Decisions of {plain(found.by)} as they are, of each user the last; nothing was decided anew.")


def _address() -> str:
    with st.expander("Or a table in SQL"):
        return (
            st.text_input("Its address", key="table", placeholder=ADDRESS, help=WHAT_IS_READ)
            .replace(JOINER, "")
            .strip()
        )


def _look(look: Callable[[], uploads.Upload]) -> bool:
    """Take a look at what was brought, in the place of what was there; which stays if it is none."""
    mine = session()
    try:
        found = look()
    except TippingpointError as error:
        mine.wrong = str(error)
        return False
    mine.forget()
    mine.upload = found
    return True


def _forgetting() -> None:
    st.button("Forget my users", icon=":material/delete:", on_click=_forget)


def _forget() -> None:
    mine = session()
    mine.forget()
    mine.uploads += 1
    st.session_state["table"] = ""


def _match_anew() -> None:
    mine = session()
    mine.names, mine.listed, mine.work = {}, None, None
    mine.found.clear()


def _match(lacking: dict[str, list[str]]) -> None:
    """Which of the upload's columns is which of the contract's."""
    mine, about = session(), subject()
    st.subheader("Which column is which?")
    st.markdown("The model reads columns that this file does not have under that name.")
    chosen: dict[str, str] = {}
    likely = uploads.likely(lacking)
    with st.form("match"):
        for name, near in lacking.items():
            meaning = about.decider.deployment.terms.columns[name].meaning
            options = [*near, NOTHING]
            called = subject().decider.deployment.terms.label(name)
            asked = plain(called) + (f" ({plain(name)})" if called != name else "")
            asked += f": {plain(meaning)}" if meaning else ""
            found = st.selectbox(asked, options, options.index(likely.get(name, NOTHING)), key=f"is {name}")
            chosen[name] = str(found)
        pressed = st.form_submit_button("Use these", type="primary")
    if pressed:
        left = [name for name, column in chosen.items() if column == NOTHING]
        taken = [column for column in chosen.values() if column != NOTHING]
        if left:
            st.error(f"The model cannot do without {plain(', '.join(left))}. Choose a column, or add it to the file.")
        elif len(set(taken)) < len(taken):
            st.error("One column was chosen twice. Match each column once.")
        else:
            mine.names, mine.work = {column: name for name, column in chosen.items()}, None
            st.rerun()


def _preview(table: pl.DataFrame) -> None:
    frame(table.head(10), hide_index=True)


def _broken(found: intake.Listed) -> None:
    """What is wrong, and the rows it is wrong with."""
    broken, rest = found.broken, "the others are decided" if len(found.table) else "no row is left to decide"
    of = "1 row is" if len(broken) == 1 else f"{len(broken):,} rows are"
    st.warning(f"{of} not as the model needs them, and quarantined; {rest}.")
    wrong = faults.reasons_by_column(broken, found.tally.reasons)
    frame(
        wrong.head(200),
        hide_index=True,
        column_config={"first rows": "first rows (the header not counted)"},
    )
    if commas := faults.with_commas(broken, wrong):
        st.info(
            f"{plain(', '.join(commas))}: it seems that numbers have a decimal comma, as German or French Excel writes"
            " them. They must have a point. In Excel: File, Options, Advanced, untick “Use system separators”, type a"
            " point as decimal separator and nothing for thousands, and save the file as CSV UTF-8 again."
        )
    if not login.makes_lists():
        st.caption(login.VIEWS)
        return
    csv, cells = faults.broken_csv(broken)
    st.download_button(
        "Download the quarantined rows",
        csv,
        "quarantined.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )
    if cells:
        st.caption(f"{cells:,} cells begin like a formula: a ' stands in front, so that no spreadsheet runs them.")


def _drifted(found: intake.Listed) -> None:
    """Columns in which these users are not like those the model learnt from."""
    if session().listed is None or found.by is not None or not len(found.table):
        return
    drift = subject().decider.deployment.reference.drift(found.tally.drift)
    if len(away := drift[drift["drift"] != "same"]):
        few = set(away["drift"]) == {"inconclusive"}
        with st.expander(
            "Too few users to tell whether they are like those the model learnt from"
            if few
            else "Not like the users the model learnt from"
        ):
            words = {"psi": "how far (PSI)", "by_chance": "so far by chance alone", "drift": "in a word"}
            frame(away.rename(columns=words), hide_index=True)


def _wanted() -> None:
    """What the table must hold."""
    rows = []
    for name, terms in subject().decider.deployment.terms.columns.items():
        low, high = ("" if v is None else f"{v:g}" if isinstance(v, float) else str(v) for v in (terms.min, terms.max))
        values = ", ".join(terms.values or []) or (f"{low} to {high}" if low or high else "")
        rows.append({"column": name, "label": terms.label, "type": terms.type, "values": values})
        rows[-1]["meaning"] = terms.meaning
    if not any(row["label"] for row in rows):
        rows = [{key: value for key, value in row.items() if key != "label"} for row in rows]
    with st.expander("What the table must hold"):
        frame(pl.DataFrame(rows), hide_index=True)
