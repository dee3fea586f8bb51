"""Filters by any category of the users, kept from page to page."""

import polars as pl
import streamlit as st

from tippingpoint.dashboard import segments
from tippingpoint.dashboard.state import plain, session, subject, users

IN_A_ROW = 3


def filtered() -> pl.DataFrame:
    """Ask for values, and give the users that have them."""
    mine, found = session(), users()
    user_id = found.table.columns[0]
    there = mine.once(("categories", subject().reference), lambda: segments.categories(found.table, user_id))
    shown = list(there)[: 2 * IN_A_ROW]
    mine.filters = {c: values for c, values in mine.filters.items() if c in shown}
    for first in range(0, len(shown), IN_A_ROW):
        for place, column in zip(st.columns(IN_A_ROW), shown[first : first + IN_A_ROW], strict=False):
            before = [v for v in mine.filters.get(column, []) if v in there[column]]
            mine.filters[column] = place.multiselect(
                plain(column),
                there[column],
                before,
                key=f"filter {mine.about} {mine.uploads} {mine.table} {column}",
                placeholder="all",
            )
    left = segments.filtered(found.table, mine.filters)
    if any(mine.filters.values()):
        st.caption(f"{len(left):,} of {len(found.table):,} users.")
    return left
