"""Filters by any category of the users, kept from page to page."""

import polars as pl
import streamlit as st

from tippingpoint.dashboard import segments
from tippingpoint.dashboard.state import plain, session, subject, users

IN_A_ROW = 3


def categories() -> dict[str, list[str]]:
    """Values of each column that users can be told apart by."""
    table, about = users().table, subject()
    asked = ("categories", about.reference)
    return session().once(asked, lambda: segments.categories(table, table.columns[0], about.hidden))


def numbers() -> list[str]:
    """Columns of numbers that users can be compared by."""
    table, about = users().table, subject()
    return session().once(("numbers", about.reference), lambda: segments.numbers(table, about.hidden))


def label(column: str) -> str:
    """Return what people read of a column: the label of the version's contract, else its name."""
    return subject().decider.deployment.terms.label(column)


def filtered() -> pl.DataFrame:
    """Ask for values, and give the users that have them."""
    mine, found, there = session(), users(), categories()
    mine.filters = {c: values for c, values in mine.filters.items() if c in there}
    _ask(list(there)[: 2 * IN_A_ROW], there)
    if more := list(there)[2 * IN_A_ROW :]:
        with st.expander("More filters", expanded=any(mine.filters.get(c) for c in more)):
            _ask(more, there)
    left = segments.filtered(found.table, mine.filters)
    if any(mine.filters.values()):
        st.caption(f"{len(left):,} of {len(found.table):,} users.")
    return left


def _ask(shown: list[str], there: dict[str, list[str]]) -> None:
    """Values of some columns, in rows; of a column with very many, any can be typed."""
    mine = session()
    for first in range(0, len(shown), IN_A_ROW):
        for place, column in zip(st.columns(IN_A_ROW), shown[first : first + IN_A_ROW], strict=False):
            many = len(there[column]) >= segments.MOST
            before = [v for v in mine.filters.get(column, []) if many or v in there[column]]
            mine.filters[column] = place.multiselect(
                plain(label(column)),
                [*there[column], *(v for v in before if v not in there[column])],
                before,
                help=plain(column) if label(column) != column else None,
                key=f"filter {mine.about} {mine.uploads} {mine.table} {column}",
                placeholder="all; type any" if many else "all",
                accept_new_options=many,
            )
