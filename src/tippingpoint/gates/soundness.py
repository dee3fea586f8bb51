"""Checks of the model itself: its file, its scores elsewhere, its speed, what moves it, its data and their wear."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tippingpoint.gates.judgement import Check

HELD: dict[str, dict[str, str | None]] = {
    "python_function": {
        "loader_module": "mlflow.sklearn",
        "model_path": "model.skops",
        "predict_fn": "predict_proba",
    },
    "sklearn": {"code": None, "pickled_model": "model.skops", "serialization_format": "skops"},
}
"""What each flavour of an MLmodel of ours says. MLflow runs what other keys name (`code`, `data`, `model_config`)."""
TOLD = {"python_function": {"env", "python_version"}, "sklearn": {"sklearn_version", "skops_trusted_types"}}
"""And what it may say besides: packages, which loading does not read, and types, which are held to the family's."""
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
    return Check("signature", "passes", f"reads {len(needed)} columns users have; no type beyond its family's")


def foreign(written: Mapping[str, Any], trust: Sequence[str]) -> list[str]:
    """What an MLmodel asks for beyond what one of ours does, in clauses; empty where loading it runs nothing else.

    Whoever lets MLflow load a folder asks this first: scoring in a clean process and on Spark do.

    Parameters
    ----------
    trust
        Types the family trusts.
    """
    there = written.get("flavors")
    flavours = there if isinstance(there, Mapping) else {}
    if set(flavours) != set(HELD) or not all(isinstance(flavour, Mapping) for flavour in flavours.values()):
        named = ", ".join(sorted(map(str, flavours))) or "none"
        return [f"its flavours are {named}, not {', '.join(HELD)} as we write them"]
    wrong = []
    for name, held in HELD.items():
        own = flavours[name]
        wrong += [
            f"its {name}.{key} is {own.get(key)}, not {value}" for key, value in held.items() if own.get(key) != value
        ]
        if more := sorted(set(map(str, own)) - set(held) - TOLD[name]):
            wrong.append(f"its {name} has {', '.join(more)}, which may be code of its own")
    asked = flavours["sklearn"].get("skops_trusted_types") or ()
    if more := sorted(set(map(str, asked)) - set(trust)):
        wrong.append(f"it asks to trust {', '.join(more)}")
    return wrong


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


def light(milliseconds: float, megabytes: float, slowest: float, largest: float) -> Check:
    """Whether one row's score takes no longer, and the files are no larger, than allowed."""
    figures = {"milliseconds": milliseconds, "megabytes": megabytes}
    said = f"{milliseconds:.1f} ms a row (at most {slowest:g}), {megabytes:.1f} MB (at most {largest:g})"
    return Check("speed", "passes" if milliseconds <= slowest and megabytes <= largest else "fails", said, figures)


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
        return Check("explanation", "cannot tell", "no column moves the scores")
    top, most = max(importance.items(), key=lambda item: item[1])
    figures = {"share": most / total, "top_alone": alone.get(top, 0.5)}
    said = f"{top} has {most / total:.0%} of mean |SHAP| (at most {share:.0%})"
    if alone.get(top, 0.5) >= leak:
        return Check(
            "explanation", "fails", f"{top} comes first and may know the outcome (alone {alone[top]:.3f})", figures
        )
    if len(importance) == 1:
        return Check("explanation", "cannot tell", f"{top} is the only column", figures)
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


def worn(look: int, versions: int, picked: bool, level: float, most: int) -> Check:
    """How often the test table has judged; from `most` looks on it is worn out.

    Parameters
    ----------
    look
        Judgements of this question on these users, this one included: each pair of version and champion once.
    versions
        Registered versions whose own runs reported on them.
    picked
        Whether this one was picked by hand, perhaps as the best of those reports; then they share its level.
    """
    figures = {"look": float(look), "versions": float(versions), "level": level}
    said = (
        f"look {look} at this test table (at most {most}), one-sided level {level:.2g};"
        f" {versions} version{'s'[: versions != 1]} reported on it"
    )
    if picked and versions > 1:
        said += ", and share the level, as this one is not the challenger and may have been picked from them"
    return Check("looks", "passes" if look <= most else "fails", said, figures)
