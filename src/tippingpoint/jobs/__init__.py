"""One file a verb: plain functions of typed settings, where the wings meet.

Each is imported when it is first asked for: the data verbs need no MLflow, which takes seconds to load.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tippingpoint.jobs.compare import compare
    from tippingpoint.jobs.dashboard import dashboard
    from tippingpoint.jobs.describe import describe
    from tippingpoint.jobs.doctor import doctor
    from tippingpoint.jobs.explore import explore
    from tippingpoint.jobs.history import history
    from tippingpoint.jobs.measure import measure
    from tippingpoint.jobs.policy import policy_diff, policy_lint
    from tippingpoint.jobs.promote import promote
    from tippingpoint.jobs.rollback import rollback
    from tippingpoint.jobs.run import run
    from tippingpoint.jobs.score import score
    from tippingpoint.jobs.serve import serve
    from tippingpoint.jobs.simulate import simulate
    from tippingpoint.jobs.status import status
    from tippingpoint.jobs.tune import tune
    from tippingpoint.jobs.ui import ui
    from tippingpoint.jobs.write import write

__all__ = [
    "compare",
    "dashboard",
    "describe",
    "doctor",
    "explore",
    "history",
    "measure",
    "policy_diff",
    "policy_lint",
    "promote",
    "rollback",
    "run",
    "score",
    "serve",
    "simulate",
    "status",
    "tune",
    "ui",
    "write",
]


class _Jobs(ModuleType):
    """A package whose names are its jobs, although each stands in a submodule of the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = "policy" if name.startswith("policy_") else name
        return getattr(import_module(f"{__name__}.{module}"), name)


sys.modules[__name__].__class__ = _Jobs
