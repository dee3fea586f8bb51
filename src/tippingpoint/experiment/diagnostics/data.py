"""TP1xx: what a table of users is like."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from tippingpoint.core.overrides import override
from tippingpoint.data.identity import INDEX, nameless, number_form
from tippingpoint.data.profile import LEAK
from tippingpoint.data.users import Users, missing_words
from tippingpoint.experiment.diagnostics.registry import Finding, Found, diagnostic

NAMED = 6
"""Columns that are named."""


def of_users(users: Users) -> Iterator[Finding | None]:
    """What is found of a table before any model."""
    yield quarantined(users)
    yield number_like_text(users)
    yield index_columns(users)
    yield repeated_ids(users)
    yield doubtful_columns(users)


@diagnostic(
    "TP101",
    "warning",
    "quarantined rows",
    what="Rows of the table that break the contract, are blank, or have no outcome.",
    threshold="any row",
    why="What is left may be another population than the table's.",
    remedy="Look at the quarantine file; correct the source, or the contract.",
)
def quarantined(users: Users) -> Found | None:
    """Rows that were set aside."""
    intake = users.intake
    if intake is None or not intake.quarantined:
        return None
    said = f"{intake.quarantined:,} of {intake.rows:,} rows were set aside: {intake.worst}."
    return Found(said, {"rows": intake.rows, "quarantined": intake.quarantined, "reasons": dict(intake.reasons)})


@diagnostic(
    "TP102",
    "warning",
    "number-like text",
    what="Cells of number columns that are no numbers, and of time columns that are no times, counted by what they say;"
    " they are read as missing.",
    threshold="any word that is not a usual sign of a missing number",
    why="A word may mean something else than missing: a limit, a category, a slip.",
    remedy="Name the words in the contract (also_missing), or correct them in the source.",
)
def number_like_text(users: Users) -> Found | None:
    """Words among numbers."""
    if not (odd := users.contract.odd):
        return None
    n = users.intake.rows if users.intake else len(users)
    parsed = {column: 1 - sum(words.values()) / max(n, 1) for column, words in odd.items()}
    timed = [c.name for c in users.contract.columns if c.days_before is not None]
    kind = {column: "times" if column in timed else "numbers" for column in odd}
    told = [f"{c} ({missing_words(words)}; {parsed[c]:.1%} are {kind[c]})" for c, words in odd.items()]
    among = " and ".join(sorted(set(kind.values())))
    return Found(f"Words among {among} count as missing: {named(told)}.", {"share_of_numbers": parsed})


@diagnostic(
    "TP103",
    "warning",
    "leak suspects",
    what="ROC AUC of each column alone, cross-validated.",
    threshold=f"ROC AUC of at least {LEAK}",
    why="A column that tells the outcome by itself was probably made from it, and is not known when users are scored.",
    remedy="Leave it out if it is known only afterwards.",
)
def leaks(suspects: list[str], alone: dict[str, float]) -> Found | None:
    """Columns that may know the outcome; `suspects` those above the threshold, the surest first."""
    if not suspects:
        return None
    said = f"{named(suspects)} may know the outcome: alone it tells almost all of it"
    said += f" (ROC AUC {alone[suspects[0]]:.3f}, cross-validated)."
    remedy = f"If known only afterwards: {override('data.drop', suspects)}."
    return Found(said, {column: alone[column] for column in suspects}, remedy)


@diagnostic(
    "TP104",
    "warning",
    "index columns",
    what="Columns that number the rows.",
    threshold="any",
    why="They are left on by whatever wrote the table; no model sees them.",
    remedy="Nothing needs to be done; write the table without its index to be rid of it.",
)
def index_columns(users: Users) -> Found | None:
    """Columns that were dropped as they number the rows."""
    indices = [column or repr(column) for column, why in users.contract.dropped.items() if why == INDEX]
    if not indices:
        return None
    remedy = "Nothing needs to be done; write the table without its index to be rid of it."
    if users.contract.user_id is None and not all(map(nameless, users.contract.dropped)):
        remedy = f"If it is the id of users: {override('data.id', indices[0])}. Else nothing needs to be done."
    return Found(f"No model sees {named(indices)}: it numbers the rows.", {"columns": indices}, remedy)


@diagnostic(
    "TP105",
    "warning",
    "repeated ids",
    what="Ids that are one id in two spellings: 000450, 450 and 450.0.",
    threshold="any two",
    why="They are drawn and split as one user, and two rows of one user are no two users.",
    remedy="Keep one row a user, or name another id column (data.id).",
)
def repeated_ids(users: Users) -> Found | None:
    """Ids that differ in their spelling only; the same id twice is refused before."""
    if users.contract.user_id is None:
        return None
    ids = pl.Series(users.user_id.tolist(), dtype=pl.String)
    again = ids.filter(number_form(ids).is_duplicated())
    if again.is_empty():
        return None
    said = f"{len(again):,} rows have ids that are others' in another spelling ({', '.join(again.head(3).to_list())}…)."
    return Found(said, {"rows": len(again)})


@diagnostic(
    "TP106",
    "warning",
    "doubtful columns",
    what="Features that may be an id, have no name, or may be written with thousands.",
    threshold="any",
    why="A model learns from them as they are.",
    remedy="",
)
def doubtful_columns(users: Users) -> Found | None:
    """Features that may be none."""
    remarks = users.contract.remarks
    if not remarks:
        return None
    told = [f"{column!r} {why}." for column, why in list(remarks.items())[:NAMED]]
    return Found(" ".join(told), {"columns": list(remarks)})


def named(names: list[str]) -> str:
    """Names in a list, the first few."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def rarer(outcome: np.ndarray) -> int:
    """How many of (n,) outcomes are the rarer one."""
    return int(min(outcome.sum(), len(outcome) - outcome.sum()))
