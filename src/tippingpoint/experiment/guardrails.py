"""What a policy does to further measures that must not get worse by more than a margin."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from tippingpoint.core.errors import InputError, nearest
from tippingpoint.experiment.decision import Guardrail
from tippingpoint.experiment.valuation import ValuedUsers
from tippingpoint.offpolicy.evidence import Kind
from tippingpoint.offpolicy.statistics import Estimate
from tippingpoint.offpolicy.value import policy_value

PER_USER = "per user"


def check_guardrails(kind: Kind, there: Collection[str], margins: Mapping[str, float], logged: bool) -> None:
    """Refuse margins of a measure that the data lack, or that is not known under each action.

    Parameters
    ----------
    there
        Measures of the users.
    logged
        Whether they carry a log.

    Raises
    ------
    InputError
        Saying what to type instead.
    """
    for name in margins:
        if name not in there:
            what = f"{name!r} is not measured"
            raise InputError("guardrails", what, f"{nearest(name, [*there])} Name it in data.measures too.".strip())
        if kind not in ("experiment", "logged"):
            remedy = "Type evidence=experiment." if logged else "Type guardrails=null."
            what = f"what {name!r} would be under another action is in no log ({kind} knows the outcome only)"
            raise InputError("guardrails", what, remedy)


def guarded(valued: ValuedUsers, margins: Mapping[str, float], decision: np.ndarray) -> tuple[Guardrail, ...]:
    """Return each guardrail with what (n,) codes of actions do to its measure, over everyone getting none."""
    nothing = np.zeros(len(valued.actions))
    return tuple(
        Guardrail(name, PER_USER, margin, policy_value(valued.evidence, nothing, nothing, decision, {name: 1.0}).uplift)
        for name, margin in margins.items()
    )


def of_values(values: Mapping[str, Estimate], margins: Mapping[str, float]) -> tuple[Guardrail, ...]:
    """Return the guardrails of a contestant of a simulation, of the row of what it brings."""
    return tuple(Guardrail(name, PER_USER, margin, values[in_values(name)]) for name, margin in margins.items())


def table(by_contestant: Mapping[str, Iterable[Guardrail]]) -> pd.DataFrame:
    """One row a contestant and guardrail: what it does to the measure, and whether that is within the margin."""
    rows = [
        {
            "contestant": name,
            "measure": of.measure,
            "margin": of.margin,
            "difference": of.difference.value,
            "low": of.difference.low,
            "high": of.difference.high,
            "verdict": of.verdict,
        }
        for name, each in by_contestant.items()
        for of in each
    ]
    return pd.DataFrame(rows)


def in_words(by_contestant: Mapping[str, Sequence[Guardrail]], kind: str) -> list[str]:
    """A line a contestant: what it does to each guarded measure, against its margin; none without guardrails."""
    return [
        f"Guardrails of {name} ({kind}): {'; '.join(map(str, each))}." for name, each in by_contestant.items() if each
    ]


def in_values(measure: str) -> str:
    """What the uplift in a measure is called among what a contestant brings."""
    return f"measure_{measure}_per_user"
