"""All that a page remembers: shared what is the champion's, a session's own what a person brought."""

import json
import os
import re
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import streamlit as st

from tippingpoint.dashboard import intake
from tippingpoint.dashboard.intake import Listed, Upload
from tippingpoint.dashboard.subject import DEMOS, Subject, champions, demonstration, exact, registered
from tippingpoint.errors import InputError, TippingpointError
from tippingpoint.jobs.dashboard import SETTINGS
from tippingpoint.reports.tables import EVIDENCE

DEMO = "demo "
T = TypeVar("T")
RELOAD_SECONDS = 600
"""After which a version is loaded again: somebody may have simulated it since."""
JOINER = "\u2060"
"""Is not seen, and joins two characters into no address."""
_LOADING = threading.Lock()
"""Hydra composes for one thread at a time."""


@dataclass
class Session:
    """What one person's browser tab holds; it is gone with the tab, and no other sees it.

    Parameters
    ----------
    upload, names
        The file as it came, and its columns that go by another name in the contract.
    about
        The version that all of this is of.
    listed
        The upload's users with what is decided for them.
    uploads
        Uploaders there were: a new one holds no file.
    file
        Which of the uploader's files `upload` is.
    filters
        Values chosen of each category.
    cuts
        Cut-offs as moved; None where they are as registered.
    user
        Who is explained.
    found
        What took long, by what was asked; forgotten when the users change.
    """

    about: str = ""
    upload: Upload | None = None
    names: dict[str, str] = field(default_factory=dict)
    listed: Listed | None = None
    uploads: int = 0
    file: str = ""
    filters: dict[str, list[str]] = field(default_factory=dict)
    cuts: tuple[float, ...] | None = None
    cuts_of: str = ""
    user: str | None = None
    found: dict[Hashable, Any] = field(default_factory=dict)

    def forget(self) -> None:
        """Be as on the first visit."""
        vars(self).update(vars(Session(self.about, uploads=self.uploads)))

    def follow(self, about: str) -> None:
        """Keep the upload alone where another version decides by now."""
        if about != self.about:
            upload, file = self.upload, self.file
            self.forget()
            self.about, self.upload, self.file = about, upload, file

    def once(self, asked: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, made once."""
        if asked not in self.found:
            self.found[asked] = make()
        return cast(T, self.found[asked])


def session() -> Session:
    """This tab's own."""
    if "tippingpoint" not in st.session_state:
        st.session_state["tippingpoint"] = Session()
    held: Session = st.session_state["tippingpoint"]
    return held


def settings() -> dict[str, Any]:
    """The job's settings; its defaults where the pages were started without the job."""
    defaults = dict.fromkeys(("version", "mlflow", "predictions", "outcomes", "logins", "at", "until"))
    return {**defaults, "absent": "unknown", **json.loads(os.environ.get(SETTINGS, "{}"))}


def references() -> list[str]:
    """What can be looked at: the version asked for, else the champions, else demonstrations."""
    if (asked := settings()["version"]) is not None:
        return [_exact(asked) if "@" in asked else asked]
    return _champions() or [f"{DEMO}{name}" for name in DEMOS]


def standing(reference: str) -> str:
    """What a version is called: champion only if it is."""
    if reference in _champions():
        return "Champion"
    alias = (settings()["version"] or "").partition("@")[2]
    return alias.capitalize() if alias else "Version"


def subject() -> Subject:
    """What this session looks at."""
    there = references()
    chosen = st.session_state.get("about")
    found = _subject(chosen if chosen in there else there[0])
    session().follow(found.reference)
    return found


def load() -> None:
    """What the first visit would wait for; what is wrong is said there."""
    with suppress(TippingpointError):
        _own(references()[0])


def users() -> Listed:
    """This session's users, or where it brought none the champion's own.

    Raises
    ------
    InputError
        When those it brought cannot be read, or lack columns that nothing was matched to yet.
    """
    mine, about = session(), subject()
    if mine.upload is not None and (lacking := missing()):
        what = f"lacks columns that {about.reference.removeprefix('models:/')} reads: {', '.join(lacking)}"
        raise InputError(mine.upload.name, what, "Match them on the page Users, or forget the file there.")
    if mine.upload is not None and mine.listed is None:
        with st.spinner("Checking and deciding"):
            mine.found.clear()
            mine.filters.clear()
            mine.user = None
            mine.listed = intake.listed(mine.upload, about, mine.names)
    return mine.listed if mine.listed is not None else _own(about.reference)


def missing() -> dict[str, list[str]]:
    """Columns of the contract that the upload lacks and that nothing was matched to yet."""
    mine, about = session(), subject()
    if mine.upload is None:
        return {}
    there = tuple(mine.names.get(c, c) for c in mine.upload.columns)
    return intake.lacking(there, about.decider.deployment.terms)


def worth() -> str:
    """What an expected value is and rests on, in words."""
    of = subject().decider.deployment
    return (
        f"Expected value: what users bring in {plain(of.economics.currency)} under their action, with what they would"
        f" bring anyway. The chances under each action are {plain(EVIDENCE[of.evidence])}."
        " What the policy adds stands on the page Cut-offs."
    )


def plain(text: object) -> str:
    """Text as it stands: nothing in it is Markdown, a link, a picture or HTML."""
    split = re.sub(r"(?i)(?<=:)(?=//)|(?<=www)(?=\.)|(?=@)", JOINER, str(text))  # addresses link themselves
    return re.sub(r"(?!(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))([!-/:-@\[-`{-~])", r"\\\1", split).replace("\n", " ")


def show(page: Callable[[], None]) -> None:
    """Show a page; what is wrong is said where the page would be."""
    try:
        page()
    except TippingpointError as error:
        st.error(plain(error), icon=":material/error:")


@st.cache_data(ttl=10, show_spinner=False)
def _champions() -> list[str]:
    with _LOADING:
        return champions()


@st.cache_data(ttl=10, show_spinner=False)
def _exact(asked: str) -> str:
    with _LOADING:
        return exact(asked)


def _subject(reference: str) -> Subject:
    return _demonstration(reference) if reference.startswith(DEMO) else _registered(reference)


@st.cache_resource(max_entries=2, show_spinner="Loading what decides")
def _demonstration(reference: str) -> Subject:
    with _LOADING:
        return demonstration(reference.removeprefix(DEMO))


@st.cache_resource(max_entries=6, ttl=RELOAD_SECONDS, show_spinner="Loading what decides")
def _registered(reference: str) -> Subject:
    with _LOADING:
        return registered(reference)


@st.cache_resource(max_entries=6, show_spinner="Deciding for its users")
def _own(reference: str) -> Listed:
    return intake.own_users(_subject(reference))
