"""Score cells and their sufficient statistics: small, they add, and any price reads its answer off them."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from operator import add

import numpy as np
from scipy.sparse import coo_array

from tippingpoint.core.errors import InputError
from tippingpoint.core.threads import cores
from tippingpoint.offpolicy.evidence import Evidence, Kind, Log, weights
from tippingpoint.offpolicy.statistics import Estimate, estimate, units
from tippingpoint.offpolicy.support import Basis, Support

BLOCK = 1 << 16
"""Users summed at a time: small enough for the cache. Fixed, so that sums do not depend on the number of
threads."""
ROUNDING = 1e-13
"""A variance below this share of the second moment it is taken from is rounding, and counts as 0."""


@dataclass(frozen=True)
class Line:
    """A user's value under each action, linear in the outcome and in further measures.

    Parameters
    ----------
    reward_intercept, reward_slope
        (K,) reward is intercept[a] + slope[a]·outcome, as `Economics.line` gives it; NaN for an action without a
        price.
    measures
        (K,) value of one unit of each further measure, by its name.
    """

    reward_intercept: np.ndarray
    reward_slope: np.ndarray
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)


def outcomes(actions: int) -> Line:
    """The line that counts outcomes, for K actions."""
    return Line(np.zeros(actions), np.ones(actions))


def contacts(actions: int) -> Line:
    """The line that counts users acted on, for K actions."""
    return Line(np.minimum(np.arange(actions), 1.0), np.zeros(actions))


@dataclass(frozen=True)
class Cells:
    """Sums and cross products of users' columns in every score cell.

    Cell c holds the users with cuts[c - 1] <= score < cuts[c]: a cut-off belongs to the side above it (one
    that belongs below is the next float up, `np.nextafter`). Equal scores share a cell.

    Parameters
    ----------
    kind
        Where the outcome scores come from.
    cuts
        (G,) cut-offs, rising.
    actions
        K, the number of actions.
    blocks
        Names of the columns after the leading 1, K columns a block: `phi`, then measures, then `w wy p` of a
        log.
    gram
        (G + 1, C, C) sums over a cell's users of z zᵀ, z = (1, blocks…), C = 1 + K·len(blocks).
    support
        By block what a log can say about it, (G + 1, K) sums; empty where there was none.
    together
        Where users come in groups, (G + 1, C, G + 1, C) sums over groups of Z Zᵀ, Z the sums of z over a group's users
        in each cell; None where each stands alone.
    groups
        How many groups; 0 without.
    vetoed
        As of `Evidence`.
    """

    kind: Kind
    cuts: np.ndarray
    actions: int
    blocks: tuple[str, ...]
    gram: np.ndarray
    support: Mapping[str, Support] = field(default_factory=dict)
    together: np.ndarray | None = None
    groups: int = 0
    vetoed: tuple[str, ...] = ()

    def __add__(self, other: "Cells") -> "Cells":
        same = (self.kind, self.actions, self.blocks, self.vetoed) == (
            other.kind,
            other.actions,
            other.blocks,
            other.vetoed,
        )
        if not same or not np.array_equal(self.cuts, other.cuts):
            raise InputError("cells", "can only be added on the same cut-offs, actions and kind of evidence")
        support = {block: Support(of.moments + other.support[block].moments) for block, of in self.support.items()}
        together = None if self.together is None or other.together is None else self.together + other.together
        groups = self.groups + other.groups
        return replace(self, gram=self.gram + other.gram, support=support, together=together, groups=groups)

    @property
    def count(self) -> np.ndarray:
        """(G + 1,) users in each cell."""
        return np.asarray(self.gram[:, 0, 0])

    @property
    def users(self) -> int:
        """Users in all cells."""
        return round(float(self.count.sum()))

    @property
    def independent(self) -> int:
        """Users, or groups of them, that are independent of each other."""
        return self.groups if self.together is not None else self.users

    @property
    def measured(self) -> bool:
        """Whether intervals may be given."""
        return self.kind != "assumed" and not self.vetoed

    def columns(self, block: str) -> slice:
        """Where a block's K columns stand."""
        if block not in self.blocks:
            raise InputError("cells", f"hold no {block!r}", f"Gather it. There are: {', '.join(self.blocks)}.")
        first = 1 + self.blocks.index(block) * self.actions
        return slice(first, first + self.actions)

    def behind(self, coefficients: np.ndarray) -> Basis | None:
        """What each cell gives to figures of (…, G + 1, C) coefficients of a user's columns; None without a log."""
        if not self.support:
            return None
        apart = self.independent / max(self.users, 1)
        bases = [
            of.behind(coefficients[..., self.columns(block)], self.count, apart) for block, of in self.support.items()
        ]
        return reduce(add, bases)

    def coefficients(self, line: Line, used: Iterable[int]) -> np.ndarray:
        """(K, C) numbers that turn a user's columns into value under each action.

        Raises
        ------
        InputError
            Where one of the actions that are `used` has no price.
        """
        if line.reward_intercept.shape != (self.actions,) or line.reward_slope.shape != (self.actions,):
            raise InputError(
                "line",
                f"must price {self.actions} actions, got {line.reward_intercept.shape} and {line.reward_slope.shape}",
            )
        L = np.zeros((self.actions, self.gram.shape[1]))
        L[:, 0] = line.reward_intercept
        for block, slope in {"phi": line.reward_slope, **line.measures}.items():
            np.fill_diagonal(L[:, self.columns(block)], slope)
        for action in used:
            if not np.isfinite(L[action]).all():
                remedy = "Price it, or leave it out of the policy."
                raise InputError("economics.actions", f"action {action} has no price", remedy)
        return L

    def at(self, cuts: Sequence[float]) -> tuple[int, ...]:
        """Indices of given cut-offs in the grid.

        Raises
        ------
        InputError
            Where one is not in the grid, or they do not rise.
        """
        index = np.minimum(np.searchsorted(self.cuts, cuts), len(self.cuts) - 1)
        for cut, i in zip(cuts, index, strict=True):
            if self.cuts[i] != cut:
                near = self.cuts[np.abs(self.cuts - cut).argmin()]
                raise InputError(
                    "policy.cuts", f"{cut:g} is not in the grid", f"Nearest: {near:g}; or take a grid that includes it."
                )
        if list(index) != sorted(index):
            raise InputError("policy.cuts", f"must rise; got {list(cuts)}", f"Give {sorted(set(cuts))}.")
        return tuple(int(i) for i in index)

    def decision(self, actions: Sequence[int], at: Sequence[int] | None) -> np.ndarray:
        """(G + 1,) action codes of a policy of bands: actions[k] between cuts number at[k - 1] and at[k].

        `at` None acts on no one.
        """
        if at is None:
            return np.zeros(len(self.count), dtype=np.int64)
        index = np.asarray(at, dtype=np.int64)
        inside = ((index >= 0) & (index < len(self.cuts))).all() and (np.diff(index) >= 0).all()
        if len(actions) != len(index) + 1 or not inside:
            needed = f"{len(actions)} bands need {len(actions) - 1} rising cut-offs of the grid"
            raise InputError("policy.cuts", f"{needed}; got {at}")
        band = (np.arange(len(self.count))[:, None] > index).sum(axis=1)
        return np.asarray(np.asarray(actions)[band])

    def only(self, cell: int) -> "Cells":
        """One cell's users alone; the second cell is empty."""
        rows = np.array([cell, cell])
        support = {block: Support(of.moments[:, rows]) for block, of in self.support.items()}
        together = None if self.together is None else self.together[rows][:, :, rows]
        picked = replace(self, cuts=np.array([0.5]), gram=self.gram[rows], support=support, together=together)
        return picked.among(np.array([True, False]))

    def among(self, kept: np.ndarray) -> "Cells":
        """Without the users of the cells that (G + 1,) bool `kept` leaves out; in groups, of about as many."""
        keep = kept.astype(np.float64)
        support = {block: Support(of.moments * keep[:, None]) for block, of in self.support.items()}
        together = self.together
        if together is not None:
            together = together * keep[:, None, None, None] * keep[:, None]
        groups = round(self.groups * float(self.count @ keep) / max(self.users, 1))
        gram = self.gram * keep[:, None, None]
        return replace(self, gram=gram, support=support, together=together, groups=groups)


def grid(score: np.ndarray, cuts: int = 200, include: Sequence[float] = ()) -> np.ndarray:
    """Cut-offs at quantiles of the scores: from acting on everyone to acting on no one.

    Fix it on other users than those it is used for, or at least before looking at any outcome.

    Parameters
    ----------
    score
        (n,) scores.
    cuts
        At most so many; fewer where scores tie. The first is the smallest score, the last just above the
        largest.
    include
        Cut-offs that must be in the grid as they are (a policy's own), on top of `cuts`.

    Examples
    --------
    >>> [round(float(c), 3) for c in grid(np.array([0.1, 0.2, 0.2, 0.2, 0.9]), cuts=4)]
    [0.1, 0.2, 0.9]
    """
    if cuts < 2 or score.ndim != 1 or not len(score):
        raise InputError("simulate.cuts", f"a grid needs scores and at least two cut-offs, got {cuts}")
    _check_scores(score)
    inner = np.quantile(score, np.linspace(0, 1, cuts)[:-1], method="inverted_cdf")
    last = np.nextafter(np.float64(score.max()), np.inf)
    return np.unique(np.concatenate([inner, [last], np.asarray(include, dtype=np.float64)]).astype(np.float64))


def gather(
    cuts: np.ndarray,
    score: np.ndarray,
    evidence: Evidence,
    measures: Mapping[str, np.ndarray] | None = None,
    log: Log | None = None,
) -> Cells:
    """One pass over users; add the results of chunks that do not fit into memory together, each of whole groups.

    Parameters
    ----------
    cuts
        (G,) cut-offs, rising, the same for every chunk (`grid`).
    score
        (n,) scores.
    evidence
        Outcome scores of the same users.
    measures
        (n, K) scores of further measures under each action, made like the outcome's.
    log
        Also keep what ipw, snipw, dm and sndr need (`estimators.estimates`); dearer by (1 + 4K)² / (1 + K)².

    Raises
    ------
    InputError
        Where scores or values are missing, shapes do not fit, or cuts do not rise.
    """
    n, k = evidence.outcome_scores.shape
    blocks = {"phi": evidence.outcome_scores, **(measures or {})}
    if score.shape != (n,) or any(values.shape != (n, k) for values in blocks.values()):
        raise InputError("simulate", f"{score.shape} scores do not fit {n} users × {k} actions")
    if not (len(cuts) and np.isfinite(cuts).all() and (np.diff(cuts) > 0).all()):
        raise InputError("policy.cuts", "must be finite and rise")
    if log is not None and (log.predicted is None or log.predicted.shape != (n, k)):
        raise InputError("log.predicted", f"must be there, {n} users × {k} actions")
    names = (*blocks, *(("w", "wy", "p") if log is not None else ()))
    starts = range(0, max(n, 1), BLOCK)
    with ThreadPoolExecutor(cores()) as pool:
        cell = np.concatenate(list(pool.map(partial(_cell, cuts, score), starts)))
        grams = pool.map(partial(_block, cell, len(cuts) + 1, list(blocks.values()), log), starts)
        support = {block: of.summed(cell, len(cuts) + 1) for block, of in evidence.support.items() if block in names}
        gram = reduce(add, grams)
    if not np.isfinite(gram).all():
        column = int(np.flatnonzero(~np.isfinite(gram.sum(axis=0)).all(axis=0))[0]) - 1
        where = f"evidence.{names[column // k]}"
        raise InputError(where, f"missing or infinite under action {column % k}", "Leave that action out.")
    together = None if evidence.group is None else _together(cell, list(blocks.values()), evidence.group, len(gram))
    groups = 0 if evidence.group is None else units(n, evidence.group)
    edges = np.asarray(cuts, dtype=np.float64)
    return Cells(evidence.kind, edges, k, names, gram, support, together, groups, evidence.vetoed)


def _together(cell: np.ndarray, blocks: list[np.ndarray], group: np.ndarray, cells: int) -> np.ndarray:
    """(cells, C, cells, C) cross products of groups' sums in cells; (n,) cells and groups by number."""
    z = np.concatenate([np.ones((len(cell), 1)), *blocks], axis=1, dtype=np.float64)
    width = z.shape[1]
    columns = cell[:, None] * width + np.arange(width)
    rows = np.broadcast_to(group[:, None], z.shape)
    sums = coo_array((z.ravel(), (rows.ravel(), columns.ravel())), (int(group.max()) + 1, cells * width)).tocsr()
    return np.asarray((sums.T @ sums).toarray().reshape(cells, width, cells, width))


def _cell(cuts: np.ndarray, score: np.ndarray, start: int) -> np.ndarray:
    """Return in which cell each user of a block is."""
    own = score[start : start + BLOCK]
    _check_scores(own)
    return np.asarray(np.searchsorted(cuts, own, side="right"))


def _block(cell: np.ndarray, cells: int, blocks: list[np.ndarray], log: Log | None, start: int) -> np.ndarray:
    rows = slice(start, start + BLOCK)
    cell = cell[rows]
    order = np.argsort(cell.astype(np.uint16 if cells <= 1 << 16 else np.int64), kind="stable")  # radix on 16 bits
    columns = [np.ones((len(cell), 1)), *(values[rows] for values in blocks)]
    if log is not None and log.predicted is not None:
        w = weights(log.action[rows], log.logging_probability[rows])
        columns += [w, w * log.outcome[rows, None], log.predicted[rows]]
    z = np.concatenate(columns, axis=1, dtype=np.float64)[order]
    ends = np.cumsum(np.bincount(cell, minlength=cells))
    gram = np.zeros((cells, z.shape[1], z.shape[1]))
    for c in np.flatnonzero(np.diff(ends, prepend=0)):
        inside = z[(ends[c - 1] if c else 0) : ends[c]]
        gram[c] = inside.T @ inside
    return gram


def _check_scores(score: np.ndarray) -> None:
    if not np.isfinite(score).all():
        raise InputError("score", f"{int((~np.isfinite(score)).sum())} are missing or infinite", "Score those users.")


def contrast(cells: Cells, line: Line, decision: np.ndarray, reference: np.ndarray | None = None) -> Estimate:
    """Mean value per user of what a policy decides in each cell, or of its difference to another policy.

    Parameters
    ----------
    decision, reference
        (G + 1,) action codes a cell (`Cells.decision`); without a reference the value itself is estimated.
    """
    L = cells.coefficients(line, np.unique(decision if reference is None else [decision, reference]))
    return linear(cells, L[decision] - (0 if reference is None else L[reference]))


def linear(cells: Cells, coefficients: np.ndarray) -> Estimate:
    """Mean over users of coefficients[cell] · z, with its SE; `coefficients` is (G + 1, C)."""
    n = cells.users
    value = float(np.einsum("ci,ci->", coefficients, cells.gram[:, 0])) / n
    if not cells.measured:
        return Estimate(value)
    centred = coefficients.copy()
    centred[:, 0] -= value
    basis = cells.behind(coefficients)
    square = max(quadratic(cells, centred), 0)
    return estimate(value, square, n, None if basis is None else basis.total(), cells.independent)


def products(cells: Cells, coefficients: np.ndarray) -> np.ndarray:
    """(k, k) sums over users, or over groups of them, of what k sets of (k, G + 1, C) coefficients make of each."""
    flat = coefficients.reshape(len(coefficients), -1)
    if cells.together is None:
        return np.asarray(half_products(cells, coefficients).reshape(flat.shape) @ flat.T)
    return np.asarray(flat @ cells.together.reshape(flat.shape[1], -1) @ flat.T)


def half_products(cells: Cells, coefficients: np.ndarray) -> np.ndarray:
    """(k, G + 1, C) sums over a cell's users of what (k, G + 1, C) coefficients make of each, times their columns."""
    return np.asarray((coefficients[:, :, None, :] @ cells.gram)[:, :, 0])


def quadratic(cells: Cells, coefficients: np.ndarray) -> float:
    """Sum over users, or over groups of them, of (coefficients[cell] · z)²; rounding counts as 0."""
    square = float(products(cells, coefficients[None])[0, 0])
    scale = float((coefficients**2 * np.diagonal(cells.gram, axis1=1, axis2=2)).sum())
    return square if square > ROUNDING * scale else 0.0
