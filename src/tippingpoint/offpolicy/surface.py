"""Value, standard error and band of every pair of cut-offs, from cell statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.cells import ROUNDING, Cells, Line, half_products, outcomes
from tippingpoint.offpolicy.evidence import Kind
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, LEVEL, Estimate, normal, pointwise, standard_error
from tippingpoint.offpolicy.support import Basis

DRAWS = 1_000
ROUGH = 1e-3
"""Relative error that single precision stays well within where largest |t| are drawn."""
LARGEST = 10_000_000
BandActions = Sequence[int] | np.ndarray
"""Action codes of the bands from low to high; (m + 1, G + 1) where a band's action depends on the cell."""


@dataclass(frozen=True)
class Sheet:
    """One quantity at every choice of cut-offs; axes are the cut-offs, NaN where they do not rise.

    Parameters
    ----------
    value, se
        (G,) for one cut-off, (G, G) for two, and so on; `se` is NaN where no interval can be had honestly.
    changed
        Users decided differently from the reference (of the value: from none), 0 where cut-offs do not rise.
    supported
        Where `changed` is large enough (in groups of m users on average, m times as large), se above 0, and what the
        entry rests on sound, for an interval to be believed: the band is over these.
    critical
        |t| that all supported entries together stay below with 95 %; NaN where none is supported.
    """

    value: np.ndarray
    se: np.ndarray
    changed: np.ndarray
    supported: np.ndarray
    critical: float

    @property
    def low(self) -> np.ndarray:
        """Lower ends of the pointwise 95 % intervals."""
        return self.value - pointwise() * self.se

    @property
    def high(self) -> np.ndarray:
        """Upper ends of the pointwise 95 % intervals."""
        return self.value + pointwise() * self.se

    @property
    def band_low(self) -> np.ndarray:
        """Lower side of the simultaneous 95 % band; NaN where not supported."""
        return np.where(self.supported, self.value - self.critical * self.se, np.nan)

    @property
    def band_high(self) -> np.ndarray:
        """Upper side of the simultaneous 95 % band; NaN where not supported."""
        return np.where(self.supported, self.value + self.critical * self.se, np.nan)

    def at(self, index: tuple[int, ...]) -> Estimate:
        """One entry with its pointwise interval."""
        value, se = float(self.value[index]), float(self.se[index])
        return Estimate(value) if np.isnan(se) else normal(value, se)

    def part(self, where: tuple[slice, ...]) -> "Sheet":
        """Some of the choices, under the band of all."""
        return Sheet(self.value[where], self.se[where], self.changed[where], self.supported[where], self.critical)

    def scaled(self, factor: float) -> "Sheet":
        """The sheet in other units; `factor` > 0."""
        return Sheet(self.value * factor, self.se * factor, self.changed, self.supported, self.critical)


@dataclass(frozen=True)
class Surface:
    """Value of bands with these actions at every choice of cut-offs of the grid."""

    kind: Kind
    cuts: np.ndarray
    users: int
    value: Sheet
    """Money per user."""
    uplift: Sheet
    """Money per user over everyone getting none; `changed` are the users acted on."""
    outcomes: Sheet
    """Further outcomes per 1,000 users over everyone getting none."""


def surface(
    cells: Cells, actions: BandActions, line: Line, rng: np.random.Generator, least: int = LEAST_CHANGED
) -> Surface:
    """All choices of cut-offs at once.

    Parameters
    ----------
    actions
        Action codes of the bands from low to high: m + 1 codes for m cut-offs. Three (two cut-offs, all
        pairs) is the usual case; two gives a curve; more need a coarser grid,
        `best_cuts.best_cuts`, or all cut-offs but two held (`held`).
    line
        Value of a user under each action, in money.
    least
        Fewer users decided differently from none than this, and a pair is shown as unsupported.

    Raises
    ------
    InputError
        Where an action has no price, or the grid has too many choices.
    """
    everyone_none = np.zeros(len(cells.count), dtype=np.int64)
    return Surface(
        kind=cells.kind,
        cuts=cells.cuts,
        users=cells.users,
        value=sheet(cells, actions, line, None, rng, least),
        uplift=sheet(cells, actions, line, everyone_none, rng, least),
        outcomes=sheet(cells, actions, outcomes(cells.actions), everyone_none, rng, least).scaled(1000),
    )


def held(cells: Cells, actions: Sequence[int], at: Sequence[int], first: int) -> np.ndarray:
    """Bands for `surface` and `sheet` in which cut-offs number `first` and `first` + 1 are free, the others held.

    Choices beyond the held neighbours decide as those at them: read the surface between `at[first - 1]` and
    `at[first + 2]`.

    Parameters
    ----------
    actions
        Action codes of all bands from low to high.
    at
        Indices into the grid of all cut-offs.

    Returns
    -------
    (3, G + 1) action codes of the three bands in each cell.
    """
    whole = cells.decision(actions, at)
    below = at[first - 1] if first else -1
    above = at[first + 2] if first + 2 < len(at) else len(cells.cuts)
    cell = np.arange(len(cells.count))
    free = (cell > below) & (cell <= above)
    return np.where(free, np.asarray(actions[first : first + 3])[:, None], whole)


def sheet(
    cells: Cells,
    actions: BandActions,
    line: Line,
    reference: np.ndarray | None,
    rng: np.random.Generator,
    least: int = LEAST_CHANGED,
) -> Sheet:
    """One quantity at every choice of cut-offs, with its simultaneous band.

    Parameters
    ----------
    reference
        (G + 1,) action codes a cell of the policy to be compared with (`Cells.decision`); None for the value
        itself.
    """
    # V(i, j) = mean of Γ[low] in cells up to cut i, Γ[mid] in those between i and j, Γ[high] in those above
    # j. With prefix sums P over cells this splits: n·V(i, j) = u_i + v_j, where
    #   u_i = P_low[i] - P_mid[i]   and   v_j = P_mid[j] + P_high[G] - P_high[j].
    # So G + G numbers give all G² values; second moments split the same way, and so does any noise drawn for
    # the cells. With m cut-offs, m·G numbers give G^m values: `_steps`. Γ is the difference to the reference.
    coefficients = band_coefficients(cells, actions, line, reference)
    changed = np.rint(_spread(_changed(cells, actions, reference))).astype(np.int64)
    n, shift = cells.users, 0.0
    if reference is None:  # as good a place as any to measure from; squares of what is left do not cancel
        shift = float(coefficients[0, 0] @ cells.gram[:, 0].sum(axis=0)) / n
        coefficients[..., 0] -= shift
    mean, about = mean_and_square(cells, coefficients)
    basis = rests_on(cells, coefficients)
    noise, sound = (0, True) if basis is None else (basis.noise, basis.sound)
    drawn, se = (standard_error(of, n, cells.independent) for of in (about, np.maximum(about, noise)))
    if reference is not None:
        mean[changed == 0] = drawn[changed == 0] = se[changed == 0] = 0
    rise = rising(mean.shape)
    mean, se, changed = np.where(rise, mean, np.nan), np.where(rise & sound, se, np.nan), np.where(rise, changed, 0)
    if not cells.measured:
        return Sheet(mean + shift, np.full_like(se, np.nan), changed, changed >= least, np.nan)
    supported = rise & (changed * (cells.independent / n) >= least) & (drawn > 0) & sound
    return Sheet(mean + shift, se, changed, supported, _critical(cells, coefficients, mean, drawn, supported, rng))


def mean_and_square(cells: Cells, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a quantity at every choice of cut-offs, and sum of squared deviations from it, also where cuts fall.

    Parameters
    ----------
    coefficients
        (m + 1, G + 1, C) coefficients of each band in each cell (`band_coefficients`).
    """
    mean = _spread(np.einsum("kci,ci->kc", coefficients, cells.gram[:, 0])) / cells.users
    return mean, _about(cells, coefficients, mean)


def _about(cells: Cells, coefficients: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Sum of squared deviations from the mean at every choice of cut-offs, over users or over groups of them."""
    if cells.together is None:
        second = (half_products(cells, coefficients) * coefficients).sum(axis=-1)
        square = _spread(second)
        about = square - cells.users * mean**2
        about[about < ROUNDING * np.maximum(square, second.max(axis=0).sum())] = 0
        return np.asarray(about)
    # What a group adds is a sum of steps, one a cut-off, and a rest; so its square is one of their products.
    sums = _products_of_groups(cells, coefficients)
    m, size = mean.ndim, len(cells.cuts)
    step = [slice(1 + k * size, 1 + (k + 1) * size) for k in range(m)]

    def along(of: np.ndarray, *axes: int) -> np.ndarray:
        return of.reshape([of.shape[axes.index(axis)] if axis in axes else 1 for axis in range(m)])

    square, with_count = sums[-1, -1], sums[0, -1]
    for k in range(m):
        square = square + along(2 * sums[step[k], -1] + np.diagonal(sums[step[k], step[k]]), k)
        with_count = with_count + along(sums[0, step[k]], k)
        for later in range(k + 1, m):
            square = square + 2 * along(sums[step[k], step[later]], k, later)
    about = square - 2 * mean * with_count + mean**2 * sums[0, 0]
    about[about < ROUNDING * np.maximum(square, np.abs(square).max())] = 0
    return np.asarray(about)


def _products_of_groups(cells: Cells, coefficients: np.ndarray) -> np.ndarray:
    """(mG + 2, mG + 2) products, summed over groups, of a group's users, its steps at each cut-off, and its rest."""
    rows = _with_count(coefficients)
    assert cells.together is not None
    moments = np.einsum("cki,cidj,dlj->kcld", rows, cells.together, rows, optimize=True)
    return _in_a_row(np.moveaxis(_in_a_row(moments), -1, 0)).T


def _in_a_row(sums: np.ndarray) -> np.ndarray:
    """Turn (…, m + 2, G + 1) sums of users and of bands in cells into (…, mG + 2): users, steps, and their rest."""
    steps, rest = _steps(sums[..., 1:, :])
    flat = steps.reshape(*steps.shape[:-2], -1)
    return np.concatenate([sums[..., 0, :].sum(axis=-1)[..., None], flat, rest[..., None]], axis=-1)


def _with_count(coefficients: np.ndarray) -> np.ndarray:
    """(G + 1, m + 2, C) coefficients of the number of users, and of each band's value, in each cell."""
    one = np.zeros((1, *coefficients.shape[1:]))
    one[..., 0] = 1
    return np.concatenate([one, coefficients]).transpose(1, 0, 2)


def rests_on(cells: Cells, coefficients: np.ndarray) -> Basis | None:
    """What every choice of cut-offs rests on, from (m + 1, G + 1, C) coefficients of each action in each cell."""
    each = cells.behind(coefficients)
    return None if each is None else each.mapped(_spread)


def mean_and_changed(
    cells: Cells, actions: BandActions, line: Line, reference: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values alone at every choice of cut-offs, -inf where they fall, and users decided differently."""
    first = np.einsum("kci,ci->kc", band_coefficients(cells, actions, line, reference), cells.gram[:, 0])
    changed = np.rint(_spread(_changed(cells, actions, reference))).astype(np.int64)
    mean = _spread(first) / cells.users
    mean[changed == 0] = 0
    return np.where(rising(mean.shape), mean, -np.inf), changed


def band_coefficients(cells: Cells, actions: BandActions, line: Line, reference: np.ndarray | None) -> np.ndarray:
    """(m + 1, G + 1, C) coefficients of the value of action k in cell c over the reference there."""
    if len(actions) < 2 or len(cells.cuts) ** (len(actions) - 1) > LARGEST:
        what = f"{len(cells.cuts)} cut-offs for {len(actions)} bands are too many choices, or none"
        raise InputError("simulate.cuts", what, "Use a coarser grid, or ask for the best cut-offs only.")
    by_cell = _by_cell(cells, actions)
    L = cells.coefficients(line, {*np.unique(by_cell), *([] if reference is None else np.unique(reference))})
    return np.asarray(L[by_cell] if reference is None else L[by_cell] - L[reference])


def _changed(cells: Cells, actions: BandActions, reference: np.ndarray | None) -> np.ndarray:
    different = _by_cell(cells, actions) != (0 if reference is None else reference)
    return np.asarray(different * cells.count)


def _by_cell(cells: Cells, actions: BandActions) -> np.ndarray:
    """(m + 1, G + 1) action codes of each band in each cell, mostly the same in all."""
    codes = np.asarray(actions)
    return np.broadcast_to(codes.reshape(len(codes), -1), (len(codes), len(cells.count)))


def _steps(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn (…, m + 1, G + 1) sums of each action in each cell into (…, m, G) steps and a (…) rest.

    Their sum step[0, i] + step[1, j] + … + rest is the total of the policy that cuts at i, j, ….
    """
    prefix = sums[..., :-1].cumsum(axis=-1)
    return prefix[..., :-1, :] - prefix[..., 1:, :], prefix[..., -1, -1] + sums[..., -1, -1]


def _spread(sums: np.ndarray) -> np.ndarray:
    """Totals at every choice of cut-offs from (m + 1, G + 1) sums."""
    steps, total = _steps(sums)
    m = len(steps)
    for k, step in enumerate(steps):
        total = total + step.reshape([-1 if axis == k else 1 for axis in range(m)])
    return np.asarray(total)


def rising(shape: tuple[int, ...]) -> np.ndarray:
    """Where cut-offs rise."""
    rise = np.ones(shape, dtype=bool)
    for a in range(len(shape) - 1):
        first, second = (
            np.arange(shape[0]).reshape([-1 if axis == b else 1 for axis in range(len(shape))]) for b in (a, a + 1)
        )
        rise &= first <= second
    return rise


def _critical(
    cells: Cells,
    coefficients: np.ndarray,
    mean: np.ndarray,
    se: np.ndarray,
    supported: np.ndarray,
    rng: np.random.Generator,
) -> float:
    # Give every user (or group) a standard normal multiplier ξ. In a cell, Σξz is normal with the cell's second moments
    # as its covariance, so it is drawn a cell at a time, whatever the prices; they turn it into ΣξΓ. The
    # noise of entry (i, j) is ΣξΓ - V(i, j)·Σξ; both V and the sums split over cut-offs, so the noise does
    # too. Its largest |t| over all entries is drawn DRAWS times.
    if not supported.any():
        return float("nan")
    n, m, size, rows = cells.users, mean.ndim, len(cells.cuts), _with_count(coefficients)
    if cells.together is None:
        used = np.flatnonzero(rows.any(axis=(0, 1)))
        noise = _in_a_row((rows[..., used] @ cell_noise(cells.gram[:, used[:, None], used], rng)).transpose(2, 1, 0)).T
    else:  # a multiplier a group: cells are drawn together
        noise = cell_noise(_products_of_groups(cells, coefficients)[None], rng)[0]
    values, constant = _steps(np.einsum("ckj,cj->kc", rows[:, 1:], cells.gram[:, 0]) / n)
    count = noise[0]
    steps = noise[1:-1].reshape(m, size, DRAWS) - count * values[..., None]
    rest = noise[-1] - count * constant
    scale = np.zeros(se.shape)
    free = cells.independent
    scale[supported] = 1 / (n * np.sqrt((free - 1) / free) * se[supported])
    # Single precision is twice as fast and tells which draws lie about the quantile; these alone are drawn exactly.
    roughly = _largest(*(of.astype(np.float32) for of in (steps, rest, scale)))
    rank = int(np.ceil(LEVEL * (DRAWS - 1)))
    near = np.abs(roughly / np.partition(roughly, rank)[rank] - 1) <= ROUGH
    exact = np.sort(_largest(np.ascontiguousarray(steps[..., near]), rest[near], scale))
    return float(exact[rank - np.count_nonzero(roughly[~near] < roughly[near].min())])


def _largest(steps: np.ndarray, rest: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the (draws,) largest |t| over all entries, from (m, G, draws) steps and a (draws,) rest of noise."""
    m, size, _ = steps.shape
    largest, buffer = np.zeros_like(rest), np.empty_like(steps[0])
    for earlier in combinations_with_replacement(range(size), m - 1):
        start = earlier[-1] if earlier else 0
        if not scale[earlier].any():
            continue
        fixed = rest + sum(steps[k, i] for k, i in enumerate(earlier))
        t = np.add(steps[-1, start:], fixed, out=buffer[start:])
        t *= scale[earlier][start:, None]
        np.maximum(largest, np.abs(t, out=t).max(axis=0), out=largest)
    return largest


def cell_noise(moments: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(cells, d, DRAWS) normal draws whose covariance in each cell is its (d, d) second moments."""
    spread, axes = np.linalg.eigh(moments)
    root = axes * np.sqrt(np.maximum(spread, 0))[:, None, :]
    return np.asarray(root @ rng.standard_normal((*spread.shape, DRAWS)))
