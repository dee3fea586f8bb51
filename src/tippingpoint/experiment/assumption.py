"""What an assumed response says of the outcome, in words, before anything rests on it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.economics import Economics
from tippingpoint.offpolicy.evidence import factor


def in_words(actions: tuple[str, ...], response: list[float], outcome: str, rate: float, good: bool) -> str:
    """Return what each action is assumed to do to the outcome: `discount_10: 10 % more converted (30.0 % to 33.0 %)`.

    A response multiplies the chance of a wanted outcome, and divides that of one that is not wanted: with 20 % who
    leave, 1.25 makes 16 % of them, a fifth fewer.

    Parameters
    ----------
    actions, response
        Names, `none` among them, and the response of each.
    outcome, rate
        Its name, and the share of users who have it under none.

    Raises
    ------
    InputError
        Where more users than there are would have the outcome.
    """
    said, factors = [], factor(np.array(response, dtype=np.float64), good).tolist()
    for action, times in zip(actions, factors, strict=True):
        if action == "none":
            continue
        then = times * rate
        if then > 1:
            key, most = f"economics.actions.{action}.assumed_response", int(100 / rate) / 100
            typed = f"Type {override(key, most if good else 1.05)}, or {'less' if good else 'more'}."
            what = f"{times:g} times the {rate:.1%} of users with {outcome} would be more than all"
            raise InputError(key, what, typed)
        change = then / rate - 1 if rate else 0.0
        how = "as many" if round(abs(change), 3) == 0 else f"{abs(change):.0%} {'more' if change > 0 else 'fewer'}"
        said.append(f"{action}: {how} {outcome} ({rate:.1%} to {then:.1%})")
    return "; ".join(said)


def assumption(about: Mapping[str, Any], actions: tuple[str, ...], economics: Economics) -> str:
    """Return `in_words` of what a simulation keeps of its users; '' where it is measured, or kept no rate as once."""
    if about["kind"] != "assumed" or "outcome_rate" not in about:
        return ""
    response = economics.response(actions).tolist()
    return in_words(actions, response, str(about["outcome"]), float(about["outcome_rate"]), bool(about["good"]))


def evidence_in_words(about: Mapping[str, Any], actions: tuple[str, ...], economics: Economics) -> str:
    """Return where uplift will come from: the kind of evidence, and what is assumed."""
    said = assumption(about, actions, economics)
    return f"uplift is {about['kind']}{f': {said}' if said else ''}"


def wanted(outcome: str, good: bool) -> str:
    """Return what is wanted as a noun: the outcome, or that it stays away."""
    return outcome if good else f"no {outcome}"
