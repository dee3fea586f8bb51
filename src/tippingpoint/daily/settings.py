"""What a day on raw events takes."""

from typing import Literal, Self

from pydantic import Field, model_validator

from tippingpoint.comparison.settings import CompareSettings
from tippingpoint.config.gate_settings import Gate
from tippingpoint.config.settings import A_VERSION, VERSION, Day
from tippingpoint.tuning.settings import Tune


class DailySettings(CompareSettings):
    """A day on raw events, as `conf/daily.yaml` lists it: how users are decided for and models fitted again."""

    as_of: Day | None = None
    since: Day | None = None
    """The first of several days, of which `as_of` is the last; None: that day alone."""
    days: int = Field(default=1, ge=1)
    predictions: str | None = None
    """The database's table of decisions."""
    campaign: str = ""
    name: str | None = None
    """The registered model; None: called as the question."""
    champion: str | None = Field(default=None, pattern=f"^{VERSION.pattern}$", title=A_VERSION)
    """The version that decides; None: the model's champion."""
    holdout: float = Field(default=0.1, ge=0, le=1)
    holdout_actions: list[str] = []
    within: float | None = Field(default=None, gt=0)
    quarantine: str = ".tippingpoint/quarantine"
    quarantine_share: float = Field(default=0.05, ge=0, le=1)
    retrain: Literal["compare", "tune"] | None = None
    retrain_every: int = Field(default=7, ge=1)
    """Days."""
    test_days: int | None = Field(default=None, ge=1)
    """Days before the last whose outcomes are due that are test; None: as `split` has it."""
    tune: Tune = Tune()
    """How hyper-parameters are searched on such days."""
    gate: Gate
    who: str | None = Field(default=None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.since is not None and (self.as_of is None or self.since > self.as_of):
            raise ValueError("since must be as_of or earlier. Type since=2026-03-01 as_of=2026-03-07")
        if self.retrain is None and self.test_days is not None:
            raise ValueError("test_days is not used: no model is fitted. Type retrain=compare, or drop test_days.")
        if self.retrain != "tune" and self.tune != Tune():
            raise ValueError("tune is not used: nothing is searched. Type retrain=tune, or drop tune.…")
        if self.retrain == "tune" and (self.evaluate != "held_out" or self.repeats):
            raise ValueError("evaluate and repeats are of a comparison. Type retrain=compare, or drop them.")
        return self
