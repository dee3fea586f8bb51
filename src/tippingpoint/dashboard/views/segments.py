"""Who is in which segment, and how the segments differ."""

import polars as pl
import streamlit as st

from tippingpoint.dashboard import figures, segments
from tippingpoint.dashboard.state import about_expected_value, plain, subject
from tippingpoint.dashboard.tables import frame
from tippingpoint.dashboard.views.filtering import categories, filtered, label, numbers

COMPARED = 8


def page() -> None:
    """Sizes, scores, engagement; all of it follows the filters."""
    about = subject()
    st.title("Segments")
    table = filtered()
    if not len(table):
        st.info("No user has all of these. Take a filter away.")
        return
    policy, deployment = about.policy, about.decider.deployment
    own = numbers()
    shown = segments.by_segment(table, policy.segments, policy.actions, own[:2])
    left, right = st.columns(2)
    with left:
        st.subheader("How many")
        figures.draw(figures.sizes(shown), "sizes", 80 + 46 * len(policy.segments))
    with right:
        st.subheader("How their scores are spread")
        figures.draw(figures.scores(*segments.histogram(table, policy.segments), deployment.outcome), "scores", 300)
    money = deployment.economics.currency
    frame(
        shown.with_columns(pl.col("expected value").round(0).cast(pl.Int64)),
        hide_index=True,
        column_config={
            "users": st.column_config.NumberColumn(format="localized"),
            "share": st.column_config.NumberColumn(format="percent"),
            "mean score": st.column_config.NumberColumn(format="%.3f"),
            "expected value": st.column_config.NumberColumn(
                f"{money} in all", help="With what they would bring anyway.", format="localized"
            ),
            **{f"mean {c}": st.column_config.NumberColumn(f"mean {label(c)}", help=c, format="%.1f") for c in own[:2]},
        },
    )
    st.caption(about_expected_value())
    promised()
    st.subheader("How they differ")
    compared = segments.engagement(table, policy.segments, own[:COMPARED])
    if compared.width > 1:
        figures.draw(
            figures.engagement(
                compared.rename({c: label(c) for c in compared.columns[1:]}),
                policy.segments,
                dict(shown.select("segment", "users").iter_rows()),
            ),
            "engagement",
            120 + 38 * (compared.width - 1),
        )
        st.caption("Means of each segment against the average of all users shown; the line is the average.")
    _by_category(table, list(categories()))


def promised() -> None:
    """What each segment's action brought test users; nothing where that was not measured."""
    about = subject()
    found, losing = segments.promised(about.decider.deployment, about.policy.actions)
    if not len(found):
        return
    st.subheader("What each segment's action promises")
    if losing:
        st.warning(plain(losing))
    frame(found, hide_index=True)
    st.caption("Over nothing being done, on the test users the model was judged on, whatever the filters say.")


def _by_category(table: pl.DataFrame, there: list[str]) -> None:
    policy = subject().policy
    if not there:
        return
    column = st.selectbox("Segments by", there, format_func=label, key="by category")
    found = segments.by_category(table, column, policy.segments)
    figures.draw(figures.stacked(found, policy.segments), "by_category", 100 + 30 * len(found))
    with st.expander(f"The same in numbers, by {plain(label(column))}"):
        frame(found, hide_index=True)
