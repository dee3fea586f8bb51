"""The pages in one place."""

from functools import partial

import streamlit as st

from tippingpoint.dashboard.state import DEMO, plain, references, session, show, subject
from tippingpoint.dashboard.views import cut_offs, kmeans, over_time, registry, segments, targets, users, why
from tippingpoint.errors import TippingpointError

PAGES = {
    "users": (users.page, "Users"),
    "segments": (segments.page, "Segments"),
    "cut-offs": (cut_offs.page, "Cut-offs"),
    "targets": (targets.page, "Targets"),
    "why": (why.page, "Why"),
    "k-means": (kmeans.page, "K-means"),
    "over-time": (over_time.page, "Over time"),
    "registry": (registry.page, "Registry"),
}


def main() -> None:
    """Show the page that was chosen."""
    # Pages have no icons: a browser would fetch the one that stands in its tab from elsewhere.
    chosen = st.navigation(
        [
            st.Page(partial(show, page), title=title, url_path=path, default=path == "users")
            for path, (page, title) in PAGES.items()
        ]
    )
    with st.sidebar:
        try:
            _about()
        except TippingpointError as error:
            st.error(plain(error), icon=":material/error:")
            return
    chosen.run()
    if (listed := session().listed) is not None:
        st.sidebar.caption(f"Your users: {plain(listed.origin)}, in this tab only")


def _about() -> None:
    """Who decides, in the sidebar."""
    there = references()
    if len(there) > 1:
        st.selectbox("Model", there, key="about", format_func=lambda r: r.removeprefix("models:/"))
    about = subject()
    if about.reference.startswith(DEMO):
        st.warning(
            "A demonstration: generated users, a small model fitted on them just now. There is no champion in this"
            " store yet; promote one and it opens here.",
            icon=":material/science:",
        )
    else:
        st.caption(f"Champion: {plain(about.reference.removeprefix('models:/'))}")
    policy = about.policy
    st.caption(f"Policy: {plain(policy.name)}, version {policy.version}")
