"""All that a page remembers: shared what is the champion's, a session's own what a person brought."""

import json
import os
import re
import threading
import weakref
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import streamlit as st

from tippingpoint.core.errors import InputError, OutsideError, TippingpointError
from tippingpoint.dashboard import intake, uploads
from tippingpoint.dashboard.intake import Listed
from tippingpoint.dashboard.login import SETTINGS
from tippingpoint.dashboard.subject import (
    DEMOS,
    Subject,
    champions,
    demonstration,
    exact,
    registered,
    store_file,
    store_is_there,
)
from tippingpoint.dashboard.uploads import Upload
from tippingpoint.dashboard.working import Work
from tippingpoint.decisions.expected_outcomes import Added
from tippingpoint.reports.estimates import expected_in_words

DEMO = "demo "
T = TypeVar("T")
RELOAD_SECONDS = 600
"""After which a version is loaded again: somebody may have simulated it since."""
JOINER = "\u2060"
"""Is not seen, and joins two characters into no address."""
_LOADING = threading.Lock()
"""Hydra composes for one thread at a time."""
_LOOKING = threading.Lock()
"""A store is opened by one thread at a time; who looks does not wait for what is being loaded."""
_SEEN: set[Path | None] = set()
"""Stores that were there since the server started."""


@dataclass
class Session:
    """What one person's browser tab holds; it is gone with the tab, and no other sees it.

    Parameters
    ----------
    upload, names
        The file as it came, and its columns that go by another name in the contract.
    about
        The version that all of this is of; `beside` the one of which the sidebar was drawn, if it was.
    instead_of
        The version before it, until that it changed was said.
    listed
        The upload's users with what is decided for them.
    work
        The deciding that is under way.
    table, tried
        The address of the table that `upload` is, and the last that was looked at.
    uploads
        Uploaders there were: each takes one file, so that Streamlit lets go of its copy.
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

    about: str = ""
    beside: str = ""
    instead_of: str = ""
    upload: Upload | None = None
    names: dict[str, str] = field(default_factory=dict)
    listed: Listed | None = None
    work: Work[Listed] | None = None
    table: str = ""
    tried: str = ""
    uploads: int = 0
    wrong: str = ""
    filters: dict[str, list[str]] = field(default_factory=dict)
    cuts: tuple[float, ...] | None = None
    drawn_at: tuple[float, ...] | None = None
    user: str | None = None
    found: dict[Hashable, Any] = field(default_factory=dict)

    def forget(self) -> None:
        """Be as on the first visit."""
        if self.work is not None:
            self.work.end()
        vars(self).update(vars(Session(self.about, self.beside, uploads=self.uploads)))

    def follow(self, about: str, told: bool = True) -> None:
        """Keep the upload alone where another version decides by now; `told`: that it does is to be said."""
        if about != self.about:
            upload, table, tried, before = self.upload, self.table, self.tried, self.about
            self.forget()
            self.about, self.upload, self.table, self.tried = about, upload, table, tried
            self.instead_of = before if told else ""

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
    defaults = dict.fromkeys(("model", "mlflow", "predictions", "outcomes", "logins", "at", "until"))
    return {**defaults, "absent": "unknown", "tables": True, **json.loads(os.environ.get(SETTINGS, "{}"))}


def references() -> list[str]:
    """What can be looked at: the version asked for, else the champions, else demonstrations."""
    if (asked := settings()["model"]) is not None:
        return [_exact(asked) if "@" in asked else asked]
    return _champions() or [f"{DEMO}{name}" for name in DEMOS]


def title_of(reference: str) -> str:
    """What a version is called: champion only if it is."""
    if reference in _champions():
        return "Champion"
    alias = (settings()["model"] or "").partition("@")[2]
    return alias.capitalize() if alias else "Version"


def subject() -> Subject:
    """What this session looks at."""
    mine, there = session(), references()
    if mine.about and not mine.about.startswith(DEMO) and there[0].startswith(DEMO):
        what = f"{_short(mine.about)} decided here, and nothing is champion any more"
        raise OutsideError("registry", what, "Have one promoted; a reload of the page opens the demonstration.")
    found = _subject(chosen(there))
    mine.follow(found.reference, told=mine.about not in there)
    return found


def chosen(there: list[str]) -> str:
    """Which of them this session looks at; of a question that has another champion by now, that one."""
    wanted = st.session_state.get("about") or session().about
    if wanted in there:
        return str(wanted)
    return next((r for r in there if r.rpartition("/")[0] == str(wanted).rpartition("/")[0]), there[0])


def load() -> None:
    """What the first visit would wait for; what is wrong is said there."""
    with suppress(TippingpointError):
        _own(references()[0])


def users() -> Listed:
    """This session's users, or where it brought none the champion's own; some are there.

    Raises
    ------
    InputError
        Where `listed` does, and when every row is quarantined.
    """
    found = listed()
    if not len(found.table):
        raise InputError(
            found.origin, "every row is quarantined, so no user gets a decision", "The page Users says why."
        )
    return found


def listed() -> Listed:
    """The same, also where all rows are quarantined.

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
        upload, names = mine.upload, dict(mine.names)
        if mine.work is None:
            mine.work = Work(lambda told: intake.listed(upload, about, names, told))
            weakref.finalize(mine, _end, weakref.ref(mine.work))  # the tab is closed
        bar = st.progress(0.0, "Checking and deciding")
        total = upload.rows

        def seen(rows: int) -> None:
            bar.progress(min(rows / total, 0.99) if total else 0.0, f"Checking and deciding: {rows:,} rows")

        try:
            mine.listed = mine.work.wait(seen)  # what went wrong stays until the columns are matched anew
        finally:
            bar.empty()
        mine.work, mine.user = None, None
        mine.found.clear()
        mine.filters.clear()
    return mine.listed if mine.listed is not None else _own(about.reference)


def _end(work: "weakref.ref[Work[Listed]]") -> None:
    if (under_way := work()) is not None:
        under_way.end()


def missing() -> dict[str, list[str]]:
    """Columns of the contract that the upload lacks and that nothing was matched to yet."""
    mine, about = session(), subject()
    if mine.upload is None or mine.upload.decided:
        return {}
    there = tuple(mine.names.get(c, c) for c in mine.upload.columns)
    return uploads.lacking(there, about.decider.deployment.terms, about.decider.deployment.outcome)


def about_expected_value() -> str:
    """What an expected value is and rests on, in words."""
    of, policy = subject().decider.deployment, subject().policy
    rests_on = plain(expected_in_words(of.evidence, of.vetoed, of.effects_of))
    said = (
        f"Expected value: what users bring in {plain(of.economics.currency)} under their action, with what they would"
        f" bring anyway. The chances under each action are {rests_on}."
    )
    if not of.tells_gains:
        return f"{said} What an action adds is not told by user. What the policy adds stands on the page Cut-offs."
    gained = f"{said} Expected gain: what of it doing nothing would not bring."
    alike = [a for a, by in of.responses.items() if isinstance(by, Added) and not by.effect.columns]
    if same := sorted({*alike} & {*policy.actions.values()}):
        gained += f" No difference between users was found in what {plain(' and '.join(same))} adds."
    return f"{gained} {plain(of.withheld_in_words)}".rstrip()


def plain(text: object) -> str:
    """Text as it stands: nothing in it is Markdown, a link, a picture or HTML."""
    split = re.sub(r"(?i)(?<=:)(?=//)|(?<=www)(?=\.)|(?=@)", JOINER, str(text))  # addresses link themselves
    return re.sub(r"(?!(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))([!-/:-@\[-`{-~])", r"\\\1", split).replace("\n", " ")


def show(page: Callable[[], None], of_users: bool = True) -> None:
    """Show a page under a line that says who decides and, if it is about users, whose; what is wrong is said below."""
    above = st.container()
    try:
        page()
    except Exception as error:
        if _moved_on():  # half of the page was of one version, half of another
            st.rerun()
        if not isinstance(error, TippingpointError):
            raise
        st.error(plain(error), icon=":material/error:")
    if _moved_on():
        st.rerun()
    with above, suppress(TippingpointError):  # what keeps from saying it was said just now
        _whose(of_users)


def _moved_on() -> bool:
    """Whether by now another version decides than that beside the page, or none: then all is to be drawn anew."""
    mine = session()
    with suppress(TippingpointError):
        gone = bool(mine.beside) and not mine.beside.startswith(DEMO) and references()[0].startswith(DEMO)
        return gone or mine.beside not in ("", mine.about)
    return False


def _whose(of_users: bool) -> None:
    """Whose users these are, who decides, and whether it is a demonstration; and that it changed, if it did."""
    mine, about = session(), subject()
    policy = f"policy {plain(about.policy.name)} version {about.policy.version}"
    if before := mine.instead_of:
        mine.instead_of = ""
        anew = " Your users are decided anew;" if mine.upload is not None else ""
        st.warning(
            f"Since your last click another version decides: {_short(about.reference)} instead of {_short(before)}."
            f"{anew} filters and cut-offs are as at the start.",
            icon=":material/swap_horiz:",
        )
    by = f"a small model fitted just now, {policy}" if about.demo else f"{title_of(about.reference).lower()} "
    by += "" if about.demo else f"{_short(about.reference)}, {policy}"
    if mine.upload is None:
        whose = "generated, none is yours" if about.demo else "the model's own, on which it was judged; none is yours"
    elif mine.listed is None:
        whose = f"yours, {plain(mine.upload.name)}, not decided yet"
    else:
        whose = f"yours, {len(mine.listed.table):,} from {plain(mine.upload.name)}, in this tab alone"
        if mine.listed.by is not None:
            by = f"{plain(mine.listed.by)}, as the table has it"
    badge = ":orange-badge[Demonstration] " if about.demo else ""
    users = f"**Users:** {whose}. " if of_users else ""
    st.markdown(f":small[{badge}{users}**Decided by** {by}.]")


def _short(reference: str) -> str:
    return plain(reference.removeprefix("models:/"))


@st.cache_data(ttl=10, show_spinner=False)
def _champions() -> list[str]:
    with _LOOKING:
        path = store_file()
        if store_is_there():
            _SEEN.add(path)
        elif path in _SEEN:
            what = "the store was here and is not any more: nothing is decided without it"
            raise OutsideError("store", what, "Put it back, or have the pages started anew.")
        return champions()


@st.cache_data(ttl=10, show_spinner=False)
def _exact(asked: str) -> str:
    with _LOOKING:
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


@st.cache_resource(max_entries=6, ttl=RELOAD_SECONDS, show_spinner="Deciding for its users")
def _own(reference: str) -> Listed:
    return intake.own_users(_subject(reference))
