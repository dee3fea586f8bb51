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
from tippingpoint.dashboard.subject import DEMOS, Subject, champions, demonstration, registered
from tippingpoint.dashboard.working import Work
from tippingpoint.errors import TippingpointError
from tippingpoint.jobs.dashboard import SETTINGS

DEMO = "demo "
T = TypeVar("T")
_LOADING = threading.Lock()
"""Hydra composes for one thread at a time."""


@dataclass
class Session:
    """What one person's browser tab holds; it is gone with the tab, and no other sees it.

    Parameters
    ----------
    upload, names
        The file as it came, and its columns that go by another name in the contract.
    listed, listed_by
        Its users with what is decided for them, and by which version.
    work
        The deciding that is under way.
    table
        The address of the table that `upload` is.
    uploads
        Files taken so far: each has an uploader of its own, so that Streamlit lets go of its copy.
    wrong
        What was wrong with the last one.
    filters
        Values chosen of each category.
    cuts
        Cut-offs as moved; None where they are as registered.
    drawn_at
        Cut-offs when they were drawn last: by these it is told which was moved.
    user
        Who is explained.
    found
        What took long, by what was asked; forgotten when the users change.
    """

    upload: Upload | None = None
    names: dict[str, str] = field(default_factory=dict)
    listed: Listed | None = None
    listed_by: str = ""
    work: Work[Listed] | None = None
    table: str = ""
    uploads: int = 0
    wrong: str = ""
    filters: dict[str, list[str]] = field(default_factory=dict)
    cuts: tuple[float, ...] | None = None
    cuts_of: str = ""
    drawn_at: tuple[float, ...] | None = None
    user: str | None = None
    found: dict[Hashable, Any] = field(default_factory=dict)

    def forget(self) -> None:
        """Be as on the first visit."""
        if self.work is not None:
            self.work.end()
        vars(self).update(vars(Session(uploads=self.uploads)))

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
    defaults = dict.fromkeys(("version", "mlflow", "predictions", "outcomes"))
    return {**defaults, **json.loads(os.environ.get(SETTINGS, "{}"))}


def references() -> list[str]:
    """What can be looked at: the version asked for, else the champions, else demonstrations."""
    if (asked := settings()["version"]) is not None:
        return [asked]
    return _champions() or [f"{DEMO}{name}" for name in DEMOS]


def subject() -> Subject:
    """What this session looks at."""
    there = references()
    chosen = st.session_state.get("about")
    return _subject(chosen if chosen in there else there[0])


def load() -> None:
    """What the first visit would wait for; what is wrong is said there."""
    with suppress(TippingpointError):
        _own(references()[0])


def users() -> Listed:
    """This session's users, or where it brought none the champion's own."""
    mine, about = session(), subject()
    if mine.upload is not None and not missing() and mine.listed is None:
        upload, names = mine.upload, dict(mine.names)
        if mine.work is None:
            mine.work = Work(lambda told: intake.listed(upload, about, names, told))
        bar = st.progress(0.0, "Checking and deciding")
        total = upload.rows

        def seen(rows: int) -> None:
            bar.progress(min(rows / total, 0.99) if total else 0.0, f"Checking and deciding: {rows:,} rows")

        try:
            mine.listed, mine.listed_by = mine.work.wait(seen), about.reference
        except TippingpointError:
            mine.forget()
            raise
        bar.empty()
        mine.work, mine.user = None, None
        mine.found.clear()
        mine.filters.clear()
    return mine.listed if mine.listed is not None else _own(about.reference)


def missing() -> dict[str, list[str]]:
    """Columns of the contract that the upload lacks and that nothing was matched to yet."""
    mine, about = session(), subject()
    if mine.listed_by and mine.listed_by != about.reference:  # another version decides by now
        mine.listed, mine.listed_by, mine.names = None, "", {}
        mine.found.clear()
    if mine.upload is None or mine.upload.decided:
        return {}
    there = tuple(mine.names.get(c, c) for c in mine.upload.columns)
    return intake.lacking(there, about.decider.deployment.terms)


def plain(text: object) -> str:
    """Text as it stands: nothing in it is Markdown, a link, a picture or HTML."""
    return re.sub(r"(?!(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))([!-/:-@\[-`{-~])", r"\\\1", str(text)).replace("\n", " ")


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


@st.cache_resource(max_entries=6, show_spinner="Loading what decides")
def _subject(reference: str) -> Subject:
    with _LOADING:
        demo = reference.startswith(DEMO)
        return demonstration(reference.removeprefix(DEMO)) if demo else registered(reference)


@st.cache_resource(max_entries=6, show_spinner="Deciding for its users")
def _own(reference: str) -> Listed:
    return intake.own_users(_subject(reference))
