"""How far a hidden driver could move figures of cells: of one policy, and of every choice of cut-offs."""

from collections.abc import Mapping

import numpy as np

from tippingpoint.offpolicy.cells import Cells, Line, products
from tippingpoint.offpolicy.evidence import MEASURE
from tippingpoint.offpolicy.hidden_driver import Bounds, HiddenDriver
from tippingpoint.offpolicy.surface import BandActions, band_coefficients, mean_and_square, rests_on, rising

SELDOM, OFTEN = "seldom", "often"
"""Blocks of `Cells` with the columns of `HiddenDriver`."""


def blocks(hidden: HiddenDriver | None) -> Mapping[str, np.ndarray]:
    """What `gather` keeps of a hidden driver; nothing where chances are known."""
    return {} if hidden is None else {SELDOM: hidden.seldom, OFTEN: hidden.often}


def bounds(cells: Cells, coefficients: np.ndarray, block: str = "phi") -> Bounds | None:
    """Bounds of the mean over users of coefficients[cell] · z (`cells.linear`).

    None where it has no interval, counts no outcome, or chances are known; nor where it counts a measure: how far that
    could be moved nothing says.

    Parameters
    ----------
    coefficients
        (G + 1, C).
    block
        The columns, outcome scores or money, that the figure counts.
    """
    counts = coefficients[:, cells.columns(block)].any()
    if SELDOM not in cells.blocks or not counts or not cells.measured or cells.independent < 2:
        return None
    if any(coefficients[:, cells.columns(of)].any() for of in cells.blocks if of.startswith(MEASURE)):
        return None
    basis = cells.behind(coefficients)
    if basis is not None and not bool(basis.total().sound):
        return None
    n, of = cells.users, _columns(cells, coefficients[None], block)[:, 0]
    mean = np.einsum("kci,ci->k", of, cells.gram[:, 0]) / n
    of[..., 0] -= mean[:, None]
    noise = 0.0 if basis is None else float(basis.total().noise)
    return Bounds.of(mean, products(cells, of), noise, n, cells.independent)


def flips_at_cut_offs(cells: Cells, actions: BandActions, line: Line, block: str = "phi") -> np.ndarray | None:
    """Λ from which on the sign of the uplift of every choice of cut-offs can flip (`Bounds.flips_from`).

    Returns
    -------
    (G,) for one cut-off, (G, G) for two, and so on; NaN where no interval can be had. None where chances are known, or
    measures count.
    """
    if SELDOM not in cells.blocks or not cells.measured or any(of.startswith(MEASURE) for of in line.measures):
        return None
    none = np.zeros(len(cells.count), dtype=np.int64)
    value, *columns = _columns(cells, band_coefficients(cells, actions, line, none), block)
    each = [value, *columns]
    means, square = zip(*(mean_and_square(cells, of) for of in each), strict=True)
    both = np.empty((3, 3, *means[0].shape))
    for k in range(3):
        both[k, k] = square[k]
        for j in range(k):
            _, of_sum = mean_and_square(cells, each[k] + each[j])
            both[k, j] = both[j, k] = (of_sum - square[k] - square[j]) / 2
    basis = rests_on(cells, value)
    noise, sound = (0.0, np.True_) if basis is None else (basis.noise, basis.sound)
    found = Bounds.of(np.stack(means), both, noise, cells.users, cells.independent).flips_from
    return np.where(rising(found.shape) & sound & (square[0] > 0), found, np.nan)


def _columns(cells: Cells, coefficients: np.ndarray, block: str) -> np.ndarray:
    """(3, …, G + 1, C) coefficients of a figure, and of the two columns of a hidden driver behind it."""
    counts = coefficients[..., cells.columns(block)]
    up, down = np.maximum(counts, 0), np.maximum(-counts, 0)
    found = np.zeros((3, *coefficients.shape))
    found[0] = coefficients
    for row, (seldom, often) in enumerate(((up, down), (down, up)), start=1):
        found[row][..., cells.columns(SELDOM)] = seldom
        found[row][..., cells.columns(OFTEN)] = often
    return found
