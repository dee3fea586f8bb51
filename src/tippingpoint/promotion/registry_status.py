"""What promote, rollback, history and status share: which registered model, its journal, and what is shown of it."""

from dataclasses import replace
from typing import Any

import pandas as pd

from tippingpoint.promotion.report import description
from tippingpoint.tracking import promotion
from tippingpoint.tracking.journal import Entry, Journal, at
from tippingpoint.tracking.promotion import environment, question
from tippingpoint.tracking.registry import Client


def named(client: Client, name: str | None, to: str | None) -> tuple[str, str]:
    """The question's registered model, and the one whose champion is meant: its own, or an environment's."""
    found = question(client, name)
    return found, environment(found, to)


def described(journal: Journal) -> str:
    """The journal as a registered model's description; without looks that are under way, or ended in a promotion."""
    known = replace(journal, entries=tuple(e for e in journal.entries if e.judged or e.kind != "look"))
    return description(journal.name, table(known), journal.champion, journal.previous)


def carried_out(client: Client, name: str, entry: Entry) -> tuple[Journal, tuple[str, ...]]:
    """The journal, and what had to be written to carry out an entry."""
    return promotion.carry_out(client, name, entry, described)


def table(journal: Journal) -> pd.DataFrame:
    """The journal as a table, the newest entry first.

    Returns
    -------
    pandas.DataFrame
        `entry`, `when` (UTC), `what` (its kind; `lost` where another was first, `left` where it waits to be carried
        out, `does not count` where nobody who may edit the model stands behind it), `version`, `over` (the champion
        before), `who` with what is `claimed` besides, `why`, `gate`; ROC AUC on its own test users `then`, with the
        lower bound, and `now`: when it was last scored again as champion.
    """
    rows = []
    what = {entry.number: "lost" for entry in journal.lost}
    what |= {entry.number: "does not count" for entry in journal.unvouched}
    what |= {journal.left.number: f"left: {journal.left.kind}"} if journal.left else {}
    for entry in reversed(journal.entries):
        judged = entry.judgement
        checks = judged.get("checks", [])
        stopping = [
            c["name"]
            for c in checks
            if c["word"] == "fails" or (c["word"] in ("inconclusive", "cannot tell") and c["blocks"])
        ]
        said = "passed" if judged.get("passed") else f"no: {', '.join(stopping)}"
        gate = f"{judged.get('gate', '')}: {said}{_beside(judged)}" if checks else _pinned(entry)
        rows.append(
            {
                "entry": entry.number,
                "when": at(entry.when),
                "what": what.get(entry.number, entry.kind),
                "version": entry.version,
                "over": entry.against,
                "who": entry.who,
                "claimed": "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in entry.claimed.items()),
                "why": entry.why,
                "gate": gate,
                "look": judged.get("look"),
                "then": _figure(checks, "quality", "roc_auc"),
                "then_low": _figure(checks, "quality", "roc_auc_low"),
                "now": _now(journal, entry.version),
            }
        )
    columns = ["entry", "when", "what", "version", "over", "who", "claimed", "why", "gate"]
    columns += ["look", "then", "then_low", "now"]
    return pd.DataFrame(rows, columns=columns).astype({"look": "Int64"})


def _beside(judged: dict[str, Any]) -> str:
    """What is said of a verdict besides: what was laid over a pinned gate, and whose request it was."""
    said = [f"overrides {' '.join(judged['overrides'])}"] if judged.get("overrides") else []
    said += [f"asked for by {judged['requested_by']} in entry {judged['request']}"] if "request" in judged else []
    return "".join(f"; {one}" for one in said)


def _pinned(entry: Entry) -> str:
    """What a pin says, where an entry is one."""
    if entry.kind != "pin":
        return ""
    asked = entry.judgement.get("asked", {})
    approval = ", with approval by a second person" if asked.get("approval") else ""
    return f"{entry.judgement['gate']} pinned{approval}" if asked else "none pinned any more"


def _now(journal: Journal, version: str) -> float | None:
    """ROC AUC of a version when it was last scored again, as the champion a later one was held against."""
    for entry in reversed(journal.entries):
        if entry.against == version and (
            found := _figure(entry.judgement.get("checks", []), "better", "champion_roc_auc")
        ):
            return found
    return None


def _figure(checks: list[dict[str, Any]], check: str, name: str) -> float | None:
    return next((c["figures"].get(name) for c in checks if c["name"] == check), None)
