"""What an assumed response says of the outcome, in words, before anything rests on it."""

from collections.abc import Mapping
from typing import Any

from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.economics import Economics


def in_words(actions: tuple[str, ...], response: list[float], outcome: str, rate: float, good: bool) -> str:
    """Return what each action is assumed to do to the outcome: `discount_10: 10 % more converted (30.0 % to 33.0 %)`.

    A response is the ratio P(wanted | action) / P(wanted | none), where wanted is the outcome if it is good, and its
    absence if it is not: with 20 % who leave, 1.05 makes 16 % of them, a fifth fewer.

    Parameters
    ----------
    actions, response
        Names, `none` among them, and the response of each.
    outcome, rate
        Its name, and the share of users who have it under none.

    Raises
    ------
    InputError
        Where more users than there are would do what is wanted.
    """
    share, said = rate if good else 1 - rate, []
    for action, ratio in zip(actions, response, strict=True):
        if action == "none":
            continue
        if ratio * share > 1:
            key, most = f"economics.actions.{action}.assumed_response", int(100 / share) / 100
            what = f"{ratio:g} of the {share:.1%} of users with {wanted(outcome, good)} would be more than all"
            raise InputError(key, what, f"Type {override(key, most)}, or less.")
        then = ratio * share if good else 1 - ratio * share
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
