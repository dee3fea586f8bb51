"""What more spend buys: the cut-offs that no mixture of others beats at their spend."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tippingpoint.offpolicy.best_cuts import At, candidates, corners
from tippingpoint.offpolicy.cells import Cells, Line, linear, quadratic
from tippingpoint.offpolicy.choice import Valued, valued
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, Estimate, normal
from tippingpoint.offpolicy.surface import mean_and_changed


@dataclass(frozen=True)
class Step:
    """One point of the value-spend frontier, valued on test."""

    point: Valued
    marginal: Estimate | None
    """Uplift bought by each further unit of spend, from the point before to this one; None at the first, and
    without interval where their difference in spend is inconclusive."""


def frontier(
    validation: Cells,
    test: Cells,
    actions: Sequence[int],
    line: Line,
    spend: Line,
    least: int = LEAST_CHANGED,
) -> list[Step]:
    """What more spend buys: cut-offs on the concave hull of uplift over spend, rising in spend.

    Chosen on validation, valued on test. Each step's marginal uplift falls along the hull on validation; once
    it is below the value of a unit of spend elsewhere, stop. Up to two cut-offs all choices are looked at;
    of more, at most `HULL` corners are found by pricing spend into the value.
    """
    points: list[tuple[float, float, At | None]] = [(0.0, 0.0, None)] if actions[0] == 0 else []
    points += _points(validation, actions, line, spend, least)
    steps: list[Step] = []
    before: At | None = None
    for at in _hull(points):
        marginal = _marginal(test, actions, line, spend, before, at) if steps else None
        steps.append(Step(valued(test, actions, line, at, spend), marginal))
        before = at
    return steps


def _points(
    cells: Cells, actions: Sequence[int], line: Line, spend: Line, least: int
) -> list[tuple[float, float, At | None]]:
    """Spend, uplift and cut-offs of choices among which the hull is."""
    if len(actions) > 3:
        return [(spent, uplift, at) for at, uplift, spent in corners(cells, actions, line, spend, least)]
    none = cells.decision(actions, None)
    uplifts, acted = mean_and_changed(cells, actions, line, none)
    spent, _ = mean_and_changed(cells, actions, spend, none)
    keep = candidates(uplifts, acted, least)
    x, y, where = spent[keep], uplifts[keep], np.argwhere(keep)
    order = np.lexsort((-y, x))
    x, y, where = x[order], y[order], where[order]
    # What some cheaper choice beats is on no hull: most of them, sooner said by arrays than one by one.
    rises = y > np.maximum.accumulate(np.concatenate([[-np.inf], y[:-1]]))
    return [
        (float(cost), float(gain), tuple(at))
        for cost, gain, at in zip(x[rises], y[rises], where[rises].tolist(), strict=True)
    ]


def _hull(points: list[tuple[float, float, At | None]]) -> list[At | None]:
    """Upper concave hull, rising: the choices that no mixture of others beats at their spend."""
    kept: list[tuple[float, float, At | None]] = []
    for x, y, at in sorted(points, key=lambda p: (p[0], -p[1])):
        if kept and y <= kept[-1][1]:
            continue
        while len(kept) > 1 and (kept[-1][1] - kept[-2][1]) * (x - kept[-1][0]) <= (y - kept[-1][1]) * (
            kept[-1][0] - kept[-2][0]
        ):
            kept.pop()
        if kept and x == kept[-1][0]:
            kept.pop()
        kept.append((x, y, at))
    return [at for _, _, at in kept]


def _marginal(
    test: Cells, actions: Sequence[int], line: Line, spend: Line, before: At | None, after: At | None
) -> Estimate:
    """Ratio of the step in uplift to the step in spend, SE by the delta method."""
    old, new = (test.decision(actions, at) for at in (before, after))
    value, cost = (L[new] - L[old] for L in (test.coefficients(of, {0, *actions}) for of in (line, spend)))
    dearer = linear(test, cost)
    ratio = linear(test, value).value / dearer.value if dearer.value else np.nan
    if dearer.low is None or not dearer.low > 0:
        return Estimate(ratio)
    return normal(ratio, float(np.sqrt(quadratic(test, value - ratio * cost))) / test.users / dearer.value)
