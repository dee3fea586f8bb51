"""What a hold-out will tell, once it is known what came of a batch: nothing is left to be found out afterwards."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tippingpoint.decisions.batch_result import BatchResult
from tippingpoint.offpolicy.confidence_sequence import boundary
from tippingpoint.offpolicy.power import Design, Stratum, held_out

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Shares that are tried for what would tell more."""


@dataclass(frozen=True)
class HoldoutTells:
    """What a batch's hold-out tells.

    Parameters
    ----------
    acted_on, left_alone
        Users the policy acts on, and how many of them are expected to be left alone.
    margin, margin_at_all_looks
        Half the width of the uplift's interval, per 1,000 of all users, at one planned look and of one that holds at
        every look; None: too few outcomes are expected for one.
    promised
        Uplift per 1,000 users the version was valued at.
    batches
        Batches as this one until the promise is told with 80 % at one planned look; None without a promise above 0.
    enough, enough_alone
        The least share with which this batch would tell it, drawn from as many actions, and left alone; None: no share.
    """

    acted_on: int
    left_alone: int
    margin: float | None
    margin_at_all_looks: float | None
    promised: float | None
    batches: float | None
    enough: float | None
    enough_alone: float | None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return dict(self.__dict__)


def holdout_tells(scored: BatchResult) -> HoldoutTells | None:
    """Work it out by the batch's segments and mean scores; None where nobody is acted on, or none is never drawn."""
    rows = [row for row in scored.segments.to_dict("records") if row["action"] != "none" and row["users"]]
    decided = scored.tally.decided
    rows = [row for row in rows if np.isfinite(row["mean_score"]) and 0 < row["mean_score"] < 1]
    if not scored.holdout or not scored.among or not rows:
        return None
    chance, reference = held_out(scored.holdout, scored.among, scored.among == 1)
    design = Design(tuple(Stratum(row["users"] / decided, row["mean_score"], chance, reference) for row in rows))
    acted = sum(of.share for of in design.strata)
    effect = None if scored.promised is None or scored.promised <= 0 else scored.promised / 1000 / acted
    possible = effect is not None and effect <= design.largest

    def least(only_none: bool) -> float | None:
        for share in SHARES:
            chances = held_out(share, max(scored.among, 2), only_none)
            if effect is not None and possible and _with(design, chances).power(effect, decided) >= 0.8:
                return share
        return None

    users = design.needed(effect) if effect is not None and possible else None
    error, told = 1000 * design.error(0.0, decided), design.told(decided)
    return HoldoutTells(
        acted_on=round(acted * decided),
        left_alone=round(acted * decided * reference),
        margin=design.z * error if told else None,
        margin_at_all_looks=_beyond_all_looks(decided) * error if told else None,
        promised=scored.promised,
        batches=None if users is None else users / decided,
        enough=least(scored.among == 1),
        enough_alone=least(True),
    )


def _beyond_all_looks(users: int) -> float:
    """Half the width in standard errors, at the first look, of an interval that holds at all looks."""
    return float(boundary(np.array([users]), users)[0] * np.sqrt(users))


def _with(design: Design, chances: tuple[float, float]) -> Design:
    chance, reference = chances
    return replace(design, strata=tuple(replace(of, chance=chance, chance_reference=reference) for of in design.strata))


def in_words(of: HoldoutTells, scored: BatchResult) -> str:
    """The same as a line."""
    drawn = "left alone" if scored.among == 1 else f"drawn from {scored.among} actions"
    said = f"Hold-out: of {of.acted_on:,} users the policy acts on about {of.left_alone:,} get none"
    said += f" ({scored.holdout:.0%} {drawn}). Their uplift "
    if of.margin is None:
        said += "will have no interval: too few outcomes are expected"
    else:
        said += f"will be told to ±{of.margin:.1f} {scored.outcome} per 1,000 users at one planned look"
        said += f" (±{of.margin_at_all_looks:.1f} whenever one looks)"
    if of.promised is None or of.batches is None:
        return f"{said}."
    said += f"; promised {of.promised:+.1f}: told with 80 % after "
    said += "this batch" if of.batches <= 1 else f"{np.ceil(of.batches):,.0f} batches as this"
    others = []
    if of.batches > 1 and of.enough is not None:
        others.append(f"holdout={of.enough:g}")
    if of.batches > 1 and of.enough_alone is not None and scored.among != 1:
        others.append(f"holdout={of.enough_alone:g} holdout_actions=[none]")
    return f"{said}. In one batch: {' or '.join(others)}." if others else f"{said}."
