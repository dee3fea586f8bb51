"""The verbs as functions of objects."""

import os
from collections.abc import Iterable
from typing import Any, TypeVar

from tippingpoint.api.components import component_of, economics_of, families_of, policy_of
from tippingpoint.comparison import job as comparison
from tippingpoint.comparison.job import CompareResult
from tippingpoint.config.settings import Settings
from tippingpoint.core.strict import validate
from tippingpoint.data.source import Source
from tippingpoint.economics import Economics
from tippingpoint.models.family import Family
from tippingpoint.policies.policy import Policy

S = TypeVar("S", bound=Settings)

# Left to themselves, threads spin while they wait for each other: on busy cores a fit takes several times as long.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def compare(
    users: Source,
    models: str | Family | Iterable[str | Family] = "all",
    policy: str | Policy | None = None,
    economics: str | Economics | None = None,
    *,
    track: bool = True,
    **settings: Any,
) -> CompareResult:
    """Fit model families, value a policy on the scores of each, and say which is better where that is known.

    Parameters
    ----------
    users
        What `read_users` or `generate` returned.
    models
        Names of `conf/model`, families with parameters of your own, or `all`.
    policy, economics
        Who gets which action, and what outcomes and actions are worth; names of `conf/policy` and `conf/economics` or
        objects.
    track
        Whether runs are filed in MLflow and the winner is registered, as the command line does. With False nothing is
        written anywhere.
    **settings
        Keys of `conf/config.yaml`: `seed`, `select_by`, `evidence`, `explain_rows`, `split`, `tracking`, …

    Returns
    -------
    CompareResult
        `.leaderboard()`, `.plot`, `.best`, `.to_dict()`; in a notebook a table.

    Raises
    ------
    InputError
        For anything that is wrong with users, models, policy or prices.

    Examples
    --------
    >>> import tippingpoint as tp
    >>> users = tp.generate("case_study", users=1_000)
    >>> result = tp.compare(users, models="logistic", explain_rows=20, track=False)
    >>> result.best.name
    'logistic'
    """
    asked = _asked(Settings, users, models, policy, economics, track, settings)
    return comparison.compare(asked, users)


def _asked(
    kind: type[S],
    users: Source,
    models: str | Family | Iterable[str | Family],
    policy: str | Policy | None,
    economics: str | Economics | None,
    track: bool,
    settings: dict[str, Any],
) -> S:
    """Return a verb's settings, as the command line would have composed them."""
    tracking = {"log": track} | settings.pop("tracking", {})
    parts = {
        "model": {name: component_of(family) for name, family in families_of(models).items()},
        "data": component_of(users),
        "policy": component_of(policy_of(policy, users)),
        "economics": component_of(economics_of(economics, users)),
        "tracking": tracking,
    }
    return validate(kind, parts | settings, "")
