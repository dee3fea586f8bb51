"""How an estimate is written: its interval where it has one, its evidence always."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what only looks must not wait for SciPy
    from tippingpoint.offpolicy.statistics import Estimate

EVIDENCE = {
    "truth": "truth, known because the users are generated",
    "experiment": "measured in an experiment with known chances of each action",
    "logged": "estimated from logged actions whose chances are not known",
    "assumed": "assumed, not measured; it rests on economics.actions.*.assumed_response",
}


def evidence_in_words(kind: str, vetoed: Sequence[str] = ()) -> str:
    """Where an uplift comes from; of what diagnostics vetoed, which ones."""
    if vetoed:
        return f"{kind}, vetoed by {' and '.join(vetoed)}: figures without intervals, on which nothing rests"
    return EVIDENCE[kind]


def interval(estimate: "Estimate", digits: int) -> str:
    """`0.812 [0.801, 0.823]`, or just the value where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.{digits}f}"
    return f"{estimate.value:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def stacked(estimate: "Estimate", digits: int, plus: bool = False) -> str:
    """The value, and under it its interval, for narrow columns."""
    value = f"{estimate.value:{'+' if plus else ''}.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value}\n{estimate.low:.{digits}f}, {estimate.high:.{digits}f}"
