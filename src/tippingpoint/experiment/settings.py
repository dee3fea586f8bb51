"""What is asked of models that are there already."""

from typing import Any, Literal

from pydantic import Field, model_validator

from tippingpoint.config.settings import DiagnosticsSettings, Guardrails, Terminal, Tracking
from tippingpoint.core.strict import Component, StrictModel


class BudgetLimit(StrictModel):
    """What may be spent: users acted on, or money, out of so many users; null is no limit."""

    contacts: float | None = Field(default=None, ge=0)
    money: float | None = Field(default=None, ge=0)
    of_users: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _is_one(self) -> "BudgetLimit":
        if self.contacts is not None and self.money is not None:
            raise ValueError("a budget is in contacts or in money, not both. Drop one.")
        return self


class SimulateSettings(Terminal):
    """What is asked of models that are there already, as `conf/simulate.yaml` lists it."""

    models: list[str] = []
    policy: dict[str, Any] = {}
    policies: list[str] = []
    config_dir: str | None = None
    economics: dict[str, Any] = {}
    data: Component | None = None
    evidence: Literal["auto", "truth", "experiment", "logged", "assumed"] = "auto"
    tracking: Tracking = Tracking()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    cuts: int | None = Field(default=None, ge=2, le=1000)
    least: int | None = Field(default=None, ge=2)
    budget: BudgetLimit = BudgetLimit()
    guardrails: Guardrails | None = None
    """None: those of the models' run, or of the simulation that is asked again."""
    smallest_uplift: float | None = Field(default=None, gt=0)
    sensitivity: float | None = Field(default=None, gt=0, lt=1)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
