"""From what a free user does to a priced decision: models, policies and money, compared in MLflow.

    import tippingpoint as tp

    users = tp.read_users("users.csv", target="adopter")
    result = tp.compare(users, models=["logistic", tp.Boosting(max_depth=4)], economics=tp.Economics(price=9.99))

Names load when they are used: importing the package takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tippingpoint.api.users import generate as generate
    from tippingpoint.api.users import read_users as read_users
    from tippingpoint.api.verbs import compare as compare
    from tippingpoint.api.verbs import measure as measure
    from tippingpoint.api.verbs import measure_arms as measure_arms
    from tippingpoint.api.verbs import plan as plan
    from tippingpoint.api.verbs import score as score
    from tippingpoint.api.verbs import simulate as simulate
    from tippingpoint.api.verbs import tune as tune
    from tippingpoint.core.errors import InputError as InputError
    from tippingpoint.core.errors import OutsideError as OutsideError
    from tippingpoint.core.errors import RefusedError as RefusedError
    from tippingpoint.core.version import __version__ as __version__
    from tippingpoint.economics import ActionPrice as ActionPrice
    from tippingpoint.economics import Economics as Economics
    from tippingpoint.models.boosting import Boosting as Boosting
    from tippingpoint.models.logistic import Logistic as Logistic
    from tippingpoint.models.random_forest import RandomForest as RandomForest
    from tippingpoint.policies.bands import Bands as Bands
    from tippingpoint.policies.best_action import BestAction as BestAction
    from tippingpoint.policies.budget import Budget as Budget
    from tippingpoint.policies.policy_tree import PolicyTree as PolicyTree
    from tippingpoint.policies.rules import Rules as Rules
    from tippingpoint.policies.share_bands import ShareBands as ShareBands
    from tippingpoint.policies.top_fraction import TopFraction as TopFraction

_WHERE = {
    "api.users": ("generate", "read_users"),
    "api.verbs": ("compare", "measure", "measure_arms", "plan", "score", "simulate", "tune"),
    "core.errors": ("InputError", "OutsideError", "RefusedError"),
    "core.version": ("__version__",),
    "economics": ("ActionPrice", "Economics"),
    "models.boosting": ("Boosting",),
    "models.logistic": ("Logistic",),
    "models.random_forest": ("RandomForest",),
    "policies.bands": ("Bands",),
    "policies.share_bands": ("ShareBands",),
    "policies.best_action": ("BestAction",),
    "policies.budget": ("Budget",),
    "policies.policy_tree": ("PolicyTree",),
    "policies.rules": ("Rules",),
    "policies.top_fraction": ("TopFraction",),
}
"""Names by module. Modules are named by strings, so that no floor imports one above it."""
_MODULES = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "ActionPrice",
    "Bands",
    "BestAction",
    "Boosting",
    "Budget",
    "Economics",
    "InputError",
    "Logistic",
    "OutsideError",
    "PolicyTree",
    "RandomForest",
    "RefusedError",
    "Rules",
    "ShareBands",
    "TopFraction",
    "__version__",
    "compare",
    "generate",
    "measure",
    "measure_arms",
    "plan",
    "read_users",
    "score",
    "simulate",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_module(f"{__name__}.core.threads").spare_cores()  # before a library that starts threads is loaded
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
