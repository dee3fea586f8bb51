"""The pages in one place."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from tippingpoint.core.errors import TippingpointError
from tippingpoint.dashboard.state import DEMO, chosen, plain, references, session, show, subject, title_of
from tippingpoint.dashboard.views import cut_offs, kmeans, over_time, registry, segments, targets, users, why

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


OF_NO_USERS = ("over-time", "registry")
"""Pages that show nothing of the users that are looked at."""


def main() -> None:
    """Show the page that was chosen."""
    # Pages have no icons: a browser would fetch the one that stands in its tab from elsewhere.
    pages = {
        path: st.Page(
            partial(_show(path), shown, path not in OF_NO_USERS), title=title, url_path=path, default=path == "users"
        )
        for path, (shown, title) in PAGES.items()
    }
    st.session_state["pages"] = pages
    page = st.navigation(list(pages.values()))
    try:
        with st.sidebar:
            _about()
        session().beside = session().about
    except TippingpointError as error:  # on a phone the sidebar is shut
        st.error(plain(error), icon=":material/error:")
        return
    page.run()
    if (listed := session().listed) is not None:
        st.sidebar.caption(f"Your users: {plain(listed.origin)}, in this tab only")


def _show(path: str) -> Callable[[Callable[[], None], bool], None]:
    """A click runs its page alone; not where what stands beside it changes, nor while a click has a wait to end."""
    return show if path == "users" or session().work is not None else st.fragment(show)


def _about() -> None:
    """Who decides, in the sidebar."""
    there = references()
    if len(there) > 1:
        st.session_state["about"] = chosen(there)
        st.selectbox("Model", there, key="about", format_func=lambda r: r.removeprefix("models:/"))
    about = subject()
    if about.reference.startswith(DEMO):
        st.warning(
            "This is a demonstration: the users are generated, and a small model was fitted on them just now. There is"
            " no champion in this store yet; once you promote one, it opens here.",
            icon=":material/science:",
        )
    else:
        st.caption(f"{title_of(about.reference)}: {plain(about.reference.removeprefix('models:/'))}")
    policy = about.policy
    st.caption(f"Policy: {plain(policy.name)}, version {policy.version}")
