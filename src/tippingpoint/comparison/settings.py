"""What comparing models, and two runs, takes."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from tippingpoint.config.settings import DiagnosticsSettings, Settings, Terminal, Tracking
from tippingpoint.core.strict import Component


class CompareSettings(Settings):
    """A comparison's settings, as `conf/compare.yaml` lists them."""

    evaluate: Literal["held_out", "crossfit"] = "held_out"
    """Which users carry the uplift: those of test, or all, each decided for by models of other folds."""
    repeats: int = Field(default=0, ge=0, le=100)
    """Further splits that show how far the split moves the verdict."""
    workers: int = Field(default=1, ge=1, le=256)
    """Processes that fit the models of folds and further splits."""

    @model_validator(mode="after")
    def _asks_one_thing_of_time(self) -> Self:
        if self.split.by == "time" and (self.evaluate != "held_out" or self.repeats):
            asked = "repeats" if self.repeats else "evaluate"
            idle = f"{asked}={'0' if self.repeats else 'held_out'}"
            raise ValueError(f"{asked} puts users of every date on every side. Type {idle}, or split=hash.")
        return self


class CompareRunsSettings(Terminal):
    """Two runs side by side, as `conf/compare_runs.yaml` lists it."""

    runs: list[str]
    data: Component | None = None
    to: str | None = None
    tracking: Tracking = Tracking()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()

    @field_validator("runs")
    @classmethod
    def _are_two(cls, runs: list[str]) -> list[str]:
        if len(runs) != 2:
            raise ValueError("two are compared. Type tippingpoint compare runs='[ONE,OTHER]'.")
        return runs
