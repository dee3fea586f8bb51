"""K-means beside the rules: do users fall apart where the policy cuts?"""

import numpy as np
import polars as pl
import streamlit as st

from tippingpoint.dashboard import figures, segments
from tippingpoint.dashboard.state import plain, session, subject
from tippingpoint.dashboard.tables import frame
from tippingpoint.dashboard.views.filtering import filtered, label, numbers
from tippingpoint.policies.clusters import Clusters, cluster

MOST, DRAWN = 5_000, 1_500


def page() -> None:
    """Clusters on two columns, watch time and recency by default."""
    about = subject()
    st.title("K-means")
    table = filtered()
    own = numbers()
    if len(own) < 2:
        st.info("Clusters need two columns of numbers.")
        return
    first, second = st.columns(2)
    x = first.selectbox("One column", own, 0, format_func=label, key="kmeans x")
    y = second.selectbox("The other", [c for c in own if c != x], 0, format_func=label, key="kmeans y")
    if not segments.by_habit(own):
        st.caption(
            "No columns of watch time and of days since a login are known by name: choose what tells users apart."
        )
    drawn = np.sort(np.random.default_rng(0).permutation(len(table))[:MOST])
    some = table[drawn]
    codes = some["segment"].to_physical().to_numpy()
    filters = tuple(sorted((k, tuple(v)) for k, v in session().filters.items() if v))

    def make() -> Clusters:
        with st.spinner("Clustering"):
            return cluster(some.select(x, y).to_pandas(), (x, y), codes, about.policy.segments, 0)

    found = session().once(("clusters", about.reference, x, y, filters), make)
    k = len(found.table)
    left, right = st.columns(2)
    with left:
        st.subheader("Clusters")
        _picture(some, x, y, found.cluster, [f"cluster {i}" for i in range(k)], "clusters", len(about.policy.segments))
    with right:
        st.subheader("Segments")
        _picture(some, x, y, codes, about.policy.segments, "segments_beside")
    st.metric("Agreement", f"{found.agreement:.2f}")
    st.caption(
        "How far clusters and segments are the same groups: 1 where they are, 0 as by chance (adjusted Rand index)."
        f" {k} clusters lie farthest apart ({found.silhouettes[k]:.2f} of 1; silhouette)."
        + (f" On {MOST:,} of {len(table):,} users, drawn at random." if len(table) > MOST else "")
    )
    centres = found.centres.add_prefix("mean ").round(1)
    counted = found.table[[s for s in about.policy.segments if s in found.table.columns]]
    beside = centres.join(counted).reset_index(names="cluster")
    frame(beside, hide_index=True)
    st.caption(f"Users of each cluster by segment, and the means of {plain(label(x))} and {plain(label(y))}.")


def _picture(
    table: pl.DataFrame, x: str, y: str, group: np.ndarray, names: list[str] | tuple[str, ...], key: str, paint: int = 0
) -> None:
    rows = slice(0, DRAWN)
    a, b = (table[c].cast(pl.Float64).to_numpy()[rows] for c in (x, y))
    figures.draw(figures.points(a, b, group[rows], names, (label(x), label(y)), paint), key, 380)
