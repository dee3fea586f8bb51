"""What measuring decisions, and the arms of an experiment, takes."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from tippingpoint.config.settings import A_RUN, DiagnosticsSettings, Guardrails, Terminal, Tracking
from tippingpoint.core.strict import Component
from tippingpoint.data.column_roles import Text
from tippingpoint.offpolicy.arms import Adjustment

Pair = Annotated[list[Text], Field(min_length=2, max_length=2)]


class MeasureArmsSettings(Terminal):
    """The table of an experiment, as `conf/measure_arms.yaml` lists it."""

    data: Component
    economics: Component | None = None
    tracking: Tracking = Tracking()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    pre: list[Text] = []
    """Columns that were known before the assignment: they adjust, and must be balanced."""
    adjustment: Adjustment = "regression"
    segments: list[Text] = []
    """Columns, likewise known before, by whose values differences are told too."""
    ratios: dict[str, Pair] | None = None
    """Numerator and denominator, by the name of the ratio."""
    assigned: Text | None = None
    """The column that says when a user was assigned..."""
    within: float | None = Field(default=None, gt=0)
    """...and in how many days from then on a time counts as having come."""
    until: datetime | None = None
    guardrails: Guardrails | None = None
    plan: str | None = Field(default=None, pattern=r"^[0-9a-f]{32}$", title=A_RUN)
    """The run of `plan lock` that this experiment follows."""
    seed: int = Field(default=0, ge=0, lt=2**32)

    @field_validator("until")
    @classmethod
    def _is_in_utc(cls, time: datetime | None) -> datetime | None:
        return time.astimezone(UTC).replace(tzinfo=None) if time is not None and time.tzinfo else time

    @model_validator(mode="after")
    def _knows_from_when(self) -> Self:
        if self.within is not None and self.assigned is None:
            raise ValueError("within needs to know when users were assigned. Type assigned=… too.")
        if self.until is not None and self.within is None:
            raise ValueError("until is not used without within. Type within=… too, or drop until.")
        return self


class MeasureSettings(Terminal):
    """Decisions, and what came of them, as `conf/measure.yaml` lists it."""

    decisions: str = Field(min_length=1)
    decisions_id: str | None = None
    outcomes: str | None = Field(default=None, min_length=1)
    outcomes_id: str | None = None
    data: Component | None = None
    """Raw events that say what came of users, instead of a table."""
    campaign: str | None = None
    outcome: Text | Annotated[list[Text], Field(min_length=1)] | None = None
    """Yes or no, a number, or a time; of several the first is what was promised, and decides."""
    at: str | None = None
    absent: Literal["unknown", "zero"] = "unknown"
    within: float | None = Field(default=None, gt=0)
    since: datetime | None = None
    until: datetime | None = None
    users: str | None = None
    users_id: str | None = None
    to: str | None = Field(default=None, pattern=r"(?i)\.(csv|parquet)$", title="a name that ends in .csv or .parquet")

    @field_validator("since", "until")
    @classmethod
    def _is_in_utc(cls, time: datetime | None) -> datetime | None:
        return time.astimezone(UTC).replace(tzinfo=None) if time is not None and time.tzinfo else time

    @property
    def named(self) -> list[str | None]:
        """The outcomes; None: the only column there is."""
        return [*dict.fromkeys(self.outcome)] if isinstance(self.outcome, list) else [self.outcome]

    @model_validator(mode="after")
    def _knows_what_came(self) -> Self:
        if self.outcomes is None and self.data is None:
            raise ValueError("outcomes is not given. Type outcomes=outcomes.csv, or data=events data.product=…")
        if self.data is not None and (self.outcomes or self.outcomes_id or self.at or self.absent != "unknown"):
            given = (
                "outcomes" if self.outcomes else "outcomes_id" if self.outcomes_id else "at" if self.at else "absent"
            )
            raise ValueError(f"{given} is of a table, and events say it themselves. Leave {given} out, or data.")
        return self

    @model_validator(mode="after")
    def _reads_users_for_something(self) -> Self:
        if self.users is not None and self.to is None:
            raise ValueError("users is not used: its columns go into `to`. Type to=joined.parquet too, or drop users.")
        if self.users_id is not None and self.users is None:
            raise ValueError("users_id is not used without users. Type users=… too, or drop users_id.")
        return self
