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


def expected_in_words(kind: str, vetoed: Sequence[str], effects_of: str) -> str:
    """Where the chances of outcomes under each action come from; `effects_of` is `Deployment.effects_of`."""
    if effects_of == "model":
        return "as the model predicts what each action adds, learnt from what was done to users"
    known = evidence_in_words(kind, vetoed)
    return f"{known}; what each action adds goes by the user's columns" if effects_of == "columns" else known


def hidden_driver_in_words(odds_times: float, what: str, most: float) -> str:
    """From which hidden driver on the sign of an uplift is open.

    Parameters
    ----------
    odds_times
        By how much it changes the odds of the action; looked for up to `most`.
    """
    driver = "A hidden driver that changes the odds of being given the action"
    if odds_times <= 1:
        return f"The sign of {what} is open without any hidden driver of the action."
    if odds_times >= most:
        return f"{driver} {most:g}-fold could not explain {what}: its sign holds so far."
    return f"{driver} {odds_times:.2f}-fold could explain {what}: from there on its sign is open."


def open_in_words(flips_from: float, most: float) -> str:
    """From which change of the odds on a sign is open, as a part of a sentence.

    >>> open_in_words(1.347, 10), open_in_words(1.0, 10), open_in_words(10.0, 10)
    ('from 1.35-fold on', 'and without any', 'not up to 10-fold')
    """
    if flips_from <= 1:
        return "and without any"
    return f"not up to {most:g}-fold" if flips_from >= most else f"from {flips_from:.3g}-fold on"


def odds_times(flips_from: float | None, most: float) -> str:
    """From which change of the odds on a sign is open, as a cell of a table.

    >>> odds_times(1.347, 10), odds_times(1.0, 10), odds_times(10.0, 10), odds_times(None, 10)
    ('1.35', '1', 'above 10', '–')
    """
    if flips_from is None:
        return "–"
    return f"above {most:g}" if flips_from >= most else f"{flips_from:.3g}"


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
