"""The checks of a gate, and what each is held against, as `conf/gate/standard.yaml` lists them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tippingpoint.config.old_spellings import modern_gate
from tippingpoint.core.strict import StrictModel


class GateCheck(StrictModel):
    """What a check does where it is inconclusive."""

    inconclusive: Literal["blocks", "passes"] = Field(serialization_alias="cannot_tell")
    """The alias is its name in the digests of gates that journals hold since release 0.1."""


class Floor(GateCheck):
    """Of the lower bound of ROC AUC."""

    floor: float = Field(ge=0, lt=1)


class Margin(GateCheck):
    """By how much it may be worse; 0: not at all."""

    margin: float = Field(ge=0)


class Better(Margin):
    """`smallest`: the difference whose chance of being told is said."""

    smallest: float = Field(gt=0)


class Limits(GateCheck):
    """Within which calibration is good enough."""

    slope: tuple[float, float]
    intercept: tuple[float, float]


class Rows(GateCheck):
    """Test users that are looked at."""

    rows: int = Field(ge=1, le=100_000)


class Share(Rows):
    """Of mean |SHAP| that one column may have."""

    share: float = Field(gt=0, le=1)


class Speed(GateCheck):
    """At most so much CPU time for one row, and so large.

    The milliseconds are those of a machine that scores a logistic regression on two columns in 3.5: it is timed beside
    the model, and what differs is told by their ratio.
    """

    milliseconds: float = Field(gt=0)
    megabytes: float = Field(gt=0)


class Days(GateCheck):
    """Since the users were read, at most."""

    days: float = Field(gt=0)


class Most(GateCheck):
    """Looks at one test table."""

    most: int = Field(ge=1)


class Gate(StrictModel):
    """What a version must show, as `conf/gate/standard.yaml` lists it; a check that is null is left out."""

    name: str
    alpha: float = Field(gt=0, lt=0.5)
    quality: Floor | None
    better: Better | None
    value: Margin | None
    calibration: Limits | None
    slices: GateCheck | None
    signature: GateCheck | None
    reload: Rows | None
    speed: Speed | None
    explanation: Share | None
    fresh: Days | None
    looks: Most | None
    diagnostics: GateCheck | None = GateCheck(inconclusive="blocks")
    guardrails: GateCheck | None = GateCheck(inconclusive="blocks")
    """Of versions that were fitted with some."""
    approval: bool = False
    """Whether a second person has to agree once all checks let it in."""

    @model_validator(mode="before")
    @classmethod
    def _may_be_spelled_as_before(cls, node: Any) -> Any:
        return modern_gate(node) if isinstance(node, Mapping) else node

    @property
    def digest(self) -> str:
        """8 hex digits of what it asks; a key that is new and at its default leaves those of old journals."""
        asked = self.model_dump(mode="json", by_alias=True)
        if not self.approval:
            del asked["approval"]
        if self.guardrails == Gate.model_fields["guardrails"].default:
            del asked["guardrails"]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def title(self) -> str:
        """Name and digest, as judgements name it."""
        return f"{self.name} {self.digest}"
