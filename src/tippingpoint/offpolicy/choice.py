"""Cut-offs chosen on some users and valued on others; choices that may be as good, and regret."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.offpolicy.best_cuts import At, best_cuts, candidates
from tippingpoint.offpolicy.cells import Cells, Line, contacts, contrast, outcomes
from tippingpoint.offpolicy.statistics import LEAST_CHANGED, Estimate, mean
from tippingpoint.offpolicy.surface import BandActions, Sheet, mean_and_changed, sheet


@dataclass(frozen=True)
class Valued:
    """A choice of cut-offs and its value on some users.

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


def valued(cells: Cells, actions: Sequence[int], line: Line, at: At | None, spend: Line | None = None) -> Valued:
    """Value one choice of cut-offs on any users whose cells share the grid; `at` None acts on no one."""
    decision, none = cells.decision(actions, at), cells.decision(actions, None)
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


def inconclusive(
    test: Cells,
    actions: Sequence[int],
    line: Line,
    chosen: At | None,
    rng: np.random.Generator,
    least: int = LEAST_CHANGED,
    free: BandActions | None = None,
) -> tuple[np.ndarray, Sheet]:
    """The choices whose difference from the best is inconclusive.

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
    difference = sheet(test, among, line, test.decision(actions, chosen), rng, least)
    uplifts, acted = mean_and_changed(test, among, line, test.decision(actions, None))
    worse = difference.supported & (difference.band_high < 0)
    return candidates(uplifts, acted, least) & ~worse, difference


def regret(truth: np.ndarray, decision: np.ndarray) -> Estimate:
    """Money per user a policy leaves on the table against the oracle, who knows each user's best action.

    Parameters
    ----------
    truth
        (n, K) true value of each user under each action; NaN under actions that have no price.
    decision
        (n,) action codes.
    """
    return mean(np.nanmax(truth, axis=1) - truth[np.arange(len(decision)), decision])


def cut_regret(truth: Cells, actions: Sequence[int], line: Line, at: At | None) -> Estimate:
    """Money per user a choice leaves on the table against the best cut-offs, by cells of kind `truth`."""
    if truth.kind != "truth":
        raise InputError("evidence", f"regret needs the truth, not {truth.kind!r}", "Use a generator's data.")
    best = best_cuts(truth, actions, line, least=0)
    return contrast(truth, line, truth.decision(actions, best), truth.decision(actions, at))
