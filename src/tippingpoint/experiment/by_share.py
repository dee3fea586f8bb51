"""Money and outcomes by share treated: the users of highest score get one action, all others none."""

from collections.abc import Sequence

import numpy as np

from tippingpoint.evaluation.curves import SECTION
from tippingpoint.experiment.candidate import Candidate
from tippingpoint.experiment.revaluation import only
from tippingpoint.experiment.spec import ExperimentSpec
from tippingpoint.offpolicy.cells import Cells, Line, gather, grid, linear
from tippingpoint.offpolicy.evidence import MEASURE
from tippingpoint.offpolicy.sufficient_statistics import MONEY
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy

CUTS = 80
"""Cut-offs of a candidate's grid."""
SHARES = 51
"""Shares from no one to everyone at which the curves are filed."""
CLICKS = (
    "Uplift by share treated beside that of other runs: tick the runs in the table, click *Compare*, and open the"
    f" charts of {SECTION}…; or open a view above and click the icon *Chart view*.\n\n"
)
"""What a description says of them."""
Steps = dict[str, tuple[np.ndarray, np.ndarray]]


def score_cells(candidate: Candidate, question: ExperimentSpec, cuts: np.ndarray | None = None) -> tuple[Cells, Line]:
    """The test users of a candidate by what its policy ranks them by, and the line that prices them.

    Parameters
    ----------
    cuts
        Of a grid that was made on test: then it is the validation users, by what models that did not see them give.
    """
    valued = question.valued if cuts is None else question.valued_on_validation
    evidence, names = valued.evidence, question.economics.measures
    worth = {f"{MEASURE}{name}": np.full(len(question.actions), of) for name, of in names.items()}
    line = Line(valued.reward_intercept, valued.reward_slope, worth)
    money = {f"{MEASURE}{name}": evidence.measures[name] for name in names}
    if valued.reward_intercept.ndim == 2:  # prices of each user's own
        line = only(MONEY, len(question.actions))
        money = {MONEY: valued.reward_intercept + valued.reward_slope * evidence.outcome_scores}
    axis = order(candidate.policy, candidate.found if cuts is None else candidate.out_of_fold)
    if cuts is None:
        own = candidate.policy.grid_cuts if isinstance(candidate.policy, Bands) else ()
        cuts = grid(axis, CUTS, own)
    return gather(cuts, axis, evidence, money), line


def order(policy: Policy, found: np.ndarray) -> np.ndarray:
    """(n,) what a policy ranks users by, of what a model gives of them: of several gains the largest."""
    axis = policy.axis(found)
    return axis if axis.ndim == 1 else np.asarray(axis.max(axis=1))


def by_share(cells: Cells, money: Line, counted: Line, actions: Sequence[str], usable: Sequence[int]) -> Steps:
    """Curves as metric steps: per cent of the users treated, and what that brings over none, with low and high.

    Of evidence without intervals there are values alone. Names are the same whoever files them.

    Parameters
    ----------
    money, counted
        The lines that price users, and that count outcomes.
    actions
        All K, `none` first.
    usable
        Codes of those that have a price.
    """
    above = np.append(np.cumsum(cells.count[::-1])[::-1][1:], 0) / cells.users  # share from each cell's end on
    wanted = np.linspace(0, 1, SHARES)
    at = np.unique(np.abs(above[None] - wanted[:, None]).argmin(axis=1))
    at = np.append(at, -1)  # everyone last: of shares that round to the same per cent the last counts
    steps = np.rint(100 * np.where(at < 0, 1.0, above[at])).astype(np.int64)
    found: Steps = {}
    for k in usable:
        if not k:
            continue
        for name, of, factor in (("uplift_per_user", money, 1.0), ("outcomes_per_1000", counted, 1000.0)):
            coefficients = cells.coefficients(of, {0, k})
            gain = coefficients[k] - coefficients[0]
            treated = np.arange(len(cells.count))[None] > at[:, None]
            estimates = [linear(cells, gain[None] * row[:, None]).scaled(factor) for row in treated]
            key = f"{SECTION}{cells.kind}/{actions[k]}/{name}"
            found[key] = steps, np.array([e.value for e in estimates])
            if cells.measured:
                for end in ("low", "high"):
                    ends = [getattr(e, end) for e in estimates]
                    found[f"{key}_{end}"] = steps, np.array([np.nan if v is None else v for v in ends])
    return found
