"""What a measure varies by, and what columns known before save of that, from a table of users as they are now."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from tippingpoint.core.errors import InputError
from tippingpoint.data.column_roles import Roles
from tippingpoint.data.outcome_columns import Columns, Kind
from tippingpoint.data.source import Source
from tippingpoint.planning.settings import Guardrail, PlanSettings

LEAST = 30
"""Users from which on a variance is believed."""


@dataclass(frozen=True)
class Variation:
    """How a measure varies between users.

    Parameters
    ----------
    mean, deviation
        Of users whose value is known.
    saved
        Share of the variance that columns known before take out.
    users, missing
        Users whose value is known, and others.
    design_effect, group_size
        How much more it varies than between as many users who stand alone, and users a group; 1 without groups.
    """

    name: str
    kind: Kind
    mean: float
    deviation: float
    saved: float
    users: int
    missing: int
    design_effect: float = 1.0
    group_size: float = 1.0


def from_table(settings: PlanSettings) -> tuple[PlanSettings, str]:
    """Return the settings with what the table says of the measure and of guardrails, and that in words.

    Raises
    ------
    InputError
        When it is no table, or a column is missing or not of a kind that varies.
    """
    assert settings.data is not None
    source = settings.data.build(Source, "data")
    if not isinstance(source, Roles):
        raise InputError("data", f"{source.origin} is no table", "Type data=csv data.path=…")
    scanned = source.scan()
    columns = Columns(source.read().lazy() if scanned is None else scanned, source)
    name = settings.measure or source.outcome
    if name is None:
        raise InputError("measure", "not given", f"Type measure=… Columns: {', '.join(columns.types.names()[:12])}.")
    found = variation(columns, name, "measure", settings.pre)
    read: dict[str, Any] = {"measure": name, "variance_saved": found.saved if settings.pre else settings.variance_saved}
    read |= {"rate": found.mean} if found.kind == "yes_no" else {"deviation": found.deviation}
    if source.group is not None:
        read |= {"design_effect": found.design_effect, "group_size": max(found.group_size, 1.0)}
    if found.kind == "number" and settings.economics is not None:
        what = f"is not used: {name!r} is a number, which has no price"
        raise InputError("economics", what, "Type ~economics, or name a yes/no column.")
    guardrails = {
        measure: _guardrail(columns, measure, asked) for measure, asked in (settings.guardrails or {}).items()
    }
    read |= {"guardrails": guardrails or None, "data": None, "pre": []}
    return settings.model_copy(update=read), _said(found, source, settings.pre)


def variation(columns: Columns, name: str, where: str, pre: list[str]) -> Variation:
    """Return how one column varies between users, and what columns known before save of it.

    The share saved is that of a least-squares fit on these columns, with the degrees of freedom it takes; what is left
    is what an experiment's adjusted difference has to tell an effect from.

    Raises
    ------
    InputError
        When a column is missing, is a time, or does not vary.
    """
    roles, empty = columns.source, columns.types.to_frame()
    for key, one in ((where, name), *(("pre", one) for one in pre)):
        roles.require_column(empty, key, one)
    if name in pre:
        raise InputError("pre", f"{name!r} is what is measured: it is not known before", "Name other columns.")
    outcome = columns.outcome(name, where)
    if outcome.kind == "time":
        what = f"{name!r} holds times: how often one comes in so many days is in no single column"
        raise InputError(where, what, "Name a yes/no column, or a number.")
    before = [pair for column in pre for pair in columns.before(column)]
    group = [] if roles.group is None else [pl.col(roles.group).alias("__group")]
    asked = [outcome.value.fill_nan(None).alias("__y"), *(of.alias(f"__{k}") for k, (_, of) in enumerate(before))]
    rows = columns.frame.select(*asked, *group).collect(engine="streaming")
    known = rows.filter(pl.col("__y").is_not_null())
    y = known["__y"].cast(pl.Float64).to_numpy()
    if len(y) < max(LEAST, 2 * (len(before) + 1)):
        raise InputError(where, f"{name!r} is known of {len(y):,} users only", f"At least {LEAST} are needed.")
    deviation, left = float(y.std(ddof=1)), y - y.mean()
    if deviation == 0:
        raise InputError(where, f"{name!r} is always {y[0]:g}", "Name a column that varies.")
    saved = 0.0
    if before:
        x = known.select(f"__{k}" for k in range(len(before))).to_numpy().astype(np.float64)
        basis = np.column_stack([np.ones(len(y)), x - x.mean(axis=0)])
        fitted, _, rank, _ = np.linalg.lstsq(basis, y)
        left = y - basis @ fitted
        saved = max(0.0, 1 - float(left @ left) / (len(y) - rank) / deviation**2)
    of = Variation(
        name, _kind(outcome.kind, y), float(y.mean()), deviation, min(saved, 0.999), len(y), len(rows) - len(y)
    )
    if not group:
        return of
    sums = known.select("__group", pl.Series("left", left)).group_by("__group").agg(pl.col("left").sum())["left"]
    return replace(of, design_effect=max(1.0, float((sums**2).sum() / (left @ left))), group_size=len(y) / len(sums))


def _kind(kind: Kind, y: np.ndarray) -> Kind:
    return "yes_no" if kind == "yes_no" or np.isin(y, (0, 1)).all() else "number"


def _guardrail(columns: Columns, name: str, asked: Guardrail) -> Guardrail:
    """The guardrail with what the table says of it, where nothing else was typed."""
    if asked.rate is not None or asked.deviation is not None:
        return asked
    found = variation(columns, name, "guardrails", [])
    read = {"rate": found.mean} if found.kind == "yes_no" else {"deviation": found.deviation}
    return asked.model_copy(update=read)


def _said(of: Variation, source: Roles, pre: list[str]) -> str:
    varies = (
        f"rate {of.mean:.2%}" if of.kind == "yes_no" else f"mean {of.mean:.4g}, standard deviation {of.deviation:.4g}"
    )
    said = f"{of.name} of {of.users:,} users of {source.origin}: {varies}"
    said += f"; {', '.join(pre)} {'saves' if len(pre) == 1 else 'save'} {of.saved:.0%} of its variance" if pre else ""
    if source.group is not None:
        said += f"; groups of {of.group_size:.1f} by {source.group}, design effect {of.design_effect:.2f}"
    return said + (f"; {of.missing:,} without a value are left out" if of.missing else "")
