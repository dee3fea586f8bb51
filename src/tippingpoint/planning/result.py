"""What a planned experiment will tell, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tippingpoint.experiment.plan import Plan
from tippingpoint.offpolicy.power import Design
from tippingpoint.planning.design import Planned, other_holdout
from tippingpoint.planning.settings import Guardrail, PlanSettings

TIMES = (0.25, 0.5, 1, 1.5, 2, 3)
"""Multiples of the planned days that a curve shows."""
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Hold-out shares that are compared."""
PER_1000 = 1000.0


@dataclass(frozen=True)
class PlanResultTables:
    """The answer.

    Parameters
    ----------
    planned
        The experiment.
    days, users
        At which it is looked at, once.
    curve
        One row a day and design: users, the smallest effect at one planned look and, of a policy, at looks every day.
    holdouts
        One row a share, of a policy.
    guardrails
        One row a guardrail: users and days until its margin is told with the same chance, where nothing changes.
    needed
        By design the days until the effect that was asked for is told; None where it never is.
    """

    planned: Planned
    days: float
    users: int
    power: float
    curve: pd.DataFrame
    holdouts: pd.DataFrame
    guardrails: pd.DataFrame
    needed: Mapping[str, float | None]
    asked: float | None
    plan: Plan

    @property
    def unit(self) -> str:
        """What effects are in."""
        return f"{self.planned.measure} {'per user' if self.planned.number else 'per 1,000 users'}"

    def at_horizon(self) -> pd.DataFrame:
        """The rows of the planned look."""
        return self.curve[self.curve["days"] == self.days]

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "planned": self.planned.what,
            "measure": self.planned.measure,
            "unit": self.unit,
            "currency": self.planned.currency or None,
            "power": self.power,
            "days": self.days,
            "users": self.users,
            "promised_per_1000": self.planned.promised,
            "asked": self.asked,
            "days_needed": dict(self.needed),
            "curve": _records(self.curve),
            "holdouts": _records(self.holdouts),
            "guardrails": _records(self.guardrails),
            "plan": self.plan.to_dict(),
        }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]


def answered(settings: PlanSettings, planned: Planned) -> PlanResultTables:
    """Work out what is told when."""
    rng = np.random.default_rng([settings.seed, 24])
    days = [settings.days * times for times in TIMES]
    rows: list[dict[str, Any]] = []
    for name, design in planned.designs.items():
        whole = name == "the policy" or not planned.policy
        daily = [day * settings.users_per_day for day in range(1, int(np.ceil(days[-1])) + 1)]
        many = design.smallest_of_many(daily, rng, settings.power) if planned.policy and whole else []
        for day in days:
            users = settings.users_per_day * day
            effect, money = design.smallest(users, settings.power), planned.money.get(name)
            found = None if money is None else money.smallest(users, settings.power)
            look = int(day) - 1
            each = many[look] if 0 <= look < len(many) else None
            rows.append(
                {
                    "what": name,
                    "days": day,
                    "users": int(users),
                    "smallest": _shown(planned, design, effect, whole),
                    "smallest_any_look": _shown(planned, design, each, whole),
                    "money": np.nan if found is None or money is None else _gain(money, found, whole),
                }
            )
    curve = pd.DataFrame(rows)
    users = int(settings.users_per_day * settings.days)
    needed = {name: _days(settings, planned, design, name) for name, design in planned.designs.items()}
    first = curve[(curve["days"] == settings.days) & (curve["what"] == next(iter(planned.designs)))]["smallest"].iloc[0]
    return PlanResultTables(
        planned=planned,
        days=settings.days,
        users=users,
        power=settings.power,
        curve=curve,
        holdouts=_holdouts(settings, planned, users),
        guardrails=_guardrails(settings),
        needed=needed if settings.smallest is not None else {},
        asked=settings.smallest,
        plan=_plan(settings, planned, users, None if np.isnan(first) else float(first)),
    )


def _gain(design: Design, effect: float, whole: bool) -> float:
    """Money a user: of all where a policy is meant as a whole, else of those in the segment."""
    mean = design.moments(effect)[0]
    return mean if whole else mean / sum(of.share for of in design.strata)


def _shown(planned: Planned, design: Design, effect: float | None, whole: bool) -> float:
    """An effect on those who are treated, in the unit that is shown."""
    if effect is None:
        return np.nan
    scale = 1.0 if planned.number else PER_1000
    return scale * (effect * sum(of.share for of in design.strata) if planned.policy and whole else effect)


def _days(settings: PlanSettings, planned: Planned, design: Design, name: str) -> float | None:
    """Days until the effect that was asked for is told; None where it never is."""
    if settings.smallest is None:
        return None
    effect = settings.smallest / (1.0 if planned.number else PER_1000)
    if planned.policy and name == "the policy":
        effect /= sum(of.share for of in design.strata)
    if effect > design.largest:
        return None
    users = design.needed(effect, settings.power)
    return None if users is None else users / settings.users_per_day


def _holdouts(settings: PlanSettings, planned: Planned, users: int) -> pd.DataFrame:
    """The policy as a whole at the planned look, with other shares drawn."""
    if not planned.policy:
        return pd.DataFrame()
    design, rows = planned.designs["the policy"], []
    for share in sorted({*SHARES, settings.holdout}):
        row: dict[str, Any] = {"holdout": share}
        for name, only in (("all_actions", False), ("none_alone", True)):
            other = other_holdout(design, share, planned.actions, only)
            row[name] = _shown(planned, other, other.smallest(users, settings.power), True)
            acted = sum(of.share for of in other.strata)
            row[f"left_alone_{name}"] = int(users * acted * other.strata[0].chance_reference)
        rows.append(row)
    return pd.DataFrame(rows)


def _guardrails(settings: PlanSettings) -> pd.DataFrame:
    """Users until the worst accepted difference is told from none, where there is none."""
    rows = []
    arms = [*(settings.arms or {"A": 0.5, "B": 0.5}).values()]
    if settings.rate is None and settings.deviation is None:
        arms = [settings.holdout, 1 - settings.holdout]
    for name, of in (settings.guardrails or {}).items():
        users = guardrail_users(of, arms[0], min(arms[1:]), settings.power)
        rows.append({"measure": name, "margin": of.margin, "users": users, "days": users / settings.users_per_day})
    return pd.DataFrame(rows)


def guardrail_users(of: Guardrail, control: float, arm: float, power: float) -> int:
    """Users until an interval lies above the margin with a chance of `power`, where arms are alike.

    The interval is the two-sided one of 95 % that is shown; it needs one of its ends on the right side.
    """
    from scipy.stats import norm

    from tippingpoint.offpolicy.statistics import pointwise

    variance = of.deviation**2 if of.deviation is not None else float(of.rate or 0) * (1 - float(of.rate or 0))
    margin = abs(of.margin) / (PER_1000 if of.rate is not None else 1)
    return int(np.ceil((pointwise() + norm.ppf(power)) ** 2 * variance * (1 / control + 1 / arm) / margin**2))


def _plan(settings: PlanSettings, planned: Planned, users: int, smallest: float | None) -> Plan:
    guardrails = {name: of.margin for name, of in (settings.guardrails or {}).items()}
    kept = " and every guardrail's within its margin" if guardrails else ""
    rule = f"Ship where the 95 % interval of {planned.measure} lies above 0{kept}, at {users:,} users; else do not."
    return Plan(settings.hypothesis, planned.measure, users, settings.days, smallest, rule, guardrails)
