"""Target lists that are asked for, by name, and the line that writes the same file."""

import shlex

from tippingpoint.composing import quoted
from tippingpoint.dashboard import intake
from tippingpoint.dashboard.subject import Subject
from tippingpoint.economics import Economics


def presets(about: Subject) -> dict[str, tuple[str, ...]]:
    """Lists that are asked for, by name: who gets a discount, who is of high value, who gets anything."""
    policy, economics = about.policy, about.decider.deployment.economics
    acted = tuple(s for s in policy.segments if policy.actions[s] != "none")
    lists: dict[str, tuple[str, ...]] = {}
    discounted = tuple(s for s in acted if _discount(economics, policy.actions[s]))
    if discounted:
        lists["Discount targets"] = discounted
    if policy.score_cuts is not None and policy.segments[-1] in acted:
        top = policy.segments[-1]
        lists["High value" if about.decider.deployment.good else "Most at risk"] = (top,)
    if acted and acted not in lists.values():
        lists["Everyone who gets something"] = acted
    for segment in policy.segments:
        if (segment,) not in lists.values():
            lists.setdefault(segment, (segment,))
    return lists


def _discount(economics: Economics, action: str) -> bool:
    of = economics.actions.get(action)
    return of is not None and of.discount > 0


def line(found: intake.Listed, about: Subject, only: tuple[str, ...], why: bool, address: str = "") -> str:
    """What a shell is given: each word stands for itself, whatever names hold."""
    words = [f"input={quoted(address or found.origin)}", "output=targets.csv", f"model={about.reference}"]
    words += [
        f"only=[{','.join(map(quoted, only))}]",
        f"reasons={str(why).lower()}",
        f"scored_at={found.at.isoformat()}",
    ]
    if found.tally.quarantined:
        words.append("quarantine_share=1")
    return shlex.join(["tippingpoint", "score", *words])
