"""A plan that was filed before any outcome was read: what is asked, by which measure, and when it is looked at."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tippingpoint.core.errors import InputError
from tippingpoint.tracking.registry import Client
from tippingpoint.tracking.stored import fetch, stored_run
from tippingpoint.tracking.tags import JOB

FILE = "plan.json"
LOCKED = "plan.locked"
"""Tag of a run that holds a plan."""


@dataclass(frozen=True)
class Plan:
    """What was planned.

    Parameters
    ----------
    hypothesis
        In words.
    primary
        The measure that decides; all others are looked at besides.
    guardrails
        By measure the worst difference that is accepted, in its unit: -2 where it may fall by 2, 3 where it may rise
        by 3.
    users, days
        At how many users it is looked at, once, and after how many days these are there.
    smallest
        The smallest effect that is told then with 80 %, in the measure's unit.
    rule
        What is done when, in words.
    """

    hypothesis: str
    primary: str
    users: int
    days: float
    smallest: float | None
    rule: str
    guardrails: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def against(self, primary: str, users: int, looks: int) -> list[str]:
        """What of a look was not planned, in words; empty where all was.

        Parameters
        ----------
        looks
            How many were filed before.
        """
        said = []
        if primary != self.primary:
            said.append(f"{primary} is not the planned measure ({self.primary})")
        if users < self.users:
            said.append(f"{users:,} users are fewer than the planned {self.users:,}: too early")
        if looks:
            said.append(f"it is look {looks + 1}: one was planned")
        return said


def locked(client: Client, run_id: str) -> Plan:
    """The plan a run holds.

    Raises
    ------
    InputError
        When it holds none.
    """
    run = stored_run(client, run_id, "plan")
    if LOCKED not in run.data.tags or run.data.tags.get(JOB) != "plan":
        raise InputError("plan", f"run {run_id} holds no plan", "Type tippingpoint plan lock …, and the id it shows.")
    return Plan(**json.loads(fetch(client, run_id, FILE)))
