"""Checks of the model itself: its file, its scores elsewhere, its speed, what moves it, its data and their wear."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tippingpoint.experiment.diagnostics import Finding
from tippingpoint.models.saved_form import foreign
from tippingpoint.promotion.verdict import Check

SAME = 1e-9
"""Largest difference of a score in another process that is still rounding."""


def trusted(
    written: Mapping[str, Any],
    trust: Sequence[str],
    needed: Mapping[str, str],
    columns: Mapping[str, str],
    amiss: str = "",
) -> Check:
    """Whether a model's file asks for nothing but what its family trusts, and reads what the users have.

    Parameters
    ----------
    written
        Its MLmodel.
    trust
        Types the family trusts.
    needed, columns
        `number` or `category` by column: what its signature reads, and what users have.
    amiss
        What is wrong with the registered version itself, if anything is.
    """
    wrong = [*filter(None, [amiss]), *foreign(written, trust)]
    if unlike := [f"{name} ({kind})" for name, kind in needed.items() if columns.get(name) != kind]:
        wrong.append(f"users have no {', '.join(unlike)}")
    if wrong:
        return Check("signature", "fails", "; ".join(wrong))
    columns_read = f"{len(needed)} column{'s'[: len(needed) != 1]}"
    return Check("signature", "passes", f"reads {columns_read} users have; no type beyond its family's")


def reloads(here: np.ndarray, there: np.ndarray | None, why: str = "") -> Check:
    """Whether a clean process scores the same: (n,) scores each; None where it could not, and why."""
    if there is None:
        return Check("reload", "fails", f"a clean process cannot load it: {why}")
    if here.shape != there.shape or not np.isfinite(there).all():
        return Check("reload", "fails", "a clean process gives other users scores, or none")
    gap = float(np.abs(here - there).max())
    said = (
        f"scores of {len(here):,} users {f'differ by {gap:.1e} at most' if gap else 'are the same'} in a clean process"
    )
    return Check("reload", "passes" if gap <= SAME else "fails", said, {"gap": gap})


def light(rounds: Sequence[float], megabytes: float, slowest: float, largest: float) -> Check:
    """Whether one row's score takes no longer, and the files are no larger, than allowed.

    Parameters
    ----------
    rounds
        Milliseconds a row, measured several times. Where the limit lies between the shortest and the longest the
        check is inconclusive: the machine is too busy, or the limit too near, to say.
    """
    low, high = min(rounds), max(rounds)
    typical = float(np.median(rounds))
    figures = {"milliseconds": typical, "milliseconds_low": low, "milliseconds_high": high, "megabytes": megabytes}
    said = f"{typical:.1f} ms of CPU a row (at most {slowest:g}), {megabytes:.1f} MB (at most {largest:g})"
    if megabytes > largest or low > slowest:
        return Check("speed", "fails", said, figures)
    if high <= slowest:
        return Check("speed", "passes", said, figures)
    between = f"rounds took {low:.1f} to {high:.1f} ms; type the same line again once the machine is less busy"
    return Check("speed", "inconclusive", f"{said}; {between}: the same pair is the same look", figures)


def explained(importance: Mapping[str, float], alone: Mapping[str, float], leak: float, share: float) -> Check:
    """Whether no single column moves the scores alone, and none that may know the outcome moves them most.

    Parameters
    ----------
    importance
        Mean |SHAP| by column.
    alone
        ROC AUC of columns alone.
    leak
        ROC AUC from which on a column is suspected to know the outcome.
    share
        Largest share of the sum of mean |SHAP| one column may have.
    """
    total = sum(importance.values())
    if not importance or total <= 0:
        return Check("explanation", "inconclusive", "no column moves the scores")
    top, most = max(importance.items(), key=lambda item: item[1])
    figures = {"share": most / total, "top_alone": alone.get(top, 0.5)}
    said = f"{top} has {most / total:.0%} of mean |SHAP| (at most {share:.0%})"
    if alone.get(top, 0.5) >= leak:
        return Check(
            "explanation", "fails", f"{top} comes first and may know the outcome (alone {alone[top]:.3f})", figures
        )
    if len(importance) == 1:
        return Check("explanation", "inconclusive", f"{top} is the only column", figures)
    return Check("explanation", "passes" if most / total <= share else "fails", said, figures)


def fresh(days: float, most: float, column: str = "") -> Check:
    """Whether a version's users are no older than allowed.

    Parameters
    ----------
    days
        Since the newest time in `column`; where they have no times, since the version's run read them.
    """
    said = (
        f"its newest user is {days:.1f} days old, by {column}" if column else f"its users were read {days:.1f} days ago"
    )
    unknown = "" if column else "; how old they were then is not known, as no column holds past times"
    return Check("fresh", "passes" if days <= most else "fails", f"{said} (at most {most:g}){unknown}", {"days": days})


SHOWN = 100
"""Versions that are counted where their number is but shown: each takes the store a while."""


def test_set_looks(look: int, versions: int, picked: bool, level: float, most: int) -> Check:
    """How often the test table has judged; after more than `most` looks it is overused.

    Parameters
    ----------
    look
        Judgements of this question on these users, this one included: each pair of version and champion once.
    versions
        Registered versions whose own runs reported on them; `SHOWN` where these may be more and do not share the level.
    picked
        Whether this one was picked by hand, perhaps as the best of those reports; then they share its level.
    """
    figures = {"look": float(look), "versions": float(versions), "level": level}
    more = " or more" if versions == SHOWN and not picked else ""
    said = (
        f"look {look} at this test table (at most {most}), one-sided level {level:.2g};"
        f" {versions}{more} version{'s'[: versions != 1]} reported on it"
    )
    if picked and versions > 1:
        said += ", and share the level, as this one is not the challenger and may have been picked from them"
    return Check("looks", "passes" if look <= most else "fails", said, figures)


def diagnosed(findings: Iterable[Finding]) -> Check:
    """Whether no veto of an interval stands; TP403, which vetoes a word, is told and stops nothing."""
    found = list(findings)
    if standing := [finding for finding in found if finding.takes_intervals]:
        vetoed = ", ".join(f"{finding.code} ({finding.title})" for finding in standing)
        return Check("diagnostics", "fails", f"vetoed by {vetoed}")
    accepted = [f"{finding.code}: {finding.accepted}" for finding in found if finding.accepted]
    said = f"accepted, {'; '.join(accepted)}" if accepted else "no veto"
    told = [finding.code for finding in found if not finding.accepted]
    return Check("diagnostics", "passes", f"{said}{'; told: ' + ', '.join(told) if told else ''}")
