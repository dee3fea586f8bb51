"""What is champion since when, and what its gate said; nothing here changes anything."""

from typing import Any

import pandas as pd
import streamlit as st

from tippingpoint.config.gate_settings import Gate
from tippingpoint.dashboard.state import plain, settings, subject
from tippingpoint.dashboard.tables import between, frame
from tippingpoint.dashboard.views.segments import promised
from tippingpoint.experiment.promise_book import MEASURED, PromiseBook, promise_book
from tippingpoint.promotion.registry_status import described, table
from tippingpoint.tracking import backend
from tippingpoint.tracking.champion import champion_status
from tippingpoint.tracking.journal import NEWEST, Entry, at
from tippingpoint.tracking.promotion import registry_status, version_of

SHOWN = ["when", "what", "version", "over", "who", "claimed", "why", "gate", "then", "now"]


def page() -> None:
    """The champion, its gate, the journal, and the way into MLflow."""
    about = subject()
    st.title("Registry")
    if about.demo:
        st.info(
            "There is no champion in this store. The person who fits the models types `tippingpoint compare`, then"
            " `tippingpoint promote`; what the gate lets through opens here."
        )
        return
    name, number = about.reference.removeprefix("models:/").rsplit("/", 1)
    client = backend.connect(writing=False)
    champion = champion_status(client, name, NEWEST)
    journal = champion.journal
    with backend.store_errors():
        stands = registry_status(client, journal, described)
        tags = version_of(client, name, number).tags
    if champion.amiss:
        st.warning(plain(champion.said))
    head = journal.head if journal.head is not None and journal.head.version == number else None
    shown = {
        "Version": f"{plain(name)} {number}",
        "Champion since": at(head.when)[:16] if head else ("by hand" if stands.champion == number else "not champion"),
        "Before it": stands.previous or "–",
        "Challenger": stands.challenger or "–",
    }
    for place, (what, value) in zip(st.columns([3, 3, 2, 2]), shown.items(), strict=True):
        place.metric(what, value)
    facts = {"model": tags.get("model"), "policy": about.policy.name, "policy digest": about.policy_digest}
    st.caption(", ".join(f"{word} {plain(value)}" for word, value in facts.items() if value) + ". Times are UTC.")
    if MEASURED in tags:
        ends = [float(tags[f"{MEASURED}{end}"]) for end in ("", "_low", "_high")]
        st.success(
            f"Measured until {plain(tags.get('measured_until', ''))}: {ends[0]:+.1f} outcomes per 1,000 users"
            f" [{ends[1]:.1f}, {ends[2]:.1f}]."
        )
    st.link_button("Open it in MLflow", link(f"models/{name}/versions/{number}"), icon=":material/open_in_new:")
    if not backend.is_server() and settings()["mlflow"] is None:
        st.caption("`tippingpoint ui` serves MLflow's pages.")
    # A rollback judges nothing: what let this version in once still stands.
    own = [entry for entry in journal.entries if entry.version == number and entry.judgement.get("checks")]
    if own:
        _gate(own[-1])
    else:
        st.info("No gate has judged this version.")
    promised()
    _promises(promise_book(client, name))
    _journal(table(journal), journal.missing)


def link(path: str) -> str:
    """Address of one of MLflow's pages."""
    page = backend.page(path)
    where = settings()["mlflow"]
    return page if where is None else f"{where.rstrip('/')}/{page[page.index('#') :]}"


def _gate(entry: Entry) -> None:
    """What the gate said, check by check."""
    said = entry.judgement
    st.subheader("What the gate said")
    against = said["against"] or "a constant score and everyone none"
    words = "Passed" if said["passed"] else "Not passed"
    st.markdown(
        f"{words} on {at(entry.when)[:16]}, against {plain(against)}, on {said['users']:,} test users;"
        f" look {said['look']}."
    )
    rows = [{"check": check["name"], "word": check["word"], "why": check["said"]} for check in said["checks"]]
    frame(pd.DataFrame(rows), hide_index=True)
    if out := left_out(said["checks"]):
        st.warning(f"Left out when it was promoted: {', '.join(out)}. These checks were not made.")


def left_out(checks: list[dict[str, Any]]) -> list[str]:
    """Checks of the standard gate that did not run."""
    no_check = {"name", "alpha", "fresh", "guardrails", "approval"}  # or one that not every version is asked
    known = no_check | {check["name"] for check in checks}
    return [name for name in Gate.model_fields if name not in known]


def _promises(book: PromiseBook) -> None:
    """How promises of promoted versions were kept."""
    st.subheader("Promises")
    if not book.promises:
        st.caption("No promoted version was measured yet: `tippingpoint measure`, of a random share.")
        return
    st.write(plain(str(book)))
    rows = [
        {
            "version": of.version.rpartition("/")[2],
            "promised": f"{between(of.at_its_look, 1)} ({of.kind})",
            "realised": between(of.realised, 1),
            "until": of.until,
            "held": "yes" if of.held else "no",
        }
        for of in book.promises
    ]
    frame(pd.DataFrame(rows), hide_index=True)
    st.caption(
        "Outcomes per 1,000 users over everyone getting none. Promised on test users, of a policy chosen on others; its"
        " interval is as wide as the gate's look at these users had to be sure. Held: the measured one reaches it."
    )


def _journal(found: pd.DataFrame, missing: list[int]) -> None:
    """All promotions, the newest first."""
    st.subheader("Journal")
    if missing:
        st.warning(f"Entries {', '.join(map(str, missing))} were deleted from the journal.")
    if found.empty:
        st.caption("Nothing was promoted yet.")
        return
    score = st.column_config.NumberColumn(format="%.3f")
    names = {"then": "ROC AUC then", "now": "ROC AUC now", "over": "instead of"}
    shown = found[SHOWN].rename(columns=names)
    frame(shown, hide_index=True, column_config={"ROC AUC then": score, "ROC AUC now": score})
