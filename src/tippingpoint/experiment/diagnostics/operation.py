"""TP5xx: users of today against those a model learnt from."""

from typing import Any

import pandas as pd

from tippingpoint.decisions.drift import MOVED, SHIFTED
from tippingpoint.experiment.diagnostics.registry import Found, diagnostic

NAMED, DRIFTED = 6, 5
"""Categories and columns that are named."""


@diagnostic(
    "TP501",
    "warning",
    "drift",
    what="Population stability index of each column and of the score, against the users the model learnt from.",
    threshold=f"{MOVED} moved, {SHIFTED} shifted, and more than chance explains over all columns",
    why="What held for those users may not hold for these.",
    remedy="Find out what changed; fit on users of today, and promote what comes of it.",
)
def drift(found: pd.DataFrame) -> Found | None:
    """Whether columns moved; as `Reference.drift` gives them."""
    moved = found[found["drift"].isin(["moved", "shifted"])]
    if not len(moved):
        return None
    named = ", ".join(f"{row.column} {row.psi:.2f}" for row in moved.head(DRIFTED).itertuples())
    more = f" and {len(moved) - DRIFTED} more" if len(moved) > DRIFTED else ""
    said = f"Drift (PSI; {MOVED} moved, {SHIFTED} shifted; more than chance explains): {named}{more}. The model learnt"
    said += " from other users."
    return Found(said, dict(zip(moved["column"].astype(str), moved["psi"].astype(float), strict=True)))


@diagnostic(
    "TP502",
    "warning",
    "unseen categories",
    what="Rows that hold a category the model never learnt from.",
    threshold="any",
    why="The model takes them for the rare ones, or for none: a new spelling loses what it learnt of the old one.",
    remedy="Write categories as in training, or fit on users of today.",
)
def unseen_categories(rows: int, unseen: list[dict[str, Any]]) -> Found | None:
    """Whether users hold categories never learnt from; as `decisions.unseen.named` gives them.

    One that differs only in blanks around it is read as the category it is, so nothing is lost by it.
    """
    lost = [of for of in unseen if of["value"].strip() != of["learnt_as"]]
    if not lost:
        return None
    rows = min(rows, sum(of["rows"] for of in lost))
    named = "; ".join(
        f"{of['column']} {of['value']!r}: {of['rows']:,}"
        + (f", written {of['learnt_as']!r} in training" if of["learnt_as"] else "")
        for of in lost[:NAMED]
    )
    more = f"; and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    hold = "rows hold" if rows != 1 else "row holds"
    return Found(f"{rows:,} {hold} categories the model never learnt from ({named}{more}).", {"rows": rows})


@diagnostic(
    "TP503",
    "warning",
    "stale snapshot",
    what="Days since the newest time in the users' columns; where they have none, since they were read.",
    threshold="more than gate.fresh.days",
    why="A version judged on old users is let in for today's.",
    remedy="Compare again on users of today.",
)
def stale(days: float, most: float, column: str) -> Found | None:
    """Whether a version's users are old."""
    if days <= most:
        return None
    by = (
        f"its newest user is {days:.1f} days old, by {column}" if column else f"its users were read {days:.1f} days ago"
    )
    return Found(f"The version may be of another time: {by} (at most {most:g}).", {"days": days})
