"""Defaults live in the classes; the YAML shows the same values."""

from importlib import import_module
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter

from tippingpoint.cli.diagnostics import ExplainSettings
from tippingpoint.comparison.settings import CompareRunsSettings, CompareSettings
from tippingpoint.config.compose import config_folder
from tippingpoint.config.settings import Serve, Settings, Split, Terminal, Tracking
from tippingpoint.daily.settings import DailySettings
from tippingpoint.dashboard.settings import DashboardSettings
from tippingpoint.experiment.settings import SimulateSettings
from tippingpoint.exploration.settings import FeatureSettings, TableSettings
from tippingpoint.measurement.settings import MeasureArmsSettings, MeasureSettings
from tippingpoint.planning.settings import PlanSettings
from tippingpoint.promotion.settings import (
    ApproveSettings,
    BindSettings,
    HistorySettings,
    PinSettings,
    PromoteSettings,
    RollbackSettings,
    StatusSettings,
)
from tippingpoint.scoring.settings import ScoreSettings
from tippingpoint.serving.settings import ServeSettings
from tippingpoint.simulation.settings import DiffSettings, LintSettings
from tippingpoint.tuning.settings import Tune

CONF = config_folder()
OWN = (
    *("model/logistic", "model/random_forest", "model/boosting", "policy/intent_bands", "policy/top_fraction"),
    *(
        "policy/budget",
        "policy/best_action",
        "policy/policy_tree",
        "policy/effect_bands",
        "policy/money_budget",
        "economics/freemium",
        "data/case_study",
        "data/streamzone",
        "data/criteo_like",
    ),
    *("data/retention", "data/event_log", "data/csv", "data/sql", "data/events"),
)
"""The option of each class that shows its defaults; other options are variations."""
VERBS = {
    "config": Settings,
    "compare": CompareSettings,
    "simulate": SimulateSettings,
    "policy_lint": LintSettings,
    "policy_diff": DiffSettings,
    "compare_runs": CompareRunsSettings,
    "policy_bind": BindSettings,
    "measure": MeasureSettings,
    "measure_arms": MeasureArmsSettings,
    "plan": PlanSettings,
    "promote": PromoteSettings,
    "promote_approve": ApproveSettings,
    "promote_pin": PinSettings,
    "rollback": RollbackSettings,
    "history": HistorySettings,
    "status": StatusSettings,
    "features": FeatureSettings,
    "daily": DailySettings,
    "score": ScoreSettings,
    "serve": ServeSettings,
    "dashboard": DashboardSettings,
    "ui": Serve,
    "diagnostics": ExplainSettings,
    "table": TableSettings,
    "terminal": Terminal,
    "tune/standard": Tune,
    "tracking/mlflow": Tracking,
    "split/hash": Split,
}
CHOSEN = {"defaults", "hydra"}
"""Keys of Hydra's own."""
GROUPS = {"model", "learner", "data", "policy", "economics", "tracking", "split", "gate", "tune", "output", "debug"}
"""Keys that the defaults list of a verb brings."""


def read(name: str) -> dict[str, Any]:
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    return {key: value for key, value in node.items() if key not in CHOSEN}


def same(model: type[BaseModel], written: dict[str, Any]) -> None:
    """Each key with a default in the class has that value in the YAML, and the YAML leaves none out."""
    hidden = set(getattr(model, "learnt", ()))
    assert set(model.model_fields) - hidden <= set(written) | CHOSEN | GROUPS
    for key, value in written.items():
        field = model.model_fields[key]
        if value == "???" or field.is_required():
            continue
        default = field.get_default(call_default_factory=True)
        if isinstance(value, dict) and all(inner in (None, {}) for inner in value.values()):
            continue  # the keys that may be given, each saying: as it was logged
        assert TypeAdapter(field.annotation).validate_python(value) == default, key


@pytest.mark.parametrize("name", OWN)
def test_a_component_s_yaml_shows_its_defaults(name: str) -> None:
    node = read(name)
    node = node if "_target_" in node else next(iter(node.values()))
    module, _, of = node.pop("_target_").rpartition(".")
    same(getattr(import_module(module), of), node)


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_s_yaml_shows_its_defaults(name: str) -> None:
    base = read("config") if name in ("compare", "daily") else {}
    base |= read("compare") if name == "daily" else {}
    same(VERBS[name], base | read(name))
