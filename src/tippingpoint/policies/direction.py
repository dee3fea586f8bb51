"""Which end of the outcome a policy of bands acts on, held against whether the outcome is wanted."""

from typing import Protocol

from tippingpoint.core.errors import InputError
from tippingpoint.core.overrides import override
from tippingpoint.policies.bands import Bands, acted_end
from tippingpoint.policies.policy import Policy
from tippingpoint.policies.top_fraction import Ranked


class HasOutcome(Protocol):
    """What says which outcome is predicted, and whether it is wanted: a contract, a deployment."""

    @property
    def outcome(self) -> str: ...

    @property
    def good(self) -> bool: ...


def check_direction(
    policy: Policy, contract: HasOutcome, *, said: bool = True, again: str = "", where: str = "policy"
) -> None:
    """Refuse bands that act on those least likely to have an outcome that is not wanted, or do not say whom they mean.

    Of a wanted outcome both ends are sensible: one wins back those unlikely to renew, or prompts those about to
    convert. One that is not wanted, as to leave, is prevented where it is likely. Gains of effects are of the wanted
    outcome whichever it is. Which end bands mean is never
    guessed from the order of their names: `acts_on` says it.

    Parameters
    ----------
    contract
        Says what the outcome is, and whether it is wanted.
    said
        Whether bands must say whom they mean; False for those that are registered already, of which only the wrong end
        is refused.
    again
        Words that select a comparison with other bands, where the policy itself can be typed no more.
    where
        What is wrong, as messages name it.

    Raises
    ------
    InputError
        With what to type instead.
    """
    outcome = contract.outcome
    if contract.good or policy.reads_effects or not isinstance(policy, Bands | Ranked):
        return
    acts_on = policy.acts_on if isinstance(policy, Bands) else None
    end, first, last = acted_end(policy), policy.segments[0], policy.segments[-1]
    if acts_on == "any" or not any(action != "none" for action in policy.actions.values()):
        return
    if acts_on == "low" or end == "low":
        what = f"{policy.name} acts on those least likely to have {outcome}, which is not wanted: {first} gets"
        what += f" {policy.actions[first]}, {last} gets {policy.actions[last]}"
        raise InputError(where, what, f"Type {again}{_turned(policy)}, or data.good=true if {outcome} is wanted.")
    if said and isinstance(policy, Bands) and acts_on is None:
        what = f"{outcome} is not wanted, and {policy.name} does not say whether its actions are for those likely to"
        what += f" have it: {', '.join(f'{segment} gets {policy.actions[segment]}' for segment in policy.segments)}"
        meant = "if those likely to have it are meant" if end else "if both ends are meant"
        raise InputError(where, what, f"Type {again}{override('policy.acts_on', end or 'any')} {meant}.")


def _turned(policy: Policy) -> str:
    """Overrides that make the policy act on the other end, as another version."""
    actions = dict(zip(policy.segments, reversed([policy.actions[of] for of in policy.segments]), strict=True))
    words = [override("policy.actions", actions), override("policy.version", policy.version + 1)]
    return " ".join([*words, *(["policy.acts_on=high"] if isinstance(policy, Bands) else [])])
