"""What planning an experiment takes."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from tippingpoint.config.settings import A_RUN, A_VERSION, NAMED, VERSION, Terminal, Tracking
from tippingpoint.core.strict import Component, StrictModel
from tippingpoint.data.column_roles import Text


class Guardrail(StrictModel):
    """A further measure that must not fall, or rise, by more than a margin; with a table, that says how it varies.

    Parameters
    ----------
    margin
        The worst difference that is accepted: -2 where it may fall by 2, 3 where it may rise by 3; of a rate per 1,000.
    rate
        Of a yes or no...
    deviation
        ...or the standard deviation of a number.
    """

    margin: float
    rate: float | None = Field(default=None, gt=0, lt=1)
    deviation: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _varies(self) -> Self:
        if self.rate is not None and self.deviation is not None:
            raise ValueError("give rate of a yes or no, or deviation of a number")
        if self.margin == 0:
            raise ValueError("margin must not be 0: no number of users tells that nothing changed at all")
        return self


class PlanSettings(Terminal):
    """An experiment as it would be, as `conf/plan.yaml` lists it."""

    model: Annotated[str | None, NAMED] = Field(default=None, pattern=f"^{VERSION.pattern}$", title=A_VERSION)
    run: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$", title=A_RUN)
    between: list[float] | None = Field(default=None, min_length=2, max_length=2)
    rate: float | None = Field(default=None, gt=0, lt=1)
    deviation: float | None = Field(default=None, gt=0)
    data: Component | None = None
    """A table of users as they are now, whose measure says how it varies..."""
    pre: list[Text] = []
    """...and columns known before, which say what adjusting saves of that."""
    arms: dict[Text, float] | None = None
    holdout: float = Field(default=0.1, gt=0, le=1)
    holdout_actions: list[str] = []
    users_per_day: float = Field(gt=0)
    days: float = Field(default=28, gt=0)
    smallest: float | None = Field(default=None, gt=0)
    power: float = Field(default=0.8, gt=0.05, lt=1)
    group_size: float = Field(default=1, ge=1)
    design_effect: float = Field(default=1, ge=1)
    variance_saved: float = Field(default=0, ge=0, lt=1)
    measure: Text | None = None
    economics: Component | None = None
    good: bool = True
    guardrails: dict[Text, Guardrail] | None = None
    hypothesis: str = Field(default="", max_length=2000)
    lock: bool = False
    tracking: Tracking = Tracking()
    seed: int = Field(default=0, ge=0, lt=2**32)

    @field_validator("arms")
    @classmethod
    def _are_shares(cls, arms: dict[str, float] | None) -> dict[str, float] | None:
        if arms is None:
            return None
        if len(arms) < 2:
            raise ValueError("takes two arms at least. Type arms='{A: 0.5, B: 0.5}'.")
        if min(arms.values()) <= 0 or abs(sum(arms.values()) - 1) > 1e-6:
            said = f"shares of users must lie above 0 and sum to 1; they sum to {sum(arms.values()):g}"
            raise ValueError(f"{said}. Type arms='{{A: 0.5, B: 0.5}}'.")
        return arms

    @model_validator(mode="after")
    def _is_of_one_thing(self) -> Self:
        stated = self.rate is not None or self.deviation is not None
        given = [stated or self.data is not None, self.model is not None, self.run is not None]
        if sum(given) != 1:
            raise ValueError(
                "give one of rate, model and run: it says what is planned. Type rate=0.04, or model=models:/NAME/1."
            )
        if stated and self.data is not None:
            raise ValueError("the table says how its measure varies. Drop rate and deviation, or data.")
        if self.pre and self.data is None:
            raise ValueError(
                "pre names columns of a table. Type data=csv data.path=… too, or pre=[] variance_saved=0.3."
            )
        if self.pre and self.variance_saved:
            raise ValueError("pre says what adjusting saves. Drop variance_saved.")
        bare = [name for name, of in (self.guardrails or {}).items() if of.rate is None and of.deviation is None]
        if bare and self.data is None:
            raise ValueError(f"give rate of a yes or no, or deviation of a number, of {bare[0]}")
        if self.rate is not None and self.deviation is not None:
            raise ValueError("rate is of a yes or no, deviation of a number. Drop one.")
        if self.between is not None and self.run is None:
            raise ValueError("between needs the scores of a simulation. Type run=ID of one too.")
        if self.arms is not None and not given[0]:
            raise ValueError("arms are not used: a policy is planned by its holdout. Drop arms.")
        if self.economics is not None and self.rate is None and self.data is None:
            raise ValueError("economics is not used: a version has its own, and a number none. Type ~economics.")
        if self.lock and self.measure is None and given[0]:
            raise ValueError("lock files the measure that decides, and none is given. Type measure=COLUMN too.")
        if self.lock and not self.hypothesis:
            raise ValueError("lock files a hypothesis, and none is given. Type hypothesis='…' too.")
        return self
