"""Which cut-offs: chosen on some users, valued on others, under a budget; and which cannot be told from
them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tippingpoint.errors import InputError
from tippingpoint.simulation.cells import Cells, Line, contacts, contrast, linear, outcomes, quadratic
from tippingpoint.simulation.statistics import LEAST_CHANGED, Estimate, mean, normal
from tippingpoint.simulation.surface import Bands, Sheet, held, mean_and_changed, sheet

At = tuple[int, ...]
HULL = 60
"""Corners of the hull looked at, at most."""


@dataclass(frozen=True)
class Valued:
    """A choice of cut-offs and what it brings on some users.

    Parameters
    ----------
    at, cuts
        Indices into the grid and the cut-offs themselves; both None where the choice is to act on no one.
    value, uplift
        Money per user, and over everyone getting none.
    outcomes
        Further outcomes per 1,000 users over everyone getting none.
    spend
        Spend per user over everyone getting none, in the units of the spend line; by default users acted on.
    """

    at: At | None
    cuts: tuple[float, ...] | None
    value: Estimate
    uplift: Estimate
    outcomes: Estimate
    spend: Estimate


@dataclass(frozen=True)
class Choice:
    """The best cut-offs, twice."""

    honest: Valued
    """Chosen on validation, valued on test: a plain valid interval."""
    apparent: Valued
    """Chosen and valued on test: biased upward, its interval promises nothing; shown beside, never used to
    rank."""


@dataclass(frozen=True)
class Step:
    """One point of the value-spend frontier, valued on test."""

    point: Valued
    marginal: Estimate | None
    """Uplift bought by each further unit of spend, from the point before to this one; None at the first, and
    without interval where the two cannot be told apart in spend."""


def valued(cells: Cells, actions: Sequence[int], line: Line, at: At | None, spend: Line | None = None) -> Valued:
    """Value one choice of cut-offs on any users whose cells share the grid; `at` None acts on no one."""
    decision, none = _decision(cells, actions, at), _none(cells)
    return Valued(
        at=at,
        cuts=None if at is None else tuple(float(cells.cuts[i]) for i in at),
        value=contrast(cells, line, decision),
        uplift=contrast(cells, line, decision, none),
        outcomes=contrast(cells, outcomes(cells.actions), decision, none).scaled(1000),
        spend=contrast(cells, spend or contacts(cells.actions), decision, none),
    )


def choose(
    validation: Cells,
    test: Cells,
    actions: Sequence[int],
    line: Line,
    spend: Line | None = None,
    budget: float = np.inf,
    least: int = LEAST_CHANGED,
) -> Choice:
    """The cut-offs of largest uplift, chosen on validation and valued on test, beside those chosen on test
    itself.

    Parameters
    ----------
    validation, test
        Cells of different users on one grid.
    actions
        Codes of the bands from low to high.
    spend, budget
        Expected spend per user over everyone getting none (default: users acted on) must be at most the
        budget on the users it is chosen on; on test it is valued like the rest.
    least
        Choices that act on fewer users are not considered, except for acting on no one.

    Raises
    ------
    InputError
        Where no choice fits the budget.
    """
    spend = spend or contacts(validation.actions)
    honest, apparent = (best_cuts(c, actions, line, spend, budget, least) for c in (validation, test))
    return Choice(*(valued(test, actions, line, at, spend) for at in (honest, apparent)))


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
    that is acted on is empty or holds `least` users. There a budget is met by pricing spend into the worth (a
    Lagrangian): the best on the concave hull of value over spend, which may leave much of the budget unused.
    From there, and from acting on hardly anyone, each two neighbours are moved to their best within the budget,
    the others held, until none moves: good, but not proven to be the best.
    """
    none = _none(cells)
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
        uplifts[~_candidates(uplifts, acted, least) | (spent > budget)] = -np.inf
        at = tuple(int(i) for i in np.unravel_index(int(uplifts.argmax()), uplifts.shape))
        uplift = float(uplifts[at])
    if actions[0] == 0 and uplift <= 0 <= budget:
        return None
    if uplift == -np.inf:
        raise InputError("simulate.budget", f"no choice of cut-offs spends {budget:g} per user or less", "Raise it.")
    return at


def untold(
    test: Cells,
    actions: Sequence[int],
    line: Line,
    chosen: At | None,
    rng: np.random.Generator,
    least: int = LEAST_CHANGED,
    free: Bands | None = None,
) -> tuple[np.ndarray, Sheet]:
    """The choices that the data cannot tell from the best.

    Every choice is compared with the honest one, which test has not seen, under a band over all of them;
    whatever is not shown to be worse stays. With 95 % all that is left out is worse than the honest one: then
    the truly best one is in.

    Parameters
    ----------
    free
        Bands to choose among where some cut-offs are held (`surface.held`); all are free otherwise.

    Returns
    -------
    set, difference
        Whether each choice stays, and its uplift less that of the chosen one. Choices that act on fewer than
        `least` users are no candidates; those that differ from the chosen one for fewer than that stay.
    """
    among = actions if free is None else free
    difference = sheet(test, among, line, _decision(test, actions, chosen), rng, least)
    uplifts, acted = mean_and_changed(test, among, line, _none(test))
    worse = difference.supported & (difference.band_high < 0)
    return _candidates(uplifts, acted, least) & ~worse, difference


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
    it is below what a unit of spend is worth elsewhere, stop. Up to two cut-offs all choices are looked at;
    of more, at most `HULL` corners are found by pricing spend into the worth.
    """
    points: list[tuple[float, float, At | None]] = [(0.0, 0.0, None)] if actions[0] == 0 else []
    points += _candidate_points(validation, actions, line, spend, least)
    steps: list[Step] = []
    before: At | None = None
    for at in _hull(points):
        marginal = _marginal(test, actions, line, spend, before, at) if steps else None
        steps.append(Step(valued(test, actions, line, at, spend), marginal))
        before = at
    return steps


def _candidate_points(
    cells: Cells, actions: Sequence[int], line: Line, spend: Line, least: int
) -> list[tuple[float, float, At | None]]:
    """Spend, uplift and cut-offs of choices among which the hull is."""
    if len(actions) > 3:
        return [(spent, uplift, at) for at, uplift, spent in _corners(cells, actions, line, spend, least)]
    none = _none(cells)
    uplifts, acted = mean_and_changed(cells, actions, line, none)
    spent, _ = mean_and_changed(cells, actions, spend, none)
    keep = _candidates(uplifts, acted, least)
    x, y, where = spent[keep], uplifts[keep], np.argwhere(keep)
    order = np.lexsort((-y, x))
    x, y, where = x[order], y[order], where[order]
    # What some cheaper choice beats is on no hull: most of them, sooner said by arrays than one by one.
    rises = y > np.maximum.accumulate(np.concatenate([[-np.inf], y[:-1]]))
    return [
        (float(cost), float(gain), tuple(at))
        for cost, gain, at in zip(x[rises], y[rises], where[rises].tolist(), strict=True)
    ]


def regret(truth: np.ndarray, decision: np.ndarray) -> Estimate:
    """Money per user a policy leaves on the table against the oracle, who knows each user's best action.

    Parameters
    ----------
    truth
        (n, K) true worth of each user under each action; NaN under actions that have no price.
    decision
        (n,) action codes.
    """
    return mean(np.nanmax(truth, axis=1) - truth[np.arange(len(decision)), decision])


def cut_regret(truth: Cells, actions: Sequence[int], line: Line, at: At | None) -> Estimate:
    """Money per user a choice leaves on the table against the best cut-offs, by cells of kind `truth`."""
    if truth.kind != "truth":
        raise InputError("evidence", f"regret needs the truth, not {truth.kind!r}", "Use a generator's data.")
    best = best_cuts(truth, actions, line, least=0)
    return contrast(truth, line, _decision(truth, actions, best), _decision(truth, actions, at))


def _none(cells: Cells) -> np.ndarray:
    return np.zeros(len(cells.count), dtype=np.int64)


def _decision(cells: Cells, actions: Sequence[int], at: At | None) -> np.ndarray:
    return _none(cells) if at is None else cells.decision(actions, at)


def _candidates(uplifts: np.ndarray, acted: np.ndarray, least: int) -> np.ndarray:
    """Whether each choice may be made: cut-offs rise, and enough users are acted on, or no one."""
    return np.asarray(np.isfinite(uplifts) & ((acted >= least) | (acted == 0)))


Priced = tuple[At, float, float]
"""A choice of cut-offs, its uplift and its spend."""


def _solver(cells: Cells, actions: Sequence[int], line: Line, spend: Line, least: int) -> Callable[[float], Priced]:
    """The best choice of any number of cut-offs where a unit of spend costs a price: a corner of the hull."""
    bands = np.asarray(actions)
    prices = (cells.coefficients(of, {0, *actions}) for of in (line, spend))
    worth, cost = (L[bands] - L[0] for L in prices)
    gain, spent = worth @ cells.gram[:, 0].T / cells.users, cost @ cells.gram[:, 0].T / cells.users

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
    # At the price at which the two are worth the same, a third that is worth more lies between them on the hull.
    for _ in range(HULL):
        price = (dear[1] - found[1]) / (dear[2] - found[2])
        trial = solve(price)
        if trial[1] - price * trial[2] <= found[1] - price * found[2] + 1e-12:
            break
        dear, found = (dear, trial) if trial[2] <= budget else (trial, found)
    return found[0], found[1]


def _corners(cells: Cells, actions: Sequence[int], line: Line, spend: Line, least: int) -> list[Priced]:
    """Corners of the hull of uplift over spend, dearest first: all of them, or as many as `HULL` says.

    Between two that are known lies a third exactly where one is worth more at the price at which they are worth the
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


def _moved(
    cells: Cells, actions: Sequence[int], line: Line, spend: Line, budget: float, least: int, at: At
) -> tuple[At, float]:
    none, best = _none(cells), -np.inf
    while True:
        before = at
        for first in range(len(at) - 1):
            free = held(cells, actions, at, first)
            uplifts, acted = mean_and_changed(cells, free, line, none)
            spent, _ = mean_and_changed(cells, free, spend, none)
            uplifts[~_candidates(uplifts, acted, least) | (spent > budget)] = -np.inf
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
    # best[b] is the most that cells up to cut b can bring with the bands so far; a further band from cut b to
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
    old, new = (_decision(test, actions, at) for at in (before, after))
    value, cost = (L[new] - L[old] for L in (test.coefficients(of, {0, *actions}) for of in (line, spend)))
    dearer = linear(test, cost)
    ratio = linear(test, value).value / dearer.value if dearer.value else np.nan
    if dearer.low is None or not dearer.low > 0:
        return Estimate(ratio)
    return normal(ratio, float(np.sqrt(quadratic(test, value - ratio * cost))) / test.users / dearer.value)
