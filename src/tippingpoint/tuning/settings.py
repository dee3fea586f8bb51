"""What a search takes."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from tippingpoint.config.settings import A_NAME, Report, Settings
from tippingpoint.core.strict import StrictModel

Objective = Literal["roc_auc", "pr_auc", "log_loss", "brier", "value", "spend", "features", "nodes"]


class Tune(StrictModel):
    """How hyper-parameters are searched, as `conf/tune/standard.yaml` lists it."""

    trials: int = Field(default=50, ge=1)
    objectives: list[Objective] = Field(default=["roc_auc"], min_length=1, max_length=2)
    sampler: Literal["tpe", "random", "grid", "gp", "cmaes"] = "tpe"
    grid_points: int = Field(default=5, ge=2)
    folds: int = Field(default=3, ge=2, le=20)
    prune: float = Field(default=0.25, ge=0, lt=1)
    workers: int = Field(default=1, ge=1, le=256)
    storage: str | None = None
    study: str | None = Field(default=None, pattern=r"^[\w.-]+$", title=A_NAME)

    @model_validator(mode="after")
    def _has_distinct_objectives(self) -> "Tune":
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("objectives names one twice. Give two different ones, or one.")
        return self


class TuneSettings(Settings):
    """A search's settings, as `conf/tune.yaml` lists them."""

    unless_asked: ClassVar[Report] = "light"

    tune: Tune = Tune()
