"""What a batch of decisions takes."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tippingpoint.config.settings import NAMED, Day, DiagnosticsSettings, Terminal, refuse_idle_destination
from tippingpoint.core.signs import Encoding, Separator
from tippingpoint.core.strict import Component, StrictModel


class ScoreTracking(StrictModel):
    """Whether and where a batch is logged; null is the experiment of the model's own run."""

    experiment: str | None = None
    log: bool = True

    @model_validator(mode="after")
    def _files_where_it_says(self) -> Self:
        refuse_idle_destination(self.experiment, self.log)
        return self


class ScoreSettings(Terminal):
    """A batch of decisions, as `conf/score.yaml` lists it."""

    input: str | None = None
    input_query: str | None = None
    input_parameters: dict[str, str | int | float | bool | None] = {}
    input_separator: Separator | None = None
    input_encoding: Encoding | None = None
    data: Component | None = None
    days: int = Field(default=1, ge=1)
    to: str | None = None
    campaign: str = ""
    model: Annotated[str | None, NAMED] = None
    only: list[str] = []
    parts: bool = False
    engine: Literal["here", "spark"] = "here"
    reasons: bool = False
    holdout: float = Field(default=0, ge=0, le=1)
    holdout_actions: list[str] = []
    holdout_salt: str | None = None
    scored_at: str | None = None
    as_of: Day | None = None
    chunk: int = Field(default=100_000, ge=1)
    quarantine: str = ".tippingpoint/quarantine"
    quarantine_share: float = Field(default=0.05, ge=0, le=1)
    fail_on_drift: bool = False
    """Whether a column that moved makes the exit code 1."""
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    tracking: ScoreTracking = ScoreTracking()

    @property
    def in_parts(self) -> bool:
        """Whether decisions become a folder of parts."""
        return self.parts or self.engine == "spark"
