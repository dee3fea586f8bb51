"""The cut-offs of largest uplift within a budget: all choices where they are few, dynamic programming where not."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.cells import Cells, Line, contacts
from tippingpoint.offpolicy.statistics import LEAST_CHANGED
from tippingpoint.offpolicy.surface import held, mean_and_changed

At = tuple[int, ...]
"""A choice of cut-offs, as indices into the grid."""
Priced = tuple[At, float, float]
"""A choice of cut-offs, its uplift and its spend."""
HULL = 60
"""Corners of the hull looked at, at most."""


def best_cuts(
    cells: Cells,
    actions: Sequence[int],
    line: Line,
    spend: Line | None = None,
    budget: float = np.inf,
    least: int = LEAST_CHANGED,
) -> At | None:
    """Indices of the cut-offs of largest mean uplift; None acts on no one.

    Up to two cut-offs all choices are looked at; more are found by dynamic programming, in which every band
    that is acted on is empty or holds `least` users. There a budget is met by pricing spend into the value (a
    Lagrangian): the best on the concave hull of value over spend, which may leave much of the budget unused.
    From there, and from acting on hardly anyone, each two neighbours are moved to their best within the budget,
    the others held, until none moves: good, but not proven to be the best.
    """
    none = cells.decision(actions, None)
    spend = spend or contacts(cells.actions)
    if len(actions) > 3:
        at, uplift = _programmed(cells, actions, line, spend, budget, least)
        if budget < np.inf:
            last = (len(cells.cuts) - 1,) * (len(actions) - 1)
            starts = [last] if uplift == -np.inf else [at, last]
            moved = [_moved(cells, actions, line, spend, budget, least, start) for start in starts]
            at, uplift = max([(at, uplift), *moved], key=lambda found: found[1])
    else:
        uplifts, acted = mean_and_changed(cells, actions, line, none)
        spent, _ = mean_and_changed(cells, actions, spend, none)
        uplifts[~candidates(uplifts, acted, least) | (spent > budget)] = -np.inf
        at = tuple(int(i) for i in np.unravel_index(int(uplifts.argmax()), uplifts.shape))
        uplift = float(uplifts[at])
    if actions[0] == 0 and uplift <= 0 <= budget:
        return None
    if uplift == -np.inf:
        raise InputError("simulate.budget", f"no choice of cut-offs spends {budget:g} per user or less", "Raise it.")
    return at


def candidates(uplifts: np.ndarray, acted: np.ndarray, least: int) -> np.ndarray:
    """Whether each choice may be made: cut-offs rise, and enough users are acted on, or no one."""
    return np.asarray(np.isfinite(uplifts) & ((acted >= least) | (acted == 0)))


def corners(cells: Cells, actions: Sequence[int], line: Line, spend: Line, least: int) -> list[Priced]:
    """Corners of the hull of uplift over spend, dearest first: all of them, or as many as `HULL` says.

    Between two that are known lies a third exactly where one has more value at the price at which they have the
    same; so the whole hull is found without looking at all choices.
    """
    solve = _solver(cells, actions, line, spend, least)
    no_one: Priced = ((len(cells.cuts) - 1,) * (len(actions) - 1), 0.0, 0.0)
    known = [solve(0.0), no_one if actions[0] == 0 else solve(1e12)]
    done: set[tuple[At, At]] = set()
    while len(known) < HULL:
        between = [p for p in pairwise(known) if (p[0][0], p[1][0]) not in done and p[0][2] > p[1][2]]
        if not between:
            break
        for dear, cheap in between:
            done.add((dear[0], cheap[0]))
            price = (dear[1] - cheap[1]) / (dear[2] - cheap[2])
            found = solve(price)
            if found[1] - price * found[2] > cheap[1] - price * cheap[2] + 1e-12:
                known.insert(known.index(cheap), found)
    return known


def _solver(cells: Cells, actions: Sequence[int], line: Line, spend: Line, least: int) -> Callable[[float], Priced]:
    """The best choice of any number of cut-offs where a unit of spend costs a price: a corner of the hull."""
    bands = np.asarray(actions)
    prices = (cells.coefficients(of, {0, *actions}) for of in (line, spend))
    value, cost = (L[bands] - L[0] for L in prices)
    gain, spent = value @ cells.gram[:, 0].T / cells.users, cost @ cells.gram[:, 0].T / cells.users

    def solve(price: float) -> Priced:
        at = _best_path(gain - price * spent, cells.count, bands != 0, least)
        cell = np.arange(len(cells.count))
        band = cells.decision(range(len(bands)), at)
        return at, float(gain[band, cell].sum()), float(spent[band, cell].sum())

    return solve


def _programmed(
    cells: Cells, actions: Sequence[int], line: Line, spend: Line, budget: float, least: int
) -> tuple[At, float]:
    solve = _solver(cells, actions, line, spend, least)
    at, uplift, total = solve(0.0)
    if total <= budget:
        return at, uplift
    dear, price = (at, uplift, total), 1.0
    while (found := solve(price))[2] > budget:
        dear, price = found, price * 4
        if price > 1e12:
            return at, -np.inf
    # At the price at which the two have the same value, a third of more value lies between them on the hull.
    for _ in range(HULL):
        price = (dear[1] - found[1]) / (dear[2] - found[2])
        trial = solve(price)
        if trial[1] - price * trial[2] <= found[1] - price * found[2] + 1e-12:
            break
        dear, found = (dear, trial) if trial[2] <= budget else (trial, found)
    return found[0], found[1]


def _moved(
    cells: Cells, actions: Sequence[int], line: Line, spend: Line, budget: float, least: int, at: At
) -> tuple[At, float]:
    none, best = cells.decision(actions, None), -np.inf
    while True:
        before = at
        for first in range(len(at) - 1):
            free = held(cells, actions, at, first)
            uplifts, acted = mean_and_changed(cells, free, line, none)
            spent, _ = mean_and_changed(cells, free, spend, none)
            uplifts[~candidates(uplifts, acted, least) | (spent > budget)] = -np.inf
            low = at[first - 1] if first else 0
            high = at[first + 2] if first + 2 < len(at) else len(cells.cuts) - 1
            between = uplifts[low : high + 1, low : high + 1]
            i, j = np.unravel_index(int(between.argmax()), between.shape)
            if between[i, j] > best + 1e-12:
                best = float(between[i, j])
                at = (*at[:first], low + int(i), low + int(j), *at[first + 2 :])
        if at == before:
            return at, best


def _best_path(gain: np.ndarray, count: np.ndarray, acts: np.ndarray, least: int) -> At:
    # best[b] is the most value of cells up to cut b with the bands so far; a further band from cut b to
    # cut b' adds its prefix sum between them. m·G² steps. A cut-off is one of the grid: neither 0, before all
    # cells, nor the end, after all of them.
    bands, cells = gain.shape
    prefix = np.pad(gain.cumsum(axis=1), ((0, 0), (1, 0)))  # (m + 1, G + 2): sum of the cells before
    users = np.concatenate([[0], count.cumsum()])
    held = users[None, :] - users[:, None]  # (from, to)
    allowed = {True: (held == 0) | (held >= least), False: held >= 0}
    rises = np.arange(cells + 1)[:, None] <= np.arange(cells + 1)
    best = np.full(cells + 1, -np.inf)
    best[0] = 0.0
    back = []
    for k in range(bands):
        step = best[:, None] + prefix[k][None, :] - prefix[k][:, None]
        step[~(rises & allowed[bool(acts[k])])] = -np.inf
        if k < bands - 1:
            step[:, [0, cells]] = -np.inf
        back.append(step.argmax(axis=0))
        best = step.max(axis=0)
    if best[cells] == -np.inf:
        raise InputError("simulate", f"no band can hold {least} users", "Gather more users.")
    end, at = cells, []
    for k in range(bands - 1, 0, -1):
        end = int(back[k][end])
        at.append(end - 1)
    return tuple(reversed(at))
