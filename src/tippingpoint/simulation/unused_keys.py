"""What is asked of a simulation and has no effect on these policies, users and prices: refused, or said."""

from collections.abc import Mapping

from tippingpoint.core.errors import InputError
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.offpolicy.sufficient_statistics import SufficientStatistics
from tippingpoint.policies.bands import Bands
from tippingpoint.policies.policy import Policy


def refuse_idle_budget(settings: SimulateSettings, policies: Mapping[str, Policy]) -> None:
    """Refuse a budget where no policy has cut-offs that could keep it."""
    if (key := _budget(settings)) is None or _with_cut_offs(policies):
        return
    one = len(policies) == 1
    none = f"{', '.join(policies)} {'has' if one else 'have'} no cut-offs that could be moved"
    if not any(policy.reads_score for policy in policies.values()):
        none = f"{', '.join(policies)} {'reads' if one else 'read'} no score"
    what = f"is not used by a policy without cut-offs: {none}"
    raise InputError(key, what, "Leave it out: only policies of bands have cut-offs to keep it with.")


def unused(
    settings: SimulateSettings, policies: Mapping[str, Policy], gathered: SufficientStatistics
) -> tuple[str, ...]:
    """A sentence for what is asked and is not used: by some of the policies, or with this evidence or these prices."""
    about, bands = gathered.about, _with_cut_offs(policies)
    measured = about["kind"] != "assumed"
    others = [name for name in policies if name not in bands]
    told = []
    if (key := _budget(settings)) is not None and bands and others:
        told.append(f"{key} is not used by {', '.join(others)}: only policies of bands have cut-offs to keep it with.")
    if grid := [key for key in ("cuts", "least") if getattr(settings, key) is not None and not bands]:
        told.append(f"{' and '.join(grid)}: not used, as no policy here has cut-offs to look at.")
    if settings.smallest_uplift is not None and not (measured and not about.get("vetoed")):
        told.append(f"smallest_uplift: not used, as {about['kind']} uplift without intervals tells no two apart.")
    if settings.sensitivity is not None and about["per_user_prices"]:
        told.append("sensitivity: not used, as prices are each user's own and none of them is moved.")
    if measured and (stated := _responses(settings)):
        told.append(f"{', '.join(stated)}: not used, as what actions do is {about['kind']} here, not assumed.")
    return tuple(told)


def _budget(settings: SimulateSettings) -> str | None:
    """The key that a budget is typed with."""
    return next(
        (f"budget.{unit}" for unit in ("contacts", "money") if getattr(settings.budget, unit) is not None), None
    )


def _with_cut_offs(policies: Mapping[str, Policy]) -> list[str]:
    return [name for name, policy in policies.items() if isinstance(policy, Bands)]


def _responses(settings: SimulateSettings) -> list[str]:
    """Keys that state what actions do."""
    actions = settings.economics.get("actions") or {}
    return [
        f"economics.actions.{action}.assumed_response"
        for action, of in actions.items()
        if isinstance(of, Mapping) and of.get("assumed_response") is not None and "_target_" not in settings.economics
    ]
