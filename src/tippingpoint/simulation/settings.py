"""What looking at policies takes."""

from typing import Annotated, Any

from pydantic import Field, field_validator

from tippingpoint.config.settings import NAMED, Split, Terminal
from tippingpoint.core.strict import Component


class PolicySettings(Terminal):
    """What looking at policies takes, as `conf/policy_lint.yaml` lists it."""

    data: Component
    economics: Component
    split: Split = Split()
    model: Annotated[str | None, NAMED] = None
    """The registered version, or the run, whose score policies read."""
    seed: int = Field(default=0, ge=0, lt=2**32)


class LintSettings(PolicySettings):
    """One policy; `clusters` names two number columns for a check by K-means, or none."""

    policy: Component
    clusters: list[str] = Field(default=[], max_length=2)
    to: str = "clusters.png"
    """Where the picture of the clusters goes."""


class DiffSettings(PolicySettings):
    """Two policies: options of conf/policy, YAML files, or registered versions."""

    policy: dict[str, Any] | None = None
    """What some data bring along; not read: `policies` are compared."""

    policies: list[str] = []
    config_dir: str | None = None

    @field_validator("policies")
    @classmethod
    def _are_two(cls, policies: list[str]) -> list[str]:
        if len(policies) != 2:
            raise ValueError("two are compared. Type tippingpoint policy diff ONE OTHER.")
        return policies
